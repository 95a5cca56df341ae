package daemon

import (
	"crypto/rand"
	"encoding/xml"
	"fmt"
	"strconv"

	"mellium.im/xmpp/stanza"

	"extdisco/component"
	"extdisco/internal/limit"
	"extdisco/xep0215"
)

// nsFeed is the namespace in which mod_extdisco_bridge asks for sets of services
// that it lists on its hosts; see docs/bridge.md.
const nsFeed = "extdisco:feed:1"

// maxFeed is how many sets a host gets at once: with 30 services each the answer
// stays below what Prosody takes.
const maxFeed = 64

// feedHandler answers a trusted host that asks for the services on offer on behalf
// of users who are not known yet. Each set is made for a requester of its own that
// nobody is, so that no two users share a quota of the TURN server. It implements
// [component.Handler].
type feedHandler struct {
	handler *xep0215.Handler
	audit   xep0215.Audit
	offers  *offers
	gate    *gate
}

func newFeedHandler(offers *offers, gate *gate, audits audits) feedHandler {
	return feedHandler{new(xep0215.Handler), audits.of("feed"), offers, gate}
}

// Prepare implements [component.Preparer].
func (h feedHandler) Prepare(r *component.Request) <-chan struct{} {
	o := h.offers.now() // the gate is not asked about hosts
	r.Value = o
	return h.offers.join(o.prepareAll(r.Requester, r.Now))
}

// AppendReply implements [component.Handler].
func (h feedHandler) AppendReply(dst []byte, r *component.Request) ([]byte, error) {
	count, err := parseFeedRequest(r.Payload)
	if err != nil {
		return dst, err
	}
	o := r.Value.(*offer)
	if count > 0 && o.limiter.OverTotal(r.Now) { // a host is no requester and has no limit of its own
		h.gate.limited(limit.Total, r.Requester, r.Now)
		return dst, errTooMany
	}
	s := o.selection()
	defer o.done(s)
	reply := append(dst, "<feed xmlns='"+nsFeed+"' mark='"+o.mark(r.Requester, r.Now)+"'"...)
	if o.choice != nil {
		reply = fmt.Appendf(reply, " relays='%d'", o.choice.relays(o.sources, r.Requester, r.Now))
	}
	if o.choice.wantsAddresses() {
		reply = append(reply, " addresses='true'"...)
	}
	reply = append(reply, '>')
	for range count {
		// Providers that fetch for each requester fetch once for the host.
		who := requester{name: anonymousAt(r.Requester), fetcher: r.Requester}
		reply, err = h.handler.AppendReply(reply, xep0215.Request{NS: xep0215.NS},
			xep0215.Offer{Groups: o.groups(s, who, r.Now), Requester: who.name, Now: r.Now, Audit: h.audit})
		if err != nil {
			return dst, err
		}
	}
	return append(reply, "</feed>"...), nil
}

// parseFeedRequest returns how many sets are asked for; for none, only the mark is.
func parseFeedRequest(r xml.TokenReader) (int, error) {
	token, _ := r.Token() // without a start element there is nothing to go by
	start, ok := token.(xml.StartElement)
	if !ok || start.Name.Local != "feed" {
		return 0, stanza.Error{Type: stanza.Cancel, Condition: stanza.ServiceUnavailable}
	}
	count := 1
	for _, a := range start.Attr {
		if a.Name.Space != "" || a.Name.Local != "count" {
			continue
		}
		var err error
		if count, err = strconv.Atoi(a.Value); err != nil || count < 0 || count > maxFeed {
			return 0, stanza.Error{Type: stanza.Modify, Condition: stanza.BadRequest,
				Text: map[string]string{"en": "count is a number from 0 to " + strconv.Itoa(maxFeed)}}
		}
	}
	return count, nil
}

// anonymousAt returns a requester at the host that was never there before. Since
// a bare JID has no slash, no user can have its pseudonym.
func anonymousAt(host []byte) []byte { return []byte(string(host) + "/" + rand.Text()) }
