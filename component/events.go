package component

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
)

// linkEvents logs the events of one link. Events that strangers can cause are logged
// at most once per link, so that nobody can fill the log.
type linkEvents struct {
	log   *slog.Logger
	hosts []string

	pingTarget    string // a host of the server that is known to be there
	toldUntrusted bool
	toldDirect    bool
	toldDelegated bool
	toldUnknown   map[string]bool // by namespace
	toldBroken    bool
}

// broken logs a bug of ours. Requests may be able to trigger it, so only the first
// one is logged at level error.
func (e *linkEvents) broken(message string, attrs ...any) {
	level := slog.LevelError
	if e.toldBroken {
		level = slog.LevelDebug
	}
	e.toldBroken = true
	e.log.Log(context.Background(), level, message, attrs...)
}

// answered logs the first answer on each route, as a sign that the route works.
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

// maxUnknown bounds the namespaces that are warned of on one connection.
const maxUnknown = 8

// unknownNamespace warns, once for each, of a namespace that a host delegates to us
// and that nobody answers in.
func (e *linkEvents) unknownNamespace(host, ns string) {
	if e.toldUnknown[ns] || len(e.toldUnknown) >= maxUnknown {
		return
	}
	if e.toldUnknown == nil {
		e.toldUnknown = map[string]bool{}
	}
	e.toldUnknown[ns] = true
	e.log.Warn("a host delegates a namespace that is not answered here", "host", host, "namespace", fmt.Sprintf("%.200s", ns),
		"do", "correct the namespace in the server's configuration if it is misspelt, or remove it")
}

// untrustedDelegation warns of a host that forwards without being trusted.
func (e *linkEvents) untrustedDelegation(from string) {
	e.untrusted(from, "refused a forwarded request, since its host is not trusted; if it is a host of your server, add it to component.hosts")
}

// untrustedHost warns of a host that makes requests only for trusted hosts.
func (e *linkEvents) untrustedHost(from string) {
	e.untrusted(from, "refused to feed a list, since its host is not trusted; if it is a host of your server, add it to component.hosts")
}

// untrusted warns once, and only of addresses that can be servers: forgotten hosts
// are more common than forged requests.
func (e *linkEvents) untrusted(from, message string) {
	if e.toldUntrusted || strings.ContainsAny(from, "@/") {
		e.log.Debug("refused a request from an address that is not trusted", "from", from)
		return
	}
	e.toldUntrusted = true
	e.log.Warn(message, "from", from, "component.hosts", strings.Join(e.hosts, " "))
}
