package daemon

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"extdisco/internal/testkit"

	"go.uber.org/goleak"
)

// serving is a daemon that runs in this process.
type serving struct {
	t       *testing.T
	file    string // configuration
	log     *testkit.LogBuffer
	signals chan os.Signal
	ended   chan error
}

// startServing runs a daemon with the configuration.
func startServing(t *testing.T, content string) *serving {
	t.Helper()
	return startServingWith(t, content, "text")
}

// startServingWith runs a daemon that logs in the format, from level debug on if it is
// JSON.
func startServingWith(t *testing.T, content, format string) *serving {
	t.Helper()
	s := &serving{t: t, file: testkit.WriteConfig(t, content), log: testkit.NewLogBuffer(),
		signals: make(chan os.Signal, 1), ended: make(chan error, 1)}
	cfg := mustLoad(t, s.file)
	level := new(slog.LevelVar)
	level.Set(cfg.Log.Level)
	log := slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{Level: level}))
	if format == "json" {
		log = slog.New(slog.NewJSONHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	go func() {
		s.ended <- Run(Options{Config: cfg, Version: "test", Log: log, Level: level}, s.signals)
	}()
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(s.log)
		}
	})
	return s
}

// connect accepts the connection of the component and waits until that is known
// there.
func (s *serving) connect(server *testkit.Server, secret string) *testkit.Stream {
	s.t.Helper()
	times := strings.Count(s.log.String(), connected)
	stream := server.MustAccept(secret)
	s.log.WaitFor(s.t, connected, times+1)
	return stream
}

// reload writes another configuration, asks for it to be read, and waits until
// the log says the text once more.
func (s *serving) reload(content, said string) {
	s.t.Helper()
	times := strings.Count(s.log.String(), said)
	testkit.WriteFile(s.t, s.file, content)
	s.signals <- syscall.SIGHUP
	s.log.WaitFor(s.t, said, times+1)
}

// stop asks to leave, waits until the stream is closed politely, and for the end.
func (s *serving) stop(signal os.Signal, stream *testkit.Stream) {
	s.t.Helper()
	s.signals <- signal
	if stream != nil {
		stream.WantEnd()
	}
	s.wantEnd()
}

func (s *serving) wantEnd() {
	s.t.Helper()
	select {
	case err := <-s.ended:
		if err != nil {
			s.t.Errorf("serve ended with %v", err)
		}
	case <-time.After(testkit.Patience):
		s.t.Fatal("serve does not end")
	}
	if err := goleak.Find(); err != nil {
		s.t.Error(err)
	}
}

const (
	stunOnly   = "[[ice_server]]\nurls = [\"stun:turn.example.org\"]\n"
	turnOnly   = "[[ice_server]]\nurls = [\"turn:turn.example.org\"]\nsecret_file = \"turn.secret\"\n"
	reloaded   = "msg=\"reloaded the configuration\""
	connected  = "connected to the XMPP server"
	notChanged = "cannot reload the configuration; the previous one stays in force"
)

func TestServeAnswersAndStops(t *testing.T) {
	for _, signal := range []os.Signal{syscall.SIGTERM, syscall.SIGINT} {
		t.Run(signal.String(), func(t *testing.T) {
			server := testkit.StartServer(t)
			s := startServing(t, server.Config(stunOnly))
			stream := s.connect(server, testkit.Handshake)
			if stream.To != "turn.example.org" {
				t.Errorf("the component is %q", stream.To)
			}
			testkit.WantEqual(t, "services", stream.Services("juliet@example.org/balcony"), "stun:turn.example.org:3478")
			testkit.WantEqual(t, "outsider", stream.Services("mallory@example.com/1"), "error forbidden")
			s.stop(signal, stream)
			for _, text := range []string{"starting extdisco", "config=" + s.file, connected, "last_domain=example.com",
				"stopping extdisco", "signal=" + signal.String(), "disconnected from the XMPP server"} {
				if !strings.Contains(s.log.String(), text) {
					t.Errorf("the log does not say %q", text)
				}
			}
		})
	}
}

