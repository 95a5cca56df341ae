package relay

import (
	"net/netip"
	"time"

	"extdisco/internal/limit"
)

const (
	// answersPerSource bounds answers within answersPer to requests without a valid
	// credential, for one IPv4 address or IPv6 /64. A browser needs some ten at the
	// begin of a call, and a whole school may be behind one address: so all may be
	// asked for at once.
	answersPerSource = 1000
	answersPer       = 10 * time.Second
	answersTotal     = 20_000 // a second
	// verifiesTotal bounds the signatures that are checked each second for sources
	// that are over their bound, among whom may be honest neighbours.
	verifiesTotal = 2000
)

// enter counts a connection, if one more may come from the source.
func (r *Relay) enter(source netip.Addr) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.draining:
		r.refused.add(draining)
		return false
	case r.connections >= r.cfg.Limits.Connections:
		r.refused.add(overConnections)
		r.say.reached("limits.connections", "connections", r.cfg.Limits.Connections)
		return false
	case r.perSource[source] >= r.cfg.Limits.ConnectionsPerSource:
		r.refused.add(overSource)
		r.say.reached("limits.connections_per_source", "source", source, "connections", r.cfg.Limits.ConnectionsPerSource)
		return false
	}
	r.connections++
	r.perSource[source]++
	return true
}

func (r *Relay) exit(source netip.Addr) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.connections--
	if r.perSource[source]--; r.perSource[source] == 0 {
		delete(r.perSource, source)
	}
}

// mayAnswer counts an answer to somebody who has not proved anything.
func (r *Relay) mayAnswer(client netip.AddrPort) bool {
	source := sourceOf(client.Addr()).As16()
	if level := r.answers.Over(source[:], nil, r.now()); level != limit.None {
		r.refused.add(unauthenticated)
		if level == limit.Total {
			r.say.warn("too many requests without a credential; some stay unanswered", "answers_per_second", answersTotal)
		}
		return false
	}
	return true
}

// isNoisy reports whether a source has used up its answers.
func (r *Relay) isNoisy(client netip.AddrPort) bool {
	source := sourceOf(client.Addr()).As16()
	return r.answers.IsOver(source[:], r.now())
}
