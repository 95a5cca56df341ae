package command

import (
	"strings"
	"testing"

	"extdisco/internal/testkit"
)

func TestProsodyConfig(t *testing.T) {
	const component = "\nComponent \"turn.example.org\"\n    component_secret = \"" + testkit.Handshake + "\"\n    component_conflict_resolve = \"kick_old\"\n"
	server := func(address string) string {
		return strings.Replace(testkit.MinimalConfig, "[component]\n", "[component]\nserver = \""+address+"\"\n", 1)
	}
	tests := []struct {
		name, config string
		args         []string
		has          []string
		hasNot       []string
	}{
		{"bridge", testkit.MinimalConfig, nil,
			[]string{component + "    modules_enabled = { \"extdisco_bridge\" }\n"},
			[]string{"VirtualHost", "delegation", "extdisco_hosts", "component_ports", "component_interfaces"}},
		{"several hosts", strings.Replace(testkit.MinimalConfig, "[component]\n", "[component]\nhosts = [\"example.org\", \"example.net\"]\n", 1), nil,
			[]string{`extdisco_hosts = { "example.org", "example.net" }`}, []string{"VirtualHost"}},
		{"a host that is not the parent domain", strings.Replace(testkit.MinimalConfig, "[component]\n", "[component]\nhosts = [\"example.net\"]\n", 1), nil,
			[]string{`extdisco_hosts = { "example.net" }`}, nil},
		{"delegation", testkit.MinimalConfig, []string{"--delegation"},
			[]string{"VirtualHost \"example.org\"\n", `["urn:xmpp:extdisco:2"] = { jid = "turn.example.org" };`, `["urn:xmpp:extdisco:1"] = { jid = "turn.example.org" };`,
				component + "    modules_enabled = { \"delegation\" }\n"},
			[]string{"extdisco_bridge", "component_ports", "component_interfaces"}},
		{"delegation of several hosts", strings.Replace(testkit.MinimalConfig, "[component]\n", "[component]\nhosts = [\"example.org\", \"guest.example.org\"]\n", 1), []string{"--delegation"},
			[]string{"VirtualHost \"example.org\"\n", "VirtualHost \"guest.example.org\"\n"}, nil},
		{"another port", server("127.0.0.1:15347"), nil, []string{"component_ports = { 15347 }\n"}, []string{"component_interfaces"}},
		{"another machine", server("xmpp.example.org:5347"), nil, []string{"component_ports = { 5347 }\n", "component_interfaces = { \"*\" }", "xmpp.example.org:5347"}, nil},
		{"loopback by name", server("localhost:5347"), nil, nil, []string{"component_ports", "component_interfaces"}},
		{"loopback of IPv6", server("[::1]:5347"), nil, nil, []string{"component_ports", "component_interfaces"}},
		{"a secret that Lua would misread", strings.Replace(testkit.MinimalConfig, `secret_file = "component.secret"`, `secret = 'a"b\c'`, 1), nil,
			[]string{`component_secret = "a\"b\\c"`}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			out := runCommand(t, "", append([]string{"prosody-config", "--config", testkit.WriteConfig(t, tt.config)}, tt.args...)...)
			if out.status != statusOK {
				t.Fatalf("status %d: %s", out.status, out.stderr)
			}
			for _, text := range tt.has {
				if !strings.Contains(out.stdout, text) {
					t.Errorf("%q is missing in:\n%s", text, out.stdout)
				}
			}
			for _, text := range tt.hasNot {
				if strings.Contains(out.stdout, text) {
					t.Errorf("%q is in:\n%s", text, out.stdout)
				}
			}
		})
	}
}

func TestProsodyConfigOfBrokenConfigFails(t *testing.T) {
	out := runCommand(t, "", "prosody-config", "--config", testkit.WriteConfig(t, "[component]\njid = 1\n"))
	if out.status != statusFailed || out.stdout != "" {
		t.Errorf("status %d, printed %q", out.status, out.stdout)
	}
}
