package probe

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/pion/stun/v4"
	"github.com/pion/turn/v5"
)

// inbound is what a server says. The client of pion/turn keeps some of it to itself:
// the code of a refusal that comes before the server asks for a credential, an
// allocation that needed none, and the answer to the Refresh that frees it.
type inbound struct {
	conn  net.PacketConn
	freed chan struct{} // closed when the server has answered a Refresh

	mu    sync.Mutex
	last  *stun.Message // answer to an Allocate; nil before the first
	asked bool          // that answer, or one before it, asked for a credential
}

func newInbound(conn net.PacketConn) *inbound {
	return &inbound{conn: conn, freed: make(chan struct{})}
}

// receive feeds the client until the connection fails or is closed. The client's
// own Listen would do the same in a goroutine that nobody can wait for, and would
// keep the error to itself.
func (in *inbound) receive(client *turn.Client) error {
	_, datagrams := in.conn.(datagramConn)
	buffer := make([]byte, 65535)
	for {
		n, from, err := in.conn.ReadFrom(buffer)
		if err != nil {
			return err
		}
		in.note(buffer[:n])
		if _, err := client.HandleInbound(buffer[:n], from); err != nil && !datagrams { // over UDP anybody can send anything
			return fmt.Errorf("%w: %w", errNotSTUN, err)
		}
	}
}

// note looks at a message ahead of the client.
func (in *inbound) note(raw []byte) {
	m, err := parseAnswer(append([]byte(nil), raw...))
	if err != nil || m.Type.Class != stun.ClassSuccessResponse && m.Type.Class != stun.ClassErrorResponse {
		return
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	switch m.Type.Method {
	case stun.MethodAllocate:
		in.last = m
		in.asked = in.asked || m.Contains(stun.AttrNonce)
	case stun.MethodRefresh:
		select {
		case <-in.freed:
		default:
			close(in.freed)
		}
	}
}

// explain returns what the server said to the Allocate, where the client's error
// tells only that it was not what it had expected.
func (in *inbound) explain(err error) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	switch {
	case err == nil || in.last == nil || errors.As(err, new(*stun.TurnError)):
		return err
	case in.last.Contains(stun.AttrNonce): // it asked for a credential, and nothing since
		return err
	case in.last.Type.Class == stun.ClassErrorResponse:
		return answerError(in.last)
	case !in.asked:
		return errOpenRelay
	}
	return err
}

// freeTimeout is how long the answer to the Refresh is waited for that frees an
// allocation. A request that was lost is sent again within it.
const freeTimeout = time.Second

// awaitFreed waits until the allocation is gone, so that it does not count against
// the quota of the next one.
func (in *inbound) awaitFreed(lost <-chan struct{}) {
	timeout := time.NewTimer(freeTimeout)
	defer timeout.Stop()
	select {
	case <-in.freed:
	case <-lost:
	case <-timeout.C:
	}
}

// errOpenRelay is behind the failure of a server that allocated without asking for a
// credential.
var errOpenRelay = errors.New("the server asked for no credential")

// freeing is the request that frees an allocation which needed no credential.
func freeing() []byte {
	m, err := stun.Build(stun.TransactionID, stun.NewType(stun.MethodRefresh, stun.ClassRequest),
		stun.RawAttribute{Type: stun.AttrLifetime, Length: 4, Value: make([]byte, 4)})
	if err != nil {
		return nil
	}
	return m.Raw
}

// errPrivateRelay is behind the failure of a server on the Internet that relays at
// an address of some private network.
var errPrivateRelay = errors.New("the relay has an address of a private network")

// isPrivateRelay reports whether a server at an address of the Internet gave out a
// relay address where nobody on the Internet can send to.
func isPrivateRelay(server, relayed netip.Addr) bool {
	return !isPrivate(server) && isPrivate(relayed)
}

func isPrivate(a netip.Addr) bool {
	sharedByCarriers := netip.PrefixFrom(netip.AddrFrom4([4]byte{100, 64}), 10) // RFC 6598
	return a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast() || a.IsUnspecified() || sharedByCarriers.Contains(a)
}
