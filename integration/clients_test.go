//go:build integration

package integration

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os/exec"
	"testing"

	"extdisco/integration/lab"
)

// clientAnswer is what the scripts in clients/ print.
type clientAnswer struct {
	JID     string
	Answers []struct {
		Services []service
		Error    struct{ Type, Condition string }
	}
}

// foreignClients are XMPP clients that nobody here wrote: a script each, and
// where it connects.
var foreignClients = []struct {
	name    string
	command []string
	address func(s *scene) string
	needs   string // the only kind of server it works with
	reads   int    // how many services of a reply with two credentials it reads
}{
	{"stanza", []string{"node", "clients/stanza.mjs"}, func(s *scene) string { return "ws://" + s.xmpp.HTTPAddr + "/xmpp-websocket" }, "prosody", 1},
	{"xmpp.js", []string{"node", "clients/xmppjs.mjs"}, func(s *scene) string { return "xmpp://" + s.xmpp.C2SAddr }, "", 2},
	{"slixmpp", []string{"/usr/bin/python3", "clients/slixmpp_client.py"}, func(s *scene) string { return s.xmpp.C2SAddr }, "", 2},
}

// TestIntegrationForeignClients has other people's clients ask, and uses what
// they understood of the answer for an allocation.
func TestIntegrationForeignClients(t *testing.T) {
	t.Parallel()
	eachServer(t, func(t *testing.T, kind string) {
		s := newScene(t, kind, sceneConfig{xmpp: func(cfg *lab.XMPPConfig) { cfg.HTTP = true }})
		for _, c := range foreignClients {
			if c.needs != "" && c.needs != kind {
				continue
			}
			for _, ns := range []string{"1", "2"} {
				ask := func(args ...string) clientAnswer {
					args = append(args, "--service", c.address(s), "--domain", meetHost, "--ns", ns)
					return runClient(t, append(c.command, args...))
				}
				t.Run(c.name+" services version "+ns, func(t *testing.T) {
					out := ask("--repeat", "2")
					if len(out.Answers) != 2 {
						t.Fatalf("%d answers", len(out.Answers))
					}
					for _, a := range out.Answers {
						checkForeignServices(t, s, a.Services, 5)
					}
				})
				t.Run(c.name+" credentials version "+ns, func(t *testing.T) {
					out := ask("--request", "credentials", "--type", "turn", "--host", "127.0.0.1", "--port", fmt.Sprint(s.turn.Port))
					checkForeignServices(t, s, out.Answers[0].Services, c.reads)
				})
				t.Run(c.name+" nothing there version "+ns, func(t *testing.T) {
					out := ask("--request", "credentials", "--type", "turn", "--host", "192.0.2.1")
					if e := out.Answers[0].Error; e.Condition != "item-not-found" {
						t.Errorf("%+v", out)
					}
				})
			}
		}
	})
}

func runClient(t *testing.T, command []string) clientAnswer {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(stepContext(t), command[0], command[1:]...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v: %v\n%s", command, err, stderr.String())
	}
	var out clientAnswer
	if err := json.Unmarshal(stdout.Bytes(), &out); err != nil {
		t.Fatalf("%v: %s", err, stdout.String())
	}
	if len(out.Answers) == 0 {
		t.Fatalf("no answer: %s", stdout.String())
	}
	return out
}

func checkForeignServices(t *testing.T, s *scene, services []service, want int) {
	t.Helper()
	if len(services) != want {
		t.Errorf("%d services, want %d: %+v", len(services), want, services)
	}
	for _, v := range services {
		if v.Type != "turn" && v.Type != "turns" {
			continue
		}
		checkCredential(t, v)
		if err := s.allocate(v); err != nil {
			t.Errorf("%s over %s: %v", v.Type, v.Transport, err)
		}
	}
}
