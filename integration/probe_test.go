//go:build integration

package integration

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pion/turn/v5"

	"extdisco/integration/lab"
	"extdisco/integration/vendors"
)

// probedServer is what extdisco probe --json prints of a server.
type probedServer struct {
	Where, URI string
	OK         bool
	Failure    *probedFailure
	Addresses  []struct {
		Address string
		Steps   []struct {
			Step         string
			Milliseconds float64
		}
		Relayed     string
		Certificate *struct {
			Names    []string
			NotAfter string `json:"not_after"`
		}
		Failure *probedFailure
		Notes   []string
	}
}

type probedFailure struct {
	Step, Kind, Text, Do string
	Code                 int
}

// failure returns the first failure, or none.
func (p probedServer) failure() probedFailure {
	if p.Failure != nil {
		return *p.Failure
	}
	for _, a := range p.Addresses {
		if a.Failure != nil {
			return *a.Failure
		}
	}
	return probedFailure{}
}

// runProbe runs extdisco probe over one [[ice_server]], and makes sure that no
// secret is printed.
func runProbe(t *testing.T, table string, args ...string) (servers []probedServer, status int) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "config.toml")
	write(t, file, fmt.Sprintf("[component]\njid = %q\nsecret = %q\n[[ice_server]]\n%s", turnJID, handshakeSecret, table))
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(stepContext(t), binary, append([]string{"probe", "--json", "--timeout", "5s", "--config", file}, args...)...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	_ = cmd.Run() // the status tells
	var document struct{ Servers []probedServer }
	if err := json.Unmarshal(stdout.Bytes(), &document); err != nil {
		t.Fatalf("%v: %s%s", err, stdout.String(), stderr.String())
	}
	servers = document.Servers
	for _, s := range []string{sharedSecret, handshakeSecret, mintedPassword.FindString(stdout.String() + stderr.String())} {
		if s != "" && strings.Contains(stdout.String()+stderr.String(), s) {
			t.Errorf("printed %s", s)
		}
	}
	return servers, cmd.ProcessState.ExitCode()
}