func TestServeStopsWithoutServer(t *testing.T) {
	server := testkit.StartServer(t)
	server.Listener.Close()
	s := startServing(t, server.Config(stunOnly))
	s.log.WaitFor(t, "nothing accepts connections at the address of the XMPP server", 1)
	s.stop(syscall.SIGTERM, nil)
}

func TestServeLogsWarnings(t *testing.T) {
	server := testkit.StartServer(t)
	s := startServing(t, server.Config(turnOnly+"ttl = \"1h\"\n"))
	stream := s.connect(server, testkit.Handshake)
	s.log.WaitFor(t, "1h is enough", 1)
	s.reload(server.Config(turnOnly+"ttl = \"2h\"\n"), reloaded)
	s.log.WaitFor(t, "2h is enough", 1)
	s.stop(syscall.SIGTERM, stream)
}

// TestServeReload changes everything that can change under a running stream.
func TestServeReload(t *testing.T) {
	server := testkit.StartServer(t)
	s := startServing(t, server.Config(stunOnly))
	stream := s.connect(server, testkit.Handshake)
	testkit.WantEqual(t, "services", stream.Services("juliet@example.org/1"), "stun:turn.example.org:3478")

	s.reload(server.Config(turnOnly), reloaded)
	testkit.WantEqual(t, "services with other servers", stream.Services("juliet@example.org/1"), "turn:turn.example.org:3478?transport=udp")
	wantCredential(t, stream, testkit.SharedSecret)

	testkit.WriteFile(t, filepath.Join(filepath.Dir(s.file), "turn.secret"), testkit.SharedSecretTwo+"\n")
	s.reload(server.Config(turnOnly), reloaded)
	wantCredential(t, stream, testkit.SharedSecretTwo)

	s.reload(server.Config(turnOnly+"[access]\nallow = [\"example.com\"]\n"), reloaded)
	testkit.WantEqual(t, "who is not served any more", stream.Services("juliet@example.org/1"), "error forbidden")
	testkit.WantEqual(t, "who is served now", stream.Services("mallory@example.com/1"), "turn:turn.example.org:3478?transport=udp")

	const limited = turnOnly + "[limits]\nper_jid = \"1/h\"\n"
	s.reload(server.Config(limited), reloaded)
	testkit.WantEqual(t, "within the limit", stream.Services("juliet@example.org/1"), "turn:turn.example.org:3478?transport=udp")
	testkit.WantEqual(t, "over the limit", stream.Services("juliet@example.org/2"), "error resource-constraint")
	s.reload(server.Config(limited+"total = \"100/s\"\n"), reloaded)
	testkit.WantEqual(t, "with other limits", stream.Services("juliet@example.org/1"), "turn:turn.example.org:3478?transport=udp")

	s.stop(syscall.SIGTERM, stream)
	if n := strings.Count(s.log.String(), connected); n != 1 {
		t.Errorf("the stream was not kept: connected %d times", n)
	}
}

func wantCredential(t *testing.T, stream *testkit.Stream, sharedSecret string) {
	t.Helper()
	for _, service := range testkit.ParseServices(t, stream.Ask("juliet@example.org/1", testkit.ServicesRequest).Inner) {
		if service.Password != testkit.PasswordFor(sharedSecret, service.Username) {
			t.Errorf("%s has a credential of another secret", service.URI())
		}
	}
}

func TestServeKeepsConfigOnABrokenOne(t *testing.T) {
	server := testkit.StartServer(t)
	s := startServing(t, server.Config(stunOnly))
	stream := s.connect(server, testkit.Handshake)
	before := s.log.String()

	s.reload(server.Config("hosts = 5\n")+"x = 1\n[log]\nlevel = \"loud\"\n", notChanged)
	added := strings.TrimPrefix(s.log.String(), before)
	for _, fault := range []string{":5: component.hosts: is a number", ":6: component.x: unknown key", ":8: log.level: is none of", ": ice_server: is missing"} {
		if !strings.Contains(added, `level=ERROR msg="the configuration has a fault" fault="`+s.file+fault) {
			t.Errorf("the log does not say %q", fault)
		}
	}
	if n := strings.Count(added, "level=ERROR"); n != 5 {
		t.Errorf("%d errors in\n%s", n, added)
	}
	testkit.WantEqual(t, "services after broken configuration", stream.Services("juliet@example.org/1"), "stun:turn.example.org:3478")

	s.reload("[component", notChanged)
	if err := os.Remove(s.file); err != nil {
		t.Fatal(err)
	}
	s.signals <- syscall.SIGHUP
	s.log.WaitFor(t, notChanged, 3)
	s.log.WaitFor(t, "there is no file", 1)
	testkit.WantEqual(t, "services without configuration", stream.Services("juliet@example.org/1"), "stun:turn.example.org:3478")

	s.reload(server.Config(turnOnly), reloaded)
	testkit.WantEqual(t, "services once it is mended", stream.Services("juliet@example.org/1"), "turn:turn.example.org:3478?transport=udp")
	s.stop(syscall.SIGTERM, stream)
}

