package daemon

import (
	"time"

	"mellium.im/xmpp/stanza"

	"extdisco/component"
)

// observer passes on the component's events. It implements [component.Observer].
type observer struct {
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
}

// LinkUp implements [component.Observer].
func (o observer) LinkUp(at time.Time) {
	o.manager.connected()
	o.state.metrics.LinkUp()
	o.state.setLink(linkState{up: true, since: at})
}

// LinkDown implements [component.Observer].
func (o observer) LinkDown(at time.Time, why component.Fault) {
	o.manager.notConnected(why)
	o.state.metrics.LinkDown()
	o.state.setLink(linkState{since: at, why: why})
}

// HostsChanged implements [component.Observer].
func (o observer) HostsChanged(hosts []component.HostState) {
	if why := silence(hosts); why != "" {
		o.manager.status("connected, but " + why)
		return
	}
	o.manager.connected()
}

// AttemptFailed implements [component.Observer].
func (o observer) AttemptFailed(_ time.Time, why component.Fault) {
	o.manager.notConnected(why)
	o.state.metrics.AttemptFailed()
	o.state.linkFailed(why)
}
