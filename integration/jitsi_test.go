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
const jitsiComponents = "\nComponent \"" + mucHost + "\" \"muc\"\n\nComponent \"" + metadataHost + "\" \"list_services\"\n"

// TestIntegrationJitsiPage does what docs/jitsi.md says, with the blocks of the
// page, and asks as clients of both ways do.
func TestIntegrationJitsiPage(t *testing.T) {
	page := jitsiPage(t)
	host := func(name string) string {
		return fmt.Sprintf("\nVirtualHost %q\n    authentication = \"anonymous\"\n", name)
	}
	existing := host(meetHost) + host(guestHost) + jitsiComponents // what is there before
	include := func(t *testing.T, block string) string {           // a file of conf.d
		file := filepath.Join(shortDir(t), "extdisco.cfg.lua")
		write(t, file, block)
		return fmt.Sprintf("\nInclude %q\n", file)
	}
	byHand := page["By hand"]
	config := blocks(byHand, "toml")[0]
	base := jitsiBase + pluginPaths(t) + "component_ports = { {{.ComponentPort}} }\n" + existing
	t.Run("the page", func(t *testing.T) {
		runJitsi(t, base+include(t, replace(t, blocks(byHand, "lua")[0], secretInReadme, handshakeSecret)), config)
	})
	t.Run("prosody-config", func(t *testing.T) {
		dir := t.TempDir()
		write(t, filepath.Join(dir, "component.secret"), handshakeSecret+"\n")
		write(t, filepath.Join(dir, "turn.secret"), sharedSecret+"\n")
		write(t, filepath.Join(dir, "config.toml"), config)
		printed, err := exec.CommandContext(stepContext(t), binary, "prosody-config", "--config", filepath.Join(dir, "config.toml")).Output()
		if err != nil {
			t.Fatal(err)
		}
		runJitsi(t, base+include(t, string(printed)), config)
	})
}

// runJitsi starts Prosody and extdisco with these configurations, and asks and lists on them.
func runJitsi(t *testing.T, prosody, config string) {
	t.Helper()
	s := newBridgeScene(t, bridgeScene{sceneConfig: sceneConfig{noExtdisco: true, xmpp: func(cfg *lab.XMPPConfig) {
		cfg.Template = prosody
		cfg.Dir = shortDir(t)
		cfg.Hosts = []lab.Host{{Name: meetHost, Anonymous: true}}
	}}})
	secrets := t.TempDir()
	config = replace(t, config, "[component]\n", fmt.Sprintf("[component]\nserver = %q\n", s.xmpp.ComponentAddr))
	for file, content := range map[string]string{"component.secret": handshakeSecret, "turn.secret": sharedSecret} {
		write(t, filepath.Join(secrets, file), content+"\n")
		config = replace(t, config, fmt.Sprintf("%q", file), fmt.Sprintf("%q", filepath.Join(secrets, file)))
	}
	config = strings.ReplaceAll(config, "turn.example.org:3478", fmt.Sprintf("127.0.0.1:%d", s.turn.Port))
	config = strings.ReplaceAll(config, "turn.example.org:5349", fmt.Sprintf("127.0.0.1:%d", s.turn.TLSPort))
	s.extdisco = startExtdisco(t, lab.ExtdiscoConfig{Config: config})

	c := dialRaw(t, s.xmpp.C2SAddr, meetHost, "")
	services := c.waitListed(metadataHost, 3)
	relayUser(t, services)
	out, err := s.query(meetHost)
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
	for _, line := range []string{"extdisco is connected as " + turnJID + " and answers for " + meetHost, metadataHost + " lists 3 services from extdisco"} {
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
