package daemon

import (
	"strings"
	"time"

	"extdisco/component"
	"extdisco/internal/metrics"
	"extdisco/internal/probe"
	"extdisco/internal/source"
	"extdisco/internal/web"
	"extdisco/xep0215"
)

// Unready returns why requests cannot be answered at present, and what to do; or
// nothing when they can.
func (s *state) Unready(now time.Time) string {
	if !s.offers.now().cfg.Component.IsSet() {
		if _, runs := s.relay.snapshot(); !runs {
			return "the relay is off; to do: see the log"
		}
		return ""
	}
	if l := s.linkNow(); !l.up {
		if l.why.Problem == "" {
			return "not connected to the XMPP server"
		}
		return "not connected to the XMPP server: " + l.why.Problem + "; to do: " + l.why.Cure
	}
	if why := silence(s.hostsNow()); why != "" && !s.wasAsked() {
		return "connected, but " + why + "; to do: see the log"
	}
	if !s.offers.now().hasSomething(now) {
		return "nothing to offer: no provider has given any credentials"
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

// webHosts returns the hosts as the page shows them.
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
	o, l := s.offers.now(), s.linkNow()
	c := o.cfg.Component
	out := web.Status{
		Version: s.version, Started: s.started, Now: now, Unready: s.Unready(now),
		Link:     web.Link{Absent: !c.IsSet(), Up: l.up, Since: l.since, JID: c.JID, Server: c.Server, Problem: l.why.Problem, Cure: l.why.Cure},
		Problems: s.problems.latest(), Checks: o.health != nil,
		Hosts: webHosts(s.hostsNow(), l.since), LostTURN: s.lostTURN(), Refused: s.refusals.latest(), Relay: s.relay.forPage(),
	}
	if l.why.Err != nil {
		out.Link.Error = l.why.Err.Error()
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
	o, l := s.offers.now(), s.linkNow()
	out := metrics.State{LinkUp: l.up, LinkSince: l.since, Ready: s.Unready(now) == "", LostTURN: !s.lostTURN().IsZero(), Relay: s.relay.forMetrics()}
	for _, h := range webHosts(s.hostsNow(), l.since) {
		if !h.Since.IsZero() {
			out.Hosts = append(out.Hosts, metrics.Host{Name: h.Name, Forwards: h.Forwards})
		}
	}
	for _, src := range o.sources {
		status := src.Status(now)
		if p := status.Provider; p != nil {
			out.Providers = append(out.Providers, metrics.Provider{
				Name: p.Name, Config: status.Key, Fetched: p.Succeeded, Failed: p.Failed,
				At: p.Fetched, Expires: p.Expires, NearExpiry: p.NearExpiry,
			})
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