// TestIntegrationProbe tries a real coturn in every state that it can be in.
func TestIntegrationProbe(t *testing.T) {
	t.Parallel()
	ca, err := lab.NewCA(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	expired, err := lab.NewCA(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	expired.Expired = true
	start := func(t *testing.T, ca *lab.CA, noSTUN bool, extra string) *lab.Coturn {
		t.Helper()
		turn, err := lab.StartCoturn(t.Context(), lab.CoturnConfig{Dir: t.TempDir(), Secrets: []string{sharedSecret}, CA: ca, NoSTUN: noSTUN, Extra: extra})
		if err != nil {
			t.Fatal(err)
		}
		keep(t, turn)
		return turn
	}
	closed, err := lab.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name    string
		ca      *lab.CA
		extra   string
		noSTUN  bool
		trust   *lab.CA
		url     func(turn *lab.Coturn) string
		secret  string
		before  func(t *testing.T, turn *lab.Coturn)
		failure probedFailure
		steps   string
		note    string
	}{
		{name: "stun", url: turnURL("stun", ""), steps: "connect binding"},
		{name: "udp", url: turnURL("turn", "udp"), steps: "connect binding allocate permission echo"},
		{name: "tcp", url: turnURL("turn", "tcp"), steps: "connect binding allocate permission echo"},
		{name: "tls", ca: ca, trust: ca, url: turnURL("turns", "tcp"), steps: "connect tls binding allocate permission echo"},
		{name: "by name", ca: ca, trust: ca, url: func(turn *lab.Coturn) string { return fmt.Sprintf("turns:localhost:%d", turn.TLSPort) }, steps: "connect tls binding allocate permission echo"},
		{name: "wrong secret", url: turnURL("turn", "udp"), secret: "another-secret-than-coturn-has", failure: probedFailure{Step: "allocate", Kind: "unauthorized", Code: 401, Do: "clock"}},
		{name: "wrong secret over tls", ca: ca, trust: ca, url: turnURL("turns", "tcp"), secret: "another-secret-than-coturn-has", failure: probedFailure{Step: "allocate", Kind: "unauthorized", Code: 401, Do: "shared secret"}},
		{name: "quota", extra: "user-quota=1", url: turnURL("turn", "udp"), before: holdAllocation, failure: probedFailure{Step: "allocate", Kind: "quota", Code: 486, Do: "user-quota"}},
		{name: "no relay to itself", extra: "denied-peer-ip=127.0.0.0-127.255.255.255", url: turnURL("turn", "udp"), steps: "connect binding allocate", note: "relays neither to this machine nor to itself"},
		{name: "no answer to STUN", noSTUN: true, url: turnURL("turn", "tcp"), steps: "connect refresh allocate permission echo", note: "TURN requests only"},
		{name: "STUN refused", extra: "secure-stun", url: turnURL("turn", "udp"), steps: "connect refresh allocate permission echo", note: "TURN requests only"},
		{name: "STUN refused where it is wanted", extra: "secure-stun", url: turnURL("stun", ""), failure: probedFailure{Step: "binding", Kind: "no-binding", Code: 401, Do: "secure-stun"}},
		{name: "an address of the relay that nobody reaches", extra: "external-ip=127.0.0.3/127.0.0.1", url: turnURL("turn", "tcp"), failure: probedFailure{Step: "echo", Kind: "not-relayed", Do: "external-ip"}},
		{name: "closed udp port", url: func(*lab.Coturn) string { return fmt.Sprintf("turn:127.0.0.1:%d", closed) }, failure: probedFailure{Step: "binding", Kind: "refused", Do: "start the TURN server"}},
		{name: "closed tcp port", url: func(*lab.Coturn) string { return fmt.Sprintf("turns:127.0.0.1:%d", closed) }, failure: probedFailure{Step: "connect", Kind: "refused", Do: "cert and pkey"}},
		{name: "unknown authority", ca: ca, url: turnURL("turns", "tcp"), failure: probedFailure{Step: "tls", Kind: "certificate-unknown", Do: "chain"}},
		{name: "another name", ca: ca, trust: ca, extra: "listening-ip=127.0.0.2", url: func(turn *lab.Coturn) string { return fmt.Sprintf("turns:127.0.0.2:%d", turn.TLSPort) }, failure: probedFailure{Step: "tls", Kind: "certificate-name", Do: "certificate"}},
		{name: "expired", ca: expired, trust: expired, url: turnURL("turns", "tcp"), failure: probedFailure{Step: "tls", Kind: "certificate-expired", Do: "renew"}},
		{name: "no TLS there", url: func(turn *lab.Coturn) string { return fmt.Sprintf("stuns:127.0.0.1:%d", plainPort(t)) }, failure: probedFailure{Step: "tls", Kind: "tls"}},
		{name: "no such name", url: func(*lab.Coturn) string { return "stun:nosuch.invalid" }, failure: probedFailure{Step: "resolve", Do: "DNS"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			turn := start(t, tt.ca, tt.noSTUN, tt.extra)
			if tt.before != nil {
				tt.before(t, turn)
			}
			if tt.secret == "" {
				tt.secret = sharedSecret
			}
			var args []string
			if tt.trust != nil {
				args = []string{"--ca-file", tt.trust.CertFile}
			}
			url := tt.url(turn)
			table := fmt.Sprintf("urls = [%q]\n", url)
			if strings.HasPrefix(url, "turn") {
				table += fmt.Sprintf("secret = %q\n", tt.secret)
			}
			servers, status := runProbe(t, table, args...)
			if len(servers) != 1 || servers[0].Where != "ice_server[0]" {
				t.Fatalf("%+v", servers)
			}
			p := servers[0]
			want := tt.failure
			if (want.Step == "") != p.OK || p.OK != (status == 0) {
				t.Errorf("ok = %v with status %d: %+v", p.OK, status, p)
			}
			if got := p.failure(); got.Step != want.Step || want.Kind != "" && got.Kind != want.Kind || got.Code != want.Code || !strings.Contains(got.Do, want.Do) {
				if tt.name != "no such name" || !strings.Contains(got.Do, "resolver") { // without a resolver one cannot know
					t.Errorf("failure %+v, want %+v", got, want)
				}
			}
			if !p.OK {
				return
			}
			var steps []string
			for _, s := range p.Addresses[0].Steps {
				steps = append(steps, s.Step)
			}
			if got := strings.Join(steps, " "); got != tt.steps || !strings.Contains(strings.Join(p.Addresses[0].Notes, " "), tt.note) || (p.Addresses[0].Certificate != nil) != (tt.ca != nil) {
				t.Errorf("steps %s, note %q: %+v", got, p.Addresses[0].Notes, p)
			}
		})
	}
}

// turnURL returns a function that makes the URL of a server.
func turnURL(scheme, transport string) func(*lab.Coturn) string {
	return func(turn *lab.Coturn) string {
		port := turn.Port
		if scheme == "turns" {
			port = turn.TLSPort
		}
		url := fmt.Sprintf("%s:127.0.0.1:%d", scheme, port)
		if transport != "" {
			url += "?transport=" + transport
		}
		return url
	}
}

// plainPort returns a port where something answers that speaks no TLS.
func plainPort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Write([]byte("220 mail.example.org\r\n"))
			conn.Close()
		}
	}()
	return l.Addr().(*net.TCPAddr).Port
}

