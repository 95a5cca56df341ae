//go:build integration

package integration

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"extdisco/integration/lab"
)

const newSecret = "the-new-shared-secret-of-the-lab-0123"

// rotating returns a configuration of a scene in which the shared secret is being changed.
func rotating(t *testing.T, s *scene) string {
	t.Helper()
	return replace(t, s.config("24h"), fmt.Sprintf("secret = %q\nttl", sharedSecret), fmt.Sprintf("secret = %q\nprevious_secret = %q\nttl", newSecret, sharedSecret)) +
		"[probe]\ninterval = \"1s\"\nallocate_interval = \"1s\"\nca_file = \"" + s.ca.CertFile + "\"\n"
}

// restartCoturn restarts the scene's TURN server with these secrets, after it has been away
// for a while.
func (s *scene) restartCoturn(away time.Duration, secrets ...string) {
	s.t.Helper()
	before, err := os.ReadFile(s.turn.ConfigFile)
	if err != nil {
		s.t.Fatal(err)
	}
	var lines []string
	for line := range strings.Lines(string(before)) {
		if !strings.HasPrefix(line, "static-auth-secret=") {
			lines = append(lines, line)
		}
	}
	for _, secret := range secrets {
		lines = append(lines, "static-auth-secret="+secret+"\n")
	}
	write(s.t, s.turn.ConfigFile, strings.Join(lines, ""))
	if err := s.turn.Stop(); err != nil {
		s.t.Fatal(err)
	}
	timer := time.NewTimer(away)
	defer timer.Stop()
	<-timer.C
	if err := s.turn.Start(stepContext(s.t)); err != nil {
		s.t.Fatal(err)
	}
}

// caller is a user who asks for credentials and allocates with them, all the time.
type caller struct {
	mu       sync.Mutex
	down     bool // what is tried now does not count
	epoch    int  // counts how often that has changed
	attempt  int
	accepted map[string]int // by the secret
	refused  []string
	stop     context.CancelFunc
	wait     sync.WaitGroup
}

// startCaller starts one, who asks the host through the bridge.
func startCaller(t *testing.T, s *scene) *caller {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	k := &caller{accepted: map[string]int{}, stop: stop}
	c := dialRaw(t, s.xmpp.C2SAddr, meetHost, "")
	k.wait.Go(func() {
		// coturn frees a relay port a second after its allocation has ended, and has 200.
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for ctx.Err() == nil {
			k.call(ctx, s, c)
			<-tick.C
		}
	})
	return k
}

func (k *caller) call(ctx context.Context, s *scene, c *rawClient) {
	k.mu.Lock()
	down, epoch := k.down, k.epoch
	k.attempt++
	k.mu.Unlock()
	e, err := c.ask("call", "<iq type='get' id='call' to='"+meetHost+"'>"+servicesPayload+"</iq>")
	var answer struct {
		Services []struct {
			Type      string `xml:"type,attr"`
			Transport string `xml:"transport,attr"`
			Username  string `xml:"username,attr"`
			Password  string `xml:"password,attr"`
		} `xml:"service"`
	}
	if err == nil {
		err = xml.Unmarshal([]byte(e.Inner), &answer)
	}
	which := ""
	for _, v := range answer.Services {
		if err != nil || v.Type != "turn" || v.Transport != "udp" {
			continue
		}
		for name, secret := range map[string]string{"previous": sharedSecret, "new": newSecret} {
			if mintedWith(secret, []service{{Type: v.Type, Username: v.Username, Password: v.Password}}) {
				which = name
			}
		}
		_, _, err = lab.Allocation{Type: v.Type, Host: "127.0.0.1", Port: s.turn.Port, Transport: v.Transport, Username: v.Username, Password: v.Password}.Do(ctx)
	}
	if err == nil && which == "" {
		err = fmt.Errorf("no credential: %+v", e)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case err == nil:
		k.accepted[which]++
	case ctx.Err() == nil && !down && epoch == k.epoch:
		k.refused = append(k.refused, fmt.Sprintf("with the %s secret: %v", which, err))
	}
}

// restarts says that the TURN server is away from now on, or back. What begins or ends while
// it is away does not count.
func (k *caller) restarts(down bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.down = down
	k.epoch++
}

