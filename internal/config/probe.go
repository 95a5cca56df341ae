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

// readProbe reads the table. Its presence turns the checks on.
func readProbe(root *configTable) probeConfig {
	t := root.table("probe")
	defer t.unknown()
	c := probeConfig{
		on:            root.has("probe"),
		interval:      t.duration("interval", 30*time.Second),
		timeout:       t.duration("timeout", 3*time.Second),
		hideUnhealthy: t.bool("hide_unhealthy"),
		rootCAs:       readCAFile(t),
	}
	c.allocateInterval = t.duration("allocate_interval", max(5*time.Minute, c.interval))
	if c.allocateInterval < c.interval {
		t.fault("allocate_interval", "%s is shorter than interval, %s; write at least as much", shortDuration(c.allocateInterval), shortDuration(c.interval))
	}
	return c
}
