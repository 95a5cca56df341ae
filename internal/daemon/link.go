package daemon

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"extdisco/component"
	"extdisco/internal/config"
	"extdisco/internal/metrics"
)

// link is one [[component]] at work: the component, the goroutine that runs it, and how
// it is. Everything else is shared by all links.
type link struct {
	component *component.Component
	counts    *metrics.LinkCounts
	asked     atomic.Bool // whether a request was answered since the link is up
	hosts     func() []component.HostState

	stop context.CancelFunc // nil before the start
	done chan struct{}

	mu    sync.Mutex
	cfg   config.Component
	alone bool // whether there is no other, so that its name says nothing
	state linkState
}

// linkState is how a link is at present.
type linkState struct {
	up    bool
	since time.Time // zero before the first connection
	why   component.Fault
}

// newLink returns the link of a component, which does not run yet.
func (d *daemon) newLink(cfg config.Component) (*link, error) {
	l := &link{cfg: cfg, alone: true, counts: new(metrics.LinkCounts)}
	c, err := component.New(component.Config{
		JID: cfg.JID, Server: cfg.Server, Secret: []byte(cfg.Secret.Reveal()), Hosts: cfg.Hosts,
		Namespaces: d.handle.namespaces(), Gate: d.handle.gate, Observer: observer{l, d.state, d.manager},
		Name: "extdisco", ServiceName: cfg.ServiceName, Version: d.options.Version, Log: slog.New(linkHandler{d.log.Handler(), l}),
	})
	if err != nil {
		return nil, err
	}
	l.component, l.hosts = c, c.Hosts
	return l, nil
}

// start runs the component until the link is closed.
func (l *link) start() {
	ctx, stop := context.WithCancel(context.Background())
	l.stop, l.done = stop, make(chan struct{})
	go func() {
		defer close(l.done)
		l.component.Run(ctx)
	}()
}

// call notes how the link is called and whether there are others.
func (l *link) call(cfg config.Component, alone bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cfg, l.alone = cfg, alone
}

// now returns what the link is, how it is, and whether there is no other.
func (l *link) now() (cfg config.Component, state linkState, alone bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.cfg, l.state, l.alone
}

// set notes that the link went up or down.
func (l *link) set(state linkState) {
	l.mu.Lock()
	defer l.mu.Unlock()
	state.why.Cure = inTable(l.cfg.Key, state.why.Cure)
	l.state = state
	l.asked.Store(false)
}

// failed notes why there is no link.
func (l *link) failed(why component.Fault) {
	l.mu.Lock()
	defer l.mu.Unlock()
	why.Cure = inTable(l.cfg.Key, why.Cure)
	l.state.why = why
}

// unready returns why requests that come over the link cannot be answered at present,
// and what to do; or nothing.
func (l *link) unready() string {
	switch _, state, _ := l.now(); {
	case state.up:
		if why := silence(l.hosts()); why != "" && !l.asked.Load() {
			return "connected, but " + why + "; to do: see the log"
		}
		return ""
	case state.why.Standby:
		return "" // it is ready to take over
	case state.why.Problem == "":
		return "not connected to the XMPP server"
	default:
		return "not connected to the XMPP server: " + state.why.Problem + "; to do: " + state.why.Cure
	}
}

// status returns a line for the service manager.
func (l *link) status() string {
	cfg, state, _ := l.now()
	switch {
	case state.up:
		if why := silence(l.hosts()); why != "" {
			return "connected, but " + why
		}
		return "connected to the XMPP server at " + cfg.Server
	case state.why.Standby:
		return state.why.Problem // which says so
	case state.why.Problem != "":
		return "not connected: " + state.why.Problem + "; " + state.why.Cure
	case state.since.IsZero():
		return "connecting to the XMPP server at " + cfg.Server
	}
	return "leaving the XMPP server"
}
