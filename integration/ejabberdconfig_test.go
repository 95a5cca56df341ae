//go:build integration

package integration

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"extdisco/integration/lab"
	"extdisco/internal/testkit"
)

// ejabberdBefore is a configuration of ejabberd as it is before extdisco comes, with a
// section of each kind that ejabberd-config prints.
const ejabberdBefore = `
loglevel: debug
hosts: [meet.example.org, corp.example.net]
auth_method: anonymous
anonymous_protocol: sasl_anon
s2s_access: none
listen:
  - {port: {{.C2SPort}}, ip: "127.0.0.1", module: ejabberd_c2s}
acl:
  local: {user_regexp: ""}
access_rules:
  local: {allow: local}
modules:
  mod_disco: {}
append_host_config:
  corp.example.net: {modules: {mod_ping: {}}}
`

// merge puts the sections of more into those of base that have the same name, as the
// administrator is told to do.
func merge(base, more any) any {
	switch more := more.(type) {
	case map[string]any:
		into, ok := base.(map[string]any)
		if !ok {
			return more
		}
		for key, value := range more {
			into[key] = merge(into[key], value)
		}
		return into
	case []any:
		list, _ := base.([]any)
		return append(list, more...)
	}
	return more
}

// TestIntegrationEjabberdConfig starts ejabberd with what ejabberd-config prints, and asks
// for services on both hosts.
func TestIntegrationEjabberdConfig(t *testing.T) {
	t.Parallel()
	port, err := lab.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	config := fmt.Sprintf("[component]\njid = %q\nserver = \"127.0.0.1:%d\"\nsecret = %q\nhosts = [%q, %q]\n[[ice_server]]\nurls = [\"turn:turn.example.org\"]\nsecret = %q\n",
		turnJID, port, `a "secret": # of \ YAML's é`, meetHost, corpHost, sharedSecret)
	file := filepath.Join(dir, "config.toml")
	testkit.WriteFile(t, file, config)
	printed, err := exec.CommandContext(stepContext(t), binary, "ejabberd-config", "--config", file).Output()
	if err != nil {
		t.Fatal(err)
	}
	server, err := lab.StartEjabberd(t.Context(), lab.XMPPConfig{Dir: t.TempDir(), Hosts: []lab.Host{{Name: meetHost}, {Name: corpHost}},
		Template: mergeYAML(t, ejabberdBefore, string(printed))})
	if err != nil {
		t.Fatal(err)
	}
	keep(t, server)
	startExtdisco(t, lab.ExtdiscoConfig{Config: config})
	for _, host := range []string{meetHost, corpHost} {
		r := runQuery(t, host, "--address", server.C2SAddr, "--tls", "none", "--insecure", "--config", file)
		if r.status != 0 || !strings.Contains(r.stdout, "answered urn:xmpp:extdisco:2 with 1 service") || !strings.Contains(r.stdout, "answered urn:xmpp:extdisco:1 with 1 service") {
			t.Errorf("%s: %+v", host, r)
		}
	}
}

// mergeYAML merges two documents. The first is a template of the lab.
func mergeYAML(t *testing.T, base, more string) string {
	t.Helper()
	const port = "C2SPORT"
	var merged, added any
	if err := yaml.Unmarshal([]byte(strings.Replace(base, "{{.C2SPort}}", port, 1)), &merged); err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal([]byte(more), &added); err != nil {
		t.Fatalf("%v in\n%s", err, more)
	}
	out, err := yaml.Marshal(merge(merged, added))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Replace(string(out), port, "{{.C2SPort}}", 1)
}
