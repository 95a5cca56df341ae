//go:build integration

package integration

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"extdisco/integration/lab"
)

// setupScene is a tree as packages leave it, beside a TURN server that runs.
type setupScene struct {
	t    *testing.T
	root string
	ca   *lab.CA
	turn *lab.Coturn
	port int  // where Prosody accepts components
	web  bool // whether Prosody speaks WebSocket, as for Jitsi Meet
}

func newSetupScene(t *testing.T) *setupScene {
	t.Helper()
	s := &setupScene{t: t, root: shortDir(t)}
	var err error
	if s.ca, err = lab.NewCA(t.TempDir()); err != nil {
		t.Fatal(err)
	}
	if s.turn, err = lab.StartCoturn(t.Context(), lab.CoturnConfig{Dir: t.TempDir(), Secrets: []string{sharedSecret}, CA: s.ca}); err != nil {
		t.Fatal(err)
	}
	keep(t, s.turn)
	if s.port, err = lab.FreePort(); err != nil {
		t.Fatal(err)
	}
	return s
}

// write writes a file of the tree.
func (s *setupScene) write(name, content string) {
	s.t.Helper()
	file := filepath.Join(s.root, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(content), 0o640); err != nil {
		s.t.Fatal(err)
	}
}

// debianProsody puts the configuration of Debian's package into the tree, as it is
// installed on this machine, with the port for components.
func (s *setupScene) debianProsody() {
	s.t.Helper()
	content, err := os.ReadFile("/etc/prosody/prosody.cfg.lua")
	if err != nil {
		s.t.Fatal(err)
	}
	s.write("etc/prosody/prosody.cfg.lua", replace(s.t, string(content), "\nauthentication = ", fmt.Sprintf("\ncomponent_ports = { %d }\nauthentication = ", s.port)))
	s.write("etc/prosody/conf.avail/localhost.cfg.lua", "VirtualHost \"localhost\"\n")
	s.write("etc/group", "root:x:0:\nprosody:x:106:\nextdisco:x:107:\n")
	if err := os.Mkdir(filepath.Join(s.root, "etc/prosody/conf.d"), 0o755); err != nil {
		s.t.Fatal(err)
	}
	s.link("localhost")
}

// link enables a host, as Debian and Jitsi Meet do.
func (s *setupScene) link(host string) {
	s.t.Helper()
	name := host + ".cfg.lua"
	if err := os.Symlink("../conf.avail/"+name, filepath.Join(s.root, "etc/prosody/conf.d", name)); err != nil {
		s.t.Fatal(err)
	}
}

// run runs extdisco setup on the tree and returns what it prints.
func (s *setupScene) run(args ...string) (string, error) {
	var out bytes.Buffer
	cmd := exec.CommandContext(stepContext(s.t), binary, append([]string{"setup", "--root", s.root}, args...)...)
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	for _, secret := range []string{sharedSecret, s.handshake()} {
		if secret != "" && strings.Contains(out.String(), secret) {
			s.t.Errorf("setup %s prints a secret", args)
		}
	}
	return out.String(), err
}

func (s *setupScene) mustRun(args ...string) string {
	s.t.Helper()
	out, err := s.run(args...)
	if err != nil {
		s.t.Fatalf("setup %s: %v\n%s", args, err, out)
	}
	return out
}

// handshake returns the handshake secret, or nothing before setup.
func (s *setupScene) handshake() string {
	secret, _ := os.ReadFile(filepath.Join(s.root, "etc/extdisco/secrets/component.secret"))
	return strings.TrimSpace(string(secret))
}

