package relay

import (
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pion/stun/v4"
)

// 6: one allocation may have any number of permissions, and of channels.
func TestBoundsPermissions(t *testing.T) {
	cfg := loopback(t)
	cfg.Limits.Permissions = 8
	r := startRelay(t, cfg)
	c := r.raw(UDP, "alice")
	if code := c.allocate(); code != 0 {
		t.Fatalf("allocate: %d", code)
	}
	for i := range 20 {
		want := stun.ErrorCode(0)
		if i >= 8 {
			want = stun.CodeInsufficientCapacity
		}
		if code := c.request(stun.MethodCreatePermission, peerAddr(fmt.Sprintf("8.8.4.%d:9", i))); code != want {
			t.Errorf("permission %d: %d, want %d", i, code, want)
		}
	}
	many := make([]stun.Setter, 0, 20)
	for i := range 20 {
		many = append(many, peerAddr(fmt.Sprintf("8.8.8.%d:9", i)))
	}
	if code := c.request(stun.MethodCreatePermission, many...); code != stun.CodeInsufficientCapacity {
		t.Errorf("many in one request: %d", code)
	}
	for i := range uint16(20) {
		want := stun.ErrorCode(0)
		if i >= 8 {
			want = stun.CodeInsufficientCapacity
		}
		if code := c.request(stun.MethodChannelBind, channelNumber(0x4000+i), peerAddr(fmt.Sprintf("8.8.4.1:%d", 1000+i))); code != want {
			t.Errorf("channel %d: %d, want %d", i, code, want)
		}
	}
	// What there is can be refreshed.
	if code := c.request(stun.MethodCreatePermission, peerAddr("8.8.4.1:9")); code != 0 {
		t.Errorf("refresh of a permission: %d", code)
	}
	if code := c.request(stun.MethodChannelBind, channelNumber(0x4001), peerAddr("8.8.4.1:1001")); code != 0 {
		t.Errorf("refresh of a channel: %d", code)
	}
	if !strings.Contains(r.log.String(), "limit=relay.limits.permissions") {
		t.Error("the log does not say that the limit is reached")
	}
}

// 11: connections that allocate at the same time get more than the quota.
func TestQuotaHoldsWhenAllAskAtOnce(t *testing.T) {
	cfg := loopback(t)
	cfg.Limits.PerUser = 4
	r := startRelay(t, cfg)
	clients := make([]*rawClient, 24)
	for i := range clients {
		clients[i] = r.raw(TCP, "alice")
	}
	codes := make([]stun.ErrorCode, len(clients))
	var all sync.WaitGroup
	for i, c := range clients {
		all.Go(func() { codes[i] = c.allocate() })
	}
	all.Wait()
	made := 0
	for _, code := range codes {
		switch code {
		case 0:
			made++
		case stun.CodeAllocQuotaReached, stun.CodeInsufficientCapacity:
		default:
			t.Errorf("allocate: %d", code)
		}
	}
	if made != 4 {
		t.Errorf("%d allocations were made", made)
	}
	if !strings.Contains(r.log.String(), "limit=relay.limits.per_user") {
		t.Error("the log does not say that the limit is reached")
	}
}

func TestBoundsAllocationsInTotal(t *testing.T) {
	cfg := loopback(t)
	cfg.Limits.Total = 3
	r := startRelay(t, cfg)
	for i := range 5 {
		want := stun.ErrorCode(0)
		if i >= 3 {
			want = stun.CodeInsufficientCapacity
		}
		if code := r.raw(UDP, fmt.Sprint("user", i)).allocate(); code != want {
			t.Errorf("allocation %d: %d, want %d", i, code, want)
		}
	}
	if !strings.Contains(r.log.String(), "limit=relay.limits.total") {
		t.Error("the log does not say that the limit is reached")
	}
}

func TestBoundsConnections(t *testing.T) {
	cfg := loopback(t)
	cfg.Limits.ConnectionsPerSource = 3
	r := startRelay(t, cfg)
	clients := []*rawClient{r.raw(TCP, "alice"), r.raw(TLS, "alice"), r.raw(TCP, "alice")}
	r.isRefused(TCP)
	if n := r.Snapshot().Refused[overSource]; n != 1 {
		t.Errorf("%d connections are refused", n)
	}
	// Those who were there do not notice, and a place that becomes free is one.
	for _, c := range clients {
		if code := c.allocate(); code != 0 {
			t.Errorf("allocate: %d", code)
		}
	}
	_ = clients[0].conn.Close()
	waitFor(t, "the connection to be forgotten", func() bool { return r.Snapshot().Connections == 2 })
	r.raw(TCP, "bob")
}

