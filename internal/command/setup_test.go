package command

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"extdisco/internal/testkit"
)

// setupTree is a machine with Prosody and coturn.
func setupTree(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	for name, content := range map[string]string{
		"etc/prosody/prosody.cfg.lua": "plugin_paths = { \"/usr/local/lib/prosody/modules\" }\nturn_external_secret = \"" + testkit.SharedSecret + "\"\n" +
			"turn_external_host = \"turn.example.org\"\nVirtualHost \"example.org\"\nInclude \"conf.d/*.cfg.lua\"\n",
		"etc/prosody/conf.d/empty.cfg.lua": "",
		"etc/extdisco/config.toml":         program.ConfigExample,
	} {
		file := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		testkit.WriteFile(t, file, content)
	}
	return root
}

// TestSetupDialogue goes through what people are asked and told.
func TestSetupDialogue(t *testing.T) {
	root := setupTree(t)
	for _, step := range []struct {
		name, stdin, args string
		status            int
		want              string // in what is printed
	}{
		{"dry run", "", "--dry-run --remove-old", statusOK, "+-- turn_external_host = \"turn.example.org\""},
		{"nothing to undo", "", "--undo", statusOK, "There is nothing to undo."},
		{"no", "n\n", "", statusFailed, "nothing was written"},
		{"no answer", "", "", statusFailed, "Use --yes to go ahead"},
		{"yes", "yes\n", "", statusOK, "Nothing was started, because of --root."},
		{"again", "", "", statusOK, "Everything is in place; there is nothing to do."},
		{"the old list", "Y\n", "--remove-old", statusOK, "Written. extdisco setup --undo puts everything back."},
		{"undo, as a dry run", "", "--undo --dry-run", statusOK, "Nothing was changed."},
		{"undo, no", "n\n", "--undo", statusFailed, "nothing was changed"},
		{"undo, yes", "y\n", "--undo", statusOK, "Everything is as it was before setup."},
		{"wrong address", "", "--yes --component turn_a.example.org", statusFailed, "and everything was put back"},
		{"after that", "", "--undo", statusOK, "There is nothing to undo."},
		{"wrong URI", "", "--yes --turn-server turn.example.org", statusFailed, "--turn-server: "},
		{"relay and TURN server", "", "--relay --turn-server turn:turn.example.org", statusUsage, "--relay and --turn-server exclude each other"},
		{"relay and secret", "", "--relay --turn-secret-file x", statusUsage, "--relay makes its own secret"},
		{"relay and containers", "", "--relay --docker-jitsi-meet x", statusUsage, "--relay cannot be used with --docker-jitsi-meet"},
		{"address without relay", "", "--public-ip 203.0.113.5", statusUsage, "--public-ip is for the relay"},
		{"domain and containers", "", "--domain example.org --docker-jitsi-meet x", statusUsage, "with --docker-jitsi-meet, leave out --domain"},
		{"folder of containers alone", "", "--docker-config x", statusUsage, "add --docker-jitsi-meet DIR"},
		{"relay, as a dry run", "", "--dry-run --relay --public-ip 203.0.113.5/127.0.0.1", statusOK, "+public_ip = [\"203.0.113.5/127.0.0.1\"]"},
		{"wrong host of the relay", "", "--yes --relay --turn-host turn.example.org:3478 --public-ip 203.0.113.5/127.0.0.1", statusFailed, "and everything was put back"},
		{"relay", "", "--yes --relay --public-ip 203.0.113.5/127.0.0.1", statusOK, "Open these ports: 3478/udp and 3478/tcp for clients, 49152-65535/udp"},
		{"undo the relay", "", "--yes --undo", statusOK, "Everything is as it was before setup."},
	} {
		t.Run(step.name, func(t *testing.T) {
			r := runCommand(t, step.stdin, append([]string{"setup", "--root", root}, strings.Fields(step.args)...)...)
			if out := r.stdout + r.stderr; r.status != step.status || !strings.Contains(out, step.want) {
				t.Errorf("status %d, want %d and %q in\n%s", r.status, step.status, step.want, out)
			}
			secrets := []string{testkit.SharedSecret}
			if made, err := os.ReadFile(filepath.Join(root, "etc/extdisco/secrets/component.secret")); err == nil {
				secrets = append(secrets, strings.TrimSpace(string(made)))
			}
			testkit.WantNoSecrets(t, step.name, r.stdout+r.stderr, secrets...)
		})
	}
}

// TestSetupAfterInterruption runs setup where an earlier run was killed before its end.
func TestSetupAfterInterruption(t *testing.T) {
	root := setupTree(t)
	if r := runCommand(t, "", "setup", "--root", root, "--yes"); r.status != statusOK {
		t.Fatal(r.stderr)
	}
	config := readFile(t, filepath.Join(root, "etc/extdisco/config.toml"))
	journal := filepath.Join(root, "var/backups/extdisco-setup/journal.json")
	testkit.WriteFile(t, journal, strings.Replace(readFile(t, journal), `"Done": true`, `"Done": false`, 1))
	if err := os.Remove(filepath.Join(root, "etc/prosody/conf.d/extdisco.cfg.lua")); err != nil {
		t.Fatal(err)
	}
	if r := runCommand(t, "", "setup", "--root", root, "--dry-run"); r.status != statusFailed || !strings.Contains(r.stderr, "an earlier run of setup was interrupted") {
		t.Errorf("dry run: status %d, %s", r.status, r.stderr)
	}
	if r := runCommand(t, "", "setup", "--root", root, "--yes"); r.status != statusOK || !strings.Contains(r.stdout, "Taking back what it changed.") {
		t.Errorf("status %d, %s%s", r.status, r.stdout, r.stderr)
	}
	testkit.WantEqual(t, "config.toml", readFile(t, filepath.Join(root, "etc/extdisco/config.toml")), config)
	readFile(t, filepath.Join(root, "etc/prosody/conf.d/extdisco.cfg.lua"))
}
