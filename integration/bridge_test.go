//go:build integration

package integration

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"extdisco/integration/lab"
)

const metadataHost = "metadata." + meetHost

// prosodies are the versions that the bridge runs on, by the command that starts
// them. The second one is unpacked by contrib/fetch-prosody13.
var prosodies = map[string]string{"0.12": "prosody", "13": ".prosody13/prosody"}

func eachProsody(t *testing.T, test func(t *testing.T, program string)) {
	for version, program := range prosodies {
		t.Run("prosody "+version, func(t *testing.T) {
			t.Parallel()
			if version != "0.12" {
				var err error
				if program, err = filepath.Abs(program); err != nil {
					t.Fatal(err)
				}
			}
			test(t, program)
		})
	}
}

// pluginPaths makes Prosody find the bridge and the modules of the tests.
func pluginPaths(t *testing.T) string {
	t.Helper()
	var paths []string
	for _, dir := range []string{"../prosody", "plugins"} {
		abs, err := filepath.Abs(dir)
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, fmt.Sprintf("%q", abs))
	}
	return "plugin_paths = { " + strings.Join(paths, ", ") + " }\n"
}

// bridgeConfig enables the bridge on the component of a scene, with the given options,
// beside a host that lists services as Jitsi's metadata component does.
func bridgeConfig(t *testing.T, options string) func(*lab.XMPPConfig) {
	return func(cfg *lab.XMPPConfig) {
		cfg.Extra = pluginPaths(t) + fmt.Sprintf("Component %q %q\n", metadataHost, "list_services")
		cfg.Hosts = []lab.Host{
			{Name: meetHost, Anonymous: true, Modules: []string{"jitsi_like"}},
			{Name: guestHost, Anonymous: true},
			{Name: corpHost, Users: map[string]string{"alice": alicePassword}},
			{Name: outsideHost, Anonymous: true},
		}
		cfg.Components = []lab.Component{{JID: turnJID, Secret: handshakeSecret, KickOld: true,
			Modules: []string{"extdisco_bridge"}, Extra: options}}
	}
}

// bridgeScene is what is special about a scene with a bridge.
type bridgeScene struct {
	program string // Prosody's command; "" for the installed one
	options string // of the bridge, as lines
	sceneConfig
}

// ofAReplacedLink is the beginning of a traceback of Prosody's own: it has closed a component's
// connection for a new one, and then reads what was still on its way.
var ofAReplacedLink = regexp.MustCompile(`stack traceback:\s+\S*/mod_component\.lua:\d+: in function`)

func newBridgeScene(t *testing.T, cfg bridgeScene) *scene {
	t.Helper()
	adapt := cfg.xmpp
	cfg.xmpp = func(xmpp *lab.XMPPConfig) {
		bridgeConfig(t, cfg.options)(xmpp)
		xmpp.Program = cfg.program
		if adapt != nil {
			adapt(xmpp)
		}
	}
	s := newScene(t, "prosody", cfg.sceneConfig)
	t.Cleanup(func() {
		log := s.xmpp.Log()
		if found := mintedPassword.FindString(log); found != "" {
			t.Errorf("Prosody's log holds a password: %s", found)
		}
		if strings.Contains(strings.ToLower(ofAReplacedLink.ReplaceAllString(log, "")), "traceback") {
			t.Error("Prosody's log has a traceback")
		}
	})
	return s
}

// listed returns what so many calls of get_services() return on a host.
func (c *rawClient) listed(host string, count int) [][]service {
	c.t.Helper()
	lists, err := c.askList(host, count)
	if err != nil {
		c.t.Fatal(err)
	}
	return lists
}

func (c *rawClient) askList(host string, count int) ([][]service, error) {
	e, err := c.ask("list", fmt.Sprintf("<iq type='get' id='list' to='%s'><list xmlns='test:services' count='%d'/></iq>", host, count))
	if err != nil {
		return nil, err
	}
	var text string
	if err := xml.Unmarshal([]byte(e.Inner), &text); err != nil {
		return nil, fmt.Errorf("%w: %+v", err, e)
	}
	var answers []json.RawMessage
	if err := json.Unmarshal([]byte(text), &answers); err != nil {
		return nil, fmt.Errorf("%w: %s", err, text)
	}
	lists := make([][]service, len(answers))
	for i, a := range answers {
		if string(a) == "{}" { // the empty table of Lua
			continue
		}
		if err := json.Unmarshal(a, &lists[i]); err != nil {
			return nil, fmt.Errorf("%w: %s", err, a)
		}
	}
	return lists, nil
}

// waitListed waits until a host lists so many services, and returns them.
func (c *rawClient) waitListed(host string, want int) []service {
	c.t.Helper()
	var services []service
	err := lab.Poll(stepContext(c.t), func(context.Context) error {
		if services = c.listed(host, 1)[0]; len(services) != want {
			return fmt.Errorf("%s lists %d services, not %d", host, len(services), want)
		}
		return nil
	})
	if err != nil {
		c.t.Fatal(err)
	}
	return services
}

// relayUser returns the username that all TURN services of a list share. None of
// them may be without username and password.
func relayUser(t *testing.T, services []service) string {
	t.Helper()
	user := ""
	for _, v := range services {
		if v.Type != "turn" && v.Type != "turns" {
			continue
		}
		if v.Username == "" || v.Password == "" || !v.Restricted || v.Expires.IsZero() {
			t.Fatalf("a service without a credential: %+v", v)
		}
		if user != "" && v.Username != user {
			t.Fatalf("one list has the users %s and %s", user, v.Username)
		}
		user = v.Username
	}
	if user == "" {
		t.Fatalf("no TURN service: %+v", services)
	}
	return user
}

