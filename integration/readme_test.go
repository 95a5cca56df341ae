//go:build integration

package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"extdisco/integration/lab"
)

// readmeBlock returns the first block of the language in README.md.
func readmeBlock(t *testing.T, language string) string { return pageBlock(t, "README.md", language) }

// pageBlock returns the first block of the language in a page.
func pageBlock(t *testing.T, file, language string) string {
	t.Helper()
	page, err := os.ReadFile("../" + file)
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile("(?s)```" + language + "\n(.*?)```").FindSubmatch(page)
	if m == nil {
		t.Fatalf("%s has no block of %s", file, language)
	}
	return string(m[1])
}

// replace replaces what must be there once.
func replace(t *testing.T, text, old, new string) string {
	t.Helper()
	if strings.Count(text, old) != 1 {
		t.Fatalf("%q does not stand once in:\n%s", old, text)
	}
	return strings.Replace(text, old, new, 1)
}

const secretInReadme = "the content of component.secret"

// TestIntegrationReadme installs extdisco as README.md says: its blocks are
// taken from the page and completed only by what an administrator has already.
func TestIntegrationReadme(t *testing.T) {
	t.Parallel()
	const prosody = `run_as_root = true
data_path = {{quote .Dir}} .. "/data"
pidfile = {{quote .Dir}} .. "/prosody.pid"
log = { { levels = { min = "debug" }, to = "file", filename = {{quote .Dir}} .. "/prosody.log" } }
interfaces = { "127.0.0.1" }
c2s_ports = { {{.C2SPort}} }
component_ports = { {{.ComponentPort}} }
modules_enabled = { "disco", "roster", "saslauth" }
modules_disabled = { "s2s" }
c2s_require_encryption = false
`
	templates := map[string]func(t *testing.T) string{
		"prosody": func(t *testing.T) string {
			file := filepath.Join(t.TempDir(), "extdisco.cfg.lua") // in conf.d
			write(t, file, replace(t, readmeBlock(t, "lua"), secretInReadme, handshakeSecret))
			return prosody + pluginPaths(t) + fmt.Sprintf("VirtualHost %q\n\tauthentication = \"anonymous\"\nInclude %q\n", meetHost, file)
		},
		"prosody with delegation": func(t *testing.T) string {
			block := replace(t, pageBlock(t, "docs/delegation.md", "lua"), secretInReadme, handshakeSecret)
			return prosody + replace(t, block, "-- what you have here stays;", `authentication = "anonymous" --`)
		},
		"ejabberd": func(t *testing.T) string {
			block := replace(t, pageBlock(t, "docs/servers.md", "yaml"), secretInReadme, handshakeSecret)
			block = replace(t, block, "port: 5347", "port: {{.ComponentPort}}")
			block = replace(t, block, "listen:\n", "listen:\n  - { port: {{.C2SPort}}, ip: \"127.0.0.1\", module: ejabberd_c2s }\n")
			return "hosts: [" + meetHost + "]\nauth_method: anonymous\nanonymous_protocol: sasl_anon\nmodules:\n  mod_disco: {}\n" + block
		},
	}
	for kind, template := range templates {
		t.Run(kind, func(t *testing.T) {
			server, _, _ := strings.Cut(kind, " ")
			s := newScene(t, server, sceneConfig{noExtdisco: true, xmpp: func(cfg *lab.XMPPConfig) {
				cfg.Template = template(t)
				cfg.Hosts = []lab.Host{{Name: meetHost, Anonymous: true}}
			}})
			secrets := t.TempDir()
			for file, content := range map[string]string{"component.secret": handshakeSecret, "turn.secret": sharedSecret} {
				write(t, filepath.Join(secrets, file), content+"\n")
			}
			config := readmeBlock(t, "toml")
			config = replace(t, config, "[component]\n", fmt.Sprintf("[component]\nserver = %q\n", s.xmpp.ComponentAddr))
			config = replace(t, config, `"secrets/component.secret"`, fmt.Sprintf("%q", secrets+"/component.secret"))
			config = replace(t, config, `"secrets/turn.secret"`, fmt.Sprintf("%q", secrets+"/turn.secret"))
			config = strings.ReplaceAll(config, "turn.example.org:3478", fmt.Sprintf("127.0.0.1:%d", s.turn.Port))
			config = strings.ReplaceAll(config, "turn.example.org:5349", fmt.Sprintf("127.0.0.1:%d", s.turn.TLSPort))
			s.extdisco = startExtdisco(t, lab.ExtdiscoConfig{Config: config})
			out, err := s.query(meetHost)
			if err != nil {
				t.Fatal(err)
			}
			for _, v := range out.Answers[0].Services {
				if v.Type == "stun" {
					continue
				}
				if err := s.allocate(v); err != nil {
					t.Errorf("%s over %s: %v", v.Type, v.Transport, err)
				}
			}
			if n := len(out.Answers[0].Services); n != 4 {
				t.Errorf("%d services", n)
			}
		})
	}
}