// holdAllocation uses up the quota of the user that is tried with.
func holdAllocation(t *testing.T, server *lab.Coturn) {
	t.Helper()
	username, password := mint(t, server)
	conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := fmt.Sprintf("127.0.0.1:%d", server.Port)
	client, err := turn.NewClient(&turn.ClientConfig{STUNServerAddr: address, TURNServerAddr: address, Conn: conn, Username: username, Password: password})
	if err != nil {
		t.Fatal(err)
	}
	if err := client.Listen(); err != nil {
		t.Fatal(err)
	}
	relay, err := client.AllocateWithContext(stepContext(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { relay.Close(); client.Close(); conn.Close() })
}

// mint returns a credential of the user that is tried with.
func mint(t *testing.T, server *lab.Coturn) (username, password string) {
	t.Helper()
	c, err := exec.CommandContext(stepContext(t), binary, "credential", "--user", "healthcheck", "--config", credentialConfig(t, server)).Output()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Sscanf(string(c), "username %s\npassword %s", &username, &password); err != nil {
		t.Fatalf("%v: %s", err, c)
	}
	return username, password
}

func credentialConfig(t *testing.T, server *lab.Coturn) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "config.toml")
	write(t, file, fmt.Sprintf("[component]\njid = %q\nsecret = %q\n[[ice_server]]\nurls = [\"turn:127.0.0.1:%d\"]\nsecret = %q\n", turnJID, handshakeSecret, server.Port, sharedSecret))
	return file
}

// TestIntegrationProbeProvider tries what a provider gives, beside one that gives
// nothing.
func TestIntegrationProbeProvider(t *testing.T) {
	s := newScene(t, "prosody", sceneConfig{noExtdisco: true})
	v := newVendor(t, s)
	table := "provider = \"cloudflare\"\nkey_id = \"" + vendors.CloudflareKeyID + "\"\nurl = \"" + v.URL() + "/v1\"\napi_token = \"%s\"\n"
	servers, status := runProbe(t, fmt.Sprintf(table, "wrong"))
	if len(servers) != 0 || status != 1 {
		t.Errorf("a provider that gives nothing: status %d, %+v", status, servers)
	}
	servers, status = runProbe(t, fmt.Sprintf(table, vendors.CloudflareToken), "--ca-file", s.ca.CertFile)
	if len(servers) != 4 || status != 0 {
		t.Errorf("a provider that gives four: status %d, %+v", status, servers)
	}
	servers, status = runProbe(t, fmt.Sprintf(table+"[[ice_server]]\nurls = [\"stun:127.0.0.1:%d\"]\n", "wrong", s.turn.Port))
	if len(servers) != 1 || !servers[0].OK || status != 1 {
		t.Errorf("a provider that gives nothing, and a server: status %d, %+v", status, servers)
	}
}

// TestIntegrationProbeOnATerminal has colours and shows how far it is, where somebody
// looks.
func TestIntegrationProbeOnATerminal(t *testing.T) {
	turn, err := lab.StartCoturn(t.Context(), lab.CoturnConfig{Dir: t.TempDir(), Secrets: []string{sharedSecret}})
	if err != nil {
		t.Fatal(err)
	}
	keep(t, turn)
	command := binary + " probe --config " + credentialConfig(t, turn)
	tests := []struct {
		name    string
		environ []string
		command string
		colour  bool
		shown   bool
	}{
		{"terminal", []string{"TERM=xterm"}, command, true, true},
		{"NO_COLOR", []string{"TERM=xterm", "NO_COLOR=1"}, command, false, true},
		{"dumb terminal", []string{"TERM=dumb"}, command, false, false},
		{"into a pipe", []string{"TERM=xterm"}, command + " 2>&1 | cat", false, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cmd := exec.CommandContext(stepContext(t), "script", "-qec", tt.command, "/dev/null")
			cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "SHELL=/bin/sh"}, tt.environ...)
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			text := string(out)
			if got := strings.Contains(text, "\x1b[32mok "); got != tt.colour {
				t.Errorf("colour %v: %q", got, text)
			}
			if got := strings.Contains(text, "\rtried 1 of 1") || strings.Contains(text, "\x1b[Ktried 1 of 1"); got != tt.shown {
				t.Errorf("progress %v: %q", got, text)
			}
		})
	}
}

