package relay

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pion/logging"
	"github.com/pion/stun/v4"
	"github.com/pion/turn/v5"
	"go.uber.org/goleak"

	"extdisco/integration/lab"
)

const testSecret = "north-wind-and-sun"

func TestMain(m *testing.M) {
	if os.Getenv(fewDescriptors) != "" {
		serveWithFewDescriptors()
		return
	}
	goleak.VerifyTestMain(m)
}

// logBuffer is a log that a test reads.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// testRelay is a relay on loopback and what goes with it.
type testRelay struct {
	*Relay
	t   testing.TB
	log *logBuffer
}

// loopback is a configuration for a relay at 127.0.0.1 that relays to other
// allocations only.
func loopback(t testing.TB) Config {
	t.Helper()
	dir := t.TempDir()
	ca, err := lab.NewCA(dir)
	if err != nil {
		t.Fatal(err)
	}
	cert, key, err := ca.Issue(dir, "relay.example.org", "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	return Config{
		Host:     "relay.example.org",
		PublicIP: []PublicIP{{Public: netip.MustParseAddr("127.0.0.1")}},
		Listen:   []string{"127.0.0.1:0"}, TLSListen: []string{"127.0.0.1:0"},
		FirstPort: 20000, LastPort: 29999,
		CertFile: cert, KeyFile: key,
		Secrets: Fixed([]byte(testSecret)),
		Limits:  DefaultLimits(),
	}
}

// startRelay starts a relay, which ends with the test.
func startRelay(t testing.TB, cfg Config) *testRelay {
	t.Helper()
	log := &logBuffer{}
	cfg.Log = newTestLog(log)
	r, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return begin(t, r, log)
}

func newTestLog(log *logBuffer) *slog.Logger {
	return slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func begin(t testing.TB, r *Relay, log *logBuffer) *testRelay {
	t.Helper()
	if err := r.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("%+v\n%s", r.Snapshot(), log)
		}
		if err := r.Close(0); err != nil {
			t.Error(err)
		}
	})
	return &testRelay{Relay: r, t: t, log: log}
}

// streamsOf returns the connections that there are.
func (r *testRelay) streamsOf(transport Transport) []*stream {
	var list []*stream
	for _, l := range r.listeners {
		l.mu.RLock()
		for _, s := range l.streams {
			if l.transport == transport {
				list = append(list, s)
			}
		}
		l.mu.RUnlock()
	}
	return list
}

// waitFor asks until something is so.
func waitFor(t testing.TB, what string, isSo func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !isSo(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited too long for %s", what)
		}
	}
}

// readChannelData calls nudge and reads ChannelData until one is what was waited for.
func readChannelData(t testing.TB, conn net.Conn, nudge func(), isIt func(text string) bool) bool {
	t.Helper()
	r := bufio.NewReader(conn)
	_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	for range 100_000 {
		nudge()
		for {
			head := make([]byte, channelHeader)
			if _, err := io.ReadFull(r, head); err != nil {
				t.Fatal(err)
			}
			if head[0] != 0x40 || head[1] != 0 {
				t.Fatalf("a frame begins with %x", head)
			}
			data := make([]byte, (int(binary.BigEndian.Uint16(head[2:]))+3)&^3)
			if _, err := io.ReadFull(r, data); err != nil {
				t.Fatal(err)
			}
			if isIt(string(data)) {
				return true
			}
			if r.Buffered() == 0 {
				break
			}
		}
	}
	return false
}

// at returns the address that a transport is served at.
func (r *testRelay) at(transport Transport) string {
	r.t.Helper()
	for _, l := range r.Snapshot().Listening {
		if l.Transport == transport {
			return l.Addr.String()
		}
	}
	r.t.Fatalf("the relay does not listen over %s", transport)
	return ""
}

// credential returns a credential for a user as the program makes them.
func credential(user string, expires time.Time, secret string) (username, password string) {
	username = fmt.Sprintf("%d:%s", expires.Unix(), user)
	return username, restPassword(username, secret)
}

// dial connects to the relay over a transport.
func (r *testRelay) dial(transport Transport) net.PacketConn {
	r.t.Helper()
	if transport == UDP {
		conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
		if err != nil {
			r.t.Fatal(err)
		}
		return conn
	}
	return turn.NewSTUNConn(r.connect(transport))
}

