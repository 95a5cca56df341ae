package component

import (
	"encoding/xml"
	"slices"
	"strings"
	"time"

	"mellium.im/xmpp/stanza"
)

// Both versions of XEP-0355 are in use and have the same syntax: Prosody speaks
// version 2, ejabberd version 1. A reply in the other version's namespace is lost.
const (
	nsDelegation2 = "urn:xmpp:delegation:2"
	nsDelegation1 = "urn:xmpp:delegation:1"
)

var delegationNamespaces = [...]string{nsDelegation2, nsDelegation1}

var delayName = xml.Name{Space: "urn:xmpp:delay", Local: "delay"} // XEP-0203

func isDelegation(name xml.Name) bool {
	return name.Local == "delegation" && (name.Space == nsDelegation1 || name.Space == nsDelegation2)
}

// forwardedIQ finds the IQ that a trusted host forwards, and the namespace of
// the wrapping. XEP-0355 §4.3; a delay beside the IQ is that of XEP-0297.
func (r *responder) forwardedIQ(doc document) (delegation string, inner int, ok bool) {
	if r.c.hosts[sender(doc)] == nil {
		return "", 0, false
	}
	i, ok := doc.onlyChild(0, "delegation", delegationNamespaces[:]...)
	if !ok {
		return "", 0, false
	}
	delegation = doc.start(i).Name.Space
	if i, ok = doc.onlyChild(i, "forwarded", nsForward); !ok {
		return "", 0, false
	}
	children, hasText := doc.children(i)
	children = slices.DeleteFunc(children, func(i int) bool { return doc.start(i).Name == delayName })
	if len(children) != 1 || hasText {
		return "", 0, false
	}
	name := doc.start(children[0]).Name
	return delegation, children[0], name.Local == "iq" && (name.Space == nsClient || name.Space == nsAccept)
}

// answerDelegated answers a request that claims to be forwarded by a server.
// Anybody can send one to a component, so it is believed only from a trusted host:
// otherwise anybody could get credentials in the name of somebody else.
func (r *responder) answerDelegated(dst []byte, doc document, env envelope, now time.Time) []byte {
	name := sender(doc)
	h := r.c.hosts[name]
	if h == nil {
		r.events.untrustedDelegation(name)
		return env.appendReply(dst, func(dst []byte) ([]byte, error) {
			return dst, stanzaError(stanza.Auth, stanza.Forbidden, "this address is not trusted to forward requests")
		})
	}
	delegation, inner, ok := r.forwardedIQ(doc)
	if !ok {
		return env.appendReply(dst, func(dst []byte) ([]byte, error) {
			return dst, badRequest("a forwarded request is one iq in one forwarded element in one delegation element")
		})
	}
	env.delegation, env.inner = delegation, addressOf(doc.start(inner))
	if children, _ := doc.children(inner); !h.seen && len(children) == 1 {
		r.watchDelegation(name, delegation, doc.start(children[0]).Name.Space, now)
	}
	r.heardFrom(name, HostDelegates, now)
	return env.appendReply(dst, func(dst []byte) ([]byte, error) {
		dst, err := r.appendForwarded(dst, doc, inner, h, now)
		r.refused(h, err, now)
		return dst, err
	})
}

// appendForwarded answers the payload of the IQ at index inner, which the host
// forwards.
func (r *responder) appendForwarded(dst []byte, doc document, inner int, h *host, now time.Time) ([]byte, error) {
	children, hasText := doc.children(inner)
	if err := checkIQ(doc, inner, children, hasText); err != nil {
		return dst, err
	}
	a := addressOf(doc.start(inner))
	from := text(a.from)
	// A server answers for itself and for the accounts of its users, each of which
	// may ask its own. What goes to another account is not for us.
	if a.to != nil && r.c.hosts[*a.to] != h && *a.to != bareJID(from) {
		return dst, serviceUnavailable()
	}
	return r.appendPayload(dst, doc, inner, children[0], from, now)
}

// readAdvert notes which namespaces a host says that it delegates. XEP-0355 §4.2.
func (r *responder) readAdvert(doc document, now time.Time) {
	i, ok := doc.onlyChild(0, "delegation", delegationNamespaces[:]...)
	if !ok || doc.err != nil {
		return
	}
	name := sender(doc)
	if r.c.hosts[name] == nil {
		r.events.untrustedDelegation(name)
		return
	}
	var ours []string
	children, _ := doc.children(i)
	for _, child := range children {
		ns := attr(doc.start(child), "namespace")
		switch {
		case doc.start(child).Name.Local != "delegated" || ns == nil:
		case r.c.answersIn(*ns):
			ours = append(ours, *ns)
		default:
			r.events.unknownNamespace(name, *ns)
		}
	}
	if len(ours) == 0 {
		return
	}
	r.heardFrom(name, HostDelegates, now)
	r.c.cfg.Log.Debug("a host announces what it delegates", "host", name, "namespaces", ours)
	for _, ns := range ours {
		r.watchDelegation(name, doc.start(i).Name.Space, ns, now)
	}
}

// watchDelegation notes that a host delegates a namespace, in the version of XEP-0355
// that its server speaks.
func (r *responder) watchDelegation(host, delegation, ns string, now time.Time) {
	if delegation == nsDelegation1 && r.c.answersIn(ns) {
		r.c.watch.delegates(host, ns, now)
	}
}

// readNesting notes that a host asks about the features of a namespace that it
// delegates, and whether that is one of ours. XEP-0355 §4.6.
func (r *responder) readNesting(name, node string, known bool, now time.Time) {
	if r.c.hosts[name] == nil {
		return
	}
	if known {
		r.heardFrom(name, HostDelegates, now)
	}
	for _, delegation := range delegationNamespaces {
		ns, ok := strings.CutPrefix(node, delegation+"::")
		if bare, isBare := strings.CutPrefix(node, delegation+":bare:"); known && isBare {
			ns, ok = bare, true
		}
		switch {
		case ok && known:
			r.watchDelegation(name, delegation, ns, now)
		case ok:
			r.events.unknownNamespace(name, ns)
		}
	}
}
