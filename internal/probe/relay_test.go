package probe

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/logging"
	"github.com/pion/turn/v5"

	"extdisco/internal/secret"
)

// relayConfig says how the TURN server of a test differs from a good one.
type relayConfig struct {
	realm  string
	relay  string                                           // relay address that it gives out; default where it relays
	permit func(peer net.IP) bool                           // default everybody
	auth   func(username string) (password string, ok bool) // default the one of startRelay
}

// startRelay starts a TURN server of pion/turn over udp and tcp, and returns how to
// reach it over udp.
func startRelay(t *testing.T, cfg relayConfig) Server {
	t.Helper()
	conn, listener := listenBoth(t)
	port := conn.LocalAddr().(*net.UDPAddr).Port
	if cfg.realm == "" {
		cfg.realm = "example.org"
	}
	if cfg.relay == "" {
		cfg.relay = "127.0.0.1"
	}
	if cfg.auth == nil {
		cfg.auth = func(username string) (string, bool) { return "password", username == "1:healthcheck" }
	}
	permit := func(_ net.Addr, peer net.IP) bool { return cfg.permit == nil || cfg.permit(peer) }
	relays := &turn.RelayAddressGeneratorStatic{RelayAddress: net.ParseIP(cfg.relay), Address: "127.0.0.1"}
	server, err := turn.NewServer(turn.ServerConfig{
		Realm: cfg.realm,
		AuthHandler: func(r *turn.RequestAttributes) (string, []byte, bool) {
			password, ok := cfg.auth(r.Username)
			return r.Username, turn.GenerateAuthKey(r.Username, r.Realm, password), ok
		},
		PacketConnConfigs: []turn.PacketConnConfig{{PacketConn: conn, RelayAddressGenerator: relays, PermissionHandler: permit}},
		ListenerConfigs:   []turn.ListenerConfig{{Listener: listener, RelayAddressGenerator: relays, PermissionHandler: permit}},
		LoggerFactory:     silent{},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	return Server{Type: TypeTURN, Host: "127.0.0.1", Port: uint16(port), Transport: "udp", Username: "1:healthcheck", Password: secret.New("password")}
}

// listenBoth listens on one port over udp and tcp. The port that is free for the one may
// be taken for the other.
func listenBoth(t *testing.T) (net.PacketConn, net.Listener) {
	t.Helper()
	var err error
	for range 20 {
		var conn net.PacketConn
		if conn, err = net.ListenPacket("udp4", "127.0.0.1:0"); err != nil {
			break
		}
		var listener net.Listener
		if listener, err = net.Listen("tcp4", conn.LocalAddr().String()); err == nil {
			return conn, listener
		}
		conn.Close()
	}
	t.Fatal(err)
	return nil, nil
}

// silent is where the server's log goes.
type silent struct{}

// NewLogger implements [logging.LoggerFactory].
func (silent) NewLogger(scope string) logging.LeveledLogger {
	return logging.NewDefaultLeveledLoggerForScope(scope, logging.LogLevelDisabled, io.Discard)
}

func stepsOf(a AddressResult) string {
	var steps []string
	for _, s := range a.Steps {
		steps = append(steps, string(s.Step))
	}
	return strings.Join(steps, " ")
}

func TestRelay(t *testing.T) {
	t.Parallel()
	const all = "connect binding allocate permission echo"
	tests := []struct {
		name    string
		cfg     relayConfig
		depth   Depth
		steps   string
		failure Kind
		note    string
	}{
		{"a good one", relayConfig{}, Echo, all, "", ""},
		{"only allocated", relayConfig{}, Allocate, "connect binding allocate", "", ""},
		{"only greeted", relayConfig{}, Binding, "connect binding", "", ""},
		{"at an address that nobody has", relayConfig{relay: "127.0.0.9"}, Echo, "connect binding allocate permission", KindNotRelayed, ""},
		{"relays to nobody here", relayConfig{permit: func(net.IP) bool { return false }}, Echo, "connect binding allocate", "", NoteNoEcho},
	}
	for _, tt := range tests {
		for _, transport := range []string{"udp", "tcp"} {
			t.Run(tt.name+" over "+transport, func(t *testing.T) {
				t.Parallel()
				s := startRelay(t, tt.cfg)
				s.Transport = transport
				a := Try(t.Context(), s, Options{Depth: tt.depth, Timeout: 8 * time.Second}).Addresses[0]
				if got := stepsOf(a); got != tt.steps {
					t.Errorf("steps %q, %v", got, a.Failure)
				}
				if f := a.Failure; (f == nil) != (tt.failure == "") || f != nil && f.Kind != tt.failure {
					t.Errorf("%v, want %q", f, tt.failure)
				}
				if tt.note != "" && !slices.Contains(a.Notes, tt.note) {
					t.Errorf("notes %q", a.Notes)
				}
				if (a.Relayed.Addr().IsValid()) != (tt.depth >= Allocate) {
					t.Errorf("relays at %v", a.Relayed)
				}
			})
		}
	}
}

// relayed returns a session with an allocation on a good relay.
func relayed(t *testing.T) (*attempt, *session) {
	t.Helper()
	server := startRelay(t, relayConfig{})
	conn, err := net.Dial("udp4", net.JoinHostPort(server.Host, strconv.Itoa(int(server.Port))))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	s := &session{messages: newMessageReader(conn, true), username: server.Username, password: server.Password.Reveal()}
	m, err := s.allocate(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	a := &attempt{server: server}
	if a.result.Relayed, err = relayedAddress(m, netip.MustParseAddr("127.0.0.1")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.free(context.Background()) })
	return a, s
}

func TestEchoAndRoundTrip(t *testing.T) {
	t.Parallel()
	a, s := relayed(t)
	soon := func() context.Context {
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		t.Cleanup(cancel)
		return ctx
	}
	if err := a.roundTrip(soon(), s); err == nil {
		t.Error("a datagram comes through without a permission")
	} else if f := newFailure(StepEcho, err); f.Kind != KindNotRelayed || !strings.Contains(f.Problem(), a.result.Relayed.String()) {
		t.Errorf("%v", f)
	}
	if err := a.echo(soon(), s); err == nil {
		t.Error("an echo without a permission")
	} else if f := newFailure(StepEcho, err); f.Kind != KindNotRelayed {
		t.Errorf("%v", f)
	}
	if !a.permit(t.Context(), s, netip.MustParseAddr("127.0.0.1")) {
		t.Fatal(a.result.Failure)
	}
	for range 2 {
		if err := a.roundTrip(t.Context(), s); err != nil {
			t.Error(err)
		}
		if err := a.echo(t.Context(), s); err != nil {
			t.Error(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for name, do := range map[string]func(context.Context, *session) error{"echo": a.echo, "roundTrip": a.roundTrip} {
		if err := do(ctx, s); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A server that has not said which address of ours it sees relays to itself.
func TestRelayToItself(t *testing.T) {
	t.Parallel()
	a, s := relayed(t)
	a.relay(t.Context(), s)
	if got := stepsOf(a.result); got != "permission echo" || a.result.Failure != nil {
		t.Errorf("%s, %v", got, a.result.Failure)
	}
}

// Datagrams that come while an answer is awaited are kept for later.
func TestDatagramsBetweenAnswers(t *testing.T) {
	t.Parallel()
	a, s := relayed(t)
	if !a.permit(t.Context(), s, netip.MustParseAddr("127.0.0.1")) {
		t.Fatal(a.result.Failure)
	}
	peer, err := net.Dial("udp4", a.result.Relayed.String())
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	until := time.Now().Add(10 * time.Second)
	for _, payload := range []string{"one", "two"} {
		if _, err := peer.Write([]byte(payload)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.receive(t.Context(), until, equals([]byte("two"))); err != nil {
		t.Fatal(err)
	}
	if _, err := peer.Write([]byte("three")); err != nil {
		t.Fatal(err)
	}
	for len(s.received) == 0 && time.Now().Before(until) {
		if !a.permit(t.Context(), s, netip.MustParseAddr("127.0.0.1")) {
			t.Fatal(a.result.Failure)
		}
	}
	from, err := s.receive(t.Context(), until, equals([]byte("three")))
	if err != nil || from.String() != peer.LocalAddr().String() {
		t.Errorf("from %v, %v", from, err)
	}
	if _, err := s.receive(t.Context(), time.Now().Add(20*time.Millisecond), equals([]byte("three"))); err == nil {
		t.Error("the same datagram twice")
	}
}

func TestAwait(t *testing.T) {
	t.Parallel()
	here, there := net.Pipe()
	defer here.Close()
	defer there.Close()
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		_, _ = there.Write([]byte("another"))
		_, _ = there.Write([]byte("this"))
	}()
	if err := await(here, time.Now().Add(10*time.Second), []byte("this")); err != nil {
		t.Error(err)
	}
	<-sent
	if err := await(here, time.Now().Add(-time.Second), []byte("this")); err == nil {
		t.Error("nothing came, and no error")
	}
}

func TestRepeat(t *testing.T) {
	t.Parallel()
	odd := errors.New("odd")
	tests := []struct {
		name    string
		results []error
		want    error
	}{
		{"at once", []error{nil}, nil},
		{"the end of everything", []error{context.Canceled, nil}, context.Canceled},
		{"after a time-out", []error{os.ErrDeadlineExceeded, nil}, nil},
		{"three time-outs", []error{os.ErrDeadlineExceeded, os.ErrDeadlineExceeded, os.ErrDeadlineExceeded, odd}, os.ErrDeadlineExceeded},
		{"another error", []error{os.ErrDeadlineExceeded, odd, nil}, odd},
	}
	for _, tt := range tests {
		n, last := 0, time.Now()
		err := repeat(func(until time.Time) error {
			if !until.After(last) {
				t.Errorf("%s: turn %d ends before it begins", tt.name, n)
			}
			last = until
			n++
			return tt.results[n-1]
		})
		if !errors.Is(err, tt.want) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

// At the end of its time the connection is closed under the probe: that says nothing of the peer.
func TestPeerIsSilentUntilTheEnd(t *testing.T) {
	conn, err := net.Dial("udp4", "127.0.0.1:9")
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	ended, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	s := &session{messages: newMessageReader(conn, true)}
	if answered, err := s.askPeer(ended, netip.MustParseAddrPort("192.0.2.1:10000")); answered || err != nil {
		t.Errorf("answered %t, %v", answered, err)
	}
	if answered, err := s.askPeer(t.Context(), netip.MustParseAddrPort("192.0.2.1:10000")); answered || !errors.Is(err, net.ErrClosed) {
		t.Errorf("with time left: answered %t, %v", answered, err)
	}
}

func TestPeer(t *testing.T) {
	t.Parallel()
	stunServer := answering(t, func(_ int, r []byte) [][]byte { return [][]byte{success(r)} })
	quiet := answering(t, func(int, []byte) [][]byte { return nil })
	at := func(s Server) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(int(s.Port))) }
	var denied atomic.Bool
	relay := startRelay(t, relayConfig{permit: func(net.IP) bool { return !denied.Load() }})
	tests := []struct {
		name, peer string
		steps      string
		failure    Kind
		says       string
	}{
		{"answers", at(stunServer), "connect binding allocate permission peer", "", ""},
		{"silent", at(quiet), "connect binding allocate permission", "", notePeerSilent},
		{"no port", "192.0.2.1", "connect binding allocate", KindPeer, "no HOST:PORT"},
		{"port 0", "192.0.2.1:0", "connect binding allocate", KindPeer, "65535"},
		{"IPv6", "[2001:db8::1]:10000", "connect binding allocate", KindPeer, "no IPv4 address"},
		{"no such name", "nosuch.example.org:10000", "connect binding allocate", KindPeer, "no such name"},
		{"by name", "bridge.example.org:" + strconv.Itoa(int(stunServer.Port)), "connect binding allocate permission peer", "", ""},
	}
	options := func(peer string) Options {
		return Options{Depth: Echo, Timeout: 4 * time.Second, Peer: peer, Resolve: func(_ context.Context, host string) ([]netip.Addr, error) {
			if host == "bridge.example.org" {
				return []netip.Addr{netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("127.0.0.1")}, nil
			}
			return nil, &net.DNSError{IsNotFound: true}
		}}
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := Try(t.Context(), relay, options(tt.peer)).Addresses[0]
			if got := stepsOf(a); got != tt.steps {
				t.Errorf("steps %q", got)
			}
			if f := a.Failure; (f == nil) != (tt.failure == "") || f != nil && (f.Kind != tt.failure || f.Step != StepPeer || !strings.Contains(f.Problem(), tt.says)) {
				t.Errorf("%v, want %q: %s", f, tt.failure, tt.says)
			} else if f == nil && tt.says != "" && !slices.Contains(a.Notes, tt.says) {
				t.Errorf("notes %q", a.Notes)
			}
		})
	}
	denied.Store(true)
	if f := Try(t.Context(), relay, options("192.0.2.10:10000")).Worst(); f == nil || f.Kind != KindForbidden || f.Step != StepPeer ||
		!strings.Contains(f.Problem(), "192.0.2.10:10000") || !strings.Contains(f.Cure(), "allowed-peer-ip=192.0.2.10") || !strings.Contains(f.Cure(), "denied-peer-ip") {
		t.Errorf("%v", f)
	}
}