// accepts waits until credentials of a secret have been accepted once more.
func (k *caller) accepts(t *testing.T, secret string) {
	t.Helper()
	k.mu.Lock()
	before := k.accepted[secret]
	k.mu.Unlock()
	err := lab.Poll(stepContext(t), func(context.Context) error {
		k.mu.Lock()
		defer k.mu.Unlock()
		if k.accepted[secret] <= before+2 {
			return fmt.Errorf("no credential of the %s secret was accepted: %v; refused: %v", secret, k.accepted, k.refused)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// end stops the calls, and fails the test if one was refused.
func (k *caller) end(t *testing.T) {
	t.Helper()
	k.stop()
	k.wait.Wait()
	if len(k.refused) > 0 {
		t.Errorf("%d of %d calls were refused: %v", len(k.refused), k.attempt, k.refused[0])
	}
	t.Logf("accepted: %v of %d calls", k.accepted, k.attempt)
}

// TestIntegrationRotation changes the shared secret of a real TURN server while a user
// allocates all the time: extdisco first, then the server, with both secrets in between or
// straight. No call is refused but while the server is down.
func TestIntegrationRotation(t *testing.T) {
	for name, steps := range map[string][]struct {
		away    time.Duration
		secrets []string
	}{
		"both in between": {{0, []string{newSecret, sharedSecret}}, {0, []string{newSecret}}},
		"straight":        {{3 * time.Second, []string{newSecret}}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newBridgeScene(t, bridgeScene{sceneConfig: sceneConfig{config: func(s *scene) string { return s.config("24h") }}})
			k := startCaller(t, s)
			k.accepts(t, "previous")
			s.changeConfig(rotating(t, s), false)
			if err := s.extdisco.WaitForLog(stepContext(t), "credentials are made with the previous secret", 1); err != nil {
				t.Fatal(err)
			}
			k.accepts(t, "previous")
			for _, step := range steps {
				k.restarts(true)
				s.restartCoturn(step.away, step.secrets...)
				k.restarts(false)
				if err := s.extdisco.WaitForLog(stepContext(t), "credentials are made with the new secret", 1); err != nil {
					t.Fatal(err)
				}
				k.accepts(t, "new")
			}
			k.end(t)
			if log := s.extdisco.Log(); strings.Contains(log, newSecret) {
				t.Error("the log holds the new secret")
			}
		})
	}
}

// TestIntegrationProbeTellsTheSecret has extdisco probe say which of two secrets a real
// coturn has.
func TestIntegrationProbeTellsTheSecret(t *testing.T) {
	for name, tt := range map[string]struct {
		secrets []string
		kind    string
		note    string
	}{
		"previous": {[]string{sharedSecret}, "previous-secret", ""},
		"new":      {[]string{newSecret}, "", "accepts the new shared secret"},
		"both":     {[]string{sharedSecret, newSecret}, "", "accepts the new shared secret"},
		"neither":  {[]string{"a-third-secret-of-the-lab"}, "unauthorized", ""},
	} {
		t.Run(name, func(t *testing.T) {
			turn, err := lab.StartCoturn(t.Context(), lab.CoturnConfig{Dir: t.TempDir(), Secrets: tt.secrets})
			if err != nil {
				t.Fatal(err)
			}
			keep(t, turn)
			servers, _ := runProbe(t, fmt.Sprintf("urls = [\"turn:127.0.0.1:%d\"]\nsecret = %q\nprevious_secret = %q\n", turn.Port, newSecret, sharedSecret))
			if got := servers[0].failure().Kind; got != tt.kind || !strings.Contains(strings.Join(servers[0].Addresses[0].Notes, " "), tt.note) {
				t.Errorf("%q, want %q: %+v", got, tt.kind, servers[0])
			}
		})
	}
}

// TestIntegrationDenied: who is denied gets nothing more at once, neither in an open room
// nor on asking, and all others go on.
func TestIntegrationDenied(t *testing.T) {
	eachProsody(t, func(t *testing.T, program string) {
		s := newMetadataScene(t, bridgeScene{program: program})
		inside, client, other := dialRaw(t, s.xmpp.C2SAddr, meetHost, ""), dialRaw(t, s.xmpp.C2SAddr, meetHost, ""), dialRaw(t, s.xmpp.C2SAddr, meetHost, "")
		inside.waitListed(metadataHost, 5)
		for _, c := range []*rawClient{inside, other} {
			relayUser(t, c.mustJoin("room"))
		}
		request := "<iq type='get' id='a' to='" + meetHost + "'>" + servicesPayload + "</iq>"
		client.mustAsk("a", request)
		bare := func(c *rawClient) string { jid, _, _ := strings.Cut(c.jid, "/"); return jid }
		start := time.Now()
		s.changeConfig(replace(t, s.config("24h"), "[access]\n", fmt.Sprintf("[access]\ndeny = [%q, %q]\n", bare(inside), bare(client))), false)
		for {
			services, err := inside.nextPush()
			if err != nil {
				t.Fatal(err)
			}
			if relays := countRelays(services); relays == 0 && len(services) > 0 {
				break
			}
		}
		t.Logf("told after %v", time.Since(start))
		for {
			e, err := client.read()
			if err != nil {
				t.Fatal(err)
			}
			if e.attr("type") == "set" {
				if strings.Contains(e.Inner, "password") || !strings.Contains(e.Inner, "delete") {
					t.Errorf("a client that is denied was sent %+v", e)
				}
				break
			}
		}
		for _, c := range []*rawClient{inside, client} {
			if e := c.mustAsk("a", request); !strings.Contains(e.Inner, "forbidden") || strings.Contains(e.Inner, "password") {
				t.Errorf("who is denied is answered %+v", e)
			}
		}
		again := inside.mustJoin("another-room")
		if countRelays(again) != 0 {
			t.Errorf("who is denied gets relays when it joins: %+v", again)
		}
		services, err := other.nextPush()
		if err != nil {
			t.Fatal(err)
		}
		relayUser(t, services)
	})
}

// countRelays counts the services of a list that have a credential or should have one.
func countRelays(services []service) int {
	count := 0
	for _, v := range services {
		if strings.HasPrefix(v.Type, "turn") || v.Password != "" || v.Username != "" {
			count++
		}
	}
	return count
}

// TestIntegrationProsodyWasAway: after Prosody was away for a while, whoever joins first is
// pushed the whole list within a second of its port opening, and extdisco is connected.
func TestIntegrationProsodyWasAway(t *testing.T) {
	t.Parallel()
	s := newMetadataScene(t, bridgeScene{})
	dialRaw(t, s.xmpp.C2SAddr, meetHost, "").waitListed(metadataHost, 5)
	if err := s.xmpp.Stop(); err != nil {
		t.Fatal(err)
	}
	away := time.NewTimer(5 * time.Second)
	defer away.Stop()
	<-away.C
	if err := s.xmpp.Start(stepContext(t)); err != nil {
		t.Fatal(err)
	}
	opened := time.Now() // a little later than that
	c := dialRaw(t, s.xmpp.C2SAddr, meetHost, "")
	err := lab.Poll(stepContext(t), func(context.Context) error {
		if list := c.listed(metadataHost, 1)[0]; len(list) != 5 {
			return fmt.Errorf("a list of %d services", len(list))
		}
		return nil
	})
	took := time.Since(opened)
	if err != nil {
		t.Fatal(err)
	}
	relayUser(t, c.mustJoin("room"))
	t.Logf("the first full list came %v after Prosody answered", took)
	if took > 3*time.Second { // 1 s of pause, and what a busy machine takes
		t.Errorf("the first full list came %v after Prosody answered", took)
	}
}

// TestIntegrationExtendedInformation: names and extended information reach clients of a real
// server, through the bridge and by delegation.
func TestIntegrationExtendedInformation(t *testing.T) {
	described := func(s *scene) string {
		return replace(s.t, s.config("24h"), fmt.Sprintf("secret = %q\nttl", sharedSecret),
			"name = { default = \"Relay\", de = \"Vermittlung\" }\ninfo = { FORM_TYPE = \"urn:example:relay\", region = \"eu\", operators = [\"Alice\", \"Bob\"] }\n"+
				fmt.Sprintf("secret = %q\nttl", sharedSecret))
	}
	for name, start := range map[string]func(t *testing.T) *scene{
		"delegation": func(t *testing.T) *scene { return newScene(t, "prosody", sceneConfig{config: described}) },
		"bridge": func(t *testing.T) *scene {
			return newBridgeScene(t, bridgeScene{sceneConfig: sceneConfig{config: described}})
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			args := []string{"query", meetHost, "--address", s.xmpp.C2SAddr, "--tls", "none", "--insecure"}
			out, err := exec.CommandContext(stepContext(t), binary, append(args, "--json")...).Output()
			if err != nil {
				t.Fatal(err)
			}
			var document struct {
				Answers []struct {
					Services []struct {
						Type, Name string
						Info       []struct {
							Var, Type string
							Values    []string
						}
					}
				}
			}
			if err := errors.Join(json.Unmarshal(out, &document)); err != nil || len(document.Answers) != 2 {
				t.Fatalf("%v: %s", err, out)
			}
			for _, a := range document.Answers {
				for i, v := range a.Services {
					want := "[{FORM_TYPE hidden [urn:example:relay]} {operators text-multi [Alice Bob]} {region  [eu]}]"
					if last := i == len(a.Services)-1; last {
						want = "[]" // of another [[ice_server]]
					} else if v.Name != "Relay" {
						t.Errorf("%s is called %q", v.Type, v.Name)
					}
					if got := fmt.Sprint(v.Info); got != want {
						t.Errorf("%s: %s, want %s", v.Type, got, want)
					}
				}
			}
			table, err := exec.CommandContext(stepContext(t), binary, args...).Output()
			if err != nil || !strings.Contains(string(table), "NAME") || !strings.Contains(string(table), "operators = Alice, Bob") {
				t.Errorf("%v: %s", err, table)
			}
		})
	}
}