func TestBoundsHandshakes(t *testing.T) {
	cfg := loopback(t)
	cfg.Limits.Handshakes = 2
	r := startRelay(t, cfg)
	for range 2 {
		conn, err := net.Dial("tcp4", r.at(TLS))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
	}
	waitFor(t, "two handshakes", func() bool { return len(r.handshakes) == 2 })
	r.isRefused(TLS)
	if n := r.Snapshot().Refused[overHandshakes]; n != 1 {
		t.Errorf("%d handshakes are refused", n)
	}
	r.raw(TCP, "alice") // others do not notice
}

func TestBoundsBandwidth(t *testing.T) {
	cfg := loopback(t)
	cfg.Limits.Bandwidth = 20_000
	r := startRelay(t, cfg)
	one, other := r.pair(UDP, UDP)
	exchange(t, one, other, "first")
	for range 100 {
		if _, err := one.WriteTo(make([]byte, 1000), other.LocalAddr()); err != nil {
			t.Fatal(err)
		}
	}
	waitFor(t, "packets to be dropped", func() bool { return r.Snapshot().Refused[overBandwidth] >= 75 })
	if up := r.Snapshot().ByTransport[UDP].Up; up.Bytes > 25_000 {
		t.Errorf("%d bytes were relayed", up.Bytes)
	}
	if !strings.Contains(r.log.String(), "limit=relay.limits.bandwidth") {
		t.Error("the log does not say that the limit is reached")
	}
}

// Who has no credential is answered at a bounded rate; who has one is not affected.
func TestBoundsAnswersToStrangers(t *testing.T) {
	cfg := loopback(t)
	now := time.Now()
	cfg.Now = func() time.Time { return now } // no time passes
	r := startRelay(t, cfg)
	good := r.raw(UDP, "alice")
	if code := good.allocate(); code != 0 {
		t.Fatalf("allocate: %d", code)
	}
	late := r.raw(UDP, "bob")
	stranger, err := net.Dial("udp4", r.at(UDP))
	if err != nil {
		t.Fatal(err)
	}
	defer stranger.Close()
	const asked = 2 * answersPerSource
	for range asked {
		if _, err := stranger.Write(good.build(stun.MethodAllocate, requestedTransport(17)).Raw); err != nil {
			t.Fatal(err)
		}
	}
	// UDP keeps the order on loopback: this is answered after all of them.
	if code := good.request(stun.MethodRefresh); code != 0 {
		t.Errorf("refresh under a flood: %d", code)
	}
	if code := late.allocate(); code != 0 {
		t.Errorf("allocate from a noisy address: %d", code)
	}
	_ = stranger.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
	answers := 0
	for {
		if _, err := stranger.Read(make([]byte, 1000)); err != nil {
			break
		}
		answers++
	}
	if answers > answersPerSource {
		t.Errorf("%d answers", answers)
	}
	if r.Snapshot().Refused[unauthenticated] < asked-answersPerSource {
		t.Errorf("%d requests are refused", r.Snapshot().Refused[unauthenticated])
	}
}

// What is sent to a forged address must not be much more than what came.
func TestAnswersToStrangersAreSmall(t *testing.T) {
	r := startRelay(t, loopback(t))
	c := r.raw(UDP, "alice")
	for name, request := range map[string]*stun.Message{
		"Binding":             c.build(stun.MethodBinding),
		"Allocate":            c.build(stun.MethodAllocate, requestedTransport(17)),
		"Refresh":             c.build(stun.MethodRefresh),
		"unknown attribute":   c.build(stun.MethodAllocate, stun.RawAttribute{Type: 0x7fff, Value: make([]byte, 4)}),
		"a credential, wrong": c.build(stun.MethodAllocate, stun.NewUsername(c.username), stun.NewRealm("relay.example.org"), c.nonce, stun.MessageIntegrity("wrong")),
	} {
		response := c.roundtrip(request)
		if len(response.Raw) > 4*len(request.Raw) || len(response.Raw) > 100 {
			t.Errorf("%s: %d bytes get %d bytes", name, len(request.Raw), len(response.Raw))
		}
		if response.Contains(stun.AttrSoftware) {
			t.Errorf("%s: the answer names the software", name)
		}
	}
}