// TestIntegrationQueryProbe tries what a client got.
func TestIntegrationQueryProbe(t *testing.T) {
	s := newScene(t, "prosody", sceneConfig{})
	run := func() (string, error) {
		out, err := exec.CommandContext(stepContext(t), binary, "query", meetHost, "--address", s.xmpp.C2SAddr, "--tls", "none", "--insecure",
			"--probe", "--timeout", "5s", "--ca-file", s.ca.CertFile).CombinedOutput()
		return string(out), err
	}
	out, _ := run() // stun.example.net cannot be reached from here
	if n := strings.Count(out, " ok  "); n != 4 || !strings.Contains(out, "1 of 5 servers do not work from here") {
		t.Errorf("%d work:\n%s", n, out)
	}
	if err := s.turn.Stop(); err != nil {
		t.Fatal(err)
	}
	if out, err := run(); err == nil || strings.Contains(out, " ok  ") || !strings.Contains(out, "What to change:\n  stun:127.0.0.1") {
		t.Errorf("%v:\n%s", err, out)
	}
}

// TestIntegrationHideUnhealthy lets a server fail and come back, and then all.
func TestIntegrationHideUnhealthy(t *testing.T) {
	t.Parallel()
	other, err := lab.StartCoturn(t.Context(), lab.CoturnConfig{Dir: t.TempDir(), Secrets: []string{sharedSecret}})
	if err != nil {
		t.Fatal(err)
	}
	keep(t, other)
	s := newScene(t, "prosody", sceneConfig{config: func(s *scene) string {
		content, _, _ := strings.Cut(s.config("24h"), "[[ice_server]]")
		return content + fmt.Sprintf(`
[[ice_server]]
urls = ["turn:127.0.0.1:%d", "turn:127.0.0.1:%d?transport=tcp"]
secret = %q
[[ice_server]]
urls = ["turn:127.0.0.1:%d"]
secret = %q
[probe]
interval = "1s"
allocate_interval = "1s"
hide_unhealthy = true
[log]
level = "debug"
`, s.turn.Port, s.turn.Port, sharedSecret, other.Port, sharedSecret)
	}})
	offered := func(want int) {
		t.Helper()
		err := lab.Poll(stepContext(t), func(context.Context) error {
			out, err := s.query(meetHost)
			if err != nil {
				return err
			}
			if n := len(out.Answers[0].Services); n != want {
				return fmt.Errorf("%d services are offered, want %d", n, want)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	offered(3)
	if err := s.extdisco.WaitForLog(stepContext(t), `"a server works"`, 3); err != nil {
		t.Fatal(err)
	}
	if err := s.turn.Stop(); err != nil {
		t.Fatal(err)
	}
	offered(1)
	content, err := os.ReadFile(s.extdisco.ConfigFile)
	if err != nil {
		t.Fatal(err)
	}
	s.reconfigure(string(content) + "# reloaded\n")
	offered(1) // a reload forgets nothing
	if err := other.Stop(); err != nil {
		t.Fatal(err)
	}
	offered(3) // all are down: all are offered
	if err := s.turn.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	offered(2)
	if err := other.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	offered(3)
	for text, times := range map[string]int{`"a server does not work"`: 3, `"a server works"`: 6} {
		if n := strings.Count(s.extdisco.Log(), text); n != times {
			t.Errorf("the log has %s %d times, want %d", text, n, times)
		}
	}
}

// TestIntegrationProbeAlerts: a refused credential is an error in the log, once, and
// hides nothing.
func TestIntegrationProbeAlerts(t *testing.T) {
	s := newScene(t, "prosody", sceneConfig{config: func(s *scene) string {
		return strings.Replace(s.config("24h"), sharedSecret, "another-secret-than-coturn-has", 1) + "[probe]\ninterval = \"1s\"\nallocate_interval = \"1s\"\nhide_unhealthy = true\n"
	}})
	const alert = `level=ERROR msg="a server refuses the credentials issued for it"`
	if err := s.extdisco.WaitForLog(stepContext(t), alert, 2); err != nil { // udp and tcp; the certificate of tls is not trusted
		t.Fatal(err)
	}
	c := dialRaw(t, s.xmpp.C2SAddr, meetHost, "")
	c.pause(3 * time.Second) // three more tries
	if n := strings.Count(s.extdisco.Log(), alert); n != 2 {
		t.Errorf("alerted %d times", n)
	}
	if out, err := s.query(meetHost); err != nil || len(out.Answers[0].Services) < 3 {
		t.Errorf("%v %+v", err, out)
	}
}
