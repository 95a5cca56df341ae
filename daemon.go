package main

import (
	"bytes"
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"extdisco/component"
	"extdisco/internal/limit"
	"extdisco/xep0215"
)

// daemon answers requests according to the offer in force.
type daemon struct {
	log     *slog.Logger
	manager *serviceManager // nil for none
	watch   *observer
	offer   atomic.Pointer[offer]
	refused refusalLog
	waits   sync.WaitGroup // for several providers at once
}

func newDaemon(cfg *config, log *slog.Logger, now time.Time) *daemon {
	d := &daemon{log: log, refused: refusalLog{log: log}}
	d.watch = newObserver(d, now)
	d.offer.Store(newOffer(cfg, nil, log, now))
	return d
}

// reload puts the offer of cfg in force. Requests that are being answered are
// answered from the one before.
func (d *daemon) reload(cfg *config, now time.Time) {
	previous := d.offer.Load()
	next := newOffer(cfg, previous, d.log, now)
	d.offer.Store(next)
	previous.close(next)
}

// Admit implements [component.Gate].
func (d *daemon) Admit(requester []byte, now time.Time) error {
	o := d.offer.Load()
	if !o.access.Allows(requester) {
		d.refused.add(requester, now)
		return errNotAllowed
	}
	if over := o.limiter.Over(requester, domainOf(requester), now); over != limit.None {
		d.limited(over, requester)
		return errTooMany
	}
	return nil
}

// limited notes that a request was over a limit.
func (d *daemon) limited(over limit.Level, requester []byte) {
	d.watch.limited(over)
	if d.log.Enabled(context.Background(), slog.LevelDebug) {
		d.log.Debug("refused a request over the limit", "limit", limitNames[over], "requester", string(requester))
	}
}

// limitNames are the keys of [limits].
var limitNames = [...]string{limit.Key: "per_jid", limit.Group: "per_domain", limit.Total: "total"}

// domainOf returns the domain of a bare JID.
func domainOf(requester []byte) []byte {
	return requester[bytes.IndexByte(requester, '@')+1:]
}

// Groups implements [xep0215.Offer].
func (d *daemon) Groups(requester []byte, now time.Time) []*xep0215.Group {
	return d.offer.Load().groupsFor(requester, now)
}

// prepare returns a channel that is closed when the requester can be answered,
// or nil when it can be now.
func (d *daemon) prepare(requester []byte, now time.Time) <-chan struct{} {
	open := d.offer.Load().prepare(requester, now)
	switch len(open) {
	case 0:
		return nil
	case 1:
		return open[0]
	}
	all := make(chan struct{})
	d.waits.Go(func() { // ends soon: the providers have time-outs
		for _, c := range open {
			<-c
		}
		close(all)
	})
	return all
}

// close ends what the daemon keeps running. The link must be closed before.
func (d *daemon) close() {
	d.offer.Load().close(nil)
	d.waits.Wait()
}

// defaultServiceName is what service browsers show for us.
const defaultServiceName = "TURN/STUN credentials"

// component returns the component that cfg describes.
func (d *daemon) component(cfg componentConfig) (*component.Component, error) {
	handler := newExtdiscoHandler(d)
	var observer component.Observer = d.watch
	if d.manager != nil {
		observer = linkStatus{observer, d.manager, cfg.server}
	}
	return component.New(component.Config{
		JID: cfg.jid, Server: cfg.server, Secret: []byte(cfg.secret.Reveal()), Hosts: cfg.hosts,
		Namespaces: []component.Namespace{
			{NS: xep0215.NS, Handler: handler},
			{NS: xep0215.NS1, Handler: handler},
			{NS: nsFeed, Handler: newFeedHandler(d), HostsOnly: true},
		},
		Gate: d, Observer: observer, Name: "extdisco", ServiceName: defaultServiceName, Version: programVersion(), Log: d.log,
	})
}

// extdiscoHandler makes a [component.Handler] of the handler of XEP-0215, which
// knows nothing of components.
type extdiscoHandler struct {
	*xep0215.Handler                  // for what is asked directly
	delegated        *xep0215.Handler // differs in what the audit says
	daemon           *daemon
}

func newExtdiscoHandler(d *daemon) extdiscoHandler {
	return extdiscoHandler{
		Handler:   xep0215.NewAuditedHandler(d, d.audit(component.RouteDirect.String())),
		delegated: xep0215.NewAuditedHandler(d, d.audit(component.RouteDelegated.String())),
		daemon:    d,
	}
}

// by returns the handler for a route.
func (h extdiscoHandler) by(route component.Route) *xep0215.Handler {
	if route == component.RouteDelegated {
		return h.delegated
	}
	return h.Handler
}

// Prepare implements [component.Preparer].
func (h extdiscoHandler) Prepare(r *component.Request) <-chan struct{} {
	return h.daemon.prepare(r.Requester, r.Now)
}

// AppendReply implements [component.Handler].
func (h extdiscoHandler) AppendReply(dst []byte, r *component.Request) ([]byte, error) {
	request, err := xep0215.ParseRequest(r.Payload)
	if err != nil {
		return dst, err
	}
	return h.by(r.Route).AppendReply(dst, request, r.Requester, r.Now)
}

// AppendFast implements [component.FastHandler].
func (h extdiscoHandler) AppendFast(dst, element []byte, r *component.Request) ([]byte, error) {
	return h.by(r.Route).AppendFast(dst, r.NS, element, r.Requester, r.Now)
}

// refusalLog tells of requesters that are not served, at most once a minute: an
// administrator who forgot a domain must find out, and a stranger must not fill
// the log.
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
	r.log.Info("refused requesters that are not in access.allow; if they are yours, add their domain to it",
		"last_domain", string(domainOf(requester)), "refused", r.count)
	r.next, r.count = now.Add(refusalLogInterval), 0
}

// link is a running component.
type link struct {
	component *component.Component
	stop      context.CancelFunc
	done      chan struct{}
}

// startLink runs the component until stopped.
func startLink(c *component.Component) *link {
	ctx, stop := context.WithCancel(context.Background())
	l := &link{component: c, stop: stop, done: make(chan struct{})}
	go func() {
		defer close(l.done)
		c.Run(ctx)
	}()
	return l
}

// close ends the component politely and waits for it.
func (l *link) close() {
	l.stop()
	<-l.done
}
