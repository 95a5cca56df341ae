package xep0215

import (
	"strconv"
	"sync"
	"time"

	"mellium.im/xmpp/stanza"

	"extdisco/internal/xmltext"
)

// Credential is what a client presents to a service. A [Handler] reuses the
// slices from reply to reply.
type Credential struct {
	Username []byte
	Password []byte
	Expires  time.Time // whole seconds, UTC; zero when the credential does not expire
	// Plain says that neither Username nor Password holds anything that needs
	// escaping in XML.
	Plain bool
}

// Issuer gives requesters the credential for a group of services.
type Issuer interface {
	// Issue fills c for the requester, named by its bare JID. c comes empty, but
	// with slices to append to. With an error, or without both username and
	// password, the services that need the credential are left out of the answer.
	// Issue is called from several goroutines at once.
	Issue(c *Credential, requester []byte, now time.Time) error
}

// Offer is what a [Handler] answers from.
type Offer interface {
	// Groups returns what can be offered at now to the requester, named by its
	// bare JID, in the order of the answer.
	// Nothing at all means that nothing can be offered at present, and is
	// answered with an error. The Handler does not keep the slice.
	Groups(requester []byte, now time.Time) []*Group
}

// Group is services that share one credential. It does not change once made.
type Group struct {
	issuer  Issuer
	all     []groupEntry
	entries []groupEntry // of all, those that are listed; see Hide
	whole   [][]byte     // the same; see joined
}

type groupEntry struct {
	service    Service
	key        Key
	restricted bool
	xml        []byte // the service element; if restricted, up to where the credential goes
}

// NewGroup returns a group of services. Services that need credentials, see
// [NeedsCredentials], get them from issuer; with a nil issuer they are left out
// of every answer. Of the services, Type, Host, Port, Transport and Name are used.
func NewGroup(issuer Issuer, services ...Service) *Group {
	g := &Group{issuer: issuer}
	for _, s := range services {
		restricted := NeedsCredentials(s.Type)
		if restricted && issuer == nil {
			continue
		}
		e := groupEntry{service: s, key: s.Key(), restricted: restricted, xml: appendService(nil, s)}
		if !restricted {
			e.xml = append(e.xml, "/>"...)
		}
		g.all = append(g.all, e)
	}
	g.entries, g.whole = g.all, joined(g.all)
	return g
}

// Hide returns the group without the services that hidden names, in lists. Who got
// such a service before and asks for its credentials is answered as ever: clients may
// take an error for the end of the call that they are about to make.
func (g *Group) Hide(hidden func(Key) bool) *Group {
	h := &Group{issuer: g.issuer, all: g.all}
	for _, e := range g.all {
		if !hidden(e.key) {
			h.entries = append(h.entries, e)
		}
	}
	h.whole = joined(h.entries)
	return h
}

// Services returns the listed services of the group with a credential of the requester,
// and that credential, which is nil when none of them needs one. Those that need
// one are left out when there is none to give.
func (g *Group) Services(requester []byte, now time.Time) ([]Service, *Credential) {
	var services []Service
	var credential *Credential
	asked := false
	for _, e := range g.entries {
		s := e.service
		if e.restricted && !asked {
			asked, credential = true, issued(g.issuer, requester, now)
		}
		if e.restricted && credential == nil {
			continue
		}
		if e.restricted {
			s.Restricted, s.Username, s.Password, s.Expires = true, string(credential.Username), string(credential.Password), credential.Expires
		}
		services = append(services, s)
	}
	return services, credential
}

// issued returns a credential of its own, or nil when there is none.
func issued(issuer Issuer, requester []byte, now time.Time) *Credential {
	c := new(Credential)
	if err := issuer.Issue(c, requester, now); err != nil || len(c.Username) == 0 || len(c.Password) == 0 {
		return nil
	}
	return c
}

// joined returns the services in pieces: behind each piece but the last one a
// credential goes.
func joined(entries []groupEntry) [][]byte {
	pieces, last := [][]byte(nil), []byte(nil)
	for _, e := range entries {
		last = append(last, e.xml...)
		if e.restricted {
			pieces, last = append(pieces, last), nil
		}
	}
	return append(pieces, last)
}

func appendService(dst []byte, s Service) []byte {
	dst = append(dst, "<service type='"...)
	dst = xmltext.AppendAttr(dst, s.Type)
	dst = append(dst, "' host='"...)
	dst = xmltext.AppendAttr(dst, s.Host)
	if s.Port != 0 {
		dst = append(dst, "' port='"...)
		dst = strconv.AppendUint(dst, uint64(s.Port), 10)
	}
	if s.Transport != "" {
		dst = append(dst, "' transport='"...)
		dst = xmltext.AppendAttr(dst, s.Transport)
	}
	if s.Name != "" {
		dst = append(dst, "' name='"...)
		dst = xmltext.AppendAttr(dst, s.Name)
	}
	return append(dst, '\'')
}

// Handler answers requests from an [Offer]. It is safe for concurrent use.
type Handler struct {
	offer   Offer
	scratch sync.Pool // of *scratch
}

// scratch is what one reply needs besides the bytes of the reply.
type scratch struct {
	credential Credential
	attrs      []byte // the credential as XML attributes, and the end of the element
	lead       lead
	offered    int // services on offer
	selected   int // of these, the ones that the request selects
	sent       int // of these, the ones in the reply
	fast       fastRequest
	audit      Audit
}

