package config

import (
	"crypto/x509"
	"time"
)

// Probe is [probe]: the continuous checks of the servers.
type Probe struct {
	On               bool           // whether there is a [probe]
	Interval         time.Duration  // between two STUN requests; default: 30s
	AllocateInterval time.Duration  // between two allocations; default: 5m, or Interval where that is longer
	Timeout          time.Duration  // of one check; default: 3s
	HideUnhealthy    bool           // whether servers that are down are left out; default: false
	RootCAs          *x509.CertPool // the system's and ca_file; nil means the system's
}

// readProbe reads the table. Its presence turns the checks on.
func readProbe(root *table) Probe {
	t := root.table("probe")
	defer t.unknown()
	c := Probe{
		On:            root.has("probe"),
		Interval:      t.duration("interval", 30*time.Second),
		Timeout:       t.duration("timeout", 3*time.Second),
		HideUnhealthy: t.bool("hide_unhealthy"),
		RootCAs:       readCAFile(t),
	}
	c.AllocateInterval = t.duration("allocate_interval", max(5*time.Minute, c.Interval))
	if c.AllocateInterval < c.Interval {
		t.fault("allocate_interval", "is shorter than interval, which is %s; write at least as much", FormatDuration(c.Interval))
	}
	return c
}
