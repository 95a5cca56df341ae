package probe

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"extdisco/internal/reach"
)

// attempt tries one address of a server.
type attempt struct {
	server  Server
	options Options
	result  AddressResult
	mapped  netip.AddrPort // ours, as the server sees it
	inside  bool           // behind its NAT
}

// Notes on what is no fault and still worth knowing.
const (
	// NoteNoEcho is the note on a server that relays neither to us nor to itself.
	NoteNoEcho     = "the credential is accepted; the server relays neither to this machine nor to itself, so no datagram was sent through it"
	noteNewSecret  = "the server accepts the new shared secret: previous_secret is of no use for it once the credentials made with that have expired"
	noteTURNOnly   = "the server answers TURN requests only, no STUN binding requests (coturn: no-stun, secure-stun); a stun: URL for it would not work"
	noteLoopback   = "only this machine can reach this address; clients need one that they can reach (if the name has another address elsewhere, look in /etc/hosts)"
	notePrivate    = "only this network can reach this address; clients elsewhere need a public one"
	noteHidden     = "the server sees this machine at a private address: if that is a container's gateway or a load balancer, clients do not learn their own addresses (docker: use the host's network)"
	noteInside     = "from this machine the relay cannot be reached at %s, but at %s, where all is well: either the NAT does not send packets of this machine back to it (no hairpin), which harms nobody else, or it does not forward the port; a try from another network tells which"
	notePeerSilent = "the server relays to the peer, which did not answer a STUN binding request; a video bridge answers those of its own calls only"
)

// tryAddress tries one address, step by step, up to the first step that fails. The
// addresses of a name are mostly one server's, and share a quota: turns lets one of
// them make an allocation at a time.
func tryAddress(ctx context.Context, s Server, address netip.AddrPort, o Options, turns chan struct{}) AddressResult {
	a := &attempt{server: s, options: o, result: AddressResult{Address: address}}
	a.noteReach()
	return a.try(ctx, turns)
}

// tryOutside is tryAddress for a server that may be behind a NAT on this machine. Where
// its public address cannot be reached from here, the one behind the NAT tells whether
// that is the server's fault.
func tryOutside(ctx context.Context, s Server, address netip.AddrPort, o Options, turns chan struct{}) AddressResult {
	outside := tryAddress(ctx, s, address, o, turns)
	local, mapped := s.NAT[address.Addr()]
	if !mapped || outside.Failure == nil || outside.Failure.depth() > Binding {
		return outside
	}
	a := &attempt{server: s, options: o, result: AddressResult{Address: netip.AddrPortFrom(local, address.Port())}, inside: true}
	result := a.try(ctx, turns)
	result.Address = address
	if result.Failure == nil {
		result.Notes = append(result.Notes, fmt.Sprintf(noteInside, address.Addr(), local))
	} else {
		result.Failure.detail += ", at " + local.String() + " behind the NAT"
	}
	return result
}

// try tries the address.
func (a *attempt) try(ctx context.Context, turns chan struct{}) AddressResult {
	start, s, o := time.Now(), a.server, a.options
	defer func() { s.cure(a.result.Failure) }()
	messages, ok := a.greet(ctx)
	if messages == nil {
		return a.result
	}
	defer messages.conn.Close()
	if !ok || !s.relays() || o.Depth < Allocate {
		return a.result
	}
	left := o.Timeout - time.Since(start)
	select {
	case turns <- struct{}{}:
		defer func() { <-turns }()
	case <-ctx.Done():
		a.result.Failure = newFailure(StepAllocate, ctx.Err())
		return a.result
	}
	ctx, cancel := context.WithTimeout(ctx, left)
	defer cancel()
	unwatch := context.AfterFunc(ctx, func() { messages.conn.Close() }) // ends reading
	defer unwatch()
	a.allocate(ctx, messages)
	return a.result
}

// cure has the cure of a failure name the keys of [relay], if the server is ours.
func (s Server) cure(f *Failure) {
	if f == nil || !s.Ours {
		return
	}
	if cure, known := ourCures[f.Kind]; known {
		f.cure = cure
	}
}

