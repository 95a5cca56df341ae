package daemon

import (
	"time"

	"mellium.im/xmpp/stanza"

	"extdisco/component"
)

// observer passes on the events of a link. It implements [component.Observer].
type observer struct {
	link    *link
	state   *state
	manager *serviceManager
}

// Answered implements [component.Observer].
func (o observer) Answered(a component.Answers) {
	outcome := "result"
	if e, ok := a.Err.(stanza.Error); ok {
		outcome = string(e.Condition)
	}
	o.state.metrics.Answered(a.Count, a.NS, a.Route == component.RouteDelegated, outcome, a.Took)
	o.state.answered(a.Count, a.At, outcome)
	o.link.counts.Answers.Add(uint64(a.Count))
	o.link.asked.Store(true)
}

// LinkUp implements [component.Observer].
func (o observer) LinkUp(at time.Time) {
	o.link.counts.Connects.Add(1)
	o.link.set(linkState{up: true, since: at})
	o.tell()
}

// LinkDown implements [component.Observer].
func (o observer) LinkDown(at time.Time, why component.Fault) {
	o.link.counts.Disconnects.Add(1)
	o.link.set(linkState{since: at, why: why})
	o.tell()
}

// HostsChanged implements [component.Observer].
func (o observer) HostsChanged([]component.HostState) { o.tell() }

// AttemptFailed implements [component.Observer].
func (o observer) AttemptFailed(_ time.Time, why component.Fault) {
	if !why.Standby {
		o.link.counts.FailedAttempts.Add(1)
	}
	o.link.failed(why)
	o.tell()
}

// tell tells the service manager how the links are.
func (o observer) tell() { o.manager.status(o.state.links.status) }
