package component

import (
	"errors"
	"time"

	"mellium.im/xmpp/stanza"
)

// Observer is told what a component does, for metrics. It is called by the
// goroutine that answers, and must not block.
type Observer interface {
	// Answered is called once for each IQ of type get in a Handler's
	// namespace, when its reply has been made.
	Answered(a Answer)
	// LinkUp is called when the server has accepted the handshake.
	LinkUp(at time.Time)
	// LinkDown is called when a link that was up has ended. The zero Fault
	// means that we left.
	LinkDown(at time.Time, why Fault)
	// AttemptFailed is called when there was no link to begin with.
	AttemptFailed(at time.Time, why Fault)
}

// Answer is one request and how it was answered.
type Answer struct {
	NS    string // of the Handler
	Route Route
	Err   error         // nil for a result, a [stanza.Error] otherwise
	At    time.Time     // when the reply was made
	Took  time.Duration // since the request was read
}

// Route is the way that a request took to the component.
type Route uint8

// The routes.
const (
	RouteDirect    Route = iota // the requester asked the component itself
	RouteDelegated              // its server forwarded the request (XEP-0355)
)

// String returns a word for the route, for logs and metrics.
func (r Route) String() string {
	if r == RouteDelegated {
		return "delegated"
	}
	return "direct"
}

func routeOf(delegated bool) Route {
	if delegated {
		return RouteDelegated
	}
	return RouteDirect
}

// Fault is why there is no link, in words for an administrator.
type Fault struct {
	Problem string
	Cure    string
	Err     error
}

// noObserver is told and says nothing.
type noObserver struct{}

func (noObserver) Answered(Answer)                {}
func (noObserver) LinkUp(time.Time)               {}
func (noObserver) LinkDown(time.Time, Fault)      {}
func (noObserver) AttemptFailed(time.Time, Fault) {}

// observe tells the observer of the reply to a request that was read at now.
func (r *responder) observe(ns string, delegated bool, err error, now time.Time) {
	a := Answer{NS: ns, Route: routeOf(delegated), Err: sentAs(err)}
	if r.last { // now is when its wait was over
		now = r.since
	}
	a.Took = r.clock.since(now)
	a.At = now.Add(a.Took)
	r.c.cfg.Observer.Answered(a)
}

// clock tells how long ago the bytes were read that are being answered. It looks
// at the time once for a few answers: for each it would cost as much as reading a
// request does.
type clock struct {
	read time.Time
	ago  time.Duration
	used int
}

const clockUses = 8

func (c *clock) since(read time.Time) time.Duration {
	if c.read != read || c.used == clockUses {
		*c = clock{read: read, ago: time.Since(read)}
	}
	c.used++
	return c.ago
}

// sentAs returns the error as the requester gets it.
func sentAs(err error) error {
	if _, ok := err.(stanza.Error); ok || err == nil {
		return err
	}
	var e stanza.Error
	if !errors.As(err, &e) {
		e = stanzaError(stanza.Wait, stanza.InternalServerError, "")
	}
	return e
}