func TestServeConnectsAgainWhenComponentChanges(t *testing.T) {
	tests := []struct {
		name   string
		change func(s *serving, content string) string // returns the new configuration
		jid    string
		secret string
	}{
		{"jid", func(_ *serving, content string) string { return strings.Replace(content, "turn.", "relay.", 1) }, "relay.example.org", testkit.Handshake},
		{"secret", func(s *serving, content string) string {
			testkit.WriteFile(s.t, filepath.Join(filepath.Dir(s.file), "component.secret"), "another")
			return content
		}, "turn.example.org", "another"},
		{"hosts", func(_ *serving, content string) string {
			return strings.Replace(content, "server =", "hosts = [\"example.org\", \"guest.example.org\"]\nserver =", 1)
		}, "turn.example.org", testkit.Handshake},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			server := testkit.StartServer(t)
			content := server.Config(stunOnly)
			s := startServing(t, content)
			first := s.connect(server, testkit.Handshake)
			testkit.WantEqual(t, "services", first.Services("juliet@example.org/1"), "stun:turn.example.org:3478")
			s.reload(tt.change(s, server.Config(turnOnly+"[log]\nformat = \"json\"\n")), "reconnecting, because [component] has changed")
			first.WantEnd()
			second := s.connect(server, tt.secret)
			if second.To != tt.jid {
				t.Errorf("connects as %s, want %s", second.To, tt.jid)
			}
			testkit.WantEqual(t, "services", second.Services("juliet@example.org/1"), "turn:turn.example.org:3478?transport=udp")
			s.log.WaitFor(t, "log.format has changed; restart extdisco to use it", 1)
			s.stop(syscall.SIGTERM, second)
		})
	}
}

func TestServeMovesToAnotherServer(t *testing.T) {
	one, two := testkit.StartServer(t), testkit.StartServer(t)
	s := startServing(t, one.Config(stunOnly))
	first := s.connect(one, testkit.Handshake)
	s.reload(two.Config(stunOnly), "reconnecting, because [component] has changed")
	first.WantEnd()
	second := s.connect(two, testkit.Handshake)
	s.stop(syscall.SIGTERM, second)
}

// TestServeChangesLogLevel tells the level from requests over the limit, which
// are logged at level debug before they are answered.
func TestServeChangesLogLevel(t *testing.T) {
	server := testkit.StartServer(t)
	content := server.Config(stunOnly + "[limits]\nper_jid = \"1/h\"\n")
	s := startServing(t, content)
	stream := s.connect(server, testkit.Handshake)
	stream.Services("juliet@example.org/1")
	isLogged := func() bool {
		t.Helper()
		before := s.log.String()
		testkit.WantEqual(t, "over the limit", stream.Services("juliet@example.org/1"), "error resource-constraint")
		return strings.Contains(strings.TrimPrefix(s.log.String(), before), "level=DEBUG")
	}
	until := func(want bool) {
		t.Helper()
		for deadline := time.Now().Add(testkit.Patience); isLogged() != want; {
			if time.Now().After(deadline) {
				t.Fatalf("logged at level debug: %v, want %v", !want, want)
			}
		}
	}
	if isLogged() {
		t.Error("level debug is logged before it is asked for")
	}
	s.reload(content+"[log]\nlevel = \"debug\"\n", reloaded)
	until(true)
	s.reload(content+"[log]\nlevel = \"info\"\n", reloaded)
	until(false)
	s.stop(syscall.SIGTERM, stream)
}
