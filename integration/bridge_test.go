//go:build integration

package integration

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"extdisco/integration/lab"
)

const metadataHost = "metadata." + meetHost

// pluginPaths makes Prosody find the bridge, and the modules of the tests.
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

// bridgeConfig makes the main host of a scene a bridge, with the guests and a
// host that lists services as Jitsi's metadata component does.
func bridgeConfig(t *testing.T, options string) func(*lab.XMPPConfig) {
	return func(cfg *lab.XMPPConfig) {
		cfg.Extra = pluginPaths(t) + fmt.Sprintf("Component %q %q\n", metadataHost, "list_services")
		cfg.Hosts = []lab.Host{
			{Name: meetHost, Anonymous: true, Modules: []string{"extdisco_bridge"}, Extra: fmt.Sprintf("extdisco_component = %q\n%s", turnJID, options)},
			{Name: guestHost, Anonymous: true},
			{Name: corpHost, Users: map[string]string{"alice": alicePassword}},
			{Name: outsideHost, Anonymous: true},
		}
		cfg.Components = []lab.Component{{JID: turnJID, Secret: handshakeSecret, KickOld: true}}
	}
}

func newBridgeScene(t *testing.T, cfg sceneConfig) *scene {
	t.Helper()
	if cfg.xmpp == nil {
		cfg.xmpp = bridgeConfig(t, "")
	}
	s := newScene(t, "prosody", cfg)
	return s
}

// listed asks the host so many times at once for what it lists.
func (c *rawClient) listed(host string, count int) [][]service {
	c.t.Helper()
	e := c.mustAsk("list", fmt.Sprintf("<iq type='get' id='list' to='%s'><list xmlns='test:services' count='%d'/></iq>", host, count))
	var text string
	if err := xml.Unmarshal([]byte(e.Inner), &text); err != nil {
		c.t.Fatalf("%v: %+v", err, e)
	}
	var answers []json.RawMessage
	if err := json.Unmarshal([]byte(text), &answers); err != nil {
		c.t.Fatalf("%v: %s", err, text)
	}
	out := make([][]service, len(answers))
	for i, a := range answers {
		if string(a) == "{}" { // Lua's empty table
			continue
		}
		if err := json.Unmarshal(a, &out[i]); err != nil {
			c.t.Fatalf("%v: %s", err, a)
		}
	}
	return out
}

// waitListed waits until the host lists services.
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

func TestIntegrationBridgeForwards(t *testing.T) {
	s := newBridgeScene(t, sceneConfig{})
	alice := []string{"--jid", "alice@" + corpHost, "--password-file", s.passwordFile(alicePassword)}
	for _, r := range []struct {
		name, login string
		args        []string
	}{
		{"anonymous user", meetHost, nil},
		{"guest", guestHost, []string{"--to", meetHost}},
		{"account of another host", corpHost, append([]string{"--to", meetHost}, alice...)},
		{"the component directly", meetHost, []string{"--to", turnJID}},
	} {
		t.Run(r.name, func(t *testing.T) {
			out, err := s.query(r.login, r.args...)
			if err != nil {
				t.Fatal(err)
			}
			checkAnswers(t, s, out)
		})
	}
	c := dialRaw(t, s.xmpp.C2SAddr, meetHost, "")
	for _, host := range []string{metadataHost} {
		for _, v := range c.waitListed(host, 5) {
			t.Log(v)
		}
	}
	start := time.Now()
	for i, set := range c.listed(metadataHost, 20) {
		t.Log(i, set[1].Username)
	}
	t.Log(time.Since(start))
}
