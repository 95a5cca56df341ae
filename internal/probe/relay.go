package probe

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"net"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/pion/stun/v4"
)

// freeTimeout is how long the end of an allocation is waited for.
const freeTimeout = time.Second

// allocate makes an allocation (RFC 8656 §7), uses it as far as is asked for, and
// deletes it.
func (a *attempt) allocate(ctx context.Context, messages *messageReader) {
	s := &session{messages: messages, username: a.server.Username, password: a.server.Password.Reveal()}
	made := false
	ok := a.step(StepAllocate, func() error {
		m, err := s.allocate(ctx)
		made = m != nil && m.Type.Class == stun.ClassSuccessResponse
		if err == nil {
			a.result.Relayed, err = relayedAddress(m, a.result.Address.Addr())
		}
		return err
	})
	if made {
		defer s.free(ctx)
	}
	if ok && a.server.SignPrevious != nil {
		a.note(noteNewSecret)
	}
	switch {
	case !ok && a.result.Failure.Kind == KindUnauthorized:
		a.result.Failure = a.explainRefusal(ctx, s, a.result.Failure)
	case ok && a.options.Peer != "":
		a.reachPeer(ctx, s)
	case ok && a.options.Depth >= Echo:
		a.relay(ctx, s)
	}
	if a.result.Failure == nil && s.forgiven != nil {
		a.result.Failure = newFailure(StepAllocate, s.forgiven)
	}
}

// allocate asks for an allocation as browsers do: first without a credential, to get
// realm and nonce. It asks for IPv4 by not naming a family, also over IPv6: servers
// that relay over IPv4 only must not fail here. The response is returned with the
// error, if there was one.
func (s *session) allocate(ctx context.Context) (*stun.Message, error) {
	const udp = 17 // IANA protocol number
	transport := stun.RawAttribute{Type: stun.AttrRequestedTransport, Value: []byte{udp, 0, 0, 0}}
	m, err := s.exchange(ctx, stun.MethodAllocate, []stun.Setter{transport})
	switch {
	case err == nil:
		return m, errOpenRelay
	case codeOf(err) != int(stun.CodeUnauthorized):
		return m, err
	}
	if err := s.takeChallenge(m); err != nil {
		return m, err
	}
	return s.exchange(ctx, stun.MethodAllocate, []stun.Setter{transport})
}

// relayedAddress returns the relay address in a response to an Allocate that has all
// that browsers want to see in it.
func relayedAddress(m *stun.Message, server netip.Addr) (netip.AddrPort, error) {
	relayed := addressIn(m, stun.AttrXORRelayedAddress)
	var missing []string
	if !relayed.IsValid() {
		missing = append(missing, "XOR-RELAYED-ADDRESS")
	}
	if lifetime, err := m.Get(stun.AttrLifetime); err != nil || len(lifetime) != 4 {
		missing = append(missing, "LIFETIME")
	}
	if !addressIn(m, stun.AttrXORMappedAddress).IsValid() {
		missing = append(missing, "XOR-MAPPED-ADDRESS")
	}
	switch {
	case missing != nil:
		return relayed, &fault{KindIncomplete, "no " + strings.Join(missing, ", no ")}
	case !isUsable(relayed):
		return relayed, &fault{KindBadRelay, relayed.String()}
	case isPrivateRelay(server, relayed.Addr()):
		return relayed, &fault{KindPrivateRelay, relayed.Addr().String()}
	}
	return relayed, nil
}

// isPrivateRelay reports whether clients that reach the server cannot reach its relay
// address: because that is private and the server public, or is the server's own
// loopback.
func isPrivateRelay(server, relayed netip.Addr) bool {
	return isPrivate(relayed) && !isPrivate(server) || relayed.IsLoopback() && !server.IsLoopback()
}

// free deletes the allocation and waits until it is gone, so that it does not count
// against the quota of the next one. RFC 8656 §7.2.
func (s *session) free(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, freeTimeout)
	defer cancel()
	_, _ = s.do(ctx, stun.MethodRefresh, stun.RawAttribute{Type: stun.AttrLifetime, Value: make([]byte, 4)}) // it ends by itself in ten minutes
}

// relay sends a datagram through the relay and back: from a socket here to the relay
// address, down the allocation, and the same way back. This shows that the ports of
// the relay are open, and that others can reach its address. A server that does not
// relay to this machine is asked to relay to itself.
func (a *attempt) relay(ctx context.Context, s *session) {
	if !a.inside && a.mapped.Addr().Is4() && a.result.Relayed.Addr().Is4() {
		if a.permit(ctx, s, a.mapped.Addr()) {
			a.step(StepEcho, func() error { return a.roundTrip(ctx, s) })
		}
		if f := a.result.Failure; f == nil || f.Kind != KindForbidden {
			return
		}
		a.result.Failure = nil
	}
	if a.permit(ctx, s, a.result.Relayed.Addr()) {
		a.step(StepEcho, func() error { return a.echo(ctx, s) })
	} else if a.result.Failure.Kind == KindForbidden {
		a.result.Failure = nil // well-kept servers do not relay to themselves
		a.note(NoteNoEcho)
	}
}

// permit asks the server to let datagrams from peer, at any port, through. RFC 8656 §9.
func (a *attempt) permit(ctx context.Context, s *session, peer netip.Addr) bool {
	return a.step(StepPermission, func() error {
		_, err := s.do(ctx, stun.MethodCreatePermission, peerAddress(netip.AddrPortFrom(peer, 9)))
		return err
	})
}