// TestIntegrationBridgeForwards asks a host with the bridge as everybody who is
// served, and uses what was handed out on a real TURN server.
func TestIntegrationBridgeForwards(t *testing.T) {
	eachProsody(t, func(t *testing.T, program string) {
		s := newBridgeScene(t, bridgeScene{program: program})
		alice := []string{"--jid", "alice@" + corpHost, "--password-file", s.passwordFile(alicePassword)}
		for _, r := range []struct {
			name, login string
			args        []string
		}{
			{"anonymous user", meetHost, nil},
			{"guest", guestHost, []string{"--to", meetHost}},
			{"account of another host", corpHost, append([]string{"--to", meetHost}, alice...)},
			{"the component itself", meetHost, []string{"--to", turnJID}},
		} {
			t.Run(r.name, func(t *testing.T) {
				out, err := s.query(r.login, r.args...)
				if err != nil {
					t.Fatal(err)
				}
				checkAnswers(t, s, out)
			})
		}
		t.Run("somebody who is not served", func(t *testing.T) {
			if _, err := s.query(outsideHost, "--to", meetHost); err == nil || !strings.Contains(err.Error(), "access.allow") {
				t.Errorf("%v, want a hint at access.allow", err)
			}
		})
		t.Run("the user has the same name on every way", func(t *testing.T) {
			c := dialRaw(t, s.xmpp.C2SAddr, meetHost, "")
			var names []string
			for _, to := range []string{meetHost, turnJID} {
				e := c.mustAsk("a", "<iq type='get' id='a' to='"+to+"'>"+servicesPayload+"</iq>")
				_, name, _ := strings.Cut(e.Inner, "username='")
				_, name, _ = strings.Cut(name, ":")
				name, _, _ = strings.Cut(name, "'")
				if names = append(names, name); e.attr("from") != to || len(name) != 16 || name != names[0] {
					t.Errorf("asked %s: from %s, user %q", to, e.attr("from"), name)
				}
			}
		})
	})
}

// TestIntegrationBridgeLeavesOthersAlone: Jitsi's check of who may ask rules, and
// what other modules make credentials for stays theirs.
func TestIntegrationBridgeLeavesOthersAlone(t *testing.T) {
	eachProsody(t, func(t *testing.T, program string) {
		s := newBridgeScene(t, bridgeScene{program: program})
		c := dialRaw(t, s.xmpp.C2SAddr, meetHost, "")
		barred := dialRaw(t, s.xmpp.C2SAddr, meetHost, "barred")
		for _, ns := range namespaces {
			credentials := func(serviceType string) string {
				return "<iq type='get' id='a' to='" + meetHost + "'><credentials xmlns='" + ns + "'><service host='127.0.0.1' type='" + serviceType + "'/></credentials></iq>"
			}
			if e := c.mustAsk("a", credentials("turn")); strings.Count(e.Inner, " username='") != 2 || strings.Contains(e.Inner, "token") {
				t.Errorf("%s turn: %+v", ns, e)
			}
			if e := c.mustAsk("a", credentials("stun")); !strings.Contains(e.Inner, "<item-not-found") {
				t.Errorf("%s stun: %+v", ns, e)
			}
			if e := c.mustAsk("a", credentials("short-lived-token")); !strings.Contains(e.Inner, "password='token'") || strings.Contains(e.Inner, "username") {
				t.Errorf("%s short-lived-token: %+v", ns, e)
			}
			services := "<iq type='get' id='a' to='" + meetHost + "'><services xmlns='" + ns + "'/></iq>"
			if e := barred.mustAsk("a", services); !strings.Contains(e.Inner, "not in the room") {
				t.Errorf("%s: Jitsi's check came too late: %+v", ns, e)
			}
		}
		info := c.mustAsk("d", "<iq type='get' id='d' to='"+meetHost+"'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>")
		for _, ns := range namespaces {
			if strings.Count(info.Inner, "var='"+ns+"'") != 1 {
				t.Errorf("%s is not advertised once: %s", ns, info.Inner)
			}
		}
	})
}

// TestIntegrationBridgeTwoHosts has two hosts with one component, and a user of
// each asks both.
func TestIntegrationBridgeTwoHosts(t *testing.T) {
	s := newBridgeScene(t, bridgeScene{sceneConfig: sceneConfig{xmpp: func(cfg *lab.XMPPConfig) {
		cfg.Components[0].Extra = fmt.Sprintf("extdisco_hosts = { %q, %q }\nextdisco_feed_hosts = { %q, %q }\n",
			meetHost, corpHost, metadataHost, "metadata."+corpHost)
		cfg.Extra += fmt.Sprintf("Component %q %q\n", "metadata."+corpHost, "list_services")
	}}})
	alice := []string{"--jid", "alice@" + corpHost, "--password-file", s.passwordFile(alicePassword)}
	for _, to := range []string{meetHost, corpHost} {
		for name, ask := range map[string]func() (queryAnswer, error){
			"user of the one":   func() (queryAnswer, error) { return s.query(meetHost, "--to", to) },
			"user of the other": func() (queryAnswer, error) { return s.query(corpHost, append([]string{"--to", to}, alice...)...) },
		} {
			t.Run(name+" asks "+to, func(t *testing.T) {
				out, err := ask()
				if err != nil {
					t.Fatal(err)
				}
				checkAnswers(t, s, out)
			})
		}
	}
	c := dialRaw(t, s.xmpp.C2SAddr, meetHost, "")
	first, second := relayUser(t, c.waitListed(metadataHost, 5)), relayUser(t, c.waitListed("metadata."+corpHost, 5))
	if first == second {
		t.Errorf("both lists have the user %s", first)
	}
}
