//go:build integration

package integration

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"extdisco/integration/lab"
)

const (
	silentLine  = "hosts of component.hosts forward no requests"
	unknownLine = "a host delegates a namespace that is not answered here"
)

// TestIntegrationSilentHosts configures servers as administrators do by mistake: the
// component connects, and nothing else ever comes.
func TestIntegrationSilentHosts(t *testing.T) {
	t.Parallel()
	undelegated := func(cfg *lab.XMPPConfig) {
		cfg.Hosts = []lab.Host{{Name: meetHost, Anonymous: true}}
		cfg.Components[0].Delegation = false
	}
	delegations := func(jid, ns string) func(*lab.XMPPConfig) {
		return func(cfg *lab.XMPPConfig) {
			undelegated(cfg)
			cfg.Hosts[0].Modules = []string{"delegation"}
			cfg.Hosts[0].Extra = fmt.Sprintf("delegations = { [%q] = { jid = %q } }", ns, jid)
			cfg.Components[0].Delegation = true
		}
	}
	tests := []struct {
		name, kind string
		xmpp       func(*lab.XMPPConfig)
		unknown    string // namespace that is warned of
	}{
		{"nothing configured", "prosody", undelegated, ""},
		{"another component in delegations", "prosody", delegations("turns.meet.example.org", "urn:xmpp:extdisco:2"), ""},
		{"namespace misspelt", "prosody", delegations(turnJID, "urn:xmpp:extdisc:2"), "urn:xmpp:extdisc:2"},
		{"module missing on the component", "prosody", func(cfg *lab.XMPPConfig) {
			delegations(turnJID, "urn:xmpp:extdisco:2")(cfg)
			cfg.Components[0].Delegation = false
		}, ""},
		{"module missing on the host", "prosody", func(cfg *lab.XMPPConfig) {
			delegations(turnJID, "urn:xmpp:extdisco:2")(cfg)
			cfg.Hosts[0].Modules = nil
		}, ""},
		{"nothing configured", "ejabberd", undelegated, ""},
		{"another component in the acl", "ejabberd", func(cfg *lab.XMPPConfig) {
			undelegated(cfg)
			cfg.Hosts[0].DelegateTo = "turns.meet.example.org"
		}, ""},
		{"namespace misspelt", "ejabberd", func(cfg *lab.XMPPConfig) {
			undelegated(cfg)
			cfg.Extra = "append_host_config:\n  " + meetHost + ":\n    modules:\n      mod_delegation:\n        namespaces:\n          \"urn:xmpp:extdisc:2\":\n            access: all\n"
		}, "urn:xmpp:extdisc:2"},
	}
	for _, tt := range tests {
		t.Run(tt.kind+" "+tt.name, func(t *testing.T) {
			t.Parallel() // it waits for ten seconds
			s := newScene(t, tt.kind, sceneConfig{xmpp: tt.xmpp, config: func(s *scene) string {
				return strings.Replace(s.config("24h"), fmt.Sprintf("%q, %q]\n[access]", meetHost, corpHost), fmt.Sprintf("%q]\n[access]", meetHost), 1)
			}})
			if err := s.extdisco.WaitForLog(stepContext(t), silentLine, 1); err != nil {
				t.Fatal(err)
			}
			log := s.extdisco.Log()
			for _, part := range []string{"level=WARN", "hosts=" + meetHost, turnJID, "urn:xmpp:extdisco:2", "mod_delegation", "ejabberd"} {
				if !strings.Contains(lineWith(log, silentLine), part) {
					t.Errorf("the warning lacks %q: %s", part, lineWith(log, silentLine))
				}
			}
			if got := lineWith(log, unknownLine); (tt.unknown != "") != (got != "") || !strings.Contains(got, tt.unknown) {
				t.Errorf("the warning of a namespace is %q, want one of %q", got, tt.unknown)
			}
			if strings.Contains(log, "a host forwards requests") {
				t.Errorf("a host is said to forward:\n%s", log)
			}
		})
	}
}

