package probe

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/netip"
	"time"

	"github.com/pion/logging"
	"github.com/pion/turn/v5"
)

// attempt tries one address of a server.
type attempt struct {
	server  Server
	options Options
	mapped  netip.Addr // ours, as the server sees it
	result  AddressResult
}

// tryAddress tries one address, step by step, up to the first that fails.
func tryAddress(ctx context.Context, s Server, address netip.AddrPort, o Options) AddressResult {
	ctx, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	a := &attempt{server: s, options: o, result: AddressResult{Address: address}}
	conn, ok := a.connect(ctx)
	if !ok {
		return a.result
	}
	defer conn.Close()
	datagrams := s.Transport == "udp" && !s.usesTLS()
	// Reading knows no context: it ends when the connection is closed.
	unwatch := context.AfterFunc(ctx, func() { conn.Close() })
	defer unwatch()
	greeted, err := greet(ctx, conn, datagrams, s.relays())
	if err != nil {
		a.result.Failure = newFailure(StepBinding, because(ctx, err))
		if a.result.Failure.Kind == KindTimeout && !datagrams {
			a.result.Failure.Kind = KindSilent
		}
		return a.result
	}
	a.result.Steps = append(a.result.Steps, greeted.StepResult)
	a.mapped = greeted.mapped
	if greeted.Step == StepRefresh {
		a.result.Notes = append(a.result.Notes, "the server answers TURN only, no STUN binding requests (coturn: no-stun, secure-stun); a stun: server in urls would not work there")
	}
	if s.relays() && o.Depth >= Allocate {
		a.allocate(ctx, conn, datagrams)
	}
	return a.result
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
	if a.server.Transport == "udp" && !a.server.usesTLS() {
		network = "udp"
	}
	var conn net.Conn
	ok := a.step(StepConnect, func() (err error) {
		var dialer net.Dialer
		conn, err = dialer.DialContext(ctx, network, a.result.Address.String())
		return err
	})
	if !ok || !a.server.usesTLS() {
		return conn, ok
	}
	session := tls.Client(conn, &tls.Config{RootCAs: a.options.RootCAs, ServerName: a.server.Host})
	if !a.step(StepTLS, func() error { return session.HandshakeContext(ctx) }) {
		a.noteCertificate(a.result.Failure.Err)
		conn.Close()
		return nil, false
	}
	leaf := session.ConnectionState().PeerCertificates[0]
	a.result.Certificate = newCertificate(leaf)
	return session, true
}

// noteCertificate keeps what is known of a certificate that was refused.
func (a *attempt) noteCertificate(err error) {
	var refused *tls.CertificateVerificationError
	if errors.As(err, &refused) && len(refused.UnverifiedCertificates) > 0 {
		leaf := refused.UnverifiedCertificates[0]
		a.result.Certificate = newCertificate(leaf)
	}
}

func newCertificate(leaf *x509.Certificate) *Certificate {
	c := &Certificate{Names: leaf.DNSNames, NotBefore: leaf.NotBefore, NotAfter: leaf.NotAfter}
	for _, ip := range leaf.IPAddresses {
		c.Names = append(c.Names, ip.String())
	}
	return c
}

// allocate makes an allocation on the server, uses it as deep as is asked for, and
// deletes it. RFC 8656 §7.
func (a *attempt) allocate(ctx context.Context, conn net.Conn, datagrams bool) {
	ctx, lost := context.WithCancelCause(ctx)
	defer lost(nil)
	packets := packetConn(conn, datagrams)
	in := newInbound(packets)
	server := conn.RemoteAddr().String()
	client, err := turn.NewClient(&turn.ClientConfig{
		STUNServerAddr: server, TURNServerAddr: server, Conn: packets,
		Username: a.server.Username, Password: a.server.Password.Reveal(),
		RequestedAddressFamily: turn.RequestedAddressFamilyIPv4, // as browsers do, also over IPv6
		LoggerFactory:          silent{},
	})
	if err != nil {
		a.result.Failure = newFailure(StepAllocate, err)
		return
	}
	if err := conn.SetDeadline(time.Time{}); err != nil { // the one of the binding
		a.result.Failure = newFailure(StepAllocate, err)
		return
	}
	received := make(chan struct{})
	go func() {
		defer close(received)
		lost(in.receive(client))
	}()
	// Some steps know no context: they end when the client is closed.
	unwatch := context.AfterFunc(ctx, client.Close)
	defer func() {
		unwatch()
		client.Close()
		conn.Close()
		<-received
	}()
	a.useRelay(ctx, client, in)
}

// useRelay does the steps from the allocation on.
func (a *attempt) useRelay(ctx context.Context, client *turn.Client, in *inbound) {
	var relay net.PacketConn
	ok := a.step(StepAllocate, func() (err error) {
		relay, err = client.AllocateWithContext(ctx)
		return because(ctx, in.explain(err))
	})
	if !ok {
		if a.result.Failure.Kind == KindOpenRelay {
			_, _ = in.conn.WriteTo(freeing(), nil)
			in.awaitFreed(ctx.Done())
		}
		return
	}
	defer func() {
		relay.Close() // a Refresh with lifetime 0
		in.awaitFreed(ctx.Done())
	}()
	if address, ok := relay.LocalAddr().(*net.UDPAddr); ok {
		a.result.Relayed = netip.AddrPortFrom(address.AddrPort().Addr().Unmap(), uint16(address.Port))
	}
	if isPrivateRelay(a.result.Address.Addr(), a.result.Relayed.Addr()) {
		a.result.Failure = newFailure(StepAllocate, errPrivateRelay)
		a.result.Steps = a.result.Steps[:len(a.result.Steps)-1]
		return
	}
	if a.options.Depth < Echo {
		return
	}
	a.relay(ctx, client, relay)
}

