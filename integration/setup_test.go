//go:build integration

package integration

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"extdisco/integration/lab"
)

// binary is the command under test, built once.
var binary string

func TestMain(m *testing.M) {
	os.Exit(runTests(m))
}

func runTests(m *testing.M) int {
	dir, err := os.MkdirTemp("", "extdisco-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "extdisco")
	build := exec.Command("go", "build", "-o", binary, "extdisco")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "%v\n%s", err, out)
		return 1
	}
	status := m.Run()
	if err := goleak.Find(); err != nil && status == 0 {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return status
}

// Names of the hosts in every scene.
const (
	meetHost    = "meet.example.org"       // anonymous users, delegates to the component
	guestHost   = "guest.meet.example.org" // anonymous users who ask meetHost, as guests of Jitsi Meet do
	corpHost    = "corp.example.net"       // accounts, delegates too
	outsideHost = "outside.example.net"    // anonymous users who are not served
	turnJID     = "turn.meet.example.org"

	handshakeSecret = "handshake-secret-of-the-lab"
	sharedSecret    = "shared-secret-of-the-lab-0123456789"
	alicePassword   = "alice-password-of-the-lab"
)

type startXMPP func(context.Context, lab.XMPPConfig) (*lab.XMPPServer, error)

// servers are the XMPP servers that every test with eachServer runs against.
var servers = map[string]startXMPP{"prosody": lab.StartProsody, "ejabberd": lab.StartEjabberd}

// scene is an XMPP server, a TURN server and an extdisco between them.
type scene struct {
	t        *testing.T
	kind     string // prosody or ejabberd
	ca       *lab.CA
	xmpp     *lab.XMPPServer
	turn     *lab.Coturn
	extdisco *lab.Extdisco
}

// sceneConfig says what is special about a scene.
type sceneConfig struct {
	xmpp       func(*lab.XMPPConfig)
	config     func(s *scene) string // config.toml; nil means s.config("24h")
	args       []string
	noExtdisco bool
	unready    bool // do not wait for the connection
}

func eachServer(t *testing.T, test func(t *testing.T, kind string)) {
	for kind := range servers {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			test(t, kind)
		})
	}
}

func newScene(t *testing.T, kind string, cfg sceneConfig) *scene {
	t.Helper()
	s := &scene{t: t, kind: kind}
	var err error
	if s.ca, err = lab.NewCA(t.TempDir()); err != nil {
		t.Fatal(err)
	}
	xmpp := lab.XMPPConfig{
		Dir: t.TempDir(),
		Hosts: []lab.Host{
			{Name: meetHost, Anonymous: true, DelegateTo: turnJID},
			{Name: guestHost, Anonymous: true},
			{Name: corpHost, Users: map[string]string{"alice": alicePassword}, DelegateTo: turnJID},
			{Name: outsideHost, Anonymous: true},
		},
		Components: []lab.Component{{JID: turnJID, Secret: handshakeSecret, Delegation: true}},
	}
	if cfg.xmpp != nil {
		cfg.xmpp(&xmpp)
	}
	if s.xmpp, err = servers[kind](t.Context(), xmpp); err != nil {
		t.Fatal(err)
	}
	keep(t, s.xmpp)
	if s.turn, err = lab.StartCoturn(t.Context(), lab.CoturnConfig{Dir: t.TempDir(), Secrets: []string{sharedSecret}, CA: s.ca}); err != nil {
		t.Fatal(err)
	}
	keep(t, s.turn)
	if cfg.noExtdisco {
		return s
	}
	content := s.config("24h")
	if cfg.config != nil {
		content = cfg.config(s)
	}
	s.extdisco = startExtdisco(t, lab.ExtdiscoConfig{Config: content, Args: cfg.args, Unconnected: cfg.unready})
	return s
}

func startExtdisco(t *testing.T, cfg lab.ExtdiscoConfig) *lab.Extdisco {
	t.Helper()
	cfg.Binary, cfg.Dir = binary, t.TempDir()
	e, err := lab.StartExtdisco(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	keep(t, e)
	t.Cleanup(func() { searchSecrets(t, e) })
	return e
}

// mintedPassword is the form of a password that extdisco mints: base64 of 20
// bytes.
var mintedPassword = regexp.MustCompile(`(^|[^A-Za-z0-9+/])[A-Za-z0-9+/]{27}=`)

// searchSecrets fails the test when the log, at whatever level, holds a secret or
// a password that was handed out.
func searchSecrets(t *testing.T, e *lab.Extdisco) {
	log := e.Log()
	for _, s := range []string{handshakeSecret, sharedSecret, alicePassword} {
		if strings.Contains(log, s) {
			t.Errorf("the log holds the secret %s", s)
		}
	}
	if found := mintedPassword.FindString(log); found != "" {
		t.Errorf("the log holds a password: %s", found)
	}
}

// keep stops a server at the end of the test and prints its log if that failed.
func keep(t *testing.T, server interface {
	Stop() error
	Log() string
}) {
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Log(server.Log())
		}
	})
}

// config returns a config.toml for the scene with credentials that live for ttl.
func (s *scene) config(ttl string) string {
	return fmt.Sprintf(`
[component]
jid    = %q
server = %q
secret = %q
hosts  = [%q, %q]
[access]
allow = [%q, %q, %q]
[[ice_server]]
urls = ["stun:127.0.0.1:%d", "turn:127.0.0.1:%d?transport=udp", "turn:127.0.0.1:%d?transport=tcp", "turns:127.0.0.1:%d"]
secret = %q
ttl = %q
[[ice_server]]
urls = ["stun:stun.example.net"]
[limits]
per_jid = "1000/s"
[log]
level = "debug"
`, turnJID, s.xmpp.ComponentAddr, handshakeSecret, meetHost, corpHost, meetHost, guestHost, corpHost,
		s.turn.Port, s.turn.Port, s.turn.Port, s.turn.TLSPort, sharedSecret, ttl)
}

// ctx bounds one step of a test.
func stepContext(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// queryAnswer is what extdisco query --json prints.
type queryAnswer struct {
	Asked   string
	Answers []struct {
		Namespace string
		Services  []service
		Error     struct{ Type, Condition string }
	}
}

type service struct {
	Type, Host, Transport, Username, Password string
	Port                                      int
	Restricted                                bool
	Expires                                   time.Time
}

// query runs extdisco query against the scene's server.
func (s *scene) query(domain string, args ...string) (queryAnswer, error) {
	s.t.Helper()
	args = append([]string{"query", domain, "--address", s.xmpp.C2SAddr, "--tls", "none", "--insecure", "--json"}, args...)
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(stepContext(s.t), binary, args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	runErr := cmd.Run()
	var out queryAnswer
	if stdout.Len() > 0 {
		if err := json.Unmarshal(stdout.Bytes(), &out); err != nil {
			s.t.Fatalf("%v: %s", err, stdout.String())
		}
	}
	if runErr != nil {
		return out, errors.New(strings.TrimSpace(stderr.String()))
	}
	return out, nil
}

func (s *scene) passwordFile(password string) string {
	s.t.Helper()
	file := filepath.Join(s.t.TempDir(), "password")
	write(s.t, file, password+"\n")
	return file
}

func write(t *testing.T, file, content string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// allocate uses a service for an allocation on the scene's TURN server.
func (s *scene) allocate(v service) error {
	a := lab.Allocation{Type: v.Type, Host: v.Host, Port: v.Port, Transport: v.Transport,
		Username: v.Username, Password: v.Password, RootCAs: s.ca.Pool, ServerName: "127.0.0.1", Echo: true}
	_, _, err := a.Do(stepContext(s.t))
	return err
}
