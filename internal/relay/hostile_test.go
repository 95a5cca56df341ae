package relay

import (
	"bytes"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pion/stun/v4"
)

// The numbers in front of tests, here and in other files, are those of the table in
// docs/relay.md: what a bare pion does that a relay on the Internet must not do.

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
