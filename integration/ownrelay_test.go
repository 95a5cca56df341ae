//go:build integration

package integration

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"extdisco/integration/lab"
)

// ownRelayConfig is a configuration with a relay of our own and no [[ice_server]].
func ownRelayConfig(s *scene, port, tlsPort int, access, drain string) string {
	cert, key, err := s.ca.Issue(s.t.TempDir(), "127.0.0.1")
	if err != nil {
		s.t.Fatal(err)
	}
	return fmt.Sprintf(`
[component]
jid    = %q
server = %q
secret = %q
hosts  = [%q, %q]
[access]
%s
[relay]
host       = "127.0.0.1"
public_ip  = ["127.0.0.1"]
listen     = ["127.0.0.1:%d"]
tls_listen = ["127.0.0.1:%d"]
ports      = "20000-29999"
cert_file  = %q
key_file   = %q
%s
[http]
listen = "127.0.0.1:0"
[log]
level = "debug"
`, turnJID, s.xmpp.ComponentAddr, handshakeSecret, meetHost, corpHost, access, port, tlsPort, cert, key, drain)
}

// relayCaller is a client of a test that keeps an allocation.
type relayCaller struct{ *lab.Caller }

// call allocates with the first TURN service over udp.
func call(t *testing.T, services []service) relayCaller {
	t.Helper()
	for _, v := range services {
		if v.Type != "turn" || v.Transport != "udp" {
			continue
		}
		c, err := lab.StartCaller(stepContext(t), lab.Allocation{Host: v.Host, Port: v.Port, Username: v.Username, Password: v.Password})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() }) // a test may have ended the allocation
		return relayCaller{c}
	}
	t.Fatalf("no turn over udp in %+v", services)
	return relayCaller{}
}

// say sends a text to another caller until it has come.
func (c relayCaller) say(t *testing.T, to relayCaller, text string) {
	t.Helper()
	if err := c.Say(stepContext(t), to.Caller, text); err != nil {
		t.Fatalf("nothing comes through the relay: %v", err)
	}
}

