//go:build integration

package packages

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"extdisco/integration/lab"
)

// imageUser is the user and group of the image.
const imageUser = 65532

// image is a folder with what the image has, and what is mounted into it.
type image struct {
	t   *testing.T
	dir string
}

// newImage builds the command as the Containerfile does, beside nothing else.
func newImage(t *testing.T, config, secrets string, content map[string]string) *image {
	t.Helper()
	if os.Getuid() != 0 {
		t.Fatal("this test runs the binary as another user in a folder of its own; run it as root")
	}
	m := &image{t, t.TempDir()}
	for dir := m.dir; dir != os.TempDir(); dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil { // the user must get there
			t.Fatal(err)
		}
	}
	build := regexp.MustCompile(`(?m)^RUN CGO_ENABLED=0 (go build .*) -o /extdisco \.$`).FindStringSubmatch(readFile(t, "contrib/container/Containerfile"))
	if build == nil {
		t.Fatal("the Containerfile does not build the binary")
	}
	t.Setenv("CGO_ENABLED", "0")
	args := strings.Fields(build[1])
	run(t, args[0], append(args[1:], "-o", m.dir+"/extdisco", ".")...)
	for _, dir := range []string{"/etc/extdisco", secrets} {
		if err := os.MkdirAll(m.dir+dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	writeFile(t, m.dir+"/etc/extdisco/config.toml", config, 0o644)
	for name, value := range content {
		file := filepath.Join(m.dir, secrets, name)
		writeFile(t, file, value+"\n", 0o400)
		if err := os.Chown(file, imageUser, imageUser); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

// command returns a command line of the image.
func (m *image) command(argv ...string) *exec.Cmd {
	cmd := exec.CommandContext(m.t.Context(), argv[0], argv[1:]...)
	cmd.Dir, cmd.Env = "/", []string{}
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: m.dir, Credential: &syscall.Credential{Uid: imageUser, Gid: imageUser}}
	return cmd
}

// instruction returns the words of an instruction of the Containerfile, which are
// in JSON.
func instruction(t *testing.T, name string) (words []string) {
	t.Helper()
	m := regexp.MustCompile(`(?m)^` + name + ` (?:.* CMD )?(\[.*\])$`).FindStringSubmatch(readFile(t, "contrib/container/Containerfile"))
	if m == nil || json.Unmarshal([]byte(m[1]), &words) != nil {
		t.Fatalf("the Containerfile has no %s", name)
	}
	return words
}

// TestIntegrationContainers runs what compose.yaml describes, without an engine:
// its Prosody, of the same version; its coturn, by the entry point there; and
// extdisco with the command lines of the image, as its user, in a folder with
// nothing else.
func TestIntegrationContainers(t *testing.T) {
	const handshakeSecret, sharedSecret, host = "handshake-secret-of-the-containers", "shared-secret-of-the-containers-0123456789", "meet.example.org"
	program, err := filepath.Abs(root + "/integration/.prosody13/prosody") // by contrib/fetch-prosody13
	if err != nil {
		t.Fatal(err)
	}
	secrets := t.TempDir()
	for name, value := range map[string]string{"component.secret": handshakeSecret, "turn.secret": sharedSecret} {
		writeFile(t, filepath.Join(secrets, name), value+"\n", 0o600)
	}
	prosody := startComposeProsody(t, program, host, secrets)
	turn := newCoturnExample(t, "not-the-secret-that-is-used-0123456789")
	startCoturn(t, turn.dir, turn.port, composeEntryPoint(t, turn, secrets)...)

	port := freePort(t)
	config := replace(t, readFile(t, "contrib/container/config.toml"), `"prosody:5347"`, fmt.Sprintf("%q", prosody.ComponentAddr))
	config = replace(t, config, "turn.example.org:3478", fmt.Sprintf("127.0.0.1:%d", turn.port))
	config = replace(t, config, "turn.example.org:5349", fmt.Sprintf("127.0.0.1:%d", turn.tlsPort))
	config = replace(t, config, "0.0.0.0:9215", fmt.Sprintf("127.0.0.1:%d", port))
	m := newImage(t, config, "/run/secrets", map[string]string{"component.secret": handshakeSecret, "turn.secret": sharedSecret})

	log := new(output)
	serve := m.command(append(instruction(t, "ENTRYPOINT"), instruction(t, "CMD")...)...)
	serve.Stdout, serve.Stderr = log, log
	if err := serve.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- serve.Wait() }()
	defer func() {
		_ = serve.Process.Signal(syscall.SIGTERM)
		if err := <-ended; err != nil {
			t.Errorf("serve ended with %v\n%s", err, log)
		}
	}()
	if err := log.waitFor(t.Context(), "connected to the XMPP server"); err != nil {
		t.Fatal(err)
	}
	health := instruction(t, "HEALTHCHECK")
	health[2] = replace(t, health[2], "127.0.0.1:9215", fmt.Sprintf("127.0.0.1:%d", port))
	for _, url := range []string{health[2], replace(t, health[2], "healthz", "readyz")} {
		if out, err := m.command(health[0], health[1], url).CombinedOutput(); err != nil {
			t.Errorf("health of %s: %v\n%s\n%s", url, err, out, log)
		}
	}
	if out, err := m.command(health[0], health[1], "http://127.0.0.1:1/healthz").CombinedOutput(); err == nil {
		t.Errorf("the health check is content with nobody: %s", out)
	}
	allocateAsClient(t, prosody, turn, host)
}

// allocateAsClient asks the XMPP server for the services and allocates on each.
func allocateAsClient(t *testing.T, prosody *lab.XMPPServer, turn coturnExample, host string) {
	t.Helper()
	out := run(t, command, "query", host, "--address", prosody.C2SAddr, "--tls", "none", "--insecure", "--json")
	var answer struct {
		Answers []struct {
			Services []struct {
				Type, Host, Transport, Username, Password string
				Port                                      int
			}
		}
	}
	if err := json.Unmarshal([]byte(out[strings.Index(out, "{"):]), &answer); err != nil || len(answer.Answers) == 0 {
		t.Fatalf("%v: the answer has no services", err)
	}
	allocated := 0
	for _, s := range answer.Answers[0].Services {
		if s.Type == "stun" {
			continue
		}
		a := lab.Allocation{Type: s.Type, Host: s.Host, Port: s.Port, Transport: s.Transport, Username: s.Username, Password: s.Password, RootCAs: turn.ca.Pool}
		if _, _, err := a.Do(t.Context()); err != nil {
			t.Errorf("%s over %s: %v", s.Type, s.Transport, err)
		}
		allocated++
	}
	if allocated != 3 {
		t.Errorf("%d services to allocate on", allocated)
	}
}

// startComposeProsody starts Prosody with the configuration of compose.yaml. Only
// ports and folders are others, and the lab has no certificates.
func startComposeProsody(t *testing.T, program, host, secrets string) *lab.XMPPServer {
	t.Helper()
	modules, err := filepath.Abs(filepath.Join(root, "prosody"))
	if err != nil {
		t.Fatal(err)
	}
	config := readFile(t, "contrib/container/prosody.cfg.lua")
	for old, new := range map[string]string{
		`"/usr/local/lib/prosody/modules"`: fmt.Sprintf("%q", modules), `"/var/lib/prosody"`: `{{quote .Dir}} .. "/data"`,
		`component_interfaces = { "*" }`: `component_interfaces = { "127.0.0.1" }`, "component_ports = { 5347 }": "component_ports = { {{.ComponentPort}} }",
		"/run/secrets": secrets,
	} {
		config = replace(t, config, old, new)
	}
	const ofTheLab = `run_as_root = true
pidfile = {{quote .Dir}} .. "/prosody.pid"
log = { { levels = { min = "debug" }, to = "file", filename = {{quote .Dir}} .. "/prosody.log" } }
interfaces = { "127.0.0.1" }
c2s_ports = { {{.C2SPort}} }
c2s_direct_tls_ports = { }
s2s_ports = { }
modules_disabled = { "s2s" }
c2s_require_encryption = false
`
	server, err := lab.StartProsody(t.Context(), lab.XMPPConfig{Dir: t.TempDir(), Program: program, Hosts: []lab.Host{{Name: host, Anonymous: true}}, Template: ofTheLab + config})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Log(server.Log())
		}
	})
	return server
}

// composeEntryPoint returns the command of compose.yaml's coturn, with its files
// elsewhere.
func composeEntryPoint(t *testing.T, turn coturnExample, secrets string) []string {
	t.Helper()
	argv := slices.Clone(readCompose(t).Services["coturn"].Entrypoint)
	if len(argv) != 3 {
		t.Fatalf("the entry point is %q", argv)
	}
	script := strings.ReplaceAll(argv[2], "$$", "$") // as compose writes a $
	script = replace(t, script, "/etc/turnserver.conf", turn.config)
	script = replace(t, script, "/tmp/turnserver.", turn.dir+"/made.")
	argv[2] = replace(t, script, "/run/secrets", secrets)
	return argv
}