// files returns the tree: mode, owner and content of each file, by its name.
func (s *setupScene) files() map[string]string {
	s.t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(s.root, func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		var content []byte
		switch {
		case info.Mode().IsRegular():
			if content, err = os.ReadFile(file); err != nil {
				return err
			}
		case info.Mode()&fs.ModeSymlink != 0:
			target, err := os.Readlink(file)
			if err != nil {
				return err
			}
			content = []byte(target)
		}
		files[strings.TrimPrefix(file, s.root)] = fmt.Sprintf("%v %d\n%s", info.Mode(), info.Sys().(*syscall.Stat_t).Gid, content)
		return nil
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return files
}

// startProsody starts Prosody with the configuration of the tree. What cannot be
// as on a machine of its own is set behind it: ports, folders, users.
func (s *setupScene) startProsody(program, modules string) *scene {
	s.t.Helper()
	return s.startIncluding(program, meetHost, filepath.Join(s.root, "etc/prosody/prosody.cfg.lua"), modules)
}

// startIncluding starts Prosody with a configuration, with the modules in a folder of the
// tree.
func (s *setupScene) startIncluding(program, domain, file, modules string) *scene {
	s.t.Helper()
	plugins, err := filepath.Abs("plugins")
	if err != nil {
		s.t.Fatal(err)
	}
	config := fmt.Sprintf(`Include %q
VirtualHost "*"
run_as_root = true
data_path = {{quote .Dir}} .. "/data"
pidfile = {{quote .Dir}} .. "/prosody.pid"
log = { { levels = { min = "debug" }, to = "file", filename = {{quote .Dir}} .. "/prosody.log" } }
interfaces = { "127.0.0.1" }
c2s_ports = { {{.C2SPort}} }
c2s_direct_tls_ports = { }
http_ports = { {{if .HTTP}}{{.HTTPPort}}{{end}} }
https_ports = { }
http_interfaces = { "127.0.0.1" }
http_default_host = %q
consider_websocket_secure = true
s2s_ports = { }
s2s_direct_tls_ports = { }
modules_disabled = { "s2s", "admin_shell", "posix", "tls" }
c2s_require_encryption = false
authentication = "anonymous"
plugin_paths = { %q, %q }
`, file, domain, filepath.Join(s.root, modules), plugins)
	server, err := lab.StartProsody(s.t.Context(), lab.XMPPConfig{Dir: shortDir(s.t), Program: program, Template: config, HTTP: s.web, Hosts: []lab.Host{{Name: domain, Anonymous: true}}})
	if err != nil {
		s.t.Fatal(err)
	}
	keep(s.t, server)
	return &scene{t: s.t, kind: "prosody", ca: s.ca, xmpp: server, turn: s.turn}
}

// startExtdisco starts extdisco with the configuration of the tree.
func (s *setupScene) startExtdisco() {
	s.t.Helper()
	folder := filepath.Join(s.root, "etc/extdisco")
	config, err := os.ReadFile(filepath.Join(folder, "config.toml"))
	if err != nil {
		s.t.Fatal(err)
	}
	startExtdisco(s.t, lab.ExtdiscoConfig{Config: strings.ReplaceAll(string(config), `"secrets/`, fmt.Sprintf(`"%s/secrets/`, folder)), Args: []string{"--log-level", "debug"}})
}

// jitsiTree is the part of Jitsi Meet's configuration of Prosody that matters here, in the
// form of its Debian package.
func (s *setupScene) jitsiTree() {
	s.t.Helper()
	s.web = true
	s.debianProsody()
	s.write("etc/prosody/conf.avail/"+meetHost+".cfg.lua", fmt.Sprintf(`plugin_paths = { "/usr/share/jitsi-meet/prosody-plugins/" }

muc_mapper_domain_base = %[1]q;

external_service_secret = %[2]q;
external_services = {
     { type = "stun", host = "127.0.0.1", port = %[3]d },
     { type = "turn", host = "127.0.0.1", port = %[3]d, transport = "udp", secret = true, ttl = 86400, algorithm = "turn" },
     { type = "turns", host = "127.0.0.1", port = %[4]d, transport = "tcp", secret = true, ttl = 86400, algorithm = "turn" }
};

consider_bosh_secure = true;

VirtualHost %[1]q
    authentication = "jitsi-anonymous" -- do not delete me
    modules_enabled = {
        "bosh";
        "features_identity";
        "websocket";
        "smacks";
        "ping"; -- Enable mod_ping
        "external_services";
    }
    main_muc = "conference.%[1]s"

Component "conference.%[1]s" "muc"
    restrict_room_creation = true
    storage = "memory"
    admins = { "focus@auth.%[1]s" }
    muc_room_locking = false
    muc_room_default_public_jids = true

VirtualHost "auth.%[1]s"
    authentication = "internal_hashed"

VirtualHost "guest.%[1]s"
    authentication = "jitsi-anonymous"

Component "focus.%[1]s" "client_proxy"
    target_address = "focus@auth.%[1]s"

Component "speakerstats.%[1]s" "speakerstats_component"
    muc_component = "conference.%[1]s"

Component "metadata.%[1]s" "room_metadata_component"
    muc_component = "conference.%[1]s"
    breakout_rooms_component = "breakout.%[1]s"
`, meetHost, sharedSecret, s.turn.Port, s.turn.TLSPort))
	s.link(meetHost)
}

// TestIntegrationSetupJitsi sets Jitsi Meet's Debian configuration up, starts Prosody on it,
// and uses what a participant gets on a real TURN server.
func TestIntegrationSetupJitsi(t *testing.T) { eachProsody(t, setupJitsi) }

func setupJitsi(t *testing.T, program string) {
	s := newSetupScene(t)
	s.jitsiTree()
	before := s.files()

	if out := s.mustRun("--dry-run", "--remove-old"); !strings.Contains(out, "Nothing was written.") || !strings.Contains(out, "+-- external_services = {") {
		t.Errorf("dry run: %s", out)
	}
	sameFiles(t, "after the dry run", s.files(), before)
	s.mustRun("--yes", "--remove-old")
	prosody := s.startProsody(program, "usr/share/jitsi-meet/prosody-plugins")
	s.startExtdisco()

	testPushed(t, prosody, meetHost, mucHost)
	if _, err := prosody.query("guest."+meetHost, "--to", meetHost); err != nil {
		t.Errorf("guests: %v", err)
	}
	if program == prosodies["0.12"] { // what Debian's packages of Jitsi Meet run on
		testSetupCall(t, prosody, meetHost, mucHost)
	}
	if strings.Contains(prosody.xmpp.Log(), "list of TURN servers of its own") {
		t.Error("Prosody still has its old list")
	}

	after := s.files()
	if out := s.mustRun("--yes", "--remove-old"); !strings.Contains(out, "nothing to do") {
		t.Errorf("the second run: %s", out)
	}
	sameFiles(t, "after the second run", s.files(), after)
	s.mustRun("--undo", "--yes")
	sameFiles(t, "after --undo", s.files(), before)
}

// TestIntegrationSetupProsody sets a Prosody without Jitsi Meet up, whose TURN server is
// coturn on the same machine, and lets other people's clients and a browser use it.
func TestIntegrationSetupProsody(t *testing.T) {
	s := newSetupScene(t)
	s.debianProsody()
	s.write("etc/prosody/conf.avail/"+meetHost+".cfg.lua", fmt.Sprintf("VirtualHost %q\n", meetHost))
	s.link(meetHost)
	s.write("etc/turnserver.conf", fmt.Sprintf("listening-port=%d\ntls-listening-port=%d\ncert=/etc/cert.pem\npkey=/etc/key.pem\nuse-auth-secret\nstatic-auth-secret=%s\nrealm=example.org\n",
		s.turn.Port, s.turn.TLSPort, sharedSecret))
	before := s.files()
	s.mustRun("--yes", "--turn-host", "127.0.0.1")
	prosody := s.startProsody("", "usr/local/lib/prosody/modules")
	s.startExtdisco()
	err := lab.Poll(stepContext(t), func(context.Context) error {
		_, err := prosody.query(meetHost)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	testForeignCall(t, prosody)
	s.mustRun("--undo", "--yes")
	sameFiles(t, "after --undo", s.files(), before)
}

// TestIntegrationSetupKilled kills setup as it begins to write. Whatever it had written by
// then, it can be undone, or run again and undone.
func TestIntegrationSetupKilled(t *testing.T) {
	s := newSetupScene(t)
	s.jitsiTree()
	before := s.files()
	for i := range 10 {
		cmd := exec.CommandContext(stepContext(t), binary, "setup", "--root", s.root, "--yes", "--remove-old")
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for lines.Scan() && !strings.HasPrefix(lines.Text(), "To be written:") {
		}
		err = cmd.Process.Kill()
		if _, e := io.Copy(io.Discard, out); e != nil {
			t.Fatal(e)
		}
		if e := cmd.Wait(); err != nil && !errors.Is(err, os.ErrProcessDone) {
			t.Fatal(err, e)
		}
		if i%2 == 0 {
			s.mustRun("--yes", "--remove-old")
		}
		s.mustRun("--undo", "--yes")
		sameFiles(t, "after --undo", s.files(), before)
	}
}

func sameFiles(t *testing.T, when string, got, want map[string]string) {
	t.Helper()
	for name, content := range want {
		if got[name] != content {
			t.Errorf("%s %s is different", when, name)
		}
	}
	for name := range got {
		if _, known := want[name]; !known {
			t.Errorf("%s there is %s", when, name)
		}
	}
}
