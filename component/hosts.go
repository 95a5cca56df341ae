package component

import (
	"slices"
	"strings"
	"sync"
	"time"
)

// silentAfter is how long after connecting a host counts as silent. Servers that
// forward say so within a second.
const silentAfter = 10 * time.Second

// HostRoute is the way by which a trusted host brings us requests.
type HostRoute uint8

// The routes of hosts.
const (
	HostSilent    HostRoute = iota // nothing has come from the host on this connection
	HostDelegates                  // it forwards what its users ask it (XEP-0355)
	HostBridges                    // it asks in a [Namespace] that is HostsOnly
	HostRoutes                     // its users' requests arrive as they are, addressed to the host
)

// String returns a word for the route, for logs and pages.
func (r HostRoute) String() string {
	return [...]string{"none", "delegation", "bridge", "routing"}[r]
}

// HostState is what is known about one of Config.Hosts.
type HostState struct {
	Host  string // as in Config.Hosts
	Route HostRoute
	Since time.Time // when the first sign of the Route came on this connection; zero if it is HostSilent
	// Overdue is set when nothing came within ten seconds of connecting. There may
	// be a mistake in the server's configuration.
	Overdue bool
	// Refusal is the last error that a request by this host was answered with since
	// the component was made, a [stanza.Error], or nil; RefusedAt is when.
	Refusal   error
	RefusedAt time.Time
}

// host is a trusted host. Its state is read by anybody; seen belongs to the
// goroutine of the link.
type host struct {
	seen bool // on this connection

	mu    sync.Mutex
	state HostState
}

func (h *host) snapshot() HostState {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.state
}

func (h *host) change(f func(s *HostState)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	f(&h.state)
}

// Hosts returns what is known about each of Config.Hosts, in their order.
func (c *Component) Hosts() []HostState {
	states := make([]HostState, 0, len(c.hostList))
	for _, h := range c.hostList {
		states = append(states, h.snapshot())
	}
	return states
}

// trust adds the hosts, once each.
func (c *Component) trust(names []string) {
	for _, name := range names {
		if c.hosts[name] != nil {
			continue
		}
		h := &host{state: HostState{Host: name}}
		c.hostList = append(c.hostList, h)
		for _, s := range spellings(name) {
			c.hosts[s] = h
		}
	}
}

// forgetHosts begins anew, when a connection begins or ends.
func (c *Component) forgetHosts() {
	for _, h := range c.hostList {
		h.seen = false
		h.change(func(s *HostState) { s.Route, s.Since, s.Overdue = HostSilent, time.Time{}, false })
	}
}

// heardFrom notes a sign that a host brings us requests by a route. The name is how
// the server writes it.
func (r *responder) heardFrom(name string, route HostRoute, now time.Time) {
	r.events.pingTarget = name // it is there for sure
	h := r.c.hosts[name]
	if h == nil || h.seen {
		return
	}
	h.seen = true
	h.change(func(s *HostState) { s.Route, s.Since, s.Overdue = route, now, false })
	r.c.cfg.Log.Info("a host forwards requests", "host", h.state.Host, "route", route.String())
	r.c.cfg.Observer.HostsChanged(r.c.Hosts())
}

// refused notes that a request that a host brought was refused.
func (r *responder) refused(h *host, err error, now time.Time) {
	if h != nil && err != nil && err != errDeferred {
		h.change(func(s *HostState) { s.Refusal, s.RefusedAt = sentAs(err), now })
	}
}

// warnOfSilentHosts tells which hosts have sent nothing in the time in which servers
// that are configured to forward begin. It is called once a connection.
func (r *responder) warnOfSilentHosts() {
	var silent []string
	for _, h := range r.c.hostList {
		if !h.seen {
			silent = append(silent, h.state.Host)
			h.change(func(s *HostState) { s.Overdue = true })
		}
	}
	if len(silent) == 0 {
		return
	}
	r.c.cfg.Log.Warn("connected, but hosts of component.hosts forward no requests",
		"hosts", strings.Join(silent, " "), "do", r.c.cureForSilence())
	r.c.cfg.Observer.HostsChanged(r.c.Hosts())
}

// cureForSilence tells what to check when a host forwards nothing.
func (c *Component) cureForSilence() string {
	i := slices.IndexFunc(c.namespaces, func(n namespace) bool { return !n.HostsOnly })
	if i < 0 {
		return "check the server's configuration, or remove them from component.hosts"
	}
	jid, ns := c.cfg.JID, c.namespaces[i].NS
	return "Prosody: enable the bridge module in modules_enabled below Component \"" + jid + "\";" +
		" or enable mod_delegation both below the VirtualHost and below the Component," +
		" with delegations = { [\"" + ns + "\"] = { jid = \"" + jid + "\" } } inside the VirtualHost, and restart it." +
		" ejabberd: list " + ns + " in the namespaces of mod_delegation, with an access rule whose acl allows server: " + jid + "." +
		" Remove hosts that have no users from component.hosts"
}
