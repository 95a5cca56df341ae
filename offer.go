package main

import (
	"time"

	"mellium.im/xmpp/stanza"

	"extdisco/component"
	"extdisco/limit"
	"extdisco/turncred"
	"extdisco/xep0215"
)

// offer is what a configuration says to whom: what is offered, who is served
// and how often. A reload puts another offer in its place.
type offer struct {
	access  *component.Access
	limits  limitsConfig
	limiter *limit.Limiter
	groups  []*xep0215.Group
}

// newOffer returns the offer of a configuration. What previous has counted goes
// on counting where the limits are the same; previous may be nil.
func newOffer(cfg *config, previous *offer, now time.Time) *offer {
	o := &offer{access: component.NewAccess(cfg.allow), limits: cfg.limits}
	if previous != nil && previous.limits == cfg.limits {
		o.limiter = previous.limiter
	} else {
		o.limiter = limit.New(cfg.limits.perJID, cfg.limits.total, now)
	}
	for _, s := range cfg.iceServers {
		o.groups = append(o.groups, xep0215.NewGroup(newIssuer(s), s.services...))
	}
	return o
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

var (
	errNotAllowed = stanza.Error{Type: stanza.Auth, Condition: stanza.Forbidden,
		Text: map[string]string{"en": "this address is not served here"}}
	errTooMany = stanza.Error{Type: stanza.Wait, Condition: stanza.ResourceConstraint,
		Text: map[string]string{"en": "too many requests; ask again later"}}
)