// TestIntegrationOwnRelay is a Prosody with the bridge and our own program, and nothing
// else: clients get the relay's services and call each other through it.
func TestIntegrationOwnRelay(t *testing.T) {
	const allow = "allow = [\"" + meetHost + "\", \"" + corpHost + "\"]"
	port, tlsPort := freePort(t), freePort(t)
	var content string
	s := newBridgeScene(t, bridgeScene{options: fmt.Sprintf("extdisco_hosts = { %q, %q }", meetHost, corpHost), sceneConfig: sceneConfig{config: func(s *scene) string {
		content = ownRelayConfig(s, port, tlsPort, allow, "")
		return content
	}}})
	aliceIs := []string{"--jid", "alice@" + corpHost, "--password-file", s.passwordFile(alicePassword)}
	services := ownRelayServices(t, s, corpHost, aliceIs...)
	guest := ownRelayServices(t, s, meetHost)
	if len(services) != 4 {
		t.Fatalf("%+v", services)
	}
	for _, v := range services {
		if v.Type != "stun" {
			if err := s.allocate(v); err != nil {
				t.Errorf("%s over %s: %v", v.Type, v.Transport, err)
			}
		}
	}
	probeOwnRelay(t, s)

	alice, other := call(t, services), call(t, guest)
	alice.say(t, other, "hello through the relay")
	metrics := get(t, siteOf(t, s.extdisco)+"metrics")
	if !strings.Contains(metrics, `extdisco_relay_allocations{transport="udp"} 2`) {
		t.Errorf("metrics: %s", metrics)
	}

	deny := func(addresses string) {
		s.reconfigure(strings.Replace(content, allow, allow+"\ndeny = ["+addresses+"]", 1))
	}
	deny("\"alice@" + corpHost + "\"")
	ended := waitForEnd(t, s, "denied")
	other.say(t, call(t, guest), "others go on")
	out, err := exec.CommandContext(stepContext(t), binary, "whois", ended, "--jid", "bob@"+corpHost, "--jid", "alice@"+corpHost, "--config", s.extdisco.ConfigFile).CombinedOutput()
	if err != nil || strings.TrimSpace(string(out)) != "alice@"+corpHost {
		t.Errorf("whois: %v: %s", err, out)
	}
	if answer, err := s.query(corpHost, aliceIs...); err == nil {
		t.Errorf("a denied user gets %+v", answer)
	}

	deny("\"" + meetHost + "\"") // a whole domain
	_, pseudonym, _ := strings.Cut(guest[len(guest)-1].Username, ":")
	err = lab.Poll(stepContext(t), func(context.Context) error {
		if !regexp.MustCompile(`msg="an allocation ended" pseudonym=` + pseudonym + ` .*ended_by=denied`).MatchString(s.extdisco.Log()) {
			return errors.New("the allocation of a user of a denied domain goes on")
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	for _, v := range guest {
		if v.Type == "turn" {
			if err := s.allocate(v); err == nil {
				t.Error("a user of a denied domain gets a new allocation")
			}
		}
	}
}

// TestIntegrationOwnRelayDrains ends the program in the middle of a call.
func TestIntegrationOwnRelayDrains(t *testing.T) {
	port, tlsPort := freePort(t), freePort(t)
	s := newScene(t, "prosody", sceneConfig{config: func(s *scene) string {
		return ownRelayConfig(s, port, tlsPort, "allow = [\""+meetHost+"\"]", `drain = "10m"`)
	}})
	services := ownRelayServices(t, s, meetHost)
	one, two := call(t, services), call(t, services)
	one.say(t, two, "before")
	if err := s.extdisco.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := s.extdisco.WaitForLog(stepContext(t), "waits for those that there are", 1); err != nil {
		t.Fatal(err)
	}
	one.say(t, two, "while it ends")
	for _, v := range services {
		if v.Type == "turn" {
			if err := s.allocate(v); err == nil {
				t.Error("an allocation is made while the relay ends")
			}
		}
	}
	one.Close()
	two.Close()
	err := lab.Poll(stepContext(t), func(context.Context) error {
		if s.extdisco.Signal(syscall.Signal(0)) == nil {
			return errors.New("it still runs")
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// TestIntegrationRelayAlone runs the relay in a process of its own beside the component,
// whose restart ends no call.
func TestIntegrationRelayAlone(t *testing.T) {
	port, tlsPort := freePort(t), freePort(t)
	state := fmt.Sprintf("state_dir = %q", t.TempDir())
	s := newScene(t, "prosody", sceneConfig{noExtdisco: true})
	content := replace(t, ownRelayConfig(s, port, tlsPort, "allow = [\""+meetHost+"\"]", state), "[http]", "[http]\nrelay_listen = \"[::1]:0\"")
	file := filepath.Join(t.TempDir(), "config.toml")
	write(t, file, content)
	alone, err := lab.StartCommand(t.Context(), lab.CommandConfig{Name: "relay", Dir: t.TempDir(), Argv: []string{binary, "relay", "--config", file}})
	if err != nil {
		t.Fatal(err)
	}
	keep(t, alone)
	err = lab.Poll(stepContext(t), func(context.Context) error {
		if !strings.Contains(alone.Log(), "relay: listening") {
			return errors.New("the relay does not listen")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	s.extdisco = startExtdisco(t, lab.ExtdiscoConfig{Config: content, Args: []string{"--without-relay"}})
	services := ownRelayServices(t, s, meetHost)
	one, two := call(t, services), call(t, services)
	one.say(t, two, "before")
	m := regexp.MustCompile(`url=(http://\S+)`).FindStringSubmatch(alone.Log())
	if m == nil {
		t.Fatalf("the relay serves no HTTP:\n%s", alone.Log())
	}
	if ready := get(t, m[1]+"readyz"); !strings.HasPrefix(ready, "ready\n") {
		t.Errorf("readyz of the relay: %s", ready)
	}
	if text := get(t, m[1]+"metrics"); !strings.Contains(text, `extdisco_relay_allocations{transport="udp"} 2`) {
		t.Errorf("metrics of the relay: %s", text)
	}
	if text := get(t, siteOf(t, s.extdisco)+"metrics"); strings.Contains(text, "extdisco_relay_") {
		t.Error("the component has metrics of the relay")
	}
	if err := s.extdisco.Stop(); err != nil {
		t.Fatal(err)
	}
	one.say(t, two, "while the component is away")
	if err := s.extdisco.Start(stepContext(t)); err != nil {
		t.Fatal(err)
	}
	one.say(t, two, "afterwards")
	call(t, ownRelayServices(t, s, meetHost)).say(t, one, "with a new credential")
}

// ownRelayServices returns what a user gets.
func ownRelayServices(t *testing.T, s *scene, domain string, as ...string) []service {
	t.Helper()
	answer, err := s.query(domain, as...)
	if err != nil {
		t.Fatal(err)
	}
	return answer.Answers[0].Services
}

// probeOwnRelay tries the relay with extdisco probe.
func probeOwnRelay(t *testing.T, s *scene) {
	t.Helper()
	out, err := exec.CommandContext(stepContext(t), binary, "probe", "--config", s.extdisco.ConfigFile, "--ca-file", s.ca.CertFile).CombinedOutput()
	if err != nil {
		t.Errorf("probe: %v\n%s", err, out)
	}
}

// waitForEnd waits until the log tells of an allocation that ended for a reason, and returns the
// pseudonym.
func waitForEnd(t *testing.T, s *scene, reason string) string {
	t.Helper()
	line := regexp.MustCompile(`msg="an allocation ended" pseudonym=(\w+) .*ended_by=` + reason)
	var pseudonym string
	err := lab.Poll(stepContext(t), func(context.Context) error {
		m := line.FindStringSubmatch(s.extdisco.Log())
		if m == nil {
			return fmt.Errorf("no allocation was ended (%s)", reason)
		}
		pseudonym = m[1]
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return pseudonym
}

func get(t *testing.T, url string) string {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}