// relay sends a datagram through the relay and back: from a socket here to the relay's
// port, down the allocation, and the same way back. It shows that the ports of the
// relay are open, and that its address is one that others reach. A server that does
// not relay to this machine is asked to relay to itself.
func (a *attempt) relay(ctx context.Context, client *turn.Client, relay net.PacketConn) {
	if a.mapped.Is4() && a.result.Relayed.Addr().Is4() {
		if a.permit(ctx, client, net.UDPAddrFromAddrPort(netip.AddrPortFrom(a.mapped, 9))) {
			a.step(StepEcho, func() error { return because(ctx, a.roundTrip(ctx, relay)) })
		}
		if f := a.result.Failure; f == nil || f.Kind != KindForbidden {
			return
		}
		a.result.Failure = nil
	}
	if a.permit(ctx, client, relay.LocalAddr()) {
		a.step(StepEcho, func() error { return because(ctx, echo(ctx, relay)) })
	} else if a.result.Failure.Kind == KindForbidden {
		a.result.Failure = nil // well-kept servers do not relay to themselves
		a.result.Notes = append(a.result.Notes, NoteNoEcho)
	}
}

// permit asks for the permission that datagrams from peer come through. RFC 8656 §9:
// it is for the address, with any port.
func (a *attempt) permit(ctx context.Context, client *turn.Client, peer net.Addr) bool {
	return a.step(StepPermission, func() error { return because(ctx, client.CreatePermission(peer)) })
}

// because returns the reason of an error when that is the end of the context or of
// the connection.
func because(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil && newFailure("", err).Code == 0 {
		return context.Cause(ctx)
	}
	return err
}

// roundTrip sends a datagram to the relay's port until it comes out of the allocation,
// and one back.
func (a *attempt) roundTrip(ctx context.Context, relay net.PacketConn) error {
	var dialer net.Dialer
	peer, err := dialer.DialContext(ctx, "udp4", a.result.Relayed.String())
	if err != nil {
		return &notRelayedError{a.result.Relayed, err}
	}
	defer peer.Close()
	payload := []byte("there " + relay.LocalAddr().String())
	start, buffer := time.Now(), make([]byte, maxMessage)
	for i := range retransmits {
		if _, err = peer.Write(payload); err != nil {
			break
		}
		until := start.Add(greetTimeout)
		if i+1 < len(retransmits) {
			until = start.Add(retransmits[i+1])
		}
		var from net.Addr
		if from, err = await(ctx, relay, payload, buffer, until); err != nil {
			continue
		}
		payload = []byte("back " + relay.LocalAddr().String())
		if _, err = relay.WriteTo(payload, from); err != nil {
			return err
		}
		_, err = await(ctx, datagramConn{peer}, payload, buffer, time.Now().Add(greetTimeout))
		break
	}
	if err != nil {
		return &notRelayedError{a.result.Relayed, err}
	}
	return nil
}

// echo sends one datagram through the relay to itself.
func echo(ctx context.Context, relay net.PacketConn) error {
	payload := []byte("echo " + relay.LocalAddr().String())
	if _, err := relay.WriteTo(payload, relay.LocalAddr()); err != nil {
		return err
	}
	_, err := await(ctx, relay, payload, make([]byte, maxMessage), time.Now().Add(greetTimeout))
	if err != nil {
		address, _ := relay.LocalAddr().(*net.UDPAddr)
		return &notRelayedError{address.AddrPort(), err}
	}
	return nil
}

// await reads until the payload has come, and returns from where.
func await(ctx context.Context, conn net.PacketConn, payload, buffer []byte, until time.Time) (net.Addr, error) {
	if deadline, ok := ctx.Deadline(); ok && deadline.Before(until) {
		until = deadline
	}
	if err := conn.SetReadDeadline(until); err != nil {
		return nil, err
	}
	for {
		n, from, err := conn.ReadFrom(buffer)
		if err != nil {
			return nil, err
		}
		if bytes.Equal(buffer[:n], payload) {
			return from, nil
		}
	}
}

// packetConn makes of a connection what pion/turn wants.
func packetConn(conn net.Conn, datagrams bool) net.PacketConn {
	if datagrams {
		return datagramConn{conn}
	}
	return turn.NewSTUNConn(conn) // knows where in the stream each message ends
}

// datagramConn is a connected UDP socket: unlike an unconnected one it has the
// address family of the server, and learns when nobody listens there.
type datagramConn struct{ net.Conn }

// ReadFrom implements [net.PacketConn].
func (c datagramConn) ReadFrom(p []byte) (int, net.Addr, error) {
	n, err := c.Read(p)
	return n, c.RemoteAddr(), err
}

// WriteTo implements [net.PacketConn].
func (c datagramConn) WriteTo(p []byte, _ net.Addr) (int, error) { return c.Write(p) }

// silent is where the library's log goes: what it has to say is in its errors, and at
// its lower levels it would tell what is in messages.
type silent struct{}

// NewLogger implements [logging.LoggerFactory].
func (silent) NewLogger(scope string) logging.LeveledLogger {
	return logging.NewDefaultLeveledLoggerForScope(scope, logging.LogLevelDisabled, io.Discard)
}
