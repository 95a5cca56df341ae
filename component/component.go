// Package component connects a program to an XMPP server as an external
// component (XEP-0114: Jabber Component Protocol), and answers the IQs that
// arrive there: requests that users send to the component's own address, and
// requests that they send to their server, which the server forwards (XEP-0355:
// Namespace Delegation).
//
// A [Component] maintains the link to the server: it connects, authenticates with
// the handshake secret, answers requests, notices when the server falls silent, and
// reconnects with growing pauses. A [Handler] for each namespace provides the
// answers; the component itself answers service discovery (XEP-0030), ping
// (XEP-0199) and software version (XEP-0092).
//
// No stanza can harm anything but itself: the stream is cut into stanzas within
// limits, each is answered on its own, and addresses are echoed without being
// parsed. Only the handshake is left to mellium.im/xmpp/component, whose stream and
// mux end the whole stream because of one odd stanza.
package component

import (
	"context"
	"encoding/xml"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"time"

	"mellium.im/xmpp/jid"

	"extdisco/internal/secret"
)

const (
	nsAccept  = "jabber:component:accept"
	nsClient  = "jabber:client"
	nsServer  = "jabber:server"
	nsStream  = "http://etherx.jabber.org/streams"
	nsStanzas = "urn:ietf:params:xml:ns:xmpp-stanzas"
	nsForward = "urn:xmpp:forward:0"
	nsPing    = "urn:xmpp:ping"
	nsVersion = "jabber:iq:version"
	nsInfo    = "http://jabber.org/protocol/disco#info"
	nsItems   = "http://jabber.org/protocol/disco#items"
)

// Handler answers IQs of type get in one namespace.
type Handler interface {
	// AppendReply appends the payload of the result to dst. An error is sent
	// to the requester: a [mellium.im/xmpp/stanza.Error] as it is, any other
	// as internal-server-error; the returned slice is then ignored. It must not
	// block: the link waits for it.
	AppendReply(dst []byte, r *Request) ([]byte, error)
}

// Preparer is a Handler that may need time before it can answer, for instance to
// query another service.
type Preparer interface {
	// Prepare returns nil if AppendReply can answer the request now, and otherwise
	// a channel that is closed when it can. It must not block or read the Payload.
	// AppendReply is called in any case, even if the channel stays open for too
	// long or too many requests are waiting already.
	Prepare(r *Request) <-chan struct{}
}

// Request is one IQ of type get.
type Request struct {
	NS        string          // of the Handler
	Requester []byte          // bare JID of the requester; valid until the Handler returns
	Payload   xml.TokenReader // the element in the Handler's namespace
	Lang      string          // xml:lang of the stanza (RFC 6120 §8.1.5), empty for none
	Now       time.Time       // when it was read
	Route     Route           // by which it came
	// Address is where the requester's session comes from, if the server has said so with
	// a key that only it can know. The zero value means that it is not known.
	Address netip.Addr
	// Value is for the Gate and the [Preparer] to set and for the Handler to read. It
	// stays while the request waits, so that all three can work from one snapshot.
	Value any
}

// Namespace is a namespace that a component answers in.
type Namespace struct {
	NS      string
	Handler Handler
	// HostsOnly is for requests that the trusted hosts themselves make, in their own
	// name. Everybody else is refused. It is neither advertised nor answered when
	// forwarded, and the Gate is not asked: the Requester is the host.
	HostsOnly bool
}

// Gate decides who is answered. It is asked about requests to Handlers, not about
// discovery, ping and version.
type Gate interface {
	// Admit returns nil, or the error to send to the requester. There is no
	// Payload yet.
	Admit(r *Request) error
}

// Config says what a component is and where it connects.
type Config struct {
	JID        string      // the component's address, a domain
	Server     string      // host:port where the server accepts components
	Secret     []byte      // handshake secret
	Hosts      []string    // domains of the server that are trusted to forward requests
	Namespaces []Namespace // in the order in which they are advertised
	Gate       Gate
	Name       string // of the program, for software version (XEP-0092)
	Version    string
	// ServiceName is what service browsers show (XEP-0030); Name if it is empty.
	ServiceName string
	Log         *slog.Logger
	Observer    Observer // nil for none

	// Dial connects to the server. Nil means TCP to Server.
	Dial func(context.Context) (net.Conn, error)
}

// Component is an XMPP component. Make one with [New] and run it with
// [Component.Run].
type Component struct {
	cfg        Config        // without its Secret
	secret     secret.Secret // handshake secret
	origin     originKey
	jid        jid.JID
	names      map[string]bool  // how servers write our address
	hosts      map[string]*host // the trusted ones, by all that servers write for them
	hostList   []*host          // the same, in the order of the configuration
	namespaces []namespace
	disco      disco
	watch      watch
	carried    [][]byte // requests that the last link could not answer
	pulse      pulse
}

// New returns a component that is not connected. It reports a Config that is
// incomplete, and a JID that is not the domain of a component.
func New(cfg Config) (*Component, error) {
	address, err := ParseJID(cfg.JID)
	if err != nil {
		return nil, err
	}
	if len(cfg.Hosts) == 0 {
		return nil, errors.New("component: no host is trusted to forward requests")
	}
	if cfg.Gate == nil || cfg.Log == nil {
		return nil, errors.New("component: a Gate and a Log are needed")
	}
	if cfg.Dial == nil {
		cfg.Dial = dialer(cfg.Server)
	}
	if cfg.Observer == nil {
		cfg.Observer = noObserver{}
	}
	cfg.JID = address.String() // some servers end the stream for a from in capitals
	handshakeSecret := secret.New(string(cfg.Secret))
	cfg.Secret = nil // fmt would show it: it asks no methods of unexported fields
	c := &Component{cfg: cfg, secret: handshakeSecret, origin: newOriginKey(handshakeSecret), jid: address, names: map[string]bool{}, hosts: map[string]*host{}, disco: newDisco(cfg), pulse: pulse{start: time.Now()}}
	for _, name := range spellings(cfg.JID) {
		c.names[name] = true
	}
	c.trust(cfg.Hosts)
	for _, n := range cfg.Namespaces {
		c.namespaces = append(c.namespaces, newNamespace(n))
	}
	return c, nil
}

// answersIn reports whether a host may delegate the namespace to us.
func (c *Component) answersIn(ns string) bool {
	return slices.ContainsFunc(c.namespaces, func(n namespace) bool { return n.NS == ns && !n.HostsOnly })
}

// namespace is a Namespace and the optional interfaces of its Handler.
type namespace struct {
	Namespace
	preparer Preparer
	fast     FastHandler // nil for HostsOnly
}

func newNamespace(n Namespace) namespace {
	known := namespace{Namespace: n}
	known.preparer, _ = n.Handler.(Preparer)
	if !n.HostsOnly {
		known.fast, _ = n.Handler.(FastHandler)
	}
	return known
}

// dialer returns a function that connects over TCP, so that the system notices
// within half a minute if the other machine is gone.
func dialer(server string) func(context.Context) (net.Conn, error) {
	d := net.Dialer{
		Timeout:         handshakeTimeout,
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 5 * time.Second, Count: 3},
		Control:         boundUnread,
	}
	return func(ctx context.Context) (net.Conn, error) { return d.DialContext(ctx, "tcp", server) }
}
