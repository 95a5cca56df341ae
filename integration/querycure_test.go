//go:build integration

package integration

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"extdisco/integration/lab"
	"extdisco/internal/testkit"
)

// builtIn makes Prosody answer itself, with mod_external_services.
func builtIn(host, secret string) func(*lab.XMPPConfig) {
	return func(cfg *lab.XMPPConfig) {
		cfg.Hosts[0].DelegateTo = ""
		cfg.Hosts[0].Modules = []string{"external_services"}
		cfg.Hosts[0].Extra = fmt.Sprintf("\texternal_services = { { type = \"turn\", transport = \"udp\", host = %q, port = 3478, secret = %q, ttl = 3600, algorithm = \"turn\" } }\n", host, secret)
	}
}

// builtInToEjabberd makes ejabberd answer itself, with mod_stun_disco. Its usernames look
// like ours.
func builtInToEjabberd(access string) func(*lab.XMPPConfig) {
	return func(cfg *lab.XMPPConfig) {
		cfg.Hosts[0].DelegateTo = ""
		cfg.Hosts[0].Extra = fmt.Sprintf("modules:\n  mod_stun_disco:\n    access: %s\n    secret: %q\n    offer_local_services: false\n    services:\n"+
			"      - {host: turn.example.org, port: 3478, type: turn, transport: udp, restricted: true}\n", access, sharedSecret)
	}
}

// queryConfig writes a configuration for the hosts of the scene.
func queryConfig(t *testing.T, server, more string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "config.toml")
	testkit.WriteFile(t, file, fmt.Sprintf("[component]\njid = %q\nserver = %q\nsecret = %q\nhosts = [%q]\n[[ice_server]]\nurls = [\"turn:turn.example.org:3478?transport=udp\"]\nsecret = %q\n%s",
		turnJID, server, handshakeSecret, meetHost, sharedSecret, more))
	return file
}

// TestIntegrationQueryBuiltIn tells the answer of the XMPP server from one of extdisco,
// also where it names the same server and was made with the same secret.
func TestIntegrationQueryBuiltIn(t *testing.T) {
	for _, tt := range []struct {
		name, kind string
		xmpp       func(*lab.XMPPConfig)
		want       string
	}{
		{"another server", "prosody", builtIn("turn.example.net", "another-secret-of-the-lab"), "lists turn:turn.example.net:3478?transport=udp, which"},
		{"the same server and secret", "prosody", builtIn("turn.example.org", sharedSecret), "gives a credential for turn:turn.example.org:3478?transport=udp that was not made with"},
		{"ejabberd", "ejabberd", builtInToEjabberd("all"), "gives a credential for turn:turn.example.org:3478?transport=udp that was not made with"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newScene(t, tt.kind, sceneConfig{xmpp: tt.xmpp, noExtdisco: true})
			login := []string{meetHost, "--address", s.xmpp.C2SAddr, "--tls", "none", "--insecure"}
			file := queryConfig(t, s.xmpp.ComponentAddr, "")
			r := runQuery(t, append(login, "--config", file)...)
			if r.status != 1 || !strings.Contains(r.stderr, tt.want) || !strings.Contains(r.stderr, "the XMPP server answers itself; in Prosody, remove external_services") ||
				!strings.Contains(r.stderr, "in ejabberd, remove mod_stun_disco") {
				t.Errorf("%+v", r)
			}
			if r := runQuery(t, meetHost, "--address", s.xmpp.C2SAddr); r.status != 1 || !strings.Contains(r.stderr, "does not offer STARTTLS") {
				t.Errorf("without TLS: %+v", r)
			}
			if r := runQuery(t, login...); r.status != 0 || r.stderr != "" {
				t.Errorf("without a configuration: %+v", r)
			}
		})
	}
}

