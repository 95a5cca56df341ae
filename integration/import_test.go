//go:build integration

package integration

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"extdisco/integration/lab"
)

// TestIntegrationImport imports the configuration that a real TURN server runs with, and
// tries that server with what was imported.
func TestIntegrationImport(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		start func(t *testing.T, dir string) (file string) // that is imported
		want  string                                       // how many servers work
	}{
		{"coturn with a shared secret", func(t *testing.T, dir string) string {
			return startForImport(t, lab.CoturnConfig{Dir: dir, Secrets: []string{sharedSecret, "another-secret-of-the-lab"}})
		}, "stun turn turn"},
		{"coturn with an account", func(t *testing.T, dir string) string {
			return startForImport(t, lab.CoturnConfig{Dir: dir, Users: map[string]string{"alice": sharedSecret}})
		}, "stun turn turn"},
		{"ejabberd", func(t *testing.T, dir string) string {
			port, err := lab.FreePort()
			if err != nil {
				t.Fatal(err)
			}
			xmpp, err := lab.StartEjabberd(t.Context(), lab.XMPPConfig{
				Dir: dir, Hosts: []lab.Host{{Name: meetHost, Anonymous: true}}, Template: ejabberdWithTURN(t, port), STUNPort: port,
			})
			if err != nil {
				t.Fatal(err)
			}
			keep(t, xmpp)
			return filepath.Join(dir, "ejabberd.yml")
		}, "stun turn"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			file := tt.start(t, t.TempDir())
			dir := t.TempDir()
			var imported, stderr bytes.Buffer
			cmd := exec.CommandContext(stepContext(t), binary, "import", file, "--host", "127.0.0.1", "--secrets", filepath.Join(dir, "secrets"), "--config", filepath.Join(dir, "config.toml"))
			cmd.Stdout, cmd.Stderr = &imported, &stderr
			if err := cmd.Run(); err != nil {
				t.Fatalf("%v: %s", err, stderr.String())
			}
			if strings.Contains(imported.String()+stderr.String(), sharedSecret) {
				t.Error("printed the secret")
			}
			write(t, filepath.Join(dir, "config.toml"), fmt.Sprintf("[component]\njid = %q\nsecret = %q\n%s", turnJID, handshakeSecret, imported.String()))
			probe := exec.CommandContext(stepContext(t), binary, "probe", "--timeout", "5s", "--config", filepath.Join(dir, "config.toml"))
			out, err := probe.CombinedOutput()
			if err != nil {
				t.Fatalf("probe: %v\n%s\n%s", err, out, imported.String())
			}
			var works []string
			for line := range strings.Lines(string(out)) {
				if uri := strings.Fields(line); len(uri) > 2 && uri[2] == "ok" {
					scheme, _, _ := strings.Cut(uri[0], ":")
					works = append(works, scheme)
				}
			}
			if got := strings.Join(works, " "); got != tt.want {
				t.Errorf("works: %s, want %s\n%s", got, tt.want, out)
			}
		})
	}
}

func startForImport(t *testing.T, cfg lab.CoturnConfig) string {
	t.Helper()
	server, err := lab.StartCoturn(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	keep(t, server)
	file := filepath.Join(cfg.Dir, "turnserver.conf")
	if _, err := os.Stat(file); err != nil {
		t.Fatal(err)
	}
	return file
}