func (r *testRelay) connect(transport Transport) net.Conn {
	r.t.Helper()
	conn, err := net.Dial("tcp4", r.at(transport))
	if err != nil {
		r.t.Fatal(err)
	}
	if transport == TLS {
		secured := tls.Client(conn, &tls.Config{InsecureSkipVerify: true})
		if err := secured.Handshake(); err != nil {
			r.t.Fatal(err)
		}
		return secured
	}
	return conn
}

// client returns a TURN client with a credential that is good for an hour.
func (r *testRelay) client(transport Transport, user string) *turn.Client {
	r.t.Helper()
	username, password := credential(user, time.Now().Add(time.Hour), testSecret)
	return r.clientWith(transport, username, password)
}

func (r *testRelay) clientWith(transport Transport, username, password string) *turn.Client {
	r.t.Helper()
	conn := r.dial(transport)
	c, err := turn.NewClient(&turn.ClientConfig{
		STUNServerAddr: r.at(transport), TURNServerAddr: r.at(transport), Conn: conn,
		Username: username, Password: password, LoggerFactory: &logging.DefaultLoggerFactory{Writer: io.Discard, DefaultLogLevel: logging.LogLevelDisabled},
	})
	if err != nil {
		r.t.Fatal(err)
	}
	if err := c.Listen(); err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() {
		c.Close()
		_ = conn.Close()
	})
	return c
}

// allocate returns a relayed address.
func allocate(t testing.TB, c *turn.Client) net.PacketConn {
	t.Helper()
	conn, err := c.Allocate()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// pair returns the relayed addresses of two users who let each other in.
func (r *testRelay) pair(a, b Transport) (one, other net.PacketConn) {
	r.t.Helper()
	alice, bob := r.client(a, "alice"), r.client(b, "bob")
	one, other = allocate(r.t, alice), allocate(r.t, bob)
	if err := alice.CreatePermission(other.LocalAddr()); err != nil {
		r.t.Fatal(err)
	}
	if err := bob.CreatePermission(one.LocalAddr()); err != nil {
		r.t.Fatal(err)
	}
	return one, other
}

// exchange sends one packet and returns what comes at the other end.
func exchange(t testing.TB, from, to net.PacketConn, text string) {
	t.Helper()
	if _, err := from.WriteTo([]byte(text), to.LocalAddr()); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 2000)
	_ = to.SetReadDeadline(time.Now().Add(5 * time.Second))
	n, addr, err := to.ReadFrom(buf)
	if err != nil {
		t.Fatal(err)
	}
	if got := string(buf[:n]); got != text || addr.String() != from.LocalAddr().String() {
		t.Fatalf("got %.40q from %s, want %.40q from %s", got, addr, text, from.LocalAddr())
	}
}

func TestRelaysBetweenTwoUsers(t *testing.T) {
	r := startRelay(t, loopback(t))
	for a := range transports { // the first packets go as indications, later ones by channel

		for b := range transports {
			t.Run(a.String()+" to "+b.String(), func(t *testing.T) {
				one, other := r.pair(a, b)
				exchange(t, one, other, "a")
				exchange(t, other, one, strings.Repeat("b", 1201))
				for i := range 20 {
					exchange(t, one, other, fmt.Sprint("packet ", i))
				}
			})
		}
	}
}

// Frames that arrive together must not disturb each other.
func TestServesRequestsThatArriveTogether(t *testing.T) {
	r := startRelay(t, loopback(t))
	c := r.raw(TCP, "alice")
	if code := c.allocate(); code != 0 {
		t.Fatalf("allocate: %d", code)
	}
	var together []byte
	const many = 20
	for range many {
		together = append(together, c.build(stun.MethodRefresh, stun.NewUsername(c.username), stun.NewRealm("relay.example.org"), c.nonce, stun.MessageIntegrity(c.key)).Raw...)
	}
	c.send(together)
	packets := turn.NewSTUNConn(c.conn)
	for i := range many {
		buf := make([]byte, 1000)
		n, _, err := packets.ReadFrom(buf)
		if err != nil {
			t.Fatal(err)
		}
		m := &stun.Message{Raw: buf[:n]}
		if err := m.Decode(); err != nil || codeOf(m) != 0 {
			t.Fatalf("response %d: %d, %v", i, codeOf(m), err)
		}
	}
}

func TestBindingOverEachTransport(t *testing.T) {
	r := startRelay(t, loopback(t))
	for transport := range transports {
		t.Run(transport.String(), func(t *testing.T) {
			addr, err := r.client(transport, "alice").SendBindingRequest()
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasPrefix(addr.String(), "127.0.0.1:") {
				t.Errorf("the reflexive address is %s", addr)
			}
		})
	}
}
