package relay

import (
	"net"
	"strings"
	"testing"

	"github.com/pion/stun/v4"
)

// EVEN-PORT, and the next port with the token that comes with it (RFC 8656 §7.2).
func TestReservesPortsInPairs(t *testing.T) {
	r := startRelay(t, loopback(t))
	response := r.raw(UDP, "alice").allocateEven()
	token, err := response.Get(stun.AttrReservationToken)
	if err != nil {
		t.Fatalf("%d, %v", codeOf(response), err)
	}
	even := r.allocations()[0].port
	if even%2 != 0 {
		t.Errorf("the port is %d", even)
	}
	other := r.raw(UDP, "alice")
	if code := other.request(stun.MethodAllocate, requestedTransport(17), stun.RawAttribute{Type: stun.AttrReservationToken, Value: token}); code != 0 {
		t.Fatalf("allocate with the token: %d", code)
	}
	for _, a := range r.allocations() {
		if a.port != even && a.port != even+1 {
			t.Errorf("ports %d and %d", even, a.port)
		}
	}
}

// allocateEven asks for an even port, and for the next one to be kept.
func (c *rawClient) allocateEven() *stun.Message {
	return c.roundtrip(c.build(stun.MethodAllocate, requestedTransport(17), stun.RawAttribute{Type: stun.AttrEvenPort, Value: []byte{0x80}},
		stun.NewUsername(c.username), stun.NewRealm("relay.example.org"), c.nonce, stun.MessageIntegrity(c.key)))
}

// takePorts takes the ports as another program does.
func takePorts(t *testing.T, first, last uint16) {
	t.Helper()
	for port := first; port <= last; port++ {
		if conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: int(port)}); err == nil {
			t.Cleanup(func() { _ = conn.Close() })
		}
	}
}

func TestPassesOverEvenPortsThatOthersUse(t *testing.T) {
	cfg := loopback(t)
	cfg.FirstPort, cfg.LastPort = 31100, 31139
	takePorts(t, cfg.FirstPort, cfg.LastPort-2)
	r := startRelay(t, cfg)
	if response := r.raw(UDP, "alice").allocateEven(); codeOf(response) != 0 || r.allocations()[0].port != 31138 {
		t.Errorf("%s", response)
	}
	if response := r.raw(UDP, "alice").allocateEven(); codeOf(response) != stun.CodeInsufficientCapacity {
		t.Errorf("where none is left: %s", response)
	}
	if n := r.Snapshot().PortsInUse; n != 1 {
		t.Errorf("%d ports are in use", n)
	}
}

func TestPassesOverPortsThatOthersUse(t *testing.T) {
	cfg := loopback(t)
	cfg.FirstPort, cfg.LastPort = 31000, 31039
	takePorts(t, cfg.FirstPort, cfg.LastPort-2)
	r := startRelay(t, cfg)
	for i := range 3 {
		want := stun.ErrorCode(0)
		if i == 2 {
			want = stun.CodeInsufficientCapacity
		}
		if code := r.raw(UDP, "alice").allocate(); code != want {
			t.Errorf("allocation %d: %d, want %d", i, code, want)
		}
	}
	if !strings.Contains(r.log.String(), "limit=relay.ports") {
		t.Error("the log does not say that no port is free")
	}
}