// TestIntegrationQueryRefusedByEjabberd tells ejabberd's own refusal from one of extdisco.
func TestIntegrationQueryRefusedByEjabberd(t *testing.T) {
	s := newScene(t, "ejabberd", sceneConfig{xmpp: builtInToEjabberd("nobody"), noExtdisco: true})
	r := runQuery(t, meetHost, "--address", s.xmpp.C2SAddr, "--tls", "none", "--insecure")
	if r.status != 1 || !strings.Contains(r.stderr, "ejabberd answers itself; remove mod_stun_disco") {
		t.Errorf("%+v", r)
	}
}

// TestIntegrationQueryCures names what to change when nobody can log in, or nothing comes.
func TestIntegrationQueryCures(t *testing.T) {
	port, err := lab.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	listen := fmt.Sprintf("127.0.0.1:%d", port)
	s := newScene(t, "prosody", sceneConfig{unready: true,
		xmpp: func(cfg *lab.XMPPConfig) {
			cfg.Hosts[1].Modules, cfg.Hosts[1].Extra = []string{"external_services"}, "\texternal_services = { }\n"
			cfg.Hosts[2].Extra = "\tdisable_sasl_mechanisms = { \"SCRAM-SHA-1\", \"SCRAM-SHA-256\" }\n"
		},
		config: func(s *scene) string {
			return strings.Replace(s.config("24h"), handshakeSecret, "not-the-handshake-secret", 1) + "[http]\nlisten = \"" + listen + "\"\n"
		},
	})
	clear := []string{"--address", s.xmpp.C2SAddr, "--tls", "none", "--insecure"}
	alice := []string{"--jid", "alice@" + corpHost, "--password-file", s.passwordFile(alicePassword)}
	http := "[http]\nlisten = \"" + listen + "\"\n"
	nobody := "[http]\nlisten = \"127.0.0.1:1\"\n"
	join := func(lists ...[]string) (all []string) {
		for _, l := range lists {
			all = append(all, l...)
		}
		return all
	}
	for _, tt := range []struct {
		name  string
		args  []string
		wants []string
	}{
		{"no STARTTLS", []string{meetHost, "--address", s.xmpp.C2SAddr}, []string{"does not offer STARTTLS", "--tls direct", "--tls none --insecure"}},
		{"PLAIN in the clear", join([]string{corpHost}, clear, alice), []string{"offers PLAIN only", "in the clear", "--tls starttls"}},
		{"account where users are anonymous", join([]string{meetHost, "--jid", "alice@" + meetHost}, alice[2:], clear), []string{"offers ANONYMOUS only", "leave out --jid"}},
		{"anonymous where users have accounts", join([]string{corpHost}, clear), []string{"offers PLAIN only", "--jid and --password-file"}},
		{"a domain that is not served", join([]string{"nowhere.example.org"}, clear), []string{"check that it serves nowhere.example.org"}},
		{"empty list", join([]string{guestHost}, clear), []string{"answered with an empty list", "remove external_services", "extdisco check"}},
		{"extdisco is not connected", join([]string{meetHost}, clear, []string{"--config", queryConfig(t, s.xmpp.ComponentAddr, http)}),
			[]string{"does not forward urn:xmpp:extdisco:2", "extdisco says at http://" + listen + "/readyz: ", "refused the handshake secret"}},
		{"extdisco does not run", join([]string{meetHost}, clear, []string{"--config", queryConfig(t, s.xmpp.ComponentAddr, nobody)}),
			[]string{"nothing answers at http.listen (127.0.0.1:1): is extdisco running?"}},
		{"configuration of another domain", join([]string{guestHost}, clear, []string{"--config", queryConfig(t, s.xmpp.ComponentAddr, "")}), []string{"is for " + meetHost + ", not for " + guestHost}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := runQuery(t, tt.args...)
			for _, want := range tt.wants {
				if r.status != 1 || !strings.Contains(r.stderr, want) {
					t.Errorf("%+v, want %q", r, want)
				}
			}
		})
	}
}
