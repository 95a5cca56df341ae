package xep0215

import (
	"bytes"

	"extdisco/internal/xmltext"
)

// The fast path reads requests from their bytes, in the form in which most clients
// and servers write them; everything else is left to [ParseRequest]. FuzzFast checks
// that both understand a request in the same way: an element without text, with
// known attributes only, each at most once and with a usual value. The strings of
// the request are constants or those of the services on offer, so that none is
// allocated.

// maxFastFilters is how many services a request for credentials may name here.
const maxFastFilters = 4

// fastRequest is a request whose hosts are still bytes.
type fastRequest struct {
	Request
	filters [maxFastFilters]Filter
	hosts   [maxFastFilters][]byte // of the filters
}

// FastLen returns the length of the element that b begins with, if it is a request
// in the namespace ns, [NS] or [NS1], that [Handler.AppendFast] can answer, and 0
// for anything else.
func (h *Handler) FastLen(ns string, b []byte) int {
	if isMostUsual(ns, b) {
		return len(mostUsual)
	}
	sc := h.getScratch()
	defer h.scratch.Put(sc)
	return sc.fast.read(ns, b)
}

// AppendFast does for an element that FastLen has measured what
// [Handler.AppendReply] does for the request that [ParseRequest] reads from it.
func (h *Handler) AppendFast(dst []byte, ns string, element []byte, o Offer) ([]byte, error) {
	sc := h.getScratch()
	defer h.scratch.Put(sc)
	q := &sc.fast
	if len(element) == len(mostUsual) { // no other request is as short
		q.Request = Request{NS: ns}
	} else {
		q.read(ns, element)
		q.resolveHosts(o.Groups)
	}
	return sc.appendReply(dst, &q.Request, &o)
}

// mostUsual is what nearly all clients ask.
const (
	mostUsual  = "<services xmlns='" + NS + "'/>"
	mostUsual1 = "<services xmlns='" + NS1 + "'/>"
)

// isMostUsual reports whether b begins with that. Both have the same length.
func isMostUsual(ns string, b []byte) bool {
	if len(b) < len(mostUsual) {
		return false
	}
	begin := b[:len(mostUsual)]
	return ns == NS && string(begin) == mostUsual || ns == NS1 && string(begin) == mostUsual1
}

// read reads the request that b begins with, and returns its length or 0.
func (q *fastRequest) read(ns string, b []byte) int {
	rest, isServices := bytes.CutPrefix(b, []byte("<services"))
	var isCredentials bool
	if !isServices {
		if rest, isCredentials = bytes.CutPrefix(b, []byte("<credentials")); !isCredentials {
			return 0
		}
	}
	q.Request = Request{NS: ns}
	hasNS := false
	for len(rest) > 0 && rest[0] == ' ' {
		name, value, behind := cutAttr(rest)
		switch {
		case name == "xmlns" && !hasNS && string(value) == ns:
			hasNS = true
		case name == "type" && isServices && q.Type == "":
			if q.Type = knownType(value); q.Type == "" {
				return 0
			}
		default:
			return 0
		}
		rest = behind
	}
	if !hasNS {
		return 0
	}
	ok := false
	if isServices {
		rest, ok = cutEmptyEnd(rest, "></services>")
	} else if behind, empty := cutEmptyEnd(rest, "></credentials>"); empty {
		q.filters[0], q.hosts[0] = Filter{}, nil
		rest, ok, q.Credentials = behind, true, q.filters[:1]
	} else if rest, ok = bytes.CutPrefix(rest, []byte{'>'}); ok {
		rest, ok = q.readFilters(rest)
	}
	if !ok {
		return 0
	}
	return len(b) - len(rest)
}

// cutAttr cuts off the attribute that b begins with, if requests have such an
// attribute and its value is plain. Otherwise the name is empty.
func cutAttr(b []byte) (name string, value, rest []byte) {
	for _, name := range [...]string{"xmlns", "type", "host", "port", "transport"} {
		behind, ok := bytes.CutPrefix(b[1:], []byte(name))
		if !ok || len(behind) == 0 || behind[0] != '=' {
			continue
		}
		if n := xmltext.PlainValue(behind[1:]); n > 0 {
			return name, behind[2:n], behind[1+n:]
		}
	}
	return "", nil, nil
}

// cutEmptyEnd cuts off the end of an element without content, in either form.
func cutEmptyEnd(b []byte, long string) (rest []byte, ok bool) {
	if rest, ok = bytes.CutPrefix(b, []byte("/>")); ok {
		return rest, true
	}
	return bytes.CutPrefix(b, []byte(long))
}

// readFilters reads the content of a credentials element and its end tag.
func (q *fastRequest) readFilters(b []byte) (rest []byte, ok bool) {
	for n := range maxFastFilters + 1 {
		if rest, ok = bytes.CutPrefix(b, []byte("</credentials>")); ok {
			q.Credentials = q.filters[:n] // at least one, since an empty element is none of this form
			return rest, true
		}
		if n == maxFastFilters {
			break
		}
		if b, ok = bytes.CutPrefix(b, []byte("<service")); !ok {
			break
		}
		if b, ok = q.readFilter(n, b); !ok {
			break
		}
	}
	return nil, false
}

// readFilter reads the attributes and the end of a service element.
func (q *fastRequest) readFilter(n int, b []byte) (rest []byte, ok bool) {
	f, host := Filter{}, []byte(nil)
	for len(b) > 0 && b[0] == ' ' {
		name, value, behind := cutAttr(b)
		ok := false
		switch {
		case name == "type" && f.Type == "":
			f.Type = knownType(value)
			ok = f.Type != ""
		case name == "host" && host == nil:
			host = value
			ok = isPlainHost(host)
		case name == "port" && f.Port == 0:
			f.Port, ok = parsePlainPort(value)
		case name == "transport" && f.Transport == "":
			f.Transport = knownTransport(value)
			ok = f.Transport != ""
		}
		if !ok {
			return nil, false
		}
		b = behind
	}
	if host == nil || f.Type == "" && q.NS != NS1 {
		return nil, false
	}
	q.filters[n], q.hosts[n] = f, host
	return cutEmptyEnd(b, "></service>")
}

// resolveHosts makes strings of the hosts. Those on offer exist already.
func (q *fastRequest) resolveHosts(groups []*Group) {
	for i := range q.Credentials {
		f := &q.Credentials[i]
		f.Host = ""
		for _, g := range groups {
			for j := range g.all {
				if host := g.all[j].key.Host; string(q.hosts[i]) == host {
					f.Host = host
				}
			}
		}
		if f.Host == "" {
			f.Host = string(q.hosts[i])
		}
	}
}

func knownType(b []byte) string {
	for _, t := range [...]string{TypeSTUN, TypeTURN, TypeTURNS, TypeSTUNS} {
		if string(b) == t {
			return t
		}
	}
	return ""
}

func knownTransport(b []byte) string {
	for _, t := range [...]string{TransportUDP, TransportTCP} {
		if string(b) == t {
			return t
		}
	}
	return ""
}

// isPlainHost reports whether b is a host that is its own [CanonicalHost].
func isPlainHost(b []byte) bool {
	for _, c := range b {
		if !('a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '.' || c == '_') {
			return false
		}
	}
	return len(b) > 0 && b[len(b)-1] != '.'
}

// parsePlainPort is parsePort for a number without leading zeros.
func parsePlainPort(b []byte) (port uint16, ok bool) {
	if len(b) == 0 || len(b) > len("65535") || b[0] == '0' {
		return 0, false
	}
	n := 0
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = 10*n + int(c-'0')
	}
	return uint16(n), n <= 1<<16-1
}
