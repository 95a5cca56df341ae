package component

import (
	"errors"
	"time"

	"mellium.im/xmpp/stanza"
)

// Observer receives the events of a component, for metrics and status. It is called
// by the goroutine that answers, and must not block.
type Observer interface {
	// Answered is called for each IQ of type get in a Handler's namespace when its
	// reply is about to be sent; similar ones in a row are combined into one call.
	Answered(a Answers)
	// LinkUp is called when the server has accepted the handshake.
	LinkUp(at time.Time)
	// LinkDown is called when a link that was up has ended. The zero Fault
	// means that we left.
	LinkDown(at time.Time, why Fault)
	// AttemptFailed is called when an attempt to connect has failed.
	AttemptFailed(at time.Time, why Fault)
	// HostsChanged is called with the state of all hosts when one begins to bring
	// us requests, and ten seconds after connecting if some have not; see
	// [Component.Hosts]. A link that goes up or down makes all of them silent.
	HostsChanged(hosts []HostState)
}

// Answers are requests that were read together and got the same kind of reply; the
// replies are sent together.
type Answers struct {
	Count int    // at least 1
	NS    string // of the Handler
	Route Route
	Err   error         // nil for results, a [stanza.Error] otherwise
	At    time.Time     // when the replies are sent
	Took  time.Duration // since the requests were read
}

// Route is how a request reached the component.
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
	// Standby is set when there is no link because the server has another connection
	// for the component's address. This one waits for it to end.
	Standby bool
}

// noObserver ignores everything.
type noObserver struct{}

func (noObserver) Answered(Answers)               {}
func (noObserver) LinkUp(time.Time)               {}
func (noObserver) LinkDown(time.Time, Fault)      {}
func (noObserver) AttemptFailed(time.Time, Fault) {}
func (noObserver) HostsChanged([]HostState)       {}

// answerRun is a run of similar answers. Reporting each one separately would cost as
// much as reading a request.
type answerRun struct {
	count int
	ns    string
	route Route
	err   error
	read  time.Time // when the requests were read
}

// observe notes the reply to a request that was read at the given instant. tellRun
// reports it to the observer later.
func (r *responder) observe(ns string, route Route, err error, read time.Time) {
	if r.last { // the request was read earlier, and has waited since
		read = r.since
	}
	run := &r.run
	// Errors are not combined: not all of them can be compared.
	if err == nil && run.err == nil && run.ns == ns && run.route == route && run.read == read {
		run.count++
		return
	}
	r.tellRun()
	*run = answerRun{1, ns, route, sentAs(err), read}
}

// tellRun reports the answers that have not been reported yet.
func (r *responder) tellRun() {
	run := &r.run
	if run.count == 0 {
		return
	}
	took := time.Since(run.read)
	r.c.cfg.Observer.Answered(Answers{run.count, run.ns, run.route, run.err, run.read.Add(took), took})
	*run = answerRun{}
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