// Audit is told of each credential that a [Handler] puts into a reply, and must not
// keep what it gets. It is called from several goroutines at once.
type Audit func(requester []byte, c *Credential)

// NewHandler returns a Handler that answers from offer.
func NewHandler(offer Offer) *Handler { return NewAuditedHandler(offer, nil) }

// NewAuditedHandler does the same. The audit may be nil.
func NewAuditedHandler(offer Offer, audit Audit) *Handler {
	return &Handler{offer: offer, scratch: sync.Pool{New: func() any { return &scratch{audit: audit} }}}
}

// AppendReply appends the payload of the result for the request to dst: the
// services or credentials element in the namespace of the request. The
// requester is named by its bare JID. Every error is a [stanza.Error], and dst is
// then returned as it was:
//
//   - cancel/item-not-found: credentials were asked for something that is not on
//     offer or needs none. XEP-0215 §3.3
//   - wait/remote-server-timeout: nothing can be offered at present. An empty
//     list would say that there is nothing, and clients would forget what they
//     have.
func (h *Handler) AppendReply(dst []byte, r Request, requester []byte, now time.Time) ([]byte, error) {
	sc := h.scratch.Get().(*scratch)
	defer h.scratch.Put(sc)
	return sc.appendReply(dst, &r, h.offer.Groups(requester, now), requester, now)
}

// appendReply answers from the groups.
func (sc *scratch) appendReply(dst []byte, r *Request, groups []*Group, requester []byte, now time.Time) ([]byte, error) {
	sc.offered, sc.selected, sc.sent = 0, 0, 0
	everything := r.Type == "" && len(r.Credentials) == 0
	reply := appendRoot(dst, r)
	for _, g := range groups {
		if everything {
			reply = sc.appendWhole(reply, g, requester, now)
		} else {
			reply = sc.appendGroup(reply, g, r, requester, now)
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
func (sc *scratch) appendWhole(dst []byte, g *Group, requester []byte, now time.Time) []byte {
	sc.offered += len(g.entries)
	sc.selected += len(g.entries)
	last := len(g.whole) - 1
	if last > 0 && !sc.issue(g.issuer, requester, now) {
		for _, e := range g.entries {
			if !e.restricted {
				sc.sent++
				dst = append(dst, e.xml...)
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
func (sc *scratch) appendGroup(dst []byte, g *Group, r *Request, requester []byte, now time.Time) []byte {
	entries := g.entries
	if len(r.Credentials) > 0 {
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
			asked, given = true, sc.issue(g.issuer, requester, now)
		}
		if e.restricted && !given {
			continue
		}
		sc.sent++
		dst = append(dst, e.xml...)
		if e.restricted {
			dst = append(dst, sc.attrs...)
		}
	}
	return dst
}

// issue renders the credential of a group as attributes. A TURN service must
// never be sent without both username and password: browsers refuse the whole
// list then.
func (sc *scratch) issue(issuer Issuer, requester []byte, now time.Time) bool {
	c := &sc.credential
	*c = Credential{Username: c.Username[:0], Password: c.Password[:0]} // nothing of another requester's
	if err := issuer.Issue(c, requester, now); err != nil || len(c.Username) == 0 || len(c.Password) == 0 {
		return false
	}
	if sc.audit != nil {
		sc.audit(requester, c)
	}
	a := sc.lead.append(sc.attrs[:0], c.Expires)
	if c.Plain {
		a = append(append(append(a, c.Username...), "' password='"...), c.Password...)
	} else {
		a = append(xmltext.AppendAttr(a, c.Username), "' password='"...)
		a = xmltext.AppendAttr(a, c.Password)
	}
	sc.attrs = append(a, "'/>"...)
	return true
}

// lead is what stands before the username, as it was rendered last: credentials
// that are given out in the same second mostly expire in the same second too.
type lead struct {
	expires time.Time
	text    []byte
}

func (l *lead) append(dst []byte, expires time.Time) []byte {
	if l.text == nil || expires != l.expires {
		t := append(l.text[:0], " restricted='1'"...)
		if !expires.IsZero() {
			t = append(t, " expires='"...)
			t = append(expires.UTC().AppendFormat(t, expiresFormat), '\'')
		}
		l.expires, l.text = expires, append(t, " username='"...)
	}
	return append(dst, l.text...)
}

func appendRoot(dst []byte, r *Request) []byte {
	if len(r.Credentials) > 0 {
		dst = append(dst, "<credentials xmlns='"...)
	} else {
		dst = append(dst, "<services xmlns='"...)
	}
	dst = append(dst, r.namespace()...)
	if r.Type != "" && len(r.Credentials) == 0 { // XEP-0215 §3.2 echoes the type
		dst = append(dst, "' type='"...)
		dst = xmltext.AppendAttr(dst, r.Type)
	}
	return append(dst, "'>"...)
}

func (r *Request) namespace() string {
	if r.NS == "" {
		return NS
	}
	return r.NS
}

func unavailable() stanza.Error {
	return stanza.Error{Type: stanza.Wait, Condition: stanza.RemoteServerTimeout, Text: english("no service can be offered at present")}
}

func notFound() stanza.Error {
	return stanza.Error{Type: stanza.Cancel, Condition: stanza.ItemNotFound, Text: english("no service of ours that has credentials matches")}
}
