package main

import (
	"log/slog"
	"sync/atomic"
	"time"

	"mellium.im/xmpp/stanza"

	"extdisco/component"
	"extdisco/internal/limit"
	"extdisco/internal/probe"
	"extdisco/turncred"
	"extdisco/xep0215"
)

// offer is what a configuration says to whom: what is offered, who is served
// and how often. A reload puts another offer in its place.
type offer struct {
	access  *component.Access
	limits  limitsConfig
	limiter *limit.Limiter
	sources []source
	shown   atomic.Pointer[shownGroups]
	monitor *probe.Monitor // nil without [probe]

	cfg        *config
	pseudonyms *turncred.Pseudonyms // for audit lines of credentials that have none
}

// source is an [[ice_server]]: the group of all its services, or a provider.
type source struct {
	group    *xep0215.Group
	provider *provider
}

// newOffer returns the offer of a configuration. What previous has counted goes
// on counting where the limits are the same, and its providers stay where they
// are the same; previous may be nil.
func newOffer(cfg *config, previous *offer, log *slog.Logger, now time.Time) *offer {
	o := &offer{access: component.NewAccess(cfg.allow), limits: cfg.limits, cfg: cfg, pseudonyms: linkPseudonyms(cfg)}
	if previous != nil && previous.limits == cfg.limits {
		o.limiter = previous.limiter
	} else {
		o.limiter = limit.New(limit.Rates{Key: cfg.limits.perJID, Group: cfg.limits.perDomain, Total: cfg.limits.total}, now)
	}
	for _, s := range cfg.iceServers {
		if s.provider == nil {
			o.sources = append(o.sources, source{group: xep0215.NewGroup(newIssuer(s), s.services...)})
			continue
		}
		p := previous.provider(s.provider)
		switch {
		case p == nil:
			p = startProvider(s.provider, log, now)
		case !p.hasAnything(): // a reload asks again at once; a fetch that is running goes on
			p.refresher.AskNow()
		}
		o.sources = append(o.sources, source{provider: p})
	}
	o.show(nil)
	if cfg.probe.on {
		o.monitor = o.newMonitor(cfg, previous, log)
		o.hideUnhealthy(cfg.probe, o.monitor.Snapshot())
		o.monitor.Start()
	}
	return o
}

// provider returns the provider that runs with this configuration, or nil.
func (o *offer) provider(cfg *providerConfig) *provider {
	if o == nil {
		return nil
	}
	for _, s := range o.sources {
		if s.provider != nil && s.provider.cfg.fingerprint == cfg.fingerprint {
			return s.provider
		}
	}
	return nil
}

// groupsFor returns what is on offer for the requester at now.
func (o *offer) groupsFor(requester []byte, now time.Time) []*xep0215.Group {
	shown := o.shown.Load()
	if shown.fixed != nil {
		return shown.fixed
	}
	groups := make([]*xep0215.Group, 0, len(o.sources))
	for i, s := range o.sources {
		if s.provider != nil {
			groups = append(groups, s.provider.groups(requester, now)...)
		} else {
			groups = append(groups, shown.bySource[i])
		}
	}
	return groups
}

// prepare returns the channels that are closed when the providers have had their
// chance; none when groupsFor can be asked at once.
func (o *offer) prepare(requester []byte, now time.Time) []<-chan struct{} {
	var open []<-chan struct{}
	for _, s := range o.sources {
		if s.provider == nil {
			continue
		}
		if c := s.provider.prepare(requester, now); c != nil {
			open = append(open, c)
		}
	}
	return open
}

// close ends the checks, and the providers that next does not use. When there is no next, they
// take back what they gave if they are configured so.
func (o *offer) close(next *offer) {
	if o.monitor != nil {
		o.monitor.Close()
	}
	for _, s := range o.sources {
		if s.provider != nil && next.provider(s.provider.cfg) != s.provider {
			s.provider.close(next == nil)
		}
	}
}

// newIssuer returns what makes the credentials of a server, or nil.
func newIssuer(s iceServer) xep0215.Issuer {
	switch {
	case !s.sharedSecret.IsEmpty():
		return issuer{turncred.NewSharedSecret(s.sharedSecret, s.pseudonymKey, s.ttl)}
	case s.username != "":
		return issuer{turncred.NewStatic(s.username, s.password)}
	}
	return nil
}

// issuer makes an [xep0215.Issuer] of an issuer of package turncred, which knows
// nothing of XEP-0215.
type issuer struct {
	credentials interface {
		Issue(c *turncred.Credential, requester []byte, now time.Time)
	}
}

// Issue implements [xep0215.Issuer].
func (i issuer) Issue(c *xep0215.Credential, requester []byte, now time.Time) error {
	i.credentials.Issue((*turncred.Credential)(c), requester, now)
	return nil
}

// Made once, so that a refusal costs nothing.
var (
	errNotAllowed error = stanza.Error{Type: stanza.Auth, Condition: stanza.Forbidden,
		Text: map[string]string{"en": "this address is not served here"}}
	errTooMany error = stanza.Error{Type: stanza.Wait, Condition: stanza.ResourceConstraint,
		Text: map[string]string{"en": "too many requests; ask again later"}}
)
