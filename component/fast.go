package component

import (
	"bytes"
	"time"

	"extdisco/internal/xmltext"
)

// The fast path answers the most common requests, in the form in which servers write
// them, directly from their bytes. Everything else is left to [responder.slow], which
// parses stanzas properly and alone defines what is right. FuzzFast checks that both
// append the same bytes for whatever the fast path accepts.
//
// It accepts an IQ of type get to the component's own address, and the same inside a
// delegation from a trusted host, with one payload that a [FastHandler] knows. Each
// start tag has known attributes only, each at most once, with values of printable
// ASCII that need no escaping; nothing stands between the elements. So no value has
// to be decoded, escaped or normalised, no name has a prefix except xml:lang, and
// every namespace is written where it matters.
//
// Nothing is counted or logged before the whole stanza has been read: a stanza that
// the fast path gives up has left no trace.

// FastHandler is a [Handler] that can also answer usual requests from their bytes.
type FastHandler interface {
	Handler
	// FastLen returns the length of the element at the beginning of b if it is a
	// well-formed request in the namespace ns that AppendFast can answer, and 0
	// otherwise. More of the stanza may follow in b, and b may end early.
	FastLen(ns string, b []byte) int
	// AppendFast is AppendReply for an element that FastLen has measured. Its result
	// must be the same. If it returns an error, the returned slice is ignored.
	// r.Payload is nil, and r and what it holds are valid until AppendFast returns.
	AppendFast(dst, element []byte, r *Request) ([]byte, error)
}

// maxFast is the largest stanza that the fast path reads. It bounds the cost of a
// stanza that is given up at its end.
const maxFast = 4 << 10

// fastRequest is a request in the bytes that it was read from.
type fastRequest struct {
	namespace *namespace
	payload   []byte
	outer     fastIQ
	wrapping  *fastWrapping // nil if nobody has forwarded it
	host      *host         // the trusted host that has
	inner     fastIQ
	len       int // of the whole stanza
}

// fast appends the answer to the stanza at the beginning of b, and returns the
// length of the stanza, which is 0 if it is not for the fast path or is incomplete.
// A panic before the request was admitted ends only the fast path; the slow path
// will report it.
func (r *responder) fast(dst, b []byte, now time.Time) (reply []byte, n int) {
	mark := len(dst)
	defer func() {
		if recover() != nil {
			reply, n = dst[:mark], 0
		}
	}()
	q := &r.request
	if !r.readFast(q, b[:min(len(b), maxFast)]) {
		return dst, 0
	}
	if q.wrapping != nil && !q.host.seen {
		if q.wrapping == &fastWrappings[1] {
			r.watchDelegation(string(q.outer.from), nsDelegation1, q.namespace.NS, now)
		}
		r.heardFrom(string(q.outer.from), HostDelegates, now)
	}
	asked := &r.asked
	*asked = Request{NS: q.namespace.NS, Requester: q.requester(), Lang: r.langOf(q), Now: now, Route: routeOf(q.wrapping != nil)}
	if q.wrapping == nil && q.outer.origin != nil {
		asked.Address = r.c.origin.address(q.outer.origin)
	}
	err := r.admit(q.namespace, "", asked)
	if err == errDeferred {
		return dst, q.len
	}
	if err == nil {
		reply, err = r.appendFast(q, q.appendOpen(dst, false), asked)
	}
	r.answered(q.namespace, q.wrapping != nil, err, now)
	if q.wrapping != nil {
		r.refused(q.host, err, now)
	}
	if err == nil {
		if reply = q.appendClose(reply); len(reply)-mark <= maxReply {
			return reply, q.len
		}
		err = tooLarge()
	}
	return q.appendClose(appendError(q.appendOpen(dst, true), err)), q.len
}

// appendFast calls the Handler. A panic counts as an error.
func (r *responder) appendFast(q *fastRequest, dst []byte, asked *Request) (reply []byte, err error) {
	defer r.recoverHandler(&err)
	reply, err = q.namespace.fast.AppendFast(dst, q.payload, asked)
	return reply, checkAppended(dst, reply, err)
}

// fastWrapping is what stands around the inner IQ of a request that a server
// forwards, and of the reply to it. XEP-0355 §4.3.
type fastWrapping struct{ open string }

var fastWrappings = [...]fastWrapping{
	{"<delegation xmlns='" + nsDelegation2 + "'><forwarded xmlns='" + nsForward + "'>"},
	{"<delegation xmlns='" + nsDelegation1 + "'><forwarded xmlns='" + nsForward + "'>"},
}

// What stands behind the payload.
const (
	fastDirectEnd    = "</iq>"
	fastDelegatedEnd = "</iq></forwarded></delegation></iq>"
)

