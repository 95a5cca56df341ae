package relay

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pion/stun/v4"
)

// The numbers in this file's comments are those of the table in docs/relay.md: what
// a bare pion does that a relay on the Internet must not do.

// quick is a timing that tests do not wait long for.
var quick = timing{handshake: 100 * time.Millisecond, unused: 150 * time.Millisecond, write: 100 * time.Millisecond}

func startQuickRelay(t *testing.T, cfg Config) *testRelay {
	t.Helper()
	log := &logBuffer{}
	cfg.Log = newTestLog(log)
	r, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	r.timing = quick
	return begin(t, r, log)
}

// untilClosed reads until the other side closes the connection.
func untilClosed(t testing.TB, conn net.Conn) {
	t.Helper()
	_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.Copy(io.Discard, conn); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("the relay keeps the connection")
	}
}

// isRefused checks that one more connection is closed.
func (r *testRelay) isRefused(transport Transport) {
	r.t.Helper()
	conn, err := net.Dial("tcp4", r.at(transport))
	if err != nil {
		return // it was reset already
	}
	defer conn.Close()
	untilClosed(r.t, conn)
}

// 2: a failed TLS handshake leaves the connection open.
func TestClosesConnectionWhoseHandshakeFails(t *testing.T) {
	for name, greeting := range map[string]string{"no TLS": "GET / HTTP/1.1\r\n\r\n", "nothing": ""} {
		t.Run(name, func(t *testing.T) {
			r := startQuickRelay(t, loopback(t))
			conn, err := net.Dial("tcp4", r.at(TLS))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if _, err := io.WriteString(conn, greeting); err != nil {
				t.Fatal(err)
			}
			untilClosed(t, conn)
			waitFor(t, "the failure to be counted", func() bool { return r.Snapshot().Refused[handshakeFailed] == 1 })
		})
	}
}

// 3: a connection on which nobody authenticates stays for ever.
func TestEndsConnectionWithoutAllocation(t *testing.T) {
	for _, transport := range []Transport{TCP, TLS} {
		t.Run(transport.String(), func(t *testing.T) {
			r := startQuickRelay(t, loopback(t))
			conn := r.connect(transport)
			defer conn.Close()
			untilClosed(t, conn)
			// One that asks now and then is no better.
			c := r.raw(transport, "alice")
			for c.read() == nil {
				if _, err := c.conn.Write(c.build(stun.MethodBinding).Raw); err != nil {
					return
				}
			}
			untilClosed(t, c.conn)
		})
	}
}

func TestKeepsConnectionWithAllocation(t *testing.T) {
	r := startQuickRelay(t, loopback(t))
	c := r.raw(TCP, "alice")
	if code := c.allocate(); code != 0 {
		t.Fatalf("allocate: %d", code)
	}
	time.Sleep(2 * quick.unused) // that nothing happens cannot be waited for
	if code := c.request(stun.MethodRefresh, lifetime(0)); code != 0 {
		t.Fatalf("refresh: %d", code)
	}
	untilClosed(t, c.conn)
}

// 4 and 5: packets reach whatever runs on this machine.
func TestRelaysToNoServiceOfThisMachine(t *testing.T) {
	service, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer service.Close()
	r := startRelay(t, loopback(t))
	client := r.client(UDP, "alice")
	relayed := allocate(t, client)
	// The address is one of other allocations, so that there is a permission for it.
	if err := client.CreatePermission(service.LocalAddr()); err != nil {
		t.Fatal(err)
	}
	if _, err := relayed.WriteTo([]byte("attack"), service.LocalAddr()); err != nil {
		t.Fatal(err)
	}
	if _, err := client.SendBindingRequest(); err != nil { // the packet was dealt with before
		t.Fatal(err)
	}
	if n := r.Snapshot().Refused[forbiddenPeer]; n == 0 {
		t.Error("nothing was refused")
	}
	_ = service.SetReadDeadline(time.Now())
	if n, _, err := service.ReadFrom(make([]byte, 100)); err == nil {
		t.Errorf("the service got %d bytes", n)
	}
}

