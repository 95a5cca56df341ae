//go:build integration

package integration

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// TestIntegrationSetupMachine runs setup on the paths of a machine, with the restarts and
// trials that follow: on a configuration that Prosody refuses, with a no, without a TURN
// server, with one, and for Jitsi Meet.
func TestIntegrationSetupMachine(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc",
		"testdata/setup-machine.sh", binary, t.TempDir(), "plugins")
	cmd.Env = append(os.Environ(), "SHARED_SECRET="+sharedSecret)
	output, err := cmd.CombinedOutput()
	out := string(output)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if strings.Contains(out, sharedSecret) || mintedPassword.MatchString(out) {
		t.Error("a secret or a password is printed")
	}
	steps := map[string]string{}
	for part := range strings.SplitSeq(out, "== ") {
		if name, text, found := strings.Cut(part, " ==\n"); found {
			steps[name] = text
		}
	}
	for _, want := range []struct{ step, text string }{
		{"broken", "nothing was written: fix Prosody's configuration first"},
		{"broken", "unexpected symbol near '='"},
		{"broken", "status 1"},
		{"broken", "as it was before"},
		{"no", "Write these files? [y/N]"},
		{"no", "nothing was written"},
		{"no", "as it was before"},
		{"no relay", "What a client gets:"},
		{"no relay", "That did not work"},
		{"no relay", "Put everything back as it was? [y/N]"},
		{"no relay", "status 1"},
		{"no relay", "as it was before"},
		{"good", "meet.example.org answered urn:xmpp:extdisco:2"},
		{"good", "turn:127.0.0.1:3478?transport=tcp  127.0.0.1:3478  ok"},
		{"good", "Done. Users of meet.example.org get their servers from extdisco now"},
		{"good", "status 0"},
		{"good", "root:prosody 640 /etc/prosody/conf.d/extdisco.cfg.lua"},
		{"good", "root:root 700 /etc/extdisco/secrets"},
		{"good", "root:root 600 /etc/extdisco/secrets/turn.secret"},
		{"good", "there is nothing to do"},
		{"good", "Everything is as it was before setup."},
		{"good", "as it was before"},
		{"jitsi", "Jitsi Meet      meet.example.org"},
		{"jitsi", "metadata.meet.example.org pushed 3 services on joining extdisco-setup@conference.meet.example.org"},
		{"jitsi", "status 0"},
	} {
		if !strings.Contains(steps[want.step], want.text) {
			t.Errorf("%s does not say %q", want.step, want.text)
		}
	}
	if t.Failed() {
		t.Log(out)
	}
}
