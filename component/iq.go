package component

import (
	"encoding/xml"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"time"

	"mellium.im/xmpp/stanza"
)

// responder answers stanzas. It belongs to one link and is used by one goroutine.
type responder struct {
	c      *Component
	events linkEvents
	// last is set while a deferred stanza is answered, which has been admitted
	// already and cannot wait any longer.
	last  bool
	since time.Time // when it was read, if last is set
	// wait is set when a stanza was not answered because its Handler is not ready;
	// see [Preparer].
	wait <-chan struct{}
	// value is the Request.Value of a stanza that has to wait, or has waited.
	value any
	// lost is set when the server has stopped forwarding; see [watch].
	lost bool
	life life
	run  answerRun

	// Scratch space of the fast path, so that it allocates nothing.
	request fastRequest
	asked   Request
	lang    string // of the request before
}

// errDeferred is the reason why no reply was made yet.
var errDeferred = errors.New("the reply is deferred")

// respond appends the reply to one frame to dst: every IQ of type get or set gets
// exactly one, everything else gets none. If the frame was too large, truncated is
// true and frame is its beginning.
func (r *responder) respond(dst, frame []byte, truncated bool, now time.Time) []byte {
	if !truncated {
		if reply, n := r.fast(dst, frame, now); n == len(frame) {
			return reply
		}
	}
	return r.slow(dst, frame, truncated, now)
}

// slow is respond for any stanza, of any form.
func (r *responder) slow(dst, frame []byte, truncated bool, now time.Time) (reply []byte) {
	mark := len(dst)
	doc := parse(frame)
	root := doc.start(0)
	defer func() {
		if p := recover(); p != nil {
			r.panicked(p)
			reply = r.refuse(dst[:mark], doc, stanzaError(stanza.Wait, stanza.InternalServerError, ""))
		}
	}()
	if root.Name.Space != nsAccept && root.Name.Space != nsClient {
		return dst
	}
	switch root.Name.Local {
	case "iq":
		if iqType := text(attr(root, "type")); iqType == "result" || iqType == "error" {
			r.readAnswer(doc, now)
			return dst
		}
	case "message":
		r.readAdvert(doc, now)
		return dst
	default:
		return dst
	}
	switch {
	case truncated:
		return r.refuse(dst, doc, tooLarge())
	case doc.err != nil:
		r.c.cfg.Log.Debug("refused a stanza", "from", sender(doc), "err", doc.err)
		var syntax *xml.SyntaxError
		if errors.As(doc.err, &syntax) {
			return r.refuse(dst, doc, badRequest("the stanza is not well-formed"))
		}
		return r.refuse(dst, doc, badRequest(doc.err.Error()))
	}
	return r.answer(dst, doc, now)
}

// readAnswer reads an answer to something that we asked.
func (r *responder) readAnswer(doc document, now time.Time) {
	asked, says := r.c.watch.answered(doc)
	switch says {
	case saysDelegates:
		r.heardFrom(sender(doc), HostDelegates, now)
	case saysLost:
		r.lost = true
	}
	switch {
	case r.life.isAnswer(doc):
		r.life.confirmed()
		r.readSilentHost(doc, now)
	case asked:
		r.life.confirmed()
	}
}

// readSilentHost notes that the host that was pinged delegates, although it has sent
// nothing.
func (r *responder) readSilentHost(doc document, now time.Time) {
	features, _ := featuresIn(doc)
	if host := sender(doc); r.c.hosts[host] != nil && slices.Contains(features, nsDelegation1) {
		for _, ns := range features {
			r.watchDelegation(host, nsDelegation1, ns, now)
		}
	}
}

// sender returns the sender of a stanza as the server states it. Unlike the address
// that a reply goes to, it is never guessed, because trust depends on it.
func sender(doc document) string { return text(attr(doc.start(0), "from")) }

// outer returns the addresses that the reply to a stanza goes by. What is missing is
// filled in: from and to of a reply must never be missing, or the server ends the
// stream. Servers do that also for a reply in a name that is not ours, so a request
// to somebody else is refused in our own.
func (r *responder) outer(doc document) address {
	a := addressOf(doc.start(0))
	if text(a.from) == "" { // RFC 6120 §8.1.2.1: then it comes from the server itself
		a.from = &r.c.cfg.Hosts[0]
	}
	if text(a.to) == "" || !r.c.mayAnswerAs(*a.to) {
		a.to = &r.c.cfg.JID
	}
	return a
}

// mayAnswerAs reports whether a reply may come from the address: one at our domain
// or, since some servers deliver what was sent to them, at a trusted host.
func (c *Component) mayAnswerAs(address string) bool {
	domain := lowerASCII(string(domainOf([]byte(bareJID(address)))))
	return c.names[domain] || c.hosts[domain] != nil
}

// isForUs reports whether a request to the address is for the component: to its
// domain, or to a trusted host, whose server passes on what it was asked itself.
func (c *Component) isForUs(to string) bool {
	to = lowerASCII(to)
	return to == "" || c.names[to] || c.hosts[to] != nil
}

// refuse answers an IQ whose content was not looked at.
func (r *responder) refuse(dst []byte, doc document, err error) []byte {
	env := envelope{outer: r.outer(doc)}
	if delegation, inner, ok := r.forwardedIQ(doc); ok {
		env.delegation, env.inner = delegation, addressOf(doc.start(inner))
	}
	return env.appendReply(dst, func(dst []byte) ([]byte, error) { return dst, err })
}

