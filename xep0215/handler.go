package xep0215

import (
	"sync"
	"time"

	"mellium.im/xmpp/stanza"

	"extdisco/turncred"
)

// Offer is what one requester is offered at one instant. A [Handler] answers from
// it and keeps nothing of it.
type Offer struct {
	// Groups is what can be offered, in the order of the answer. No services at
	// all mean that nothing can be offered at present, which is answered with an
	// error.
	Groups    []*Group
	Requester []byte    // bare JID of who asks
	Lang      string    // xml:lang of the stanza; names are in this language where they can be
	Now       time.Time // when credentials begin
	Audit     Audit     // may be nil
}

// Audit is told of each credential that goes into a reply, and must not keep what
// it is given. It is called from several goroutines at once.
type Audit func(requester []byte, c *turncred.Credential)

// Handler answers requests. It is safe for concurrent use, and its zero value is
// ready.
type Handler struct {
	scratch sync.Pool // of *scratch
}

// scratch is what one reply needs besides the bytes of the reply.
type scratch struct {
	credential turncred.Credential
	attrs      []byte // the credential as XML attributes
	lead       lead
	offered    int // services on offer
	selected   int // of these, the ones that the request selects
	sent       int // of these, the ones in the reply
	fast       fastRequest
}

func (h *Handler) getScratch() *scratch {
	if sc, ok := h.scratch.Get().(*scratch); ok {
		return sc
	}
	return &scratch{}
}

// AppendReply appends the payload of the result for the request to dst: the
// services or credentials element in the namespace of the request. Every error is
// a [stanza.Error], and dst is then returned unchanged:
//
//   - cancel/item-not-found: credentials were asked for, and nothing that has
//     credentials matches. XEP-0215 §3.3
//   - wait/remote-server-timeout: nothing can be offered at present. An empty list
//     would say that there is nothing, and clients would forget what they have.
func (h *Handler) AppendReply(dst []byte, r Request, o Offer) ([]byte, error) {
	sc := h.getScratch()
	defer h.scratch.Put(sc)
	return sc.appendReply(dst, &r, &o)
}

func (sc *scratch) appendReply(dst []byte, r *Request, o *Offer) ([]byte, error) {
	sc.offered, sc.selected, sc.sent = 0, 0, 0
	lang := o.Lang
	if r.Lang != "" {
		lang = r.Lang
	}
	everything := r.Type == "" && len(r.Credentials) == 0
	reply := appendRoot(dst, r)
	for _, g := range o.Groups {
		if lang != "" {
			g = g.in(lang)
		}
		if everything {
			reply = sc.appendWhole(reply, g, o)
		} else {
			reply = sc.appendGroup(reply, g, r, o)
		}
	}
	switch {
	case sc.offered == 0, sc.selected > 0 && sc.sent == 0:
		return dst, unavailable()
	case sc.selected == 0 && len(r.Credentials) > 0:
		return dst, notFound()
	}
	if len(r.Credentials) > 0 {
		return append(reply, "</credentials>"...), nil
	}
	return append(reply, "</services>"...), nil
}

// appendWhole appends all services of the group. Those for which there is no
// credential are left out.
func (sc *scratch) appendWhole(dst []byte, g *Group, o *Offer) []byte {
	sc.offered += len(g.entries)
	sc.selected += len(g.entries)
	last := len(g.whole) - 1
	if last > 0 && !sc.issue(g.issuer, o) {
		for _, e := range g.entries {
			if !e.restricted {
				sc.sent++
				dst = append(append(dst, e.head...), e.tail...)
			}
		}
		return dst
	}
	for _, piece := range g.whole[:last] {
		dst = append(dst, piece...)
		dst = append(dst, sc.attrs...)
	}
	sc.sent += len(g.entries)
	return append(dst, g.whole[last]...)
}

// appendGroup appends the services of the group that the request selects, as
// appendWhole does.
func (sc *scratch) appendGroup(dst []byte, g *Group, r *Request, o *Offer) []byte {
	entries := g.entries
	if len(r.Credentials) > 0 && !r.asksForAllCredentials() {
		entries = g.all
	}
	sc.offered += len(entries)
	asked, given := false, false
	for i := range entries {
		e := &entries[i]
		if !r.Selects(e.key, e.restricted) {
			continue
		}
		sc.selected++
		if e.restricted && !asked {
			asked, given = true, sc.issue(g.issuer, o)
		}
		if e.restricted && !given {
			continue
		}
		sc.sent++
		dst = append(dst, e.head...)
		if e.restricted {
			dst = append(dst, sc.attrs...)
		}
		dst = append(dst, e.tail...)
	}
	return dst
}

// issue renders the credential of a group as attributes. A TURN service must
// never be sent without both username and password: browsers refuse the whole
// list then.
func (sc *scratch) issue(issuer Issuer, o *Offer) bool {
	c := &sc.credential
	*c = turncred.Credential{Username: c.Username[:0], Password: c.Password[:0]} // nothing of another requester's
	if issuer.Issue(c, o.Requester, o.Now); len(c.Username) == 0 || len(c.Password) == 0 {
		return false
	}
	if o.Audit != nil {
		o.Audit(o.Requester, c)
	}
	a := sc.lead.append(sc.attrs[:0], c.Expires)
	if c.Plain {
		a = append(append(append(append(a, c.Username...), "' password='"...), c.Password...), '\'')
	} else {
		a = appendLogin(a, c.Username, c.Password)
	}
	sc.attrs = a
	return true
}

// lead is what goes before the username, as it was rendered last: credentials that
// are issued in the same second mostly expire in the same second too.
type lead struct {
	expires time.Time
	text    []byte
}

func (l *lead) append(dst []byte, expires time.Time) []byte {
	if l.text == nil || expires != l.expires {
		l.expires, l.text = expires, appendRestricted(l.text[:0], expires)
	}
	return append(dst, l.text...)
}

func unavailable() stanza.Error {
	return stanza.Error{Type: stanza.Wait, Condition: stanza.RemoteServerTimeout, Text: english("no service can be offered at present")}
}

func notFound() stanza.Error {
	return stanza.Error{Type: stanza.Cancel, Condition: stanza.ItemNotFound, Text: english("no service with credentials matches")}
}
