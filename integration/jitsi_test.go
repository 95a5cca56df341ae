//go:build integration

package integration

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"extdisco/integration/lab"
)

// jitsiPage is docs/jitsi.md cut at its headings, by their text.
func jitsiPage(t *testing.T) map[string]string {
	t.Helper()
	page, err := os.ReadFile("../docs/jitsi.md")
	if err != nil {
		t.Fatal(err)
	}
	sections := map[string]string{}
	for section := range strings.SplitSeq("\n"+string(page), "\n## ") {
		heading, text, _ := strings.Cut(section, "\n")
		sections[heading] = text
	}
	return sections
}

// blocks returns the blocks of a language in a section, in their order.
func blocks(section, language string) []string {
	var out []string
	for _, m := range regexp.MustCompile("(?s)   ```"+language+"\n(.*?)   ```").FindAllStringSubmatch(section, -1) {
		out = append(out, m[1])
	}
	return out
}

// jitsiBase is the part of Prosody's configuration that is there before, in the
// way of Jitsi's packages, without their modules.
const jitsiBase = `run_as_root = true
data_path = {{quote .Dir}} .. "/data"
pidfile = {{quote .Dir}} .. "/prosody.pid"
log = { { levels = { min = "debug" }, to = "file", filename = {{quote .Dir}} .. "/prosody.log" } }
interfaces = { "127.0.0.1" }
c2s_ports = { {{.C2SPort}} }
http_ports = { }
https_ports = { }
modules_enabled = { "disco", "roster", "saslauth", "ping" }
modules_disabled = { "s2s" }
c2s_require_encryption = false
`

// jitsiComponents are the hosts beside the main one.
func jitsiComponents(domain string) string {
	return fmt.Sprintf("\nComponent %q \"muc\"\n\nComponent %q \"list_services\"\n", "conference."+domain, "metadata."+domain)
}

// TestIntegrationJitsiPage does what docs/jitsi.md says, with the blocks of the
// page, and asks as clients of both ways do.
func TestIntegrationJitsiPage(t *testing.T) {
	page := jitsiPage(t)
	existing := func(domain string) string { // what is there before
		host := func(name string) string {
			return fmt.Sprintf("\nVirtualHost %q\n    authentication = \"anonymous\"\n", name)
		}
		return host(domain) + host("guest."+domain) + jitsiComponents(domain)
	}
	include := func(t *testing.T, block string) string { // a file of conf.d
		file := filepath.Join(shortDir(t), "extdisco.cfg.lua")
		write(t, file, block)
		return fmt.Sprintf("\nInclude %q\n", file)
	}
	debian := blocks(page["Debian packages"], "toml")[0]
	t.Run("debian", func(t *testing.T) {
		runJitsi(t, jitsiScene{
			domain: meetHost,
			prosody: jitsiBase + pluginPaths(t) + "component_ports = { {{.ComponentPort}} }\n" + existing(meetHost) +
				include(t, replace(t, blocks(page["Debian packages"], "lua")[0], secretInReadme, handshakeSecret)),
			config: debian,
		})
	})
	t.Run("docker", func(t *testing.T) {
		const domain = "meet.jitsi"
		program, err := filepath.Abs(prosodies["13"])
		if err != nil {
			t.Fatal(err)
		}
		// The port is known once the lab has chosen it, so that the file is not included.
		block := replace(t, blocks(page["docker-jitsi-meet"], "lua")[0], secretInReadme, handshakeSecret)
		block = replace(t, block, "5347", "{{.ComponentPort}}")
		block = replace(t, block, `"*"`, `"127.0.0.1"`) // all of them, in a container of its own
		ports, component, _ := strings.Cut(block, "\n\n")
		runJitsi(t, jitsiScene{
			domain: domain, program: program,
			prosody: jitsiBase + pluginPaths(t) + "component_ports = { }\n" + ports + "\n" + existing(domain) + component,
			config:  regexp.MustCompile(`(?m)^ *server .*\n`).ReplaceAllString(blocks(page["docker-jitsi-meet"], "toml")[0], ""),
		})
	})
	t.Run("prosody-config", func(t *testing.T) {
		dir := t.TempDir()
		write(t, filepath.Join(dir, "component.secret"), handshakeSecret+"\n")
		write(t, filepath.Join(dir, "turn.secret"), sharedSecret+"\n")
		write(t, filepath.Join(dir, "config.toml"), debian)
		printed, err := exec.CommandContext(stepContext(t), binary, "prosody-config", "--config", filepath.Join(dir, "config.toml")).Output()
		if err != nil {
			t.Fatal(err)
		}
		runJitsi(t, jitsiScene{
			domain:  meetHost,
			prosody: jitsiBase + pluginPaths(t) + "component_ports = { {{.ComponentPort}} }\n" + existing(meetHost) + include(t, string(printed)),
			config:  debian,
		})
	})
}

type jitsiScene struct {
	domain, program string
	prosody, config string
}

func runJitsi(t *testing.T, j jitsiScene) {
	t.Helper()
	s := newBridgeScene(t, bridgeScene{sceneConfig: sceneConfig{noExtdisco: true, xmpp: func(cfg *lab.XMPPConfig) {
		cfg.Template, cfg.Program = j.prosody, j.program
		cfg.Dir = shortDir(t)
		cfg.Hosts = []lab.Host{{Name: j.domain, Anonymous: true}}
	}}})
	secrets := t.TempDir()
	config := replace(t, j.config, "[component]\n", fmt.Sprintf("[component]\nserver = %q\n", s.xmpp.ComponentAddr))
	for file, content := range map[string]string{"component.secret": handshakeSecret, "turn.secret": sharedSecret} {
		write(t, filepath.Join(secrets, file), content+"\n")
		config = replace(t, config, fmt.Sprintf("%q", file), fmt.Sprintf("%q", filepath.Join(secrets, file)))
	}
	config = strings.ReplaceAll(config, "turn.example.org:3478", fmt.Sprintf("127.0.0.1:%d", s.turn.Port))
	config = strings.ReplaceAll(config, "turn.example.org:5349", fmt.Sprintf("127.0.0.1:%d", s.turn.TLSPort))
	s.extdisco = startExtdisco(t, lab.ExtdiscoConfig{Config: config})

	c := dialRaw(t, s.xmpp.C2SAddr, j.domain, "")
	services := c.waitListed("metadata."+j.domain, 3)
	relayUser(t, services)
	out, err := s.query(j.domain)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range append(services, out.Answers[0].Services...) {
		if v.Type == "stun" {
			continue
		}
		if err := s.allocate(v); err != nil {
			t.Errorf("%s over %s: %v", v.Type, v.Transport, err)
		}
	}
	if n := len(out.Answers[0].Services); n != 3 {
		t.Errorf("%d services", n)
	}
	// What the page says that the log says.
	for _, line := range []string{"extdisco is connected as turn." + j.domain + " and answers for " + j.domain, "metadata." + j.domain + " lists 3 services from extdisco"} {
		if !strings.Contains(s.xmpp.Log(), line) {
			t.Errorf("Prosody's log does not say: %s", line)
		}
	}
}

// shortDir returns a temporary folder with a short name. Prosody 13 fails to say
// that an option is set twice in a file whose name has more than 60 characters,
// and the images set component_ports twice.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}
