// Package xep0215 implements XEP-0215: External Service Discovery, by which an
// XMPP client learns of STUN and TURN servers and of the credentials for them.
//
// A client sends an IQ of type get with an empty services element, and is
// answered with the services on offer; or it names services in a credentials
// element, and is answered with those and a credential for each. Version 2 of
// the namespace ([NS]) and version 1 ([NS1]) have the same shape; both are
// supported, and each is answered in its own namespace. A server that a client has
// asked may later push changes; see [AppendPush].
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
// A [Handler] answers a request from an [Offer], which is what the requester is
// offered at that instant. It returns the payload of the reply as bytes, so that it
// fits into whatever carries the stanzas; all that it needs of XMPP is the
// requester's address:
//
//	var h xep0215.Handler
//	request, err := xep0215.ParseRequest(payload) // an xml.TokenReader
//	if err == nil {
//		reply, err = h.AppendReply(nil, request, xep0215.Offer{
//			Groups: groups, Requester: []byte("juliet@example.org"), Now: time.Now(),
//		})
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

// Types of service whose defaults this package knows: STUN and TURN, each plain and
// over TLS.
const (
	TypeSTUN  = "stun"
	TypeSTUNS = "stuns"
	TypeTURN  = "turn"
	TypeTURNS = "turns"
)

// Actions of pushed changes. XEP-0215 §3.2
const (
	ActionAdd    = "add"
	ActionModify = "modify"
	ActionDelete = "delete"
)

// Transports of a service.
const (
	TransportUDP = "udp"
	TransportTCP = "tcp"
)
