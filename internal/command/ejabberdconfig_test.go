package command

import (
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"extdisco/internal/testkit"
)

func TestEjabberdConfig(t *testing.T) {
	server := func(address string) string {
		return strings.Replace(testkit.MinimalConfig, "[component]\n", "[component]\nserver = \""+address+"\"\n", 1)
	}
	tests := []struct {
		name, config, ip string
		port             int
		hosts            []string
		secret           string
	}{
		{"defaults", testkit.MinimalConfig, "127.0.0.1", 5347, []string{"example.org"}, testkit.Handshake},
		{"several hosts", strings.Replace(testkit.MinimalConfig, "[component]\n", "[component]\nhosts = [\"example.org\", \"guest.example.org\"]\n", 1), "127.0.0.1", 5347,
			[]string{"example.org", "guest.example.org"}, testkit.Handshake},
		{"another port", server("localhost:15347"), "127.0.0.1", 15347, []string{"example.org"}, testkit.Handshake},
		{"IPv6", server("[::1]:5347"), "::1", 5347, []string{"example.org"}, testkit.Handshake},
		{"another machine", server("xmpp.example.org:5347"), "::", 5347, []string{"example.org"}, testkit.Handshake},
		{"a secret that YAML would misread", strings.Replace(testkit.MinimalConfig, `secret_file = "component.secret"`, `secret = 'a"b\c: #é'`, 1), "127.0.0.1", 5347,
			[]string{"example.org"}, `a"b\c: #é`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			out := runCommand(t, "", "ejabberd-config", "--config", testkit.WriteConfig(t, tt.config))
			if out.status != statusOK || !strings.Contains(out.stdout, "Merge each part into the section of the same name") {
				t.Fatalf("%+v", out)
			}
			var parts struct {
				Listen []struct {
					Port         int
					IP, Module   string
					GlobalRoutes bool `yaml:"global_routes"`
					Hosts        map[string]struct{ Password string }
				}
				ACL         map[string]struct{ Server string }
				AccessRules map[string]struct{ Allow string } `yaml:"access_rules"`
				Hosts       map[string]struct {
					Modules struct {
						Delegation struct {
							Namespaces map[string]struct{ Access string }
						} `yaml:"mod_delegation"`
					}
				} `yaml:"append_host_config"`
			}
			if err := yaml.Unmarshal([]byte(out.stdout), &parts); err != nil {
				t.Fatal(err)
			}
			listen := parts.Listen[0]
			if listen.Port != tt.port || listen.IP != tt.ip || listen.Module != "ejabberd_service" || listen.GlobalRoutes ||
				listen.Hosts["turn.example.org"].Password != tt.secret {
				t.Errorf("listens as %+v", listen)
			}
			if parts.ACL["extdisco"].Server != "turn.example.org" || parts.AccessRules["extdisco"].Allow != "extdisco" || len(parts.Hosts) != len(tt.hosts) {
				t.Errorf("printed %s", out.stdout)
			}
			for _, host := range tt.hosts {
				for _, namespace := range []string{"urn:xmpp:extdisco:2", "urn:xmpp:extdisco:1"} {
					if parts.Hosts[host].Modules.Delegation.Namespaces[namespace].Access != "extdisco" {
						t.Errorf("%s does not delegate %s:\n%s", host, namespace, out.stdout)
					}
				}
			}
		})
	}
	if out := runCommand(t, "", "ejabberd-config", "--config", testkit.WriteConfig(t, "[component]\njid = 1\n")); out.status != statusFailed || out.stdout != "" {
		t.Errorf("of a broken configuration: %+v", out)
	}
	const relay = "[relay]\nhost = \"turn.example.org\"\npublic_ip = [\"203.0.113.5/127.0.0.1\"]\nsecret = \"" + testkit.SharedSecret + "\"\n"
	if out := runCommand(t, "", "ejabberd-config", "--config", testkit.WriteConfig(t, relay)); out.status != statusFailed || !strings.Contains(out.stderr, "has no [component]") {
		t.Errorf("of a relay alone: %+v", out)
	}
}
