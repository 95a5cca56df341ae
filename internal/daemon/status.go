package daemon

import (
	"strings"
	"time"

	"extdisco/component"
	"extdisco/internal/metrics"
	"extdisco/internal/probe"
	"extdisco/internal/rotation"
	"extdisco/internal/source"
	"extdisco/internal/web"
	"extdisco/xep0215"
)

// Unready returns why requests cannot be answered at present, and what to do; or
// nothing when they can. An instance that stands by is ready, to take over.
func (s *state) Unready(now time.Time) string {
	if len(s.offers.now().cfg.Components) == 0 {
		if _, runs := s.relay.snapshot(); !runs {
			return "the relay is off; to do: see the log"
		}
		return ""
	}
	if why := s.links.unready(); why != "" {
		return why
	}
	if !s.offers.now().hasSomething(now) {
		return "nothing to offer: no provider has given any credentials, and no database a secret"
	}
	return ""
}

// silence says that no host forwards requests, once that is known of all; or nothing.
func silence(hosts []component.HostState) string {
	var names []string
	for _, h := range hosts {
		if h.Route != component.HostSilent || !h.Overdue {
			return ""
		}
		names = append(names, h.Host)
	}
	if len(names) == 0 {
		return ""
	}
	return "no host forwards requests: " + strings.Join(names, ", ")
}

// webLinks returns the links as the page shows them.
func webLinks(all []*link) []web.Link {
	var out []web.Link
	for _, l := range all {
		cfg, state, _ := l.now()
		shown := web.Link{
			Name: cfg.Name, Up: state.up, Standby: state.why.Standby, Since: state.since, JID: cfg.JID, Server: cfg.Server,
			Problem: state.why.Problem, Cure: state.why.Cure, Hosts: webHosts(l.hosts(), state.since),
		}
		if state.why.Err != nil {
			shown.Error = state.why.Err.Error()
		}
		out = append(out, shown)
	}
	return out
}

// webHosts returns the hosts of a link as the page shows them.
func webHosts(hosts []component.HostState, linkSince time.Time) []web.Host {
	var out []web.Host
	for _, h := range hosts {
		shown := web.Host{Name: h.Host}
		switch {
		case h.Route != component.HostSilent:
			shown.Forwards, shown.How, shown.Since = true, h.Route.String(), h.Since
		case h.Overdue:
			shown.Since = linkSince
			shown.Cure = "Prosody: the bridge module on our Component, or mod_delegation on this host and on the Component; ejabberd: mod_delegation and its access rule"
		}
		out = append(out, shown)
	}
	return out
}

// Status returns what the status page shows.
func (s *state) Status(now time.Time) web.Status {
	o := s.offers.now()
	out := web.Status{
		Version: s.version, Started: s.started, Now: now, Unready: s.Unready(now),
		Links:    webLinks(s.links.all()),
		Problems: s.problems.latest(), Checks: o.health != nil,
		LostTURN: s.lostTURN(), Refused: s.refusals.latest(), Relay: s.relay.forPage(o.cfg.Relay.On),
	}
	out.Config, out.Hour = s.readingAndHour(now)
	health := map[xep0215.Key]probe.Health{}
	for _, h := range o.health.snapshot() {
		health[keyOf(h.Server)] = h
	}
	for _, src := range o.sources {
		status := src.Status(now)
		if p := status.Provider; p != nil {
			out.Providers = append(out.Providers, web.Provider{
				Name: p.Name, Config: status.Key, PerUser: p.PerUser, Asked: p.Succeeded+p.Failed > 0, Error: p.Error,
				OK: p.Good, Fetched: p.Fetched, Expires: p.Expires,
			})
		}
		if r, rotates := s.rotation(o, status.Key); rotates {
			out.Rotations = append(out.Rotations, webRotation(status.Key, r, now))
		}
		for _, service := range status.Services {
			h := probe.Health{}
			if status.Provider == nil {
				h = health[service.Key]
			}
			out.Relays = append(out.Relays, newRelay(service, h))
		}
	}
	return out
}

