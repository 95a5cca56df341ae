package daemon

import (
	"log/slog"

	"extdisco/component"
	"extdisco/internal/metrics"
	"extdisco/xep0215"
)

// handlers are what the component asks for each request.
type handlers struct {
	gate      *gate
	discovery discoveryHandler
	feed      feedHandler
	audits    audits
}

func newHandlers(offers *offers, metrics *metrics.Metrics, log *slog.Logger) handlers {
	h := handlers{
		gate:   &gate{offers: offers, metrics: metrics, log: log, refused: refusalLog{log: log}},
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
	direct    *xep0215.Handler
	delegated *xep0215.Handler // differs in what the audit says
	offers    *offers
}

func newDiscoveryHandler(offers *offers, audits audits) discoveryHandler {
	return discoveryHandler{
		direct:    xep0215.NewAuditedHandler(offers, audits.of(component.RouteDirect.String())),
		delegated: xep0215.NewAuditedHandler(offers, audits.of(component.RouteDelegated.String())),
		offers:    offers,
	}
}

var (
	_ component.FastHandler = discoveryHandler{}
	_ component.Preparer    = discoveryHandler{}
)

// by returns the handler for a route.
func (h discoveryHandler) by(route component.Route) *xep0215.Handler {
	if route == component.RouteDelegated {
		return h.delegated
	}
	return h.direct
}

// Prepare implements [component.Preparer].
func (h discoveryHandler) Prepare(r *component.Request) <-chan struct{} {
	return h.offers.prepare(r.Requester, r.Now)
}

// AppendReply implements [component.Handler].
func (h discoveryHandler) AppendReply(dst []byte, r *component.Request) ([]byte, error) {
	request, err := xep0215.ParseRequest(r.Payload)
	if err != nil {
		return dst, err
	}
	return h.by(r.Route).AppendReply(dst, request, r.Requester, r.Now)
}

// FastLen implements [component.FastHandler].
func (h discoveryHandler) FastLen(ns string, b []byte) int { return h.direct.FastLen(ns, b) }

// AppendFast implements [component.FastHandler].
func (h discoveryHandler) AppendFast(dst, element []byte, r *component.Request) ([]byte, error) {
	return h.by(r.Route).AppendFast(dst, r.NS, element, r.Requester, r.Now)
}
