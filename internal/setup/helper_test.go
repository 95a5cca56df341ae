package setup

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"extdisco/internal/testkit"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// example stands for the config.toml that packages install.
const example = "# config.toml.example\n"

// counting is a source of random bytes that are always the same.
type counting struct{}

func (counting) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(i)
	}
	return len(p), nil
}

// handshake is the secret that is made of them.
const handshake = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

// newTree writes files, given as name and content in turns, below a new root. A content
// that begins with -> is a symbolic link.
func newTree(t *testing.T, files ...string) string {
	t.Helper()
	root := t.TempDir()
	for i := 0; i < len(files); i += 2 {
		file := filepath.Join(root, files[i])
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if target, isLink := strings.CutPrefix(files[i+1], "->"); isLink {
			if err := os.Symlink(target, file); err != nil {
				t.Fatal(err)
			}
			continue
		}
		testkit.WriteFile(t, file, files[i+1])
	}
	return root
}

func options(root string) Options {
	return Options{Root: root, ConfigExample: example, Random: counting{}, Now: testkit.Time}
}

// mainConfig is the configuration of Debian's package, as far as it matters.
const mainConfig = `plugin_paths = { "/usr/local/lib/prosody/modules" }
modules_enabled = {
		"disco"; -- Service discovery
}
modules_disabled = {
	-- "offline"; -- Store offline messages
}
limits = { c2s = { rate = "10kb/s"; }; }
authentication = "internal_hashed"
log = { info = "/var/log/prosody/prosody.log"; { levels = { "error" }; to = "syslog";  }; }
VirtualHost "localhost"
Include "conf.d/*.cfg.lua"
`

// jitsiConfig is what Jitsi Meet's package adds, as far as it matters.
const jitsiConfig = `plugin_paths = { "/usr/share/jitsi-meet/prosody-plugins/" }

external_service_secret = "` + testkit.SharedSecret + `";
external_services = {
     { type = "stun", host = "meet.example.org", port = 3478 },
     { type = "turn", host = "meet.example.org", port = 3478, transport = "udp", secret = true, ttl = 86400, algorithm = "turn" },
     { type = "turns", host = "meet.example.org", port = 5349, transport = "tcp", secret = true, ttl = 86400, algorithm = "turn" }
};

VirtualHost "meet.example.org"
    authentication = "jitsi-anonymous" -- do not delete me
    modules_enabled = { "bosh"; "external_services"; }

Component "conference.meet.example.org" "muc"

VirtualHost "auth.meet.example.org"
    authentication = "internal_hashed"

VirtualHost "guest.meet.example.org"
VirtualHost "recorder.meet.example.org"

Component "focus.meet.example.org" "client_proxy"
Component "metadata.meet.example.org" "room_metadata_component"
`

// coturnConfig is a coturn with a shared secret.
const coturnConfig = "listening-port=3478\nuse-auth-secret\nstatic-auth-secret=" + testkit.SharedSecret + "\nrealm=turn.example.org\n"

// jitsiTree is a machine with Jitsi Meet, as its packages leave it.
func jitsiTree(t *testing.T) string {
	return newTree(t, "etc/prosody/prosody.cfg.lua", mainConfig,
		"etc/prosody/conf.avail/meet.example.org.cfg.lua", jitsiConfig,
		"etc/prosody/conf.d/meet.example.org.cfg.lua", "->/etc/prosody/conf.avail/meet.example.org.cfg.lua",
		"etc/extdisco/config.toml", example,
		"etc/group", "root:x:0:\nprosody:x:106:\nextdisco:x:107:\n",
		"usr/lib/prosody/prosody.version", "0.12.3\n")
}

// prosodyTree is a machine with Prosody and coturn, and hosts of its own.
func prosodyTree(t *testing.T, hosts string, files ...string) string {
	return newTree(t, append([]string{"etc/prosody/prosody.cfg.lua", mainConfig, "etc/prosody/conf.d/hosts.cfg.lua", hosts, "etc/turnserver.conf", coturnConfig}, files...)...)
}

func mustFind(t *testing.T, o Options) *Plan {
	t.Helper()
	plan, err := Find(o)
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

// snapshot returns mode, time and content of all files below a root.
func snapshot(t *testing.T, root string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		text := fmt.Sprint(info.Mode(), ownerOf(info))
		if info.Mode().IsRegular() {
			content, err := os.ReadFile(file)
			if err != nil {
				return err
			}
			text += fmt.Sprint(info.ModTime(), "\n", string(content))
		}
		files[strings.TrimPrefix(file, root)] = text
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func wantSame(t *testing.T, when string, got, want map[string]string) {
	t.Helper()
	for name, text := range want {
		if got[name] != text {
			t.Errorf("%s %s is\n%s\nwant\n%s", when, name, got[name], text)
		}
	}
	for name := range got {
		if _, known := want[name]; !known {
			t.Errorf("%s there is %s", when, name)
		}
	}
}

func readBelow(t *testing.T, root, name string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}