// answer answers a well-formed IQ.
func (r *responder) answer(dst []byte, doc document, now time.Time) []byte {
	env := envelope{outer: r.outer(doc)}
	children, hasText := doc.children(0)
	to := text(attr(doc.start(0), "to"))
	if !r.c.isForUs(to) { // but for a user or resource of ours: there are none
		return env.appendReply(dst, func(dst []byte) ([]byte, error) { return dst, serviceUnavailable() })
	}
	if text(attr(doc.start(0), "type")) == "set" && len(children) == 1 && isDelegation(doc.start(children[0]).Name) {
		return r.answerDelegated(dst, doc, env, now)
	}
	return env.appendReply(dst, func(dst []byte) ([]byte, error) {
		if err := checkIQ(doc, 0, children, hasText); err != nil {
			return dst, err
		}
		if r.c.hosts[to] != nil {
			r.heardFrom(to, HostRoutes, now)
		}
		return r.appendPayload(dst, doc, 0, children[0], sender(doc), now)
	})
}

// checkIQ refuses an IQ of an unknown type and one without exactly one payload.
// RFC 6120 §8.2.3.
func checkIQ(doc document, iq int, children []int, hasText bool) error {
	switch text(attr(doc.start(iq), "type")) {
	case "get", "set":
	default:
		return badRequest("the type of the IQ is none of get, set, result and error")
	}
	if len(children) != 1 || hasText {
		return badRequest("an IQ of this type holds exactly one element")
	}
	return nil
}

// appendPayload answers the payload of the IQ at index iq.
func (r *responder) appendPayload(dst []byte, doc document, iq, payload int, from string, now time.Time) (reply []byte, err error) {
	start := doc.start(payload)
	if text(attr(doc.start(iq), "type")) != "get" {
		return dst, serviceUnavailable()
	}
	if iq == 0 { // these are about the component; a server does not delegate them
		switch start.Name {
		case xml.Name{Space: nsInfo, Local: "query"}:
			node := text(attr(start, "node"))
			dst, err = r.c.disco.appendInfo(dst, node)
			if node != "" {
				r.readNesting(from, node, err == nil, now)
			}
			return dst, err
		case xml.Name{Space: nsItems, Local: "query"}:
			return appendItems(dst, text(attr(start, "node")))
		case xml.Name{Space: nsPing, Local: "ping"}:
			return dst, nil
		case xml.Name{Space: nsVersion, Local: "query"}:
			return append(dst, r.c.disco.version...), nil
		}
	}
	for i := range r.c.namespaces {
		n := &r.c.namespaces[i]
		if n.NS != start.Name.Space || n.HostsOnly && iq != 0 {
			continue
		}
		if n.HostsOnly && r.c.hosts[from] != nil {
			r.heardFrom(from, HostBridges, now)
		}
		request := &Request{NS: n.NS, Requester: []byte(bareJID(from)), Lang: langOf(doc.start(iq)), Now: now, Route: routeOf(iq != 0)}
		if origin := attr(doc.start(iq), "origin"); iq == 0 && origin != nil {
			request.Address = r.c.origin.address([]byte(*origin))
		}
		err = r.admit(n, from, request)
		if err == errDeferred {
			return dst, err
		}
		if err == nil {
			request.Payload = doc.reader(payload)
			reply, err = r.appendReply(n.Handler, dst, request)
		}
		r.answered(n, iq != 0, err, now)
		if n.HostsOnly {
			r.refused(r.c.hosts[from], err, now)
		}
		return reply, err
	}
	return dst, serviceUnavailable()
}

// appendReply calls the Handler. A panic counts as an error.
func (r *responder) appendReply(h Handler, dst []byte, request *Request) (reply []byte, err error) {
	defer r.recoverHandler(&err)
	reply, err = h.AppendReply(dst, request)
	return reply, checkAppended(dst, reply, err)
}

// recoverHandler turns a panic into an error, so that the request is answered and
// observed like any other. It must be deferred.
func (r *responder) recoverHandler(err *error) {
	if p := recover(); p != nil {
		r.panicked(p)
		*err = stanzaError(stanza.Wait, stanza.InternalServerError, "")
	}
}

// panicked logs a panic, which is a bug.
func (r *responder) panicked(p any) {
	r.events.broken("a stanza caused a panic; please report this", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
}

var errNotAppended = errors.New("the Handler returned less than it was given to append to")

// checkAppended catches a Handler that did not append to dst: the replies to other
// requests, which are in it, would be lost.
func checkAppended(dst, reply []byte, err error) error {
	if err == nil && len(reply) < len(dst) {
		return errNotAppended
	}
	return err
}

// answered observes and logs the reply to a request in the namespace n.
func (r *responder) answered(n *namespace, delegated bool, err error, now time.Time) {
	r.observe(n.NS, routeOf(delegated), err, now)
	switch {
	case err == nil && !n.HostsOnly:
		r.events.answered(delegated)
	case err != nil && !errors.As(err, new(stanza.Error)):
		r.events.broken("a request could not be answered", "namespace", n.NS, "err", err)
	}
}

// admit asks the Gate, and asks the Handler whether it is ready. Requests for hosts
// only must come from the host itself, without a resource; from matters only there.
func (r *responder) admit(n *namespace, from string, request *Request) error {
	if r.last {
		request.Value = r.value
		return nil
	}
	if n.HostsOnly && r.c.hosts[from] == nil {
		r.events.untrustedHost(from)
		return stanzaError(stanza.Auth, stanza.Forbidden, "this address is not one of component.hosts")
	}
	if !n.HostsOnly {
		if err := r.c.cfg.Gate.Admit(request); err != nil {
			return err
		}
	}
	if n.preparer != nil {
		if r.wait = n.preparer.Prepare(request); r.wait != nil {
			r.value = request.Value
			return errDeferred
		}
	}
	return nil
}
