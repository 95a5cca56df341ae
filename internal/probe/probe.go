// Package probe tries STUN and TURN servers (RFC 8489, RFC 8656) as a browser would: it
// resolves the name, connects over UDP, TCP or TLS, sends a binding request, makes an
// allocation with a credential, and sends a datagram through the relay and back. It
// reports each step, and for a failure what to change.
//
// [Try] tries a server once. A [Monitor] tries servers at regular intervals and knows
// which are down.
//
// The package knows nothing of XMPP.
package probe

import (
	"context"
	"crypto/x509"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"time"

	"extdisco/internal/secret"
)

// The types of servers, as in RFC 7064 and RFC 7065.
const (
	TypeSTUN  = "stun"
	TypeSTUNS = "stuns"
	TypeTURN  = "turn"
	TypeTURNS = "turns"
)

// Server is what to try: an entry of a list that clients get.
type Server struct {
	Type      string // "stun", "stuns", "turn" or "turns"
	Host      string // name or IP address
	Port      uint16
	Transport string // "udp" or "tcp"; with stuns and turns always TLS over tcp
	Username  string // for turn and turns
	Password  secret.Secret
	// Sign returns the password that goes with a username under the shared secret
	// that made Password; nil if there is none, as for a fixed account. With it a
	// server that refuses the credential is asked what is wrong: the clock, the form
	// of the username, or the secret.
	Sign func(username string) secret.Secret
	// SignPrevious is Sign for the secret that the server had before, and may still
	// have; nil if there is none.
	SignPrevious func(username string) secret.Secret
	// Ours says that it is the relay of this program on this machine, so that cures name
	// the keys of [relay].
	Ours bool
	// NAT has the addresses of Ours that a NAT maps to one of this machine, and that one.
	// Such a NAT need not send this machine's packets back to it (no hairpin).
	NAT map[netip.Addr]netip.Addr
}

// usesTLS reports whether clients connect to the server over TLS.
func (s Server) usesTLS() bool { return s.Type == TypeSTUNS || s.Type == TypeTURNS }

// relays reports whether the server is a TURN server.
func (s Server) relays() bool { return s.Type == TypeTURN || s.Type == TypeTURNS }

// Depth is how far a server is tried.
type Depth int

// The depths.
const (
	Binding  Depth = iota // whether it answers; needs no credential
	Allocate              // and whether a TURN server accepts the credential
	Echo                  // and whether it relays
)

// Options say how to try.
type Options struct {
	Depth   Depth
	Timeout time.Duration  // for each address; zero means 10 s
	RootCAs *x509.CertPool // for stuns and turns; nil means the system's
	// Resolve looks a name up; nil means the system's resolver.
	Resolve func(ctx context.Context, host string) ([]netip.Addr, error)
	// Peer, a HOST:PORT, is tried in place of the echo: whether the server relays to it.
	// It needs a Depth of at least Allocate. Empty means none.
	Peer string
}

const defaultTimeout = 10 * time.Second

// Step is a part of a try.
type Step string

// The steps, in order.
const (
	StepResolve    Step = "resolve"
	StepConnect    Step = "connect"
	StepTLS        Step = "tls"
	StepBinding    Step = "binding"
	StepRefresh    Step = "refresh" // in place of the binding; see greet
	StepAllocate   Step = "allocate"
	StepPermission Step = "permission"
	StepEcho       Step = "echo"
	StepPeer       Step = "peer" // in place of the echo; see Options.Peer
)

// Result is the outcome of trying a server.
type Result struct {
	Server    Server
	Addresses []AddressResult // one for each address of the name
	Failure   *Failure        // of looking the name up; nil if that gave addresses
}

// OK reports whether every address of the server works.
func (r Result) OK() bool { return r.Worst() == nil }

// Worst returns the first failure, or nil. An address that this machine has no route to
// (IPv6, mostly) does not count while another one works.
func (r Result) Worst() *Failure {
	if r.Failure != nil {
		return r.Failure
	}
	var unreachable *Failure
	works := false
	for _, a := range r.Addresses {
		switch {
		case a.Failure == nil:
			works = true
		case a.Failure.Kind == KindNoRoute:
			unreachable = a.Failure
		default:
			return a.Failure
		}
	}
	if works {
		return nil
	}
	return unreachable
}

// works reports whether at least one of the addresses works.
func (r Result) works() bool {
	return slices.ContainsFunc(r.Addresses, func(a AddressResult) bool { return a.Failure == nil })
}

// AddressResult is the outcome of trying one address.
type AddressResult struct {
	Address     netip.AddrPort
	Steps       []StepResult // those that succeeded
	Failure     *Failure     // of the next step, or nil
	Relayed     netip.AddrPort
	Certificate *Certificate // with TLS
	Notes       []string     // what is no failure and still worth knowing
}

// StepResult is a step that succeeded.
type StepResult struct {
	Step Step
	Took time.Duration // round trips included
}

// RoundTrip returns how long the server took for its first answer, or zero.
func (a AddressResult) RoundTrip() time.Duration {
	for _, s := range a.Steps {
		if s.Step == StepBinding || s.Step == StepRefresh {
			return s.Took
		}
	}
	return 0
}

// Try tries the server once: all its addresses side by side, except that one of them
// makes an allocation at a time. It returns when everything has been tried, or the
// time of each is over.
func Try(ctx context.Context, s Server, o Options) Result {
	if o.Timeout <= 0 {
		o.Timeout = defaultTimeout
	}
	r := Result{Server: s}
	addresses, failure := resolve(ctx, s.Host, o)
	if failure != nil {
		s.cure(failure)
		r.Failure = failure
		return r
	}
	r.Addresses = make([]AddressResult, len(addresses))
	turns := make(chan struct{}, 1)
	var tries sync.WaitGroup
	for i, ip := range addresses {
		tries.Go(func() { r.Addresses[i] = tryOutside(ctx, s, netip.AddrPortFrom(ip, s.Port), o, turns) })
	}
	tries.Wait()
	return r
}

// resolve returns the addresses of a host.
func resolve(ctx context.Context, host string, o Options) ([]netip.Addr, *Failure) {
	if ip, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{ip}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	lookup := o.Resolve
	if lookup == nil {
		lookup = func(ctx context.Context, host string) ([]netip.Addr, error) {
			return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		}
	}
	addresses, err := lookup(ctx, host)
	if err != nil {
		return nil, newFailure(StepResolve, err)
	}
	for i, a := range addresses {
		addresses[i] = a.Unmap()
	}
	return addresses, nil
}

// URI returns the server as RFC 7064 and RFC 7065 write it.
func (s Server) URI() string {
	uri := s.Type + ":" + net.JoinHostPort(s.Host, strconv.Itoa(int(s.Port)))
	if s.relays() {
		uri += "?transport=" + s.Transport
	}
	return uri
}
