package probe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"time"

	"github.com/pion/stun/v4"
)

// reachPeer tries whether the server relays to Options.Peer: it asks for the
// permission, and sends the peer a STUN binding request through the relay. An answer
// shows that all is well. That there is none shows nothing, since a peer need not
// speak STUN, and a video bridge answers its own calls only.
func (a *attempt) reachPeer(ctx context.Context, s *session) {
	var peer netip.AddrPort
	ok := a.step(StepPeer, func() (err error) {
		peer, err = resolvePeer(ctx, a.options)
		return err
	})
	if !ok {
		return
	}
	a.result.Steps = a.result.Steps[:len(a.result.Steps)-1] // looking the name up is no step of its own
	if !a.permit(ctx, s, peer.Addr()) {
		if f := a.result.Failure; f.Kind == KindForbidden {
			f.Step, f.cure = StepPeer, fmt.Sprintf("let it relay there (coturn: allowed-peer-ip=%s beside denied-peer-ip; allow-loopback-peers for loopback), as narrowly as you can", peer.Addr())
			f.detail = " to relay to " + peer.String()
		}
		return
	}
	answered := false
	ok = a.step(StepPeer, func() (err error) {
		answered, err = s.askPeer(ctx, peer)
		return err
	})
	if ok && !answered {
		a.result.Steps = a.result.Steps[:len(a.result.Steps)-1]
		a.note(notePeerSilent)
	}
}

// askPeer reports whether peer answers a binding request that comes from the relay.
func (s *session) askPeer(ctx context.Context, peer netip.AddrPort) (bool, error) {
	request, err := stun.Build(stun.TransactionID, stun.BindingRequest, stun.Fingerprint)
	if err != nil {
		return false, err
	}
	err = repeat(func(until time.Time) error {
		if err := s.send(peer, request.Raw); err != nil {
			return err
		}
		_, err := s.receive(ctx, until, func(payload []byte) bool {
			m, err := parseMessage(payload)
			return err == nil && isResponse(m, request)
		})
		return err
	})
	err = because(ctx, err) // at the end of ctx, sending fails since the connection is closed
	if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) {
		return false, nil
	}
	return err == nil, err
}

// errNoIPv4Peer reports a peer that an IPv4 relay cannot send to.
var errNoIPv4Peer = &fault{KindPeer, "it has no IPv4 address, and relays use IPv4"}

// resolvePeer returns the IPv4 address of Options.Peer.
func resolvePeer(ctx context.Context, o Options) (netip.AddrPort, error) {
	host, text, err := net.SplitHostPort(o.Peer)
	if err != nil {
		return netip.AddrPort{}, &fault{KindPeer, "it is no HOST:PORT"}
	}
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil || port == 0 {
		return netip.AddrPort{}, &fault{KindPeer, "its port is not between 1 and 65535"}
	}
	addresses, failure := resolve(ctx, host, o)
	if failure != nil {
		return netip.AddrPort{}, &fault{KindPeer, failure.Problem()}
	}
	for _, a := range addresses {
		if a.Is4() {
			return netip.AddrPortFrom(a, uint16(port)), nil
		}
	}
	return netip.AddrPort{}, errNoIPv4Peer
}