// readFast reads the stanza at the beginning of b, and reports whether it is one
// for the fast path.
func (r *responder) readFast(q *fastRequest, b []byte) bool {
	rest, ok := q.outer.read(b)
	if !ok || !r.c.names[string(q.outer.to)] || len(q.outer.from) == 0 {
		return false
	}
	if ns := string(q.outer.ns); ns != "" && ns != nsAccept && ns != nsClient {
		return false
	}
	end := fastDirectEnd
	switch string(q.outer.kind) {
	case "get":
		q.wrapping = nil
	case "set":
		if q.host = r.c.hosts[string(q.outer.from)]; q.host == nil {
			return false
		}
		if rest, ok = r.readFastDelegation(q, rest); !ok {
			return false
		}
		end = fastDelegatedEnd
	default:
		return false
	}
	for i := range r.c.namespaces {
		n := &r.c.namespaces[i]
		if n.fast == nil {
			continue
		}
		if size := n.fast.FastLen(n.NS, rest); size > 0 {
			q.namespace, q.payload, rest = n, rest[:size], rest[size:]
			q.len = len(b) - len(rest) + len(end)
			return hasPrefix(rest, end)
		}
	}
	return false
}

// readFastDelegation reads the wrapping and the start tag of the inner IQ.
func (r *responder) readFastDelegation(q *fastRequest, b []byte) (rest []byte, ok bool) {
	for i := range fastWrappings {
		w := &fastWrappings[i]
		if !hasPrefix(b, w.open) {
			continue
		}
		q.wrapping = w
		rest, ok = q.inner.read(b[len(w.open):])
		return rest, ok && string(q.inner.ns) == nsClient && string(q.inner.kind) == "get" &&
			(q.inner.to == nil || r.c.hosts[string(q.inner.to)] == q.host || bytes.Equal(q.inner.to, q.requester()))
	}
	return nil, false
}

// requester returns the requester's bare JID.
func (q *fastRequest) requester() []byte {
	from := q.outer.from
	if q.wrapping != nil {
		from = q.inner.from
	}
	if i := bytes.IndexByte(from, '/'); i >= 0 {
		return from[:i]
	}
	return from
}

// langOf returns the xml:lang of a request. Nearly all have the same, so that the text
// of the one before is kept.
func (r *responder) langOf(q *fastRequest) string {
	lang := q.outer.lang
	if q.wrapping != nil {
		lang = q.inner.lang
	}
	if string(lang) != r.lang {
		r.lang = string(lang)
	}
	return r.lang
}

// Start tags of replies, up to the value of id.
const (
	fastResult      = "<iq type='result' id='"
	fastError       = "<iq type='error' id='"
	fastInnerResult = "<iq type='result' xmlns='" + nsClient + "' id='"
	fastInnerError  = "<iq type='error' xmlns='" + nsClient + "' id='"
)

// appendOpen is envelope.appendOpen, for values that need no escaping.
func (q *fastRequest) appendOpen(dst []byte, failed bool) []byte {
	open, inner := fastResult, fastInnerResult
	if failed {
		open, inner = fastError, fastInnerError
	}
	if q.wrapping == nil {
		return q.outer.appendReply(dst, open)
	}
	dst = q.outer.appendReply(dst, fastResult)
	dst = append(dst, q.wrapping.open...)
	return q.inner.appendReply(dst, inner)
}

func (q *fastRequest) appendClose(dst []byte) []byte {
	if q.wrapping == nil {
		return append(dst, fastDirectEnd...)
	}
	return append(dst, fastDelegatedEnd...)
}

// fastIQ is the attributes of an IQ as they are written. A nil slice is an attribute
// that is missing.
type fastIQ struct{ kind, ns, id, from, to, lang, origin []byte }

// read reads the start tag at the beginning of b. It must have type, id and from.
func (iq *fastIQ) read(b []byte) (rest []byte, ok bool) {
	const open = "<iq"
	if !hasPrefix(b, open) {
		return nil, false
	}
	*iq = fastIQ{}
	for b = b[len(open):]; len(b) > 0 && b[0] == ' '; {
		var field *[]byte
		switch {
		case hasPrefix(b, " id="):
			field, b = &iq.id, b[len(" id="):]
		case hasPrefix(b, " to="):
			field, b = &iq.to, b[len(" to="):]
		case hasPrefix(b, " from="):
			field, b = &iq.from, b[len(" from="):]
		case hasPrefix(b, " type="):
			field, b = &iq.kind, b[len(" type="):]
		case hasPrefix(b, " xml:lang="):
			field, b = &iq.lang, b[len(" xml:lang="):]
		case hasPrefix(b, " xmlns="):
			field, b = &iq.ns, b[len(" xmlns="):]
		case hasPrefix(b, " origin="):
			field, b = &iq.origin, b[len(" origin="):]
		default:
			return nil, false
		}
		n := xmltext.PlainValue(b)
		if n == 0 || *field != nil {
			return nil, false
		}
		*field, b = b[1:n-1], b[n:]
	}
	if len(b) == 0 || b[0] != '>' {
		return nil, false
	}
	return b[1:], iq.kind != nil && iq.id != nil && iq.from != nil
}

// appendReply appends the start tag of the reply, which begins with open: from and
// to change places.
func (iq *fastIQ) appendReply(dst []byte, open string) []byte {
	dst = append(dst, open...)
	dst = append(dst, iq.id...)
	if iq.to != nil {
		dst = append(dst, "' from='"...)
		dst = append(dst, iq.to...)
	}
	dst = append(dst, "' to='"...)
	dst = append(dst, iq.from...)
	return append(dst, "'>"...)
}

// hasPrefix is small enough to be inlined.
func hasPrefix(b []byte, prefix string) bool {
	return len(b) >= len(prefix) && string(b[:len(prefix)]) == prefix
}
