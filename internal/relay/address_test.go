package relay

import (
	"net"
	"net/netip"
	"strconv"
	"strings"
	"testing"

	"github.com/pion/stun/v4"

	"extdisco/integration/lab"
)

// Two users of one relay behind a NAT that maps addresses one to one know each other
// by its public address, which the relay itself does not have.
func TestUsersBehindNATReachEachOther(t *testing.T) {
	cfg := loopback(t)
	cfg.PublicIP = []PublicIP{{Public: netip.MustParseAddr("198.51.100.7"), Local: netip.MustParseAddr("127.0.0.1")}}
	r := startRelay(t, cfg)
	one, other := r.pair(UDP, UDP)
	if !strings.HasPrefix(one.LocalAddr().String(), "198.51.100.7:") {
		t.Fatalf("the relayed address is %s", one.LocalAddr())
	}
	for range 20 {
		exchange(t, one, other, "there")
		exchange(t, other, one, "back")
	}
}

func TestRelaysOverIPv6(t *testing.T) {
	cfg := loopback(t)
	cfg.PublicIP = append(cfg.PublicIP, PublicIP{Public: netip.MustParseAddr("::1")})
	cfg.Listen = append(cfg.Listen, "[::1]:0")
	r := startRelay(t, cfg)
	six := stun.RawAttribute{Type: stun.AttrRequestedAddressFamily, Value: []byte{familyIPv6, 0, 0, 0}}
	c := r.raw(UDP, "alice")
	if code := c.request(stun.MethodAllocate, requestedTransport(17), six); code != 0 {
		t.Fatalf("allocate: %d", code)
	}
	if a := r.allocations()[0]; a.address().Addr() != netip.IPv6Loopback() {
		t.Errorf("the relayed address is %s", a.address())
	}
	if code := c.request(stun.MethodCreatePermission, peerAddr("127.0.0.1:9")); code != stun.CodePeerAddrFamilyMismatch {
		t.Errorf("permission for IPv4: %d", code)
	}
	// An indication from itself to itself takes both ways through an IPv6 address.
	self := peerAddr(r.allocations()[0].address().String())
	if code := c.request(stun.MethodCreatePermission, self); code != 0 {
		t.Fatalf("permission: %d", code)
	}
	m, err := stun.Build(stun.TransactionID, stun.NewType(stun.MethodSend, stun.ClassIndication), self,
		stun.RawAttribute{Type: stun.AttrData, Value: []byte("hello")})
	if err != nil {
		t.Fatal(err)
	}
	c.send(m.Raw)
	got := c.read()
	if got == nil || got.Type != stun.NewType(stun.MethodData, stun.ClassIndication) {
		t.Fatalf("got %v", got)
	}
	var from stun.XORMappedAddress
	if data, err := got.Get(stun.AttrData); err != nil || string(data) != "hello" {
		t.Errorf("data %q, %v", data, err)
	}
	if err := from.GetFromAs(got, stun.AttrXORPeerAddress); err != nil || from.String() != string(self) {
		t.Errorf("from %s, %v, want %s", from, err, self)
	}
}

func TestRefusesAFamilyItHasNot(t *testing.T) {
	r := startRelay(t, loopback(t))
	six := stun.RawAttribute{Type: stun.AttrRequestedAddressFamily, Value: []byte{familyIPv6, 0, 0, 0}}
	if code := r.raw(UDP, "alice").request(stun.MethodAllocate, requestedTransport(17), six); code != stun.CodeAddrFamilyNotSupported {
		t.Errorf("allocate: %d", code)
	}
}

func TestListensAtEachAddressByItself(t *testing.T) {
	interfaces := func() ([]netip.Prefix, error) {
		return []netip.Prefix{netip.MustParsePrefix("127.0.0.1/8"), netip.MustParsePrefix("127.0.0.2/8"), netip.MustParsePrefix("fe80::1/64")}, nil
	}
	cfg := loopback(t)
	cfg.Interfaces = interfaces
	port, err := lab.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	cfg.Listen = []string{net.JoinHostPort("", strconv.Itoa(port))}
	r := startRelay(t, cfg)
	for _, addr := range []string{"127.0.0.1", "127.0.0.2"} {
		conn, err := net.Dial("udp4", net.JoinHostPort(addr, strconv.Itoa(port)))
		if err != nil {
			t.Fatal(err)
		}
		// A connected socket hears only the address that it has asked.
		c := &rawClient{t: t, conn: conn}
		if code := codeOf(c.roundtrip(c.build(stun.MethodBinding))); code != 0 {
			t.Errorf("%s: %d", addr, code)
		}
		_ = conn.Close()
	}
	if n := len(r.Snapshot().Listening); n != 5 {
		t.Errorf("it listens at %d addresses: %v", n, r.Snapshot().Listening)
	}
}
