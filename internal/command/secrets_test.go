package command

import (
	"bytes"
	"strings"
	"testing"

	"extdisco/internal/testkit"
)

// TestCommandsShowNoSecrets runs commands on good and broken configurations.
func TestCommandsShowNoSecrets(t *testing.T) {
	good := strings.Replace(testkit.MinimalConfig, `secret_file = "component.secret"`, `secret = "`+testkit.Handshake+`"`, 1) +
		strings.ReplaceAll(testkit.SecretServers, "two.secret", "turn.secret")
	good = strings.Replace(good, "[log]", "[log]\nlevel = \"debug\"", 1)
	show := func(t *testing.T, content string, wantStatus int, commands ...string) {
		t.Helper()
		file := testkit.WriteConfig(t, content)
		for _, command := range commands {
			r := runCommand(t, "", append(strings.Fields(command), "--config", file, "--log-level", "debug")...)
			if r.status != wantStatus {
				t.Errorf("%s: status %d, want %d\n%s\n%s", command, r.status, wantStatus, r.stderr, content)
			}
			testkit.WantNoSecrets(t, command, r.stdout+r.stderr, testkit.Secrets...)
		}
	}
	t.Run("good", func(t *testing.T) {
		show(t, good, statusOK, "check")
		show(t, good, statusUsage, "check --dance", "credential --user :")
	})
	for name, content := range testkit.BrokenWithSecrets(good) {
		t.Run(name, func(t *testing.T) {
			if content == good {
				t.Fatal("nothing was broken")
			}
			show(t, content, statusFailed, "check", "credential", "serve")
		})
	}
}

func TestQueryShowsNoPassword(t *testing.T) {
	server := testkit.StartServer(t)
	server.Listener.Close()
	var stdout, stderr bytes.Buffer
	status := program.Run([]string{"query", "example.org", "--address", server.Address(), "--jid", "alice@example.org", "--password-file", "-"},
		strings.NewReader(testkit.Password+"\n"), &stdout, &stderr)
	if status != statusFailed || !strings.Contains(stderr.String(), "cannot connect to the XMPP server") {
		t.Errorf("status %d, %s", status, stderr.String())
	}
	testkit.WantNoSecrets(t, "query", stdout.String()+stderr.String(), testkit.Password)
}