// forMetrics returns what the metrics show of the moment.
func (s *state) forMetrics(now time.Time) metrics.State {
	o := s.offers.now()
	out := metrics.State{LostTURN: !s.lostTURN().IsZero(), Relay: s.relay.forMetrics(o.cfg.Relay.On)}
	waits := len(s.links.all()) > 0 // all links stand by
	for _, l := range s.links.all() {
		cfg, state, _ := l.now()
		waits = waits && state.why.Standby
		out.Links = append(out.Links, metrics.Link{Name: cfg.Name, Up: state.up, Standby: state.why.Standby, Since: state.since, Counts: l.counts})
		for _, h := range webHosts(l.hosts(), state.since) {
			if !h.Since.IsZero() {
				out.Hosts = append(out.Hosts, metrics.Host{Name: h.Name, Link: cfg.Name, Forwards: h.Forwards})
			}
		}
	}
	out.Ready = !waits && s.Unready(now) == ""
	for _, src := range o.sources {
		status := src.Status(now)
		if p := status.Provider; p != nil {
			out.Providers = append(out.Providers, metrics.Provider{
				Name: p.Name, Config: status.Key, Fetched: p.Succeeded, Failed: p.Failed,
				At: p.Fetched, Expires: p.Expires, NearExpiry: p.NearExpiry,
			})
		}
	}
	for _, server := range o.servers {
		if r, rotates := s.rotation(o, server.Key); rotates {
			out.Rotations = append(out.Rotations, metrics.Rotation{Config: server.Key, Rotated: r.Rotated, Due: r.Next, Up: r.Err == nil && !r.Looked.IsZero()})
		}
	}
	for _, h := range o.health.snapshot() {
		if h.Checked.IsZero() {
			continue
		}
		out.Probes = append(out.Probes, metrics.Probe{
			Server: h.Server.URI(), Config: h.Where, Up: h.State == probe.Up, Misconfigured: h.State == probe.Misconfigured, Impaired: h.Impaired,
			Failures: h.Failures, RoundTrip: h.RoundTrip, Checked: h.Checked, NotAfter: h.NotAfter,
		})
	}
	return out
}

// rotation returns how the rotation of a server is doing; false where there is none.
func (s *state) rotation(o *offer, key string) (rotation.Status, bool) {
	for _, server := range o.servers {
		if server.Key == key && server.Rotation != nil {
			return s.rotated.status(*server.Rotation)
		}
	}
	return rotation.Status{}, false
}

func webRotation(key string, s rotation.Status, now time.Time) web.Rotation {
	out := web.Rotation{Config: key, Kind: s.Kind, Realm: s.Realm, Rotated: s.Rotated, Next: s.Next, Waiting: s.Waiting, Looked: s.Looked, Note: s.Note}
	switch {
	case s.Err != nil:
		out.Error, out.Cure = s.Err.Error(), rotation.Cure
	case !s.Looked.IsZero() && !s.Next.IsZero() && now.After(s.Next.Add(time.Hour)):
		out.Note = "the next secret is overdue"
	}
	return out
}

func newRelay(s source.Service, h probe.Health) web.Relay {
	r := web.Relay{URL: s.URI, Credentials: s.Credentials, Health: web.Unknown, Checked: h.Checked}
	switch {
	case h.State == probe.Down:
		r.Health = web.Sick
	case h.State == probe.Misconfigured:
		r.Health = web.Refusing
	case h.State == probe.Up && h.Impaired:
		r.Health = web.Impaired
	case h.State == probe.Undecided:
		r.Health, r.Failures = web.Undecided, h.Failures
	case h.State == probe.Up:
		r.Health = web.Healthy
	}
	var details []string
	if h.Failure != nil {
		details, r.Cure = append(details, h.Failure.Error()), h.Failure.Cure()
	} else if h.RoundTrip > 0 {
		details = append(details, "answers in "+probe.FormatRoundTrip(h.RoundTrip))
	}
	if !h.NotAfter.IsZero() {
		details = append(details, "certificate valid until "+h.NotAfter.UTC().Format(time.DateOnly))
	}
	r.Detail = strings.Join(details, "; ")
	return r
}
