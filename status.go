package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"extdisco/internal/limit"
	"extdisco/internal/metrics"
	"extdisco/internal/probe"
	"extdisco/internal/web"
	"extdisco/xep0215"
)

const (
	// trialTTL is how long a credential lives with which the status page tries
	// the relays.
	trialTTL = 5 * time.Minute
	// webWait is how long a request over HTTP waits for a provider.
	webWait = 10 * time.Second
)

// webBackend shows a [daemon] and gives its credentials over HTTP. It implements
// [web.Backend].
type webBackend struct{ *daemon }

// Unready implements [web.Backend].
func (b webBackend) Unready(now time.Time) string {
	if l := b.watch.linkNow(); !l.up {
		if l.why.Problem == "" {
			return "there is no connection to the XMPP server"
		}
		return "there is no connection to the XMPP server: " + l.why.Problem + "; to do: " + l.why.Cure
	}
	if !b.offer.Load().hasSomething(now) {
		return "there is nothing to offer, since no provider has given anything"
	}
	return ""
}

// Gave implements [web.Backend].
func (b webBackend) Gave(endpoint, outcome string) { b.watch.metrics.Gave(endpoint, outcome) }

// Status implements [web.Backend].
func (b webBackend) Status(now time.Time) web.Status {
	o, l := b.offer.Load(), b.watch.linkNow()
	s := web.Status{
		Version: programVersion(), Started: b.watch.started, Now: now, Unready: b.Unready(now),
		Link:     web.Link{Up: l.up, Since: l.since, JID: o.cfg.component.jid, Server: o.cfg.component.server, Problem: l.why.Problem, Cure: l.why.Cure},
		Problems: b.watch.problems.latest(),
		Relays:   o.relays(), Checks: o.monitor != nil,
	}
	if l.why.Err != nil {
		s.Link.Error = l.why.Err.Error()
	}
	s.Config, s.Hour = b.watch.readingAndHour(now)
	for _, p := range o.providers() {
		status := p.status()
		shown := web.Provider{Name: p.cfg.name, Config: p.cfg.key, PerUser: p.perUser != nil, Asked: status.OK+status.Failed > 0}
		if status.Err != nil {
			shown.Error = status.Err.Error()
		}
		if set := p.current.Load(); set != nil {
			shown.OK, shown.Fetched, shown.Expires = set.isGood(now, p.cfg.minRemaining), set.Fetched, set.Expires
		}
		s.Providers = append(s.Providers, shown)
	}
	return s
}

// metricsState returns what the metrics show of the moment.
func (d *daemon) metricsState(now time.Time) metrics.State {
	o, l := d.offer.Load(), d.watch.linkNow()
	s := metrics.State{LinkUp: l.up, LinkSince: l.since, Ready: l.up && o.hasSomething(now)}
	for _, p := range o.providers() {
		status := p.status()
		shown := metrics.Provider{Name: p.cfg.name, Config: p.cfg.key, Fetched: status.OK, Failed: status.Failed}
		if set := p.current.Load(); set != nil {
			shown.At, shown.Expires, shown.NearExpiry = set.Fetched, set.Expires, set.IsNearExpiry(now)
		}
		s.Providers = append(s.Providers, shown)
	}
	for _, h := range o.checks() {
		if h.Checked.IsZero() {
			continue
		}
		s.Probes = append(s.Probes, metrics.Probe{
			Server: h.Server.URI(), Config: h.Where, Up: h.State == probe.Up, Misconfigured: h.State == probe.Misconfigured, Impaired: h.Impaired,
			Failures: h.Failures, RoundTrip: h.RoundTrip, Checked: h.Checked, NotAfter: h.NotAfter,
		})
	}
	return s
}

// checks returns what the continuous checks know, if there are any.
func (o *offer) checks() []probe.Health {
	if o.monitor == nil {
		return nil
	}
	return o.monitor.Snapshot()
}

// hasSomething reports whether there is something to offer at now. Of a provider
// that is asked for each requester that is hoped.
func (o *offer) hasSomething(now time.Time) bool {
	for _, s := range o.sources {
		if s.provider == nil || s.provider.perUser != nil || s.provider.current.Load().isGood(now, s.provider.cfg.minRemaining) {
			return true
		}
	}
	return false
}

func (o *offer) providers() []*provider {
	var providers []*provider
	for _, s := range o.sources {
		if s.provider != nil {
			providers = append(providers, s.provider)
		}
	}
	return providers
}

