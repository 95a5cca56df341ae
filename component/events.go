package component

import (
	"context"
	"log/slog"
	"strings"
)

// linkEvents is what one link has seen and told. What strangers can cause is
// told at most once a link, so that nobody can fill the log.
type linkEvents struct {
	log   *slog.Logger
	hosts []string

	pingTarget      string // a host of the server that is known to be there
	toldUntrusted   bool
	toldDirect      bool
	toldDelegated   bool
	toldDelegations map[string]bool
	toldFed         map[string]bool // by host
	toldBroken      bool
}

// broken tells of a fault of ours. Requests can cause it, so that only the first
// is told at level error.
func (e *linkEvents) broken(message string, attrs ...any) {
	level := slog.LevelError
	if e.toldBroken {
		level = slog.LevelDebug
	}
	e.toldBroken = true
	e.log.Log(context.Background(), level, message, attrs...)
}

// heardFrom notes that a trusted host lives on this server.
func (e *linkEvents) heardFrom(host string) { e.pingTarget = host }

// answered tells the first answer on each route: the sign that it works.
func (e *linkEvents) answered(delegated bool) {
	switch {
	case delegated && !e.toldDelegated:
		e.toldDelegated = true
		e.log.Info("answered the first forwarded request on this connection")
	case !delegated && !e.toldDirect:
		e.toldDirect = true
		e.log.Info("answered the first direct request on this connection")
	}
}

// fed tells of the first answer to a host that asks in its own name.
func (e *linkEvents) fed(host string) {
	if e.toldFed[host] {
		return
	}
	if e.toldFed == nil {
		e.toldFed = map[string]bool{}
	}
	e.toldFed[host] = true
	e.log.Info("feeds the list of a host of the server", "host", host)
}

func (e *linkEvents) delegates(host, namespaces string) {
	line := host + " " + namespaces
	if e.toldDelegations[line] || len(e.toldDelegations) > 2*len(e.hosts)+8 {
		return
	}
	if e.toldDelegations == nil {
		e.toldDelegations = map[string]bool{}
	}
	e.toldDelegations[line] = true
	e.log.Info("the server forwards requests to us", "host", host, "namespaces", namespaces)
}

// untrustedDelegation warns of a host that forwards without being trusted.
func (e *linkEvents) untrustedDelegation(from string) {
	e.untrusted(from, "refused a forwarded request, since its host is not trusted; if it is a host of your server, add it to component.hosts")
}

// untrustedHost warns of a host that asks for what trusted hosts only get.
func (e *linkEvents) untrustedHost(from string) {
	e.untrusted(from, "refused to feed a list, since its host is not trusted; if it is a host of your server, add it to component.hosts")
}

// untrusted warns once, and of an address that can be a server only: an
// administrator forgets a host more often than somebody forges a request.
func (e *linkEvents) untrusted(from, message string) {
	if e.toldUntrusted || strings.ContainsAny(from, "@/") {
		e.log.Debug("refused a request from an address that is not trusted", "from", from)
		return
	}
	e.toldUntrusted = true
	e.log.Warn(message, "from", from, "component.hosts", strings.Join(e.hosts, " "))
}