// noteReach notes that not everybody can reach the address.
func (a *attempt) noteReach() {
	switch ip := a.result.Address.Addr(); {
	case ip.IsLoopback():
		a.note(noteLoopback)
	case isPrivate(ip):
		a.note(notePrivate)
	}
}

func (a *attempt) note(text string) { a.result.Notes = append(a.result.Notes, text) }

// greet connects and finds out whether the server is up. It returns nil without a
// connection.
func (a *attempt) greet(ctx context.Context) (*messageReader, bool) {
	ctx, cancel := context.WithTimeout(ctx, a.options.Timeout)
	defer cancel()
	conn, ok := a.connect(ctx)
	if !ok {
		return nil, false
	}
	unwatch := context.AfterFunc(ctx, func() { conn.Close() }) // ends reading
	defer unwatch()
	messages := newMessageReader(conn, a.usesDatagrams())
	greeted, err := greet(ctx, messages, a.server.relays())
	if err != nil {
		a.result.Failure = a.explainSilence(ctx, newFailure(StepBinding, because(ctx, err)))
		return messages, false
	}
	a.noteGreeting(greeted)
	return messages, true
}

// noteGreeting keeps what the first answer says.
func (a *attempt) noteGreeting(g greeting) {
	a.result.Steps = append(a.result.Steps, g.StepResult)
	a.mapped = g.mapped
	if g.Step == StepRefresh {
		a.note(noteTURNOnly)
	}
	if a.mapped.IsValid() && isPrivate(a.mapped.Addr()) && !isPrivate(a.result.Address.Addr()) {
		a.note(noteHidden)
	}
}

func (a *attempt) usesDatagrams() bool { return a.server.Transport == "udp" && !a.server.usesTLS() }

// explainSilence finds out more about a server that did not answer.
func (a *attempt) explainSilence(ctx context.Context, f *Failure) *Failure {
	switch {
	case f.Kind != KindTimeout:
	case !a.usesDatagrams():
		f.Kind = KindSilent
	default:
		if from, ok := answersFromElsewhere(ctx, a.result.Address); ok {
			return newFailure(StepBinding, &fault{KindElsewhere, from.String()})
		}
	}
	return f
}

// step does a step and notes how it went.
func (a *attempt) step(step Step, do func() error) bool {
	start := time.Now()
	if err := do(); err != nil {
		a.result.Failure = newFailure(step, err)
		return false
	}
	a.result.Steps = append(a.result.Steps, StepResult{step, time.Since(start)})
	return true
}

// connect opens the connection, with TLS if that is what clients do.
func (a *attempt) connect(ctx context.Context) (net.Conn, bool) {
	network := "tcp"
	if a.usesDatagrams() {
		network = "udp"
	}
	var conn net.Conn
	ok := a.step(StepConnect, func() (err error) {
		var dialer net.Dialer
		conn, err = dialer.DialContext(ctx, network, a.result.Address.String())
		return err
	})
	if !ok && a.server.usesTLS() && a.result.Failure.Kind == KindRefused {
		a.result.Failure.cure = cureNoTLSPort
	}
	if !ok || !a.server.usesTLS() {
		return conn, ok
	}
	session := tls.Client(conn, &tls.Config{RootCAs: a.options.RootCAs, ServerName: a.server.Host})
	if !a.step(StepTLS, func() error { return session.HandshakeContext(ctx) }) {
		a.noteCertificate(a.result.Failure.Err)
		conn.Close()
		return nil, false
	}
	a.result.Certificate = newCertificate(session.ConnectionState().PeerCertificates[0])
	return session, true
}

// noteCertificate keeps what is known of a certificate that was refused.
func (a *attempt) noteCertificate(err error) {
	var refused *tls.CertificateVerificationError
	if errors.As(err, &refused) && len(refused.UnverifiedCertificates) > 0 {
		a.result.Certificate = newCertificate(refused.UnverifiedCertificates[0])
	}
}

// isPrivate reports whether only some private network, or nobody, can reach the address.
func isPrivate(a netip.Addr) bool {
	kind := reach.OfAddr(a)
	return kind.IsLocal() || kind == reach.Unspecified
}
