package component

import (
	"encoding/xml"
	"strings"
	"time"

	"mellium.im/xmpp/stanza"
)

// Both versions of XEP-0355 are in use and have the same form: Prosody speaks
// version 2, ejabberd version 1. A reply in the other namespace is lost.
const (
	nsDelegation2 = "urn:xmpp:delegation:2"
	nsDelegation1 = "urn:xmpp:delegation:1"
)

var delegationNamespaces = [...]string{nsDelegation2, nsDelegation1}

func isDelegation(name xml.Name) bool {
	return name.Local == "delegation" && (name.Space == nsDelegation1 || name.Space == nsDelegation2)
}

// forwardedIQ finds the IQ that a trusted host forwards, and the namespace of
// the wrapping. XEP-0355 §4.3.
func (r *responder) forwardedIQ(doc document) (delegation string, inner int, ok bool) {
	if r.c.hosts[sender(doc)] == "" {
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
	inner, ok = doc.onlyChild(i, "iq", nsClient, nsAccept)
	return delegation, inner, ok
}

// answerDelegated answers a request that claims to be forwarded by a server.
// Anybody can send one to a component, so it is believed from a trusted host
// only: otherwise one could get credentials in the name of another.
func (r *responder) answerDelegated(dst []byte, doc document, env envelope, now time.Time) []byte {
	host := sender(doc)
	if r.c.hosts[host] == "" {
		r.events.untrustedDelegation(host)
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
	r.events.heardFrom(host)
	return env.appendReply(dst, func(dst []byte) ([]byte, error) {
		children, hasText := doc.children(inner)
		if err := checkIQ(doc, inner, children, hasText); err != nil {
			return dst, err
		}
		from := text(env.inner.from)
		if !isForServer(env.inner.to, host, from) {
			return dst, serviceUnavailable()
		}
		return r.appendPayload(dst, doc, inner, children[0], from, now)
	})
}

// isForServer reports whether a forwarded request was meant for the server or
// for the requester's own account, which the server answers for. One to another
// account is none of ours.
func isForServer(to *string, host, from string) bool {
	return to == nil || *to == host || *to == bareJID(from)
}

// readAdvert notes which namespaces a host says that it delegates. XEP-0355 §4.2.
func (r *responder) readAdvert(doc document) {
	i, ok := doc.onlyChild(0, "delegation", delegationNamespaces[:]...)
	if !ok || doc.err != nil {
		return
	}
	host := sender(doc)
	if r.c.hosts[host] == "" {
		r.events.untrustedDelegation(host)
		return
	}
	var namespaces, ours []string
	children, _ := doc.children(i)
	for _, child := range children {
		if ns := attr(doc.start(child), "namespace"); doc.start(child).Name.Local == "delegated" && ns != nil {
			namespaces = append(namespaces, *ns)
			if r.c.answersIn(*ns) {
				ours = append(ours, *ns)
			}
		}
	}
	r.events.heardFrom(host)
	r.events.delegates(host, strings.Join(namespaces, " "))
	if doc.start(i).Name.Space == nsDelegation1 && len(ours) > 0 {
		r.c.watch.announced(host, ours)
	}
}
