package main

import (
	"crypto/x509"
	"time"
)

// probeConfig is [probe]: the continuous checks of the servers.
type probeConfig struct {
	on               bool
	interval         time.Duration
	allocateInterval time.Duration
	timeout          time.Duration
	hideUnhealthy    bool
	rootCAs          *x509.CertPool
}

func readProbe(root *configTable) probeConfig {
	t := root.table("probe")
	defer t.unknown()
	c := probeConfig{
		on:               root.has("probe"),
		interval:         t.duration("interval", 30*time.Second),
		allocateInterval: t.duration("allocate_interval", 5*time.Minute),
		timeout:          t.duration("timeout", 3*time.Second),
		hideUnhealthy:    t.bool("hide_unhealthy"),
		rootCAs:          readCAFile(t),
	}
	if c.allocateInterval < c.interval {
		t.fault("allocate_interval", "%v is shorter than interval, %v; write at least as much", c.allocateInterval, c.interval)
	}
	return c
}
