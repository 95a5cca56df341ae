package metrics

import "time"

// State is what is read at the moment when somebody asks for the metrics.
type State struct {
	Links     []Link
	Ready     bool // a link is up and there is something to offer
	LostTURN  bool // no TURN server is on offer although the configuration has some
	Hosts     []Host
	Providers []Provider
	Probes    []Probe
	Rotations []Rotation
	Relay     *Relay // nil where no relay is meant to run in this process
}

// Host is a host whose users' requests the XMPP server should forward. One of which
// that is not known yet is not among them.
type Host struct {
	Name     string
	Link     string // its name
	Forwards bool
}

// Probe is what the continuous checks know of a server. One that was not tried yet
// is not among them.
type Probe struct {
	Server string // as in the configuration
	Config string // where it stands there

	Up            bool
	Misconfigured bool // it answers, and refuses our credentials
	Impaired      bool // it is up but needs attention
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

// Rotation is the state of a shared secret that rotates by itself.
type Rotation struct {
	Config  string    // where it stands in the configuration
	Rotated time.Time // when the newest secret was made; zero while none is known
	Due     time.Time // when the next one is due; zero while none is known
	Up      bool      // the database answered last
}

func (s State) write(t *text) {
	writeLinks(t, s.Links)
	t.single(prefix+"ready", gauge, "Whether requests can be answered: connected, asked by the XMPP server, and with something to offer. Without a link, whether the relay runs.", number(s.Ready))
	t.single(prefix+"turn_lost", gauge, "Whether no TURN server is available although some are configured.", number(s.LostTURN))
	each(t, s.Hosts, "host_forwarding", gauge, "Whether a host forwards the requests of its users.", func(h Host) (float64, bool) { return number(h.Forwards), true })
	s.writeProviders(t)
	s.writeProbes(t)
	each(t, s.Rotations, "secret_database_up", gauge, "Whether coturn's database, where the shared secret rotates, answered when it was last asked.", func(r Rotation) (float64, bool) { return number(r.Up), true })
	each(t, s.Rotations, "secret_rotated_timestamp_seconds", gauge, "When the newest shared secret was made.", func(r Rotation) (float64, bool) { return unixSeconds(r.Rotated), !r.Rotated.IsZero() })
	each(t, s.Rotations, "secret_rotation_due_timestamp_seconds", gauge, "When the next shared secret is due.", func(r Rotation) (float64, bool) { return unixSeconds(r.Due), !r.Due.IsZero() })
	if s.Relay != nil {
		s.Relay.write(t)
	}
}

// labelled is what a metric has a sample for each of.
type labelled interface{ labels() []string }

// each writes a metric with a sample for each of the list that has a value.
func each[T labelled](t *text, list []T, name, kind, help string, value func(T) (float64, bool)) {
	begun := false
	for _, item := range list {
		v, ok := value(item)
		if !ok {
			continue
		}
		if !begun {
			t.family(prefix+name, kind, help)
			begun = true
		}
		t.sample(prefix+name, v, item.labels()...)
	}
}

func (r Rotation) labels() []string { return []string{"config", r.Config} }
func (h Host) labels() []string     { return []string{"host", h.Name, "link", h.Link} }
func (p Provider) labels() []string { return []string{"config", p.Config, "provider", p.Name} }
func (p Probe) labels() []string    { return []string{"config", p.Config, "server", p.Server} }

func (s State) writeProviders(t *text) {
	if len(s.Providers) > 0 {
		t.family(prefix+"provider_fetches_total", counter, "Requests to a provider, by their result.")
	}
	for _, p := range s.Providers {
		t.sample(prefix+"provider_fetches_total", float64(p.Failed), append(p.labels(), "result", "failed")...)
		t.sample(prefix+"provider_fetches_total", float64(p.Fetched), append(p.labels(), "result", "ok")...)
	}
	each(t, s.Providers, "provider_credential_fetched_timestamp_seconds", gauge, "When the credential that is given out was fetched.", func(p Provider) (float64, bool) { return unixSeconds(p.At), !p.At.IsZero() })
	each(t, s.Providers, "provider_credential_expiry_timestamp_seconds", gauge, "When the credential that is given out expires.", func(p Provider) (float64, bool) { return unixSeconds(p.Expires), !p.At.IsZero() })
	each(t, s.Providers, "provider_credential_near_expiry", gauge, "Whether the credential that is given out should have been renewed by now.", func(p Provider) (float64, bool) { return number(p.NearExpiry), true })
}

func (s State) writeProbes(t *text) {
	write := func(name, help string, value func(Probe) (float64, bool)) {
		each(t, s.Probes, "probe_"+name, gauge, help, value)
	}
	write("up", "Whether a server works, according to the continuous checks.", func(p Probe) (float64, bool) { return number(p.Up), true })
	write("credentials_refused", "Whether a server answers but refuses the credentials issued for it.", func(p Probe) (float64, bool) { return number(p.Misconfigured), true })
	write("impaired", "Whether a server works but needs attention; the log says why.", func(p Probe) (float64, bool) { return number(p.Impaired), true })
	write("failures_in_a_row", "Checks of a server that failed since the last one that succeeded.", func(p Probe) (float64, bool) { return float64(p.Failures), true })
	write("last_timestamp_seconds", "When a server was last checked.", func(p Probe) (float64, bool) { return unixSeconds(p.Checked), true })
	write("round_trip_seconds", "How long a server took to answer when it last did.", func(p Probe) (float64, bool) { return p.RoundTrip.Seconds(), p.RoundTrip > 0 })
	write("certificate_expiry_timestamp_seconds", "When the certificate of a server expires.", func(p Probe) (float64, bool) { return unixSeconds(p.NotAfter), !p.NotAfter.IsZero() })
}

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func unixSeconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }
