package daemon

import (
	"bytes"
	"context"
	"log/slog"
	"sync"
	"time"

	"mellium.im/xmpp/stanza"

	"extdisco/component"
	"extdisco/internal/limit"
	"extdisco/internal/metrics"
)

// gate decides who is answered. It implements [component.Gate].
type gate struct {
	offers   *offers
	metrics  *metrics.Metrics
	refusals *refusals
	log      *slog.Logger
	refused  refusalLog
}

// Made once, so that a refusal allocates nothing.
var (
	errNotAllowed error = stanza.Error{Type: stanza.Auth, Condition: stanza.Forbidden,
		Text: map[string]string{"en": "this address is not served here"}}
	errTooMany error = stanza.Error{Type: stanza.Wait, Condition: stanza.ResourceConstraint,
		Text: map[string]string{"en": "too many requests; ask again later"}}
)

// Admit implements [component.Gate]. The request is answered from the offer that is in
// force now, whatever comes in between.
func (g *gate) Admit(r *component.Request) error {
	o := g.offers.now()
	r.Value = o
	return g.admit(o, r.Requester, r.Now)
}

func (g *gate) admit(o *offer, requester []byte, now time.Time) error {
	if o.denied.Allows(requester) {
		g.refusals.add(domainOf(requester), inDeny, now)
		return errNotAllowed
	}
	if !o.access.Allows(requester) {
		g.refused.add(requester, now)
		g.refusals.add(domainOf(requester), notAllowed, now)
		return errNotAllowed
	}
	if over := o.limiter.Over(requester, domainOf(requester), now); over != limit.None {
		g.limited(over, requester, now)
		return errTooMany
	}
	return nil
}

// limited records that a request exceeded a limit.
func (g *gate) limited(over limit.Level, requester []byte, now time.Time) {
	g.refusals.add(domainOf(requester), refusalReason(over), now)
	g.metrics.Limited(int(over - limit.Key))
	if g.log.Enabled(context.Background(), slog.LevelDebug) {
		g.log.Debug("refused a request over the limit", "limit", limitNames[over], "requester", string(requester))
	}
}

// limitNames are the keys of [limits].
var limitNames = [...]string{limit.Key: "per_jid", limit.Group: "per_domain", limit.Total: "total"}

// domainOf returns the domain of a bare JID.
func domainOf(requester []byte) []byte {
	return requester[bytes.IndexByte(requester, '@')+1:]
}

// refusalLog logs requesters that are not served, at most once a minute: an
// administrator who forgot a domain must find out, and a stranger must not fill the
// log.
type refusalLog struct {
	log *slog.Logger

	mu    sync.Mutex
	next  time.Time
	count int
}

const refusalLogInterval = time.Minute

func (r *refusalLog) add(requester []byte, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.count++
	if now.Before(r.next) {
		return
	}
	r.log.Info("refused requesters that are not in access.allow; if they are your users, add their domain to it",
		"last_domain", string(domainOf(requester)), "refused", r.count)
	r.next, r.count = now.Add(refusalLogInterval), 0
}
