// Package xep0215 implements XEP-0215: External Service Discovery, by which an
// XMPP client learns of STUN and TURN servers and of the credentials for them.
//
// A client sends an IQ of type get with an empty services element, and is
// answered with the services on offer; or it names services in a credentials
// element, and is answered with those and a credential for each. Version 2 of
// the namespace ([NS]) and version 1 ([NS1]) have the same shape and are both
// supported, each answered in its own namespace.
//
// # Asking
//
// A program that has a mellium session asks with [Fetch]:
//
//	services, err := xep0215.Fetch(ctx, session, server, xep0215.Request{})
//	for _, s := range services {
//		fmt.Println(s.URI(), s.Username, s.Expires)
//	}
//
// # Answering
//
// A [Handler] answers requests from an [Offer]. It reads a request with
// [ParseRequest] and returns the payload of the reply as bytes, so that it fits
// into whatever carries the stanzas; of XMPP it needs the requester's address
// only:
//
//	h := xep0215.NewHandler(offer)
//	request, err := xep0215.ParseRequest(payload) // an xml.TokenReader
//	if err == nil {
//		reply, err = h.AppendReply(nil, request, []byte("juliet@example.org"), time.Now())
//	}
//
// An error is always a [mellium.im/xmpp/stanza.Error] that can be sent as it is.
package xep0215

// The namespaces of XEP-0215. Version 2 added the attributes action, expires and
// restricted, and made the type mandatory in requests for credentials.
const (
	NS  = "urn:xmpp:extdisco:2"
	NS1 = "urn:xmpp:extdisco:1"
)

// Types of service that this package knows the defaults of: STUN and TURN, each
// plain and over TLS.
const (
	TypeSTUN  = "stun"
	TypeSTUNS = "stuns"
	TypeTURN  = "turn"
	TypeTURNS = "turns"
)

// Transports of a service.
const (
	TransportUDP = "udp"
	TransportTCP = "tcp"
)