// TestIntegrationHostsForward has some hosts forward, by each route, and one not.
func TestIntegrationHostsForward(t *testing.T) {
	t.Parallel()
	eachServer(t, func(t *testing.T, kind string) {
		s := newScene(t, kind, sceneConfig{config: func(s *scene) string {
			return strings.Replace(s.config("24h"), fmt.Sprintf("%q, %q]\n[access]", meetHost, corpHost), fmt.Sprintf("%q, %q, %q]\n[access]", meetHost, corpHost, guestHost), 1)
		}})
		if err := s.extdisco.WaitForLog(stepContext(t), silentLine, 1); err != nil {
			t.Fatal(err)
		}
		log := s.extdisco.Log()
		if got := lineWith(log, silentLine); !strings.Contains(got, "hosts="+guestHost+" ") {
			t.Errorf("warned of %s", got)
		}
		for _, host := range []string{meetHost, corpHost} {
			if n := strings.Count(log, `msg="a host forwards requests" host=`+host+" route=delegation"); n != 1 {
				t.Errorf("%s is said to forward %d times", host, n)
			}
		}
		if strings.Contains(log, unknownLine) {
			t.Errorf("a namespace of ours is unknown:\n%s", log)
		}
	})
	t.Run("bridge", func(t *testing.T) {
		t.Parallel()
		s := newScene(t, "prosody", sceneConfig{
			xmpp: func(cfg *lab.XMPPConfig) {
				cfg.Hosts = []lab.Host{{Name: meetHost, Anonymous: true}}
				cfg.Components = []lab.Component{{JID: turnJID, Secret: handshakeSecret, Modules: []string{"extdisco_bridge"}}}
				cfg.Extra = pluginPaths(t)
			},
		})
		if err := s.extdisco.WaitForLog(stepContext(t), `msg="a host forwards requests" host=`+meetHost+" route=bridge", 1); err != nil {
			t.Fatal(err)
		}
	})
}

// lineWith returns the first line of a log that has the text.
func lineWith(log, text string) string {
	lines := strings.Split(log, "\n")
	if i := slices.IndexFunc(lines, func(line string) bool { return strings.Contains(line, text) }); i >= 0 {
		return lines[i]
	}
	return ""
}

// TestIntegrationIDN runs hosts outside ASCII, in either spelling on either side.
func TestIntegrationIDN(t *testing.T) {
	t.Parallel()
	const u, a = "münchen.example", "xn--mnchen-3ya.example"
	eachServer(t, func(t *testing.T, kind string) {
		for _, spelling := range []struct{ name, served, given string }{
			{"U-labels", u, u}, {"A-labels", a, a}, {"server A-labels, hosts U-labels", a, u}, {"server U-labels, hosts A-labels", u, a},
		} {
			t.Run(spelling.name, func(t *testing.T) { askIDN(t, kind, spelling.served, spelling.given) })
		}
	})
}

// askIDN asks a server whose configuration has one spelling, with a component that
// has another one for hosts and allow. The address of the component is the server's:
// servers know no other.
func askIDN(t *testing.T, kind, served, given string) {
	jid := "turn." + served
	s := newScene(t, kind, sceneConfig{
		xmpp: func(cfg *lab.XMPPConfig) {
			cfg.Hosts = []lab.Host{{Name: served, Anonymous: true, DelegateTo: jid}}
			cfg.Components = []lab.Component{{JID: jid, Secret: handshakeSecret, Delegation: true}}
		},
		config: func(s *scene) string {
			config := strings.Replace(s.config("24h"), fmt.Sprintf("%q", turnJID), `"`+jid+`"`, 1)
			return strings.NewReplacer(fmt.Sprintf("%q, %q]\n[access]", meetHost, corpHost), `"`+given+"\"]\n[access]",
				fmt.Sprintf("%q, %q, %q]", meetHost, guestHost, corpHost), `"`+given+`"]`).Replace(config)
		},
	})
	// Prosody announces at once, ejabberd after some questions.
	err := lab.Poll(stepContext(t), func(context.Context) error {
		if !strings.Contains(s.extdisco.Log(), "a host forwards requests") {
			return errors.New("nothing is forwarded")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	c := dialRaw(t, s.xmpp.C2SAddr, served, "")
	for _, to := range []string{jid, served} {
		deadline := time.Now().Add(5 * time.Second)
		for {
			e := c.mustAsk("a", "<iq type='get' id='a' to='"+to+"'>"+servicesPayload+"</iq>")
			if e.attr("type") == "result" && strings.Count(e.Inner, " password='")+strings.Count(e.Inner, ` password="`) == 3 {
				break
			}
			if time.Now().After(deadline) { // ejabberd delegates a moment after it has asked
				t.Fatalf("asking %s as %s: %+v", to, c.jid, e)
			}
		}
	}
	if n := strings.Count(s.extdisco.Log(), connectedLine); n != 1 {
		t.Errorf("connected %d times", n)
	}
}