func TestRelaysToAPeerThatIsNamed(t *testing.T) {
	service, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer service.Close()
	cfg := loopback(t)
	peer, err := ParsePeer(service.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	cfg.AllowPeers = []Peer{peer}
	r := startRelay(t, cfg)
	relayed := allocate(t, r.client(UDP, "alice"))
	exchange(t, relayed, service, "to the bridge")
	exchange(t, service, relayed, "and back")
}

// 4: a permission for an address nobody may reach. 8: the same for a channel, with 403.
func TestRefusesForbiddenPeers(t *testing.T) {
	r := startRelay(t, loopback(t))
	for _, transport := range []Transport{UDP, TCP} {
		c := r.raw(transport, "alice")
		if code := c.allocate(); code != 0 {
			t.Fatalf("allocate: %d", code)
		}
		for _, peer := range []peerAddr{"127.0.0.2:9", "10.0.0.1:9", "169.254.169.254:80", "[::ffff:10.0.0.1]:9", "0.0.0.0:9", "224.0.0.1:9"} {
			if code := c.request(stun.MethodCreatePermission, peer); code != stun.CodeForbidden {
				t.Errorf("%s: CreatePermission for %s: %d", transport, peer, code)
			}
			if code := c.request(stun.MethodChannelBind, channelNumber(0x4000), peer); code != stun.CodeForbidden {
				t.Errorf("%s: ChannelBind to %s: %d", transport, peer, code)
			}
		}
	}
}

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

// 7: requests without an allocation get no answer.
func TestAnswersRequestsWithoutAllocation(t *testing.T) {
	r := startRelay(t, loopback(t))
	for transport := range transports {
		c := r.raw(transport, "alice")
		for _, method := range []stun.Method{stun.MethodRefresh, stun.MethodCreatePermission, stun.MethodChannelBind} {
			if code := c.request(method, peerAddr("8.8.4.4:9"), channelNumber(0x4000)); code != stun.CodeAllocMismatch {
				t.Errorf("%s: %s: %d", transport, method, code)
			}
		}
	}
}

func TestRefusesRequestsForAllocationsOfOthers(t *testing.T) {
	r := startRelay(t, loopback(t))
	c := r.raw(UDP, "alice")
	if code := c.allocate(); code != 0 {
		t.Fatalf("allocate: %d", code)
	}
	username, _ := credential("mallory", time.Now().Add(time.Hour), testSecret)
	c.username = username
	c.key = stun.NewLongTermIntegrity(username, "relay.example.org", restPassword(username, testSecret))
	if code := c.request(stun.MethodRefresh, lifetime(0)); code != stun.CodeWrongCredentials {
		t.Errorf("refresh: %d", code)
	}
}

// 10: an allocation ends with the credential.
func TestExpiryIsCheckedAtAllocateOnly(t *testing.T) {
	var mu sync.Mutex
	now := time.Now()
	cfg := loopback(t)
	cfg.Now = func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		return now
	}
	r := startRelay(t, cfg)
	running, late := r.raw(UDP, "alice"), r.raw(UDP, "alice")
	if code := running.allocate(); code != 0 {
		t.Fatalf("allocate: %d", code)
	}
	mu.Lock()
	now = now.Add(2 * time.Hour)
	mu.Unlock()
	if code := running.request(stun.MethodRefresh); code != 0 {
		t.Errorf("refresh after the expiry: %d", code)
	}
	if code := running.request(stun.MethodCreatePermission, peerAddr("8.8.4.4:9")); code != 0 {
		t.Errorf("permission after the expiry: %d", code)
	}
	if code := late.allocate(); code != stun.CodeUnauthorized {
		t.Errorf("allocate after the expiry: %d", code)
	}
	if r.Snapshot().Refused[expiredCredential] != 1 {
		t.Error("the expired credential is not counted")
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

// 12: RFC 6062 lets clients open TCP connections through the relay.
func TestRefusesTCPAllocations(t *testing.T) {
	r := startRelay(t, loopback(t))
	c := r.raw(TCP, "alice")
	if code := c.request(stun.MethodAllocate, requestedTransport(6)); code != stun.CodeUnsupportedTransProto {
		t.Errorf("allocate over TCP: %d", code)
	}
	if code := c.allocate(); code != 0 {
		t.Errorf("allocate: %d", code)
	}
	before := r.Snapshot().Refused[notSupported]
	c.send(c.build(stun.MethodConnect, peerAddr("8.8.4.4:9"), stun.NewUsername(c.username), stun.NewRealm("relay.example.org"), c.nonce, stun.MessageIntegrity(c.key)).Raw)
	if code := c.request(stun.MethodRefresh); code != 0 {
		t.Errorf("refresh: %d", code)
	}
	if r.Snapshot().Refused[notSupported] != before+1 {
		t.Error("the Connect request was not dropped")
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

// A client that reads nothing makes nobody wait and the relay not grow; what is old
// is dropped.
func TestDropsTheOldestForASlowClient(t *testing.T) {
	for _, transport := range []Transport{TCP, TLS} {
		t.Run(transport.String(), func(t *testing.T) {
			cfg := loopback(t)
			cfg.Limits.Bandwidth = 0
			cfg.AllowPeers = []Peer{{Prefix: netip.MustParsePrefix("127.0.0.1/32")}}
			r := startRelay(t, cfg)
			slow := r.raw(transport, "slow")
			if code := slow.allocate(); code != 0 {
				t.Fatalf("allocate: %d", code)
			}
			peer, err := net.ListenPacket("udp4", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer peer.Close()
			if code := slow.request(stun.MethodChannelBind, channelNumber(0x4000), peerAddr(peer.LocalAddr().String())); code != 0 {
				t.Fatalf("channel: %d", code)
			}
			relayed := net.UDPAddrFromAddrPort(r.allocations()[0].address())
			sent := 0
			waitFor(t, "packets to be dropped", func() bool {
				for range 100 {
					sent++
					if _, err := peer.WriteTo(fmt.Appendf(make([]byte, 0, 1200), "%-1200d", sent), relayed); err != nil {
						t.Fatal(err)
					}
				}
				return r.Snapshot().Refused[slowClient] > 1000
			})
			s := r.streamsOf(transport)[0]
			s.mu.Lock()
			if size := cap(s.data) + cap(s.control); size > 4*cfg.Limits.Queue {
				t.Errorf("the queue has %d bytes", size)
			}
			s.mu.Unlock()
			if !strings.Contains(r.log.String(), "a slow client loses packets") {
				t.Error("the log does not say that the limit is reached")
			}
			// It reads again: what comes last is the newest, in whole frames.
			last := readChannelData(t, slow.conn, func() {
				sent++
				if _, err := peer.WriteTo(fmt.Appendf(nil, "%-1200d", sent), relayed); err != nil {
					t.Fatal(err)
				}
			}, func(text string) bool { return strings.TrimSpace(text) == fmt.Sprint(sent) })
			if !last {
				t.Error("the newest packet did not come")
			}
		})
	}
}

// A client that takes nothing at all is let go.
func TestEndsConnectionThatTakesNothing(t *testing.T) {
	cfg := loopback(t)
	cfg.Limits.Bandwidth = 0
	r := startQuickRelay(t, cfg)
	slow := r.raw(TCP, "slow")
	if code := slow.allocate(); code != 0 {
		t.Fatalf("allocate: %d", code)
	}
	bob := r.client(UDP, "bob")
	relayed := allocate(t, bob)
	to := net.UDPAddrFromAddrPort(func() netip.AddrPort {
		for _, a := range r.allocations() {
			if a.user == "slow" {
				return a.address()
			}
		}
		return netip.AddrPort{}
	}())
	if code := slow.request(stun.MethodCreatePermission, peerAddr(relayed.LocalAddr().String())); code != 0 {
		t.Fatalf("permission: %d", code)
	}
	waitFor(t, "the connection to end", func() bool {
		for range 100 {
			_, _ = relayed.WriteTo(make([]byte, 1200), to)
		}
		return r.Snapshot().Connections == 0
	})
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

// RFC 5766 let clients choose channels up to 0x7FFE, and coturn's client does.
func TestRelaysByEveryChannelNumber(t *testing.T) {
	for transport := range transports {
		cfg := loopback(t)
		peer, err := net.ListenPacket("udp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer peer.Close()
		to, err := ParsePeer(peer.LocalAddr().String())
		if err != nil {
			t.Fatal(err)
		}
		cfg.AllowPeers = []Peer{to}
		r := startRelay(t, cfg)
		for _, number := range []uint16{0x4000, 0x4FFF, 0x5000, 0x7FFE} {
			c := r.raw(transport, "alice")
			if code := c.allocate(); code != 0 {
				t.Fatalf("allocate: %d", code)
			}
			if code := c.request(stun.MethodChannelBind, channelNumber(number), peerAddr(to.String())); code != 0 {
				t.Fatalf("channel %#x: %d", number, code)
			}
			frame := []byte{byte(number >> 8), byte(number), 0, 4, 'd', 'a', 't', 'a'}
			c.send(frame)
			buf := make([]byte, 100)
			_ = peer.SetReadDeadline(time.Now().Add(5 * time.Second))
			n, from, err := peer.ReadFrom(buf)
			if err != nil || string(buf[:n]) != "data" {
				t.Fatalf("%s, channel %#x: %q, %v", transport, number, buf[:n], err)
			}
			if _, err := peer.WriteTo([]byte("data"), from); err != nil {
				t.Fatal(err)
			}
			_ = c.conn.SetReadDeadline(time.Now().Add(5 * time.Second))
			if n, err := c.conn.Read(buf); err != nil || !bytes.Equal(buf[:n], frame) {
				t.Errorf("%s, channel %#x: %x, %v", transport, number, buf[:n], err)
			}
		}
	}
}

// Frames that are cut, that lie about their length or are no frames at all.
func TestSurvivesNonsense(t *testing.T) {
	r := startRelay(t, loopback(t))
	good := r.raw(UDP, "alice")
	if code := good.allocate(); code != 0 {
		t.Fatalf("allocate: %d", code)
	}
	for _, frame := range []string{"", "\x00", "\x40\x00\xff\xff", "\x40\x00\x00\x04", "\x4f\xff\x00\x00", "\x00\x03\x00\x00\x21\x12\xa4\x42", strings.Repeat("\xff", 1600),
		"\x00\x16\x00\x04\x21\x12\xa4\x42012345678901\x00\x12\x00\x08", "\x00\x16\xff\xfc\x21\x12\xa4\x42012345678901", "\x00\x03\x00\x08\x21\x12\xa4\x42012345678901\x00\x08\xff\xff1234"} {
		good.send([]byte(frame))
		if code := good.request(stun.MethodRefresh); code != 0 {
			t.Errorf("refresh after %q: %d", frame, code)
		}
		conn := r.connect(TCP)
		_, _ = io.WriteString(conn, frame)
		_ = conn.Close()
	}
}