// peerAddress is the attribute XOR-PEER-ADDRESS.
type peerAddress netip.AddrPort

// AddTo implements [stun.Setter].
func (p peerAddress) AddTo(m *stun.Message) error {
	a := netip.AddrPort(p)
	return stun.XORMappedAddress{IP: a.Addr().AsSlice(), Port: int(a.Port())}.AddToAs(m, stun.AttrXORPeerAddress)
}

// send sends a datagram from the relay to peer. RFC 8656 §11.1.
func (s *session) send(peer netip.AddrPort, payload []byte) error {
	m, err := stun.Build(stun.TransactionID, stun.NewType(stun.MethodSend, stun.ClassIndication),
		peerAddress(peer), stun.RawAttribute{Type: stun.AttrData, Value: payload}, stun.Fingerprint)
	if err != nil {
		return err
	}
	return s.write(m.Raw)
}

// receive waits until the relay has received a datagram that is wanted, and returns
// where it came from.
func (s *session) receive(ctx context.Context, until time.Time, wanted func([]byte) bool) (netip.AddrPort, error) {
	for {
		for len(s.received) > 0 {
			d := s.received[0]
			s.received = s.received[1:]
			if wanted(d.payload) {
				return d.from, nil
			}
		}
		m, err := s.read(ctx, until, func(m *stun.Message) bool {
			return m.Type == stun.NewType(stun.MethodData, stun.ClassIndication)
		})
		if err != nil {
			return netip.AddrPort{}, because(ctx, err)
		}
		s.keep(m)
	}
}

// notRelayedError reports that a datagram did not come through the relay.
type notRelayedError struct {
	relayed netip.AddrPort
	err     error
}

func (e *notRelayedError) Error() string {
	return "through " + e.relayed.String() + ": " + e.err.Error()
}
func (e *notRelayedError) Unwrap() error { return e.err }

// repeat calls try up to three times, each time with the end of its turn, until it
// returns something else than that its time is over.
func repeat(try func(until time.Time) error) error {
	start := time.Now()
	var err error
	for i := range retransmits {
		until := start.Add(greetTimeout)
		if i+1 < len(retransmits) {
			until = start.Add(retransmits[i+1])
		}
		if err = try(until); !errors.Is(err, os.ErrDeadlineExceeded) {
			return err
		}
	}
	return err
}

// roundTrip sends a datagram to the relay address until it comes out of the
// allocation, and one back; see comesAround for a relay on this machine.
func (a *attempt) roundTrip(ctx context.Context, s *session) error {
	var dialer net.Dialer
	peer, err := dialer.DialContext(ctx, "udp4", a.result.Relayed.String())
	if err != nil {
		return &notRelayedError{a.result.Relayed, err}
	}
	defer peer.Close()
	unwatch := context.AfterFunc(ctx, func() { peer.Close() }) // ends reading
	defer unwatch()
	there, back := newPayload("there"), newPayload("back")
	var from netip.AddrPort
	err = repeat(func(until time.Time) error {
		if _, err := peer.Write(there); err != nil {
			return err
		}
		from, err = s.receive(ctx, until, equals(there))
		return err
	})
	if err == nil && a.comesAround(ctx, s) {
		return nil
	}
	if err == nil {
		err = repeat(func(until time.Time) error {
			if err := s.send(from, back); err != nil {
				return err
			}
			return await(peer, until, back)
		})
	}
	if err != nil {
		return &notRelayedError{a.result.Relayed, because(ctx, err)}
	}
	return nil
}

// sameMachine is how long a datagram may take around a relay that has this machine's
// address.
const sameMachine = 300 * time.Millisecond

// comesAround reports whether a relay on this machine relays to itself. One that
// protects its machine lets nothing out there but to its own allocations, so that nothing
// would come back here.
func (a *attempt) comesAround(ctx context.Context, s *session) bool {
	if a.mapped.Addr() != a.result.Relayed.Addr() {
		return false
	}
	around := newPayload("around")
	if s.send(a.result.Relayed, around) != nil {
		return false
	}
	_, err := s.receive(ctx, time.Now().Add(sameMachine), equals(around))
	return err == nil
}

// await reads datagrams until the payload has come.
func await(conn net.Conn, until time.Time, payload []byte) error {
	if err := conn.SetReadDeadline(until); err != nil {
		return err
	}
	buffer := make([]byte, maxMessage)
	for {
		n, err := conn.Read(buffer)
		if err != nil {
			return err
		}
		if bytes.Equal(buffer[:n], payload) {
			return nil
		}
	}
}

// echo sends a datagram through the relay to the relay itself.
func (a *attempt) echo(ctx context.Context, s *session) error {
	payload := newPayload("echo")
	err := repeat(func(until time.Time) error {
		if err := s.send(a.result.Relayed, payload); err != nil {
			return err
		}
		_, err := s.receive(ctx, until, equals(payload))
		return err
	})
	if err != nil {
		return &notRelayedError{a.result.Relayed, because(ctx, err)}
	}
	return nil
}

// newPayload returns what a datagram carries that nobody else sends.
func newPayload(word string) []byte { return []byte(word + " " + rand.Text()) }

func equals(payload []byte) func([]byte) bool {
	return func(got []byte) bool { return bytes.Equal(got, payload) }
}
