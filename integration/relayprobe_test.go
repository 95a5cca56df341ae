//go:build integration

package integration

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"extdisco/integration/lab"
)

// TestIntegrationProbeNamesWhatIsMisset tries a relay that runs with one configuration
// as another one, or its own, describes it.
func TestIntegrationProbeNamesWhatIsMisset(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ca, err := lab.NewCA(dir)
	if err != nil {
		t.Fatal(err)
	}
	cert, key, err := ca.Issue(dir, "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	otherCert, otherKey, err := ca.Issue(t.TempDir(), "turn.example.org")
	if err != nil {
		t.Fatal(err)
	}
	port, tlsPort, closed := freePort(t), freePort(t), freePort(t)
	const secret = "a secret of the relay's tests"
	usual := fmt.Sprintf("[relay]\nhost = \"127.0.0.1\"\npublic_ip = [\"127.0.0.1\"]\nlisten = [\"127.0.0.1:%d\"]\ntls_listen = [\"127.0.0.1:%d\"]\nports = \"33000-33999\"\ncert_file = %q\nkey_file = %q\nsecret = %q\n",
		port, tlsPort, cert, key, secret)
	change := func(pairs ...string) string { return strings.NewReplacer(pairs...).Replace(usual) }
	for _, tt := range []struct {
		name            string
		served, probed  string
		trusted         bool
		problem, toDo   string // toDo is a line of the configuration
		failing, others int    // servers of the four
	}{
		{"all is well", usual, usual, true, "", "", 0, 4},
		{"another port", usual, change(fmt.Sprint(":", port), fmt.Sprint(":", closed)), true, "nothing listens at this port", "relay.listen", 3, 1},
		{"another port for TLS", usual, change(fmt.Sprint(":", tlsPort), fmt.Sprint(":", closed)), true, "nothing listens at this port", "relay.tls_listen", 1, 3},
		{"another secret", usual, change(secret, "another secret of these tests"), true, "401", "relay.secret_file", 3, 1},
		{"a certificate for another name", change(cert, otherCert, key, otherKey), usual, true, "the certificate is for another name (turn.example.org)", "relay.host", 1, 3},
		{"a certificate that nobody trusts", usual, usual, false, "authority is not trusted", "relay.cert_file", 1, 3},
		{"no way to the port for TLS", usual, change("[relay]\n", fmt.Sprintf("[relay]\ntls_port = %d\n", port)), true, "TLS failed", "relay.tls_port", 1, 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			file, other := filepath.Join(t.TempDir(), "config.toml"), filepath.Join(t.TempDir(), "config.toml")
			write(t, file, tt.served)
			write(t, other, tt.probed)
			relay, err := lab.StartCommand(t.Context(), lab.CommandConfig{Name: "relay", Dir: t.TempDir(), Argv: []string{binary, "relay", "--config", file}})
			if err != nil {
				t.Fatal(err)
			}
			keep(t, relay)
			err = lab.Poll(stepContext(t), func(context.Context) error {
				if !strings.Contains(relay.Log(), "transport=tls") {
					return errors.New("the relay does not listen")
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			args := []string{"probe", "--config", other}
			if tt.trusted {
				args = append(args, "--ca-file", ca.CertFile)
			}
			out, err := exec.CommandContext(stepContext(t), binary, args...).CombinedOutput()
			_, todo, _ := strings.Cut(string(out), "What to change:")
			todo, _, _ = strings.Cut(todo, "Worth knowing:")
			if (err != nil) != (tt.failing > 0) || strings.Count(string(out), "FAILED") != tt.failing || strings.Count(string(out), "  ok  ") != tt.others ||
				!strings.Contains(string(out), tt.problem) || !strings.Contains(todo, tt.toDo) || strings.Contains(todo, "coturn") {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}