// relays returns the servers that are offered, with their health.
func (o *offer) relays() []web.Relay {
	health := map[xep0215.Key]probe.Health{}
	for _, h := range o.checks() {
		health[keyOf(h.Server)] = h
	}
	var relays []web.Relay
	for i, server := range o.cfg.iceServers {
		if p := o.sources[i].provider; p != nil {
			relays = append(relays, p.relays()...)
		}
		for _, s := range server.services {
			relays = append(relays, newRelay(s, server.credentialKind(s), health[s.Key()]))
		}
	}
	return relays
}

// relays returns the servers that the provider has given, which are the vendor's to
// watch.
func (p *provider) relays() []web.Relay {
	var relays []web.Relay
	if set := p.current.Load(); set != nil {
		for _, s := range set.services {
			relays = append(relays, web.Relay{URL: s.URI(), Credentials: "from " + p.cfg.name, Health: web.Unknown})
		}
	}
	return relays
}

func newRelay(s xep0215.Service, credentials string, h probe.Health) web.Relay {
	r := web.Relay{URL: s.URI(), Credentials: credentials, Health: web.Unknown, Checked: h.Checked}
	switch h.State {
	case probe.Unknown:
		if !h.Checked.IsZero() {
			r.Health = web.Undecided
		}
	case probe.Up:
		r.Health = web.Healthy
		if h.Impaired {
			r.Health = web.Impaired
		}
	case probe.Down:
		r.Health = web.Sick
	case probe.Misconfigured:
		r.Health = web.Refusing
	}
	var details []string
	if h.Failure != nil {
		details, r.Cure = append(details, h.Failure.Error()), h.Failure.Cure()
	} else if h.RoundTrip > 0 {
		details = append(details, "answers in "+milliseconds(h.RoundTrip))
	}
	if !h.NotAfter.IsZero() {
		details = append(details, "certificate good until "+h.NotAfter.UTC().Format(time.DateOnly))
	}
	r.Detail = strings.Join(details, "; ")
	return r
}

// credentialKind says what credentials a service of the server has.
func (s iceServer) credentialKind(service xep0215.Service) string {
	switch {
	case !service.Restricted:
		return "none needed"
	case s.sharedSecret.IsEmpty():
		return "a fixed account"
	}
	return fmt.Sprintf("made for each requester, good for %s", shortDuration(s.ttl))
}

// Credentials implements [web.Backend]. The user of a client is a requester like
// any other, and the client is its domain.
func (b webBackend) Credentials(ctx context.Context, client, user string, now time.Time) ([]web.ICEServer, error) {
	requester := []byte(client + "/" + user) // has a slash, as no bare JID has
	fetcher := requester
	if user == "" { // as in the feed: a provider is asked once for all of them
		requester, fetcher = anonymousAt([]byte(client)), []byte(client)
	}
	o := b.offer.Load()
	if over := o.limiter.Over(requester, []byte(client), now); over != limit.None {
		b.limited(over, requester)
		return nil, web.ErrLimited
	}
	b.wait(ctx, fetcher, now)
	return b.iceServers(o.groupsFor(fetcher, time.Now()), requester, "http", now)
}

// Trial implements [web.Backend].
func (b webBackend) Trial(ctx context.Context, now time.Time) ([]web.ICEServer, error) {
	fetcher := []byte("status page")
	b.wait(ctx, fetcher, now)
	o := b.offer.Load()
	var groups []*xep0215.Group
	for i, s := range o.cfg.iceServers {
		if p := o.sources[i].provider; p != nil {
			groups = append(groups, p.groups(fetcher, time.Now())...)
			continue
		}
		s.ttl = min(s.ttl, trialTTL)
		groups = append(groups, xep0215.NewGroup(newIssuer(s), s.services...))
	}
	return b.iceServers(groups, anonymousAt(fetcher), "status page", now)
}

// wait waits until the providers have had their chance.
func (b webBackend) wait(ctx context.Context, requester []byte, now time.Time) {
	ready := b.prepare(requester, now)
	if ready == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, webWait)
	defer cancel()
	select {
	case <-ready:
	case <-ctx.Done():
	}
}

// iceServers returns the groups with credentials of the requester.
func (b webBackend) iceServers(groups []*xep0215.Group, requester []byte, route string, now time.Time) ([]web.ICEServer, error) {
	audit := b.audit(route)
	var servers []web.ICEServer
	for _, g := range groups {
		services, credential := g.Services(requester, now)
		if credential != nil {
			audit(requester, credential)
		}
		for _, s := range rtcIceServers(services) {
			server := web.ICEServer{URLs: s.URLs, Username: s.Username, Credential: s.Credential}
			if s.Username != "" {
				server.Expires = credential.Expires
			}
			servers = append(servers, server)
		}
	}
	if len(servers) == 0 {
		return nil, web.ErrUnavailable
	}
	return servers, nil
}
