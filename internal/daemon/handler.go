package daemon

import (
	"log/slog"

	"extdisco/component"
	"extdisco/xep0215"
)

// handlers are what the component asks for each request.
type handlers struct {
	gate      *gate
	discovery discoveryHandler
	feed      feedHandler
	audits    audits
}

func newHandlers(offers *offers, state *state, log *slog.Logger) handlers {
	h := handlers{
		gate:   &gate{offers: offers, metrics: state.metrics, refusals: &state.refusals, log: log, refused: refusalLog{log: log}},
		audits: audits{offers, log},
	}
	h.discovery = newDiscoveryHandler(offers, h.audits)
	h.feed = newFeedHandler(offers, h.gate, h.audits)
	return h
}

// namespaces returns what the component answers, in the order in which it is
// advertised.
func (h handlers) namespaces() []component.Namespace {
	return []component.Namespace{
		{NS: xep0215.NS, Handler: h.discovery},
		{NS: xep0215.NS1, Handler: h.discovery},
		{NS: nsFeed, Handler: h.feed, HostsOnly: true},
	}
}

// discoveryHandler makes a [component.Handler] of the handler of XEP-0215, which knows
// nothing of components.
type discoveryHandler struct {
	handler           *xep0215.Handler
	offers            *offers
	direct, delegated xep0215.Audit // by route
}

func newDiscoveryHandler(offers *offers, audits audits) discoveryHandler {
	return discoveryHandler{
		handler: new(xep0215.Handler), offers: offers,
		direct: audits.of(component.RouteDirect.String()), delegated: audits.of(component.RouteDelegated.String()),
	}
}

var (
	_ component.FastHandler = discoveryHandler{}
	_ component.Preparer    = discoveryHandler{}
)

// requesterOf returns who a request is from.
func requesterOf(r *component.Request) requester {
	return requester{name: r.Requester, fetcher: r.Requester, address: r.Address}
}

// offer returns what a request is answered from, as long as nobody else has the selection.
func (h discoveryHandler) offer(r *component.Request, s *selection) xep0215.Offer {
	audit := h.direct
	if r.Route == component.RouteDelegated {
		audit = h.delegated
	}
	o := r.Value.(*offer) // set by the gate
	return xep0215.Offer{Groups: o.groups(s, requesterOf(r), r.Now), Requester: r.Requester, Lang: r.Lang, Now: r.Now, Audit: audit}
}

// Prepare implements [component.Preparer].
func (h discoveryHandler) Prepare(r *component.Request) <-chan struct{} {
	return h.offers.join(r.Value.(*offer).prepare(requesterOf(r), r.Now))
}

// AppendReply implements [component.Handler].
func (h discoveryHandler) AppendReply(dst []byte, r *component.Request) ([]byte, error) {
	request, err := xep0215.ParseRequest(r.Payload)
	if err != nil {
		return dst, err
	}
	o := r.Value.(*offer)
	s := o.selection()
	defer o.done(s)
	return h.handler.AppendReply(dst, request, h.offer(r, s))
}

// FastLen implements [component.FastHandler].
func (h discoveryHandler) FastLen(ns string, b []byte) int { return h.handler.FastLen(ns, b) }

// AppendFast implements [component.FastHandler].
func (h discoveryHandler) AppendFast(dst, element []byte, r *component.Request) ([]byte, error) {
	o := r.Value.(*offer)
	s := o.selection()
	defer o.done(s)
	return h.handler.AppendFast(dst, r.NS, element, h.offer(r, s))
}
