//go:build integration

package packages

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"extdisco/integration/lab"
)

// exposed returns what a running extdisco shows at /metrics when it is connected
// and has fetched from a provider.
func exposed(t *testing.T) string {
	t.Helper()
	const handshakeSecret, host, jid = "handshake-secret-of-the-metrics", "meet.example.org", "turn.meet.example.org"
	prosody, err := lab.StartProsody(t.Context(), lab.XMPPConfig{Dir: t.TempDir(),
		Hosts: []lab.Host{{Name: host, Anonymous: true}}, Components: []lab.Component{{JID: jid, Secret: handshakeSecret}}})
	if err != nil {
		t.Fatal(err)
	}
	defer prosody.Stop()
	provider := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"iceServers":[{"urls":"turn:turn.example.org","username":"u","credential":"p"}],"ttl":3600}`)
	}))
	defer provider.Close()
	const sharedSecret = "shared-secret-of-the-metrics-0123456789"
	ca, err := lab.NewCA(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	turn, err := lab.StartCoturn(t.Context(), lab.CoturnConfig{Dir: t.TempDir(), Secrets: []string{sharedSecret}, CA: ca})
	if err != nil {
		t.Fatal(err)
	}
	defer turn.Stop()
	secrets, err := lab.StartDatabase(t.Context(), "sqlite", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer secrets.Stop()
	port, relayPort, relayTLSPort := freePort(t), freePort(t), freePort(t)
	cert, key, err := ca.Issue(t.TempDir(), "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(t.TempDir(), "config.toml")
	writeFile(t, config, fmt.Sprintf("[component]\njid = %q\nserver = %q\nsecret = %q\n[[ice_server]]\nprovider = \"http\"\nurl = %q\n[http]\nlisten = \"127.0.0.1:%d\"\n"+
		"[[ice_server]]\nurls = [\"turns:127.0.0.1:%d\"]\nsecret = %q\n[probe]\nca_file = %q\n"+
		"[[ice_server]]\nurls = [\"turn:rotates.example.org\"]\nrotate = \"720h\"\ncoturn_db = %q\nrealm = \"rotates.example.org\"\n"+
		"[relay]\nhost = \"127.0.0.1\"\npublic_ip = [\"127.0.0.1\"]\nlisten = [\"127.0.0.1:%d\"]\ntls_listen = [\"127.0.0.1:%d\"]\ncert_file = %q\nkey_file = %q\n",
		jid, prosody.ComponentAddr, handshakeSecret, provider.URL, port, turn.TLSPort, sharedSecret, ca.CertFile, secrets.URL, relayPort, relayTLSPort, cert, key), 0o600)
	log := new(output)
	serve := exec.CommandContext(t.Context(), command, "serve", "--config", config)
	serve.Stdout, serve.Stderr = log, log
	if err := serve.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- serve.Wait() }()
	defer func() {
		_ = serve.Process.Signal(syscall.SIGTERM)
		<-ended
	}()
	if err := log.waitFor(t.Context(), "connected to the XMPP server"); err != nil {
		t.Fatal(err)
	}
	text := ""
	ctx, cancel := context.WithTimeout(t.Context(), 40*time.Second)
	defer cancel()
	if err := lab.Poll(ctx, func(context.Context) error {
		response, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/metrics", port))
		if err != nil {
			return err
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		text = string(body)
		for _, name := range []string{"extdisco_provider_credential_expiry_timestamp_seconds", "extdisco_probe_certificate_expiry_timestamp_seconds", "extdisco_probe_round_trip_seconds", "extdisco_host_forwarding", "extdisco_secret_rotation_due_timestamp_seconds"} {
			if !strings.Contains(text, name) {
				return errors.New("there is no " + name + " yet")
			}
		}
		return err
	}); err != nil {
		t.Fatalf("%v\n%s\n%s", err, text, log)
	}
	return text
}

// TestIntegrationMetricsAreThere checks that each metric, and each value of a
// label, that the rules and the dashboard name is one that extdisco shows.
func TestIntegrationMetricsAreThere(t *testing.T) {
	shown := exposed(t)
	checkMetrics(t, shown)
	expressions := map[string]string{}
	for i, m := range regexp.MustCompile(`(?m)^ +expr: (?:>-\n)?((?:.+\n)(?:          .+\n)*)`).FindAllStringSubmatch(readFile(t, "contrib/prometheus/alerts.yml"), -1) {
		expressions[fmt.Sprint("alert ", i+1)] = m[1]
	}
	alerts := len(expressions)
	for _, p := range readDashboard(t).Panels {
		for i, target := range p.Targets {
			expressions[fmt.Sprint("panel ", p.Title, " ", i+1)] = target.Expr
		}
	}
	if alerts != strings.Count(readFile(t, "contrib/prometheus/alerts.yml"), "- alert:") || len(expressions) < alerts+15 {
		t.Fatalf("%d alerts and %d expressions were found", alerts, len(expressions))
	}
	for where, expr := range expressions {
		for _, name := range regexp.MustCompile(`\b(?:extdisco|process|go)_\w+`).FindAllString(expr, -1) {
			if !regexp.MustCompile(`(?m)^` + name + `[{ ]`).MatchString(shown) {
				t.Errorf("%s: extdisco shows no %s", where, name)
			}
		}
		for _, m := range regexp.MustCompile(`\b(outcome|result|reason)=~?"([^"]+)"`).FindAllStringSubmatch(expr, -1) {
			for value := range strings.SplitSeq(m[2], "|") {
				if !strings.Contains(shown, m[1]+`="`+value+`"`) {
					t.Errorf("%s: nothing has %s=%q", where, m[1], value)
				}
			}
		}
	}
}

// checkMetrics lets Prometheus's own tool read what is shown.
func checkMetrics(t *testing.T, shown string) {
	t.Helper()
	check := exec.CommandContext(t.Context(), "promtool", "check", "metrics")
	check.Stdin = strings.NewReader(shown)
	if out, err := check.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("promtool finds fault with the metrics: %v\n%s", err, out)
	}
}
