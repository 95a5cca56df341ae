package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// State is what is read at the moment when somebody asks for the metrics.
type State struct {
	LinkUp    bool
	LinkSince time.Time // when that became so
	Ready     bool      // the link is up and there is something to offer
	Providers []Provider
	Probes    []Probe
}

// Probe is what the continuous checks know of a server. One that was not tried yet
// is not among them.
type Probe struct {
	Server string // as in the configuration
	Config string // where it stands there

	Up            bool
	Misconfigured bool // it answers, and refuses our credentials
	Impaired      bool // it is up and somebody should look at it
	Failures      int  // in a row
	RoundTrip     time.Duration
	Checked       time.Time
	NotAfter      time.Time // of the certificate; zero without TLS
}

// Provider is the state of one provider.
type Provider struct {
	Name   string // of the vendor
	Config string // where it stands in the configuration, such as "ice_server[2]"

	Fetched, Failed uint64 // requests that ended well or not
	// When what it offers was fetched and when it expires; zero when it has
	// nothing, or fetches for each requester.
	At, Expires time.Time
	// NearExpiry is set when what it gave should have been renewed by now.
	NearExpiry bool
}

// stateCollector asks for the state. It implements [prometheus.Collector].
type stateCollector struct{ state func() State }

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(prefix+name, help, labels, nil)
}

var (
	linkUp    = desc("link_up", "Whether there is a connection to the XMPP server.")
	linkSince = desc("link_changed_timestamp_seconds", "When the connection to the XMPP server was made or lost.")
	ready     = desc("ready", "Whether there is a connection to the XMPP server and something to offer.")

	providerFetches = desc("provider_fetches_total", "Requests to a provider, by how they ended.", "provider", "config", "result")
	providerAt      = desc("provider_credential_fetched_timestamp_seconds", "When the credential was fetched that is given out.", "provider", "config")
	providerExpires = desc("provider_credential_expiry_timestamp_seconds", "When the credential expires that is given out.", "provider", "config")
	providerNear    = desc("provider_credential_near_expiry", "Whether the credential that is given out should have been renewed by now.", "provider", "config")

	probeUp        = desc("probe_up", "Whether a server works, as the continuous checks see it.", "server", "config")
	probeRefused   = desc("probe_credentials_refused", "Whether a server answers and refuses the credentials that are given out for it.", "server", "config")
	probeImpaired  = desc("probe_impaired", "Whether a server works and somebody should see to it all the same; the log says why.", "server", "config")
	probeFailures  = desc("probe_failures_in_a_row", "Checks of a server that have failed since the last one that did not.", "server", "config")
	probeRoundTrip = desc("probe_round_trip_seconds", "How long a server took to answer when it last did.", "server", "config")
	probeChecked   = desc("probe_last_timestamp_seconds", "When a server was checked last.", "server", "config")
	probeNotAfter  = desc("probe_certificate_expiry_timestamp_seconds", "When the certificate of a server expires.", "server", "config")
)

var descs = []*prometheus.Desc{linkUp, linkSince, ready, providerFetches, providerAt, providerExpires, providerNear,
	probeUp, probeRefused, probeImpaired, probeFailures, probeRoundTrip, probeChecked, probeNotAfter}

// Describe implements [prometheus.Collector].
func (c stateCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range descs {
		ch <- d
	}
}

// Collect implements [prometheus.Collector].
func (c stateCollector) Collect(ch chan<- prometheus.Metric) {
	s := c.state()
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	gauge(linkUp, number(s.LinkUp))
	gauge(ready, number(s.Ready))
	if !s.LinkSince.IsZero() {
		gauge(linkSince, unixSeconds(s.LinkSince))
	}
	for _, p := range s.Providers {
		ch <- prometheus.MustNewConstMetric(providerFetches, prometheus.CounterValue, float64(p.Fetched), p.Name, p.Config, "ok")
		ch <- prometheus.MustNewConstMetric(providerFetches, prometheus.CounterValue, float64(p.Failed), p.Name, p.Config, "failed")
		gauge(providerNear, number(p.NearExpiry), p.Name, p.Config)
		if !p.At.IsZero() {
			gauge(providerAt, unixSeconds(p.At), p.Name, p.Config)
			gauge(providerExpires, unixSeconds(p.Expires), p.Name, p.Config)
		}
	}
	for _, p := range s.Probes {
		gauge(probeUp, number(p.Up), p.Server, p.Config)
		gauge(probeRefused, number(p.Misconfigured), p.Server, p.Config)
		gauge(probeImpaired, number(p.Impaired), p.Server, p.Config)
		gauge(probeFailures, float64(p.Failures), p.Server, p.Config)
		gauge(probeChecked, unixSeconds(p.Checked), p.Server, p.Config)
		if p.RoundTrip > 0 {
			gauge(probeRoundTrip, p.RoundTrip.Seconds(), p.Server, p.Config)
		}
		if !p.NotAfter.IsZero() {
			gauge(probeNotAfter, unixSeconds(p.NotAfter), p.Server, p.Config)
		}
	}
}

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func unixSeconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }
