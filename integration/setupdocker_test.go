//go:build integration

package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"text/template"

	"extdisco/integration/lab"
)

// dockerFunctions are what the templates of docker-jitsi-meet call.
var dockerFunctions = template.FuncMap{
	"default": func(otherwise, value any) any {
		if value == nil || value == "" {
			return otherwise
		}
		return value
	},
	"toBool":     func(v any) bool { s := fmt.Sprint(v); return s == "1" || s == "true" },
	"splitList":  func(separator, s string) []string { return strings.Split(s, separator) },
	"compact":    func(list []string) []string { return slices.DeleteFunc(list, func(s string) bool { return s == "" }) },
	"join":       func(separator string, list []string) string { return strings.Join(list, separator) },
	"trimPrefix": func(prefix, s string) string { return strings.TrimPrefix(s, prefix) },
	"trimSuffix": func(suffix, s string) string { return strings.TrimSuffix(s, suffix) },
	"split":      func(separator, s string) map[string]string { return numbered(strings.Split(s, separator)) },
	"add":        func(a, b int) int { return a + b },
	"splitn": func(separator string, n int, s string) map[string]string {
		return numbered(strings.SplitN(s, separator, n))
	},
}

// numbered returns parts as the templates name them: _0, _1.
func numbered(parts []string) map[string]string {
	named := map[string]string{}
	for i, part := range parts {
		named[fmt.Sprint("_", i)] = part
	}
	return named
}

// renderDocker writes Prosody's configuration into a folder, as the image does at each
// start: what the administrator has put there, and the templates, filled from .env.
func (s *setupScene) renderDocker(env map[string]string) string {
	s.t.Helper()
	run := shortDir(s.t)
	if err := os.CopyFS(run, os.DirFS(filepath.Join(s.root, "cfg/prosody/config"))); err != nil {
		s.t.Fatal(err)
	}
	for name, folder := range map[string]string{"prosody.cfg.lua": "", "jitsi-meet.cfg.lua": "conf.d"} {
		text, err := os.ReadFile(filepath.Join("testdata/docker-jitsi-meet", name))
		if err != nil {
			s.t.Fatal(err)
		}
		page, err := template.New(name).Funcs(dockerFunctions).Parse(string(text))
		if err != nil {
			s.t.Fatal(err)
		}
		var out strings.Builder
		if err := page.Execute(&out, struct{ Env map[string]string }{env}); err != nil {
			s.t.Fatal(err)
		}
		write(s.t, filepath.Join(run, folder, name), out.String())
	}
	// In a container of its own this is all interfaces, and always the same port.
	file := filepath.Join(run, "conf.d/extdisco.cfg.lua")
	conf, err := os.ReadFile(file)
	if err != nil {
		s.t.Fatal(err)
	}
	write(s.t, file, replace(s.t, replace(s.t, string(conf), "{ 5347 }", fmt.Sprintf("{ %d }", s.port)), `{ "*" }`, `{ "127.0.0.1" }`))
	return run
}

// readEnv reads NAME=VALUE.
func (s *setupScene) readEnv(name string) map[string]string {
	s.t.Helper()
	text, err := os.ReadFile(filepath.Join(s.root, name))
	if err != nil {
		s.t.Fatal(err)
	}
	env := map[string]string{}
	for line := range strings.Lines(string(text)) {
		if name, value, found := strings.Cut(strings.TrimSpace(line), "="); found && !strings.HasPrefix(name, "#") {
			env[name] = strings.Trim(value, `"'`)
		}
	}
	return env
}

// TestIntegrationSetupDocker sets docker-jitsi-meet up, renders the templates of its image
// and starts Prosody on that, and uses what a participant gets on a real TURN server.
func TestIntegrationSetupDocker(t *testing.T) {
	for _, domain := range []string{"meet.jitsi", "video.example.org"} {
		t.Run(domain, func(t *testing.T) {
			eachProsody(t, func(t *testing.T, program string) { setupDocker(t, program, domain) })
		})
	}
}

func setupDocker(t *testing.T, program, domain string) {
	const muc = "muc.meet.jitsi" // XMPP_MUC_DOMAIN
	s := newSetupScene(t)
	s.web = true
	env := fmt.Sprintf("# Basic\nCONFIG=/cfg\nXMPP_DOMAIN=%s\nJICOFO_AUTH_PASSWORD=another\nPROSODY_C2S_REQUIRE_ENCRYPTION=0\n\nTURN_HOST=127.0.0.1\nTURN_PORT=%d\nTURN_TRANSPORT=udp,tcp\nTURNS_HOST=\"127.0.0.1\"\nTURNS_PORT=%d\nTURN_CREDENTIALS='%s'\nTZ=UTC\n",
		domain, s.turn.Port, s.turn.TLSPort, sharedSecret)
	s.write("jitsi/.env", env)
	s.write("jitsi/docker-compose.yml", "services: {}\n")
	before := s.files()
	if out := s.mustRun("--docker-jitsi-meet", "/jitsi", "--yes"); strings.Contains(out, "not encrypted") {
		t.Errorf("warns of the network of the containers: %s", out)
	}
	changed := s.readEnv("jitsi/.env")
	if changed["TURN_HOST"] != "" || changed["TURN_CREDENTIALS"] != "" || changed["JICOFO_AUTH_PASSWORD"] != "another" || changed["TZ"] != "UTC" {
		t.Errorf(".env: %v", changed)
	}
	run := s.renderDocker(changed)
	prosody := s.startIncluding(program, domain, filepath.Join(run, "prosody.cfg.lua"), "cfg/prosody/prosody-plugins-custom")

	folder := filepath.Join(s.root, "cfg/extdisco")
	config, err := os.ReadFile(filepath.Join(folder, "config.toml"))
	if err != nil {
		t.Fatal(err)
	}
	text := strings.ReplaceAll(string(config), `"secrets/`, fmt.Sprintf(`"%s/secrets/`, folder))
	text = replace(t, text, "xmpp.meet.jitsi:5347", fmt.Sprintf("127.0.0.1:%d", s.port))
	text = replace(t, text, "[http]\nlisten = \"127.0.0.1:9215\"\n", "")
	startExtdisco(t, lab.ExtdiscoConfig{Config: text})

	testPushed(t, prosody, domain, muc)
	if program != prosodies["0.12"] { // the image has 13
		testSetupCall(t, prosody, domain, muc)
	}
	if out := s.mustRun("--docker-jitsi-meet", "/jitsi", "--yes"); !strings.Contains(out, "nothing to do") {
		t.Errorf("the second run: %s", out)
	}
	s.mustRun("--undo", "--yes")
	sameFiles(t, "after --undo", s.files(), before)
}
