package setup

import (
	"errors"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"extdisco/internal/config"
	"extdisco/internal/testkit"
)

var update = flag.Bool("update", false, "write the golden files anew")

// wantGolden compares a text with a file in testdata.
func wantGolden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	testkit.WantEqual(t, name, got, string(want))
}

// shown is what people see of a plan.
func shown(t *testing.T, plan *Plan) string {
	t.Helper()
	var out strings.Builder
	if err := plan.Show(&out); err != nil {
		t.Fatal(err)
	}
	plan.ShowDiffs(&out)
	out.WriteString("\n" + plan.Ejabberd)
	testkit.WantNoSecrets(t, "the plan", out.String(), testkit.SharedSecret, handshake)
	return out.String()
}

const dockerEnv = `# shellcheck disable=SC2034
CONFIG=~/.jitsi-meet-cfg
TZ=UTC
XMPP_DOMAIN=meet.example.org
TURN_HOST=turn.example.org
TURN_PORT=3478
TURN_TRANSPORT=udp,tcp
TURNS_HOST="turn.example.org"
#TURNS_PORT=443
TURN_CREDENTIALS='` + testkit.SharedSecret + `' # shared
JICOFO_AUTH_PASSWORD=` + testkit.Password + `
`

// TestPlans sets up each kind of machine: what is shown, that a dry run writes nothing,
// that a second run has nothing to do, and that undo leaves everything as it was.
func TestPlans(t *testing.T) {
	for _, tt := range []struct {
		name   string
		tree   func(*testing.T) string
		adjust func(*Options)
	}{
		{"jitsi", jitsiTree, func(o *Options) { o.RemoveOld = true }},
		{"jitsi-keep", jitsiTree, func(*Options) {}},
		{"prosody-coturn", func(t *testing.T) string { return prosodyTree(t, "VirtualHost \"example.org\"\n") }, func(*Options) {}},
		{"prosody-named", func(t *testing.T) string {
			return newTree(t, "etc/prosody/prosody.cfg.lua", mainConfig+"component_ports = { 5348 }\nVirtualHost \"example.org\"\nVirtualHost \"example.net\"\n", "etc/prosody/conf.d/x.cfg.lua", "")
		}, func(o *Options) {
			o.Domains = []string{"example.org", "example.net"}
			o.Component = "services.example.org"
			o.TURNServers = []string{"stun:turn.example.org", "turn:turn.example.org?transport=udp"}
			o.SecretFile = filepath.Join(o.Root, "../secret")
		}},
		{"ejabberd", func(t *testing.T) string {
			return newTree(t, "etc/ejabberd/ejabberd.yml", "hosts:\n  - localhost\n  - \"example.org\" # ours\n\nlisten: []\n", "etc/turnserver.conf", coturnConfig)
		}, func(*Options) {}},
		{"relay", func(t *testing.T) string {
			return newTree(t, "etc/prosody/prosody.cfg.lua", mainConfig+"VirtualHost \"example.org\"\n", "etc/prosody/conf.d/x.cfg.lua", "")
		}, func(o *Options) { o.Relay, o.PublicIP = true, []string{natAddress} }},
		{"ejabberd-relay", func(t *testing.T) string {
			return newTree(t, "etc/ejabberd/ejabberd.yml", "hosts:\n  - example.org\n", "etc/turnserver.conf", "syslog\n")
		}, func(o *Options) { o.Relay, o.PublicIP, o.TURNHost = true, []string{natAddress}, "turn.example.org" }},
		{"docker", func(t *testing.T) string { return newTree(t, "srv/jitsi/.env", dockerEnv) }, func(o *Options) {
			o.Docker, o.Home = "/srv/jitsi", "/home/alice"
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := options(tt.tree(t))
			testkit.WriteFile(t, filepath.Join(o.Root, "../secret"), testkit.SharedSecret+"\n")
			tt.adjust(&o)
			before := snapshot(t, o.Root)
			plan := mustFind(t, o)
			wantGolden(t, tt.name+".txt", shown(t, plan))
			wantSame(t, "after looking", snapshot(t, o.Root), before)
			if err := plan.Apply(); err != nil {
				t.Fatal(err)
			}
			o.Domains, o.Component, o.TURNServers, o.SecretFile = nil, "", nil, ""
			o.Relay, o.PublicIP, o.TURNHost = false, nil, ""
			if again := mustFind(t, o); len(again.Changes) > 0 {
				t.Errorf("the second run would write %s", again.Changes[0].file)
			}
			if err := Undo(o.Root); err != nil {
				t.Fatal(err)
			}
			wantSame(t, "after undo", snapshot(t, o.Root), before)
		})
	}
}

// TestSecretsOfOddForm hides secrets that a line alone does not show to be secrets.
func TestSecretsOfOddForm(t *testing.T) {
	const host = "VirtualHost \"example.org\"\n"
	for name, list := range map[string]string{
		"on the next line": "external_service_secret =\n  \"Hidden%s\"\nexternal_services = { { type = \"turn\", host = \"a.example.org\", secret = true } }\n",
		"in long brackets": "external_services = { { type = \"turn\", host = \"a.example.org\", secret = [[x Hidden%s]] } }\n",
		"by a quoted key":  "external_services = { { type = \"turn\", host = \"a.example.org\", [\"secret\"] =\n'x Hidden%s' } }\n",
	} {
		t.Run(name, func(t *testing.T) {
			o := options(prosodyTree(t, strings.Replace(list, "%s", "InLua", 1)+host))
			o.RemoveOld = true
			testkit.WantNoSecrets(t, name, shown(t, mustFind(t, o)), "HiddenInLua")
		})
	}
	t.Run("in .env", func(t *testing.T) {
		o := options(newTree(t, "srv/.env", "CONFIG=/cfg\nTURN_HOST=turn.example.org\nTURN_CREDENTIALS=one HiddenInEnv\n"))
		o.Docker = "/srv"
		testkit.WantNoSecrets(t, "in .env", shown(t, mustFind(t, o)), "HiddenInEnv")
	})
}

// TestUnusual is about what must not be damaged: setup stops with a sentence.
func TestUnusual(t *testing.T) {
	host := "VirtualHost \"example.org\"\n"
	for _, tt := range []struct {
		name   string
		tree   func(*testing.T) string
		adjust func(*Options)
		want   string
	}{
		{"no XMPP server", func(t *testing.T) string { return newTree(t) }, nil, "no XMPP server was found"},
		{"two domains", func(t *testing.T) string { return prosodyTree(t, host+"VirtualHost \"example.net\"\n") }, nil,
			"there is more than one domain: example.org, example.net; name the one to serve with --domain DOMAIN"},
		{"only localhost", func(t *testing.T) string { return prosodyTree(t, "") }, nil, "has no VirtualHost besides localhost"},
		{"a disabled host", func(t *testing.T) string { return prosodyTree(t, host+"\tenabled = false\n") }, nil, "has no VirtualHost besides localhost"},
		{"hosts in a loop", func(t *testing.T) string {
			return prosodyTree(t, "for _, d in ipairs { \"example.org\" } do\n  VirtualHost(d)\nend\n")
		}, nil, "/etc/prosody/conf.d/hosts.cfg.lua, line 2: the name of a host is computed"},
		{"a host on a condition", func(t *testing.T) string {
			return prosodyTree(t, "if os.getenv \"X\" then\n  VirtualHost \"example.org\"\nend\n")
		}, nil, "line 2: the name of a host is computed or depends on a condition"},
		{"a domain that is not there", func(t *testing.T) string { return prosodyTree(t, host) }, func(o *Options) { o.Domains = []string{"example.com"} },
			"--domain example.com is no VirtualHost in /etc/prosody/prosody.cfg.lua; there are localhost, example.org"},
		{"a computed list", func(t *testing.T) string {
			return prosodyTree(t, host+"  external_services = make_services(\"turn.example.org\")\n")
		}, nil, "/etc/prosody/conf.d/hosts.cfg.lua, line 2: external_services is computed"},
		{"a list in an argument", func(t *testing.T) string {
			return prosodyTree(t, "settings { external_services = { { type = \"stun\", host = \"x\" } } }\n"+host)
		}, nil, "line 1: external_services is computed or stands in something else"},
		{"a computed secret, to be removed", func(t *testing.T) string {
			return prosodyTree(t, host+"  turn_external_secret = FileLine(\"/etc/secret\")\n")
		}, func(o *Options) {
			o.RemoveOld = true
			o.TURNServers = []string{"stun:turn.example.org"}
		}, "line 2: turn_external_secret is computed or stands in something else, so that --remove-old cannot tell where it ends"},
		{"no TURN server", func(t *testing.T) string {
			return newTree(t, "etc/prosody/prosody.cfg.lua", mainConfig, "etc/prosody/conf.d/hosts.cfg.lua", host)
		}, nil, "no TURN server was found, neither in /etc/turnserver.conf nor in Prosody's configuration; set up the relay of extdisco with --relay, or name a TURN server with --turn-server"},
		{"relay beside coturn", func(t *testing.T) string { return prosodyTree(t, host) }, func(o *Options) { o.Relay = true },
			"/etc/turnserver.conf sets up coturn, which takes the ports of the relay: leave out --relay to go on with coturn; or stop it"},
		{"relay behind NAT", func(t *testing.T) string {
			return newTree(t, "etc/prosody/prosody.cfg.lua", mainConfig+host)
		}, func(o *Options) { o.Relay, o.Interfaces = true, addresses("127.0.0.1/8", "10.0.0.5/24") },
			"this machine has private addresses only, so peers cannot reach a relay here"},
		{"relay at no address", func(t *testing.T) string {
			return newTree(t, "etc/prosody/prosody.cfg.lua", mainConfig+host)
		}, func(o *Options) { o.Relay, o.PublicIP = true, []string{"turn.example.org"} }, "--public-ip: \"turn.example.org\" is no IP address"},
		{"relay at another machine's address", func(t *testing.T) string {
			return newTree(t, "etc/prosody/prosody.cfg.lua", mainConfig+host)
		}, func(o *Options) {
			o.Relay, o.PublicIP, o.Interfaces = true, []string{"203.0.113.5/10.0.0.7"}, addresses("10.0.0.5/24")
		}, "--public-ip: this machine has no address 10.0.0.7"},
		{"a configuration and --relay", func(t *testing.T) string {
			return prosodyTree(t, host, "etc/extdisco/config.toml", "[component]\njid = \"turn.example.org\"\nsecret = \""+handshake+"\"\n[[ice_server]]\nurls = [\"stun:turn.example.org\"]\n")
		}, func(o *Options) { o.Relay = true }, "flags that say what belongs in it have no use"},
		{"coturn as it is installed", func(t *testing.T) string { return prosodyTree(t, host, "etc/turnserver.conf", "syslog\nno-rfc5780\n") }, nil,
			"no TURN server was found"},
		{"coturn without a name", func(t *testing.T) string {
			return prosodyTree(t, host, "etc/turnserver.conf", "use-auth-secret\nstatic-auth-secret="+testkit.SharedSecret+"\n")
		}, nil, "give it with --turn-host HOST"},
		{"servers without a secret", func(t *testing.T) string {
			return newTree(t, "etc/prosody/prosody.cfg.lua", mainConfig, "etc/prosody/conf.d/hosts.cfg.lua", host)
		}, func(o *Options) { o.TURNServers = []string{"turn:turn.example.org"} }, "name a file that holds it with --turn-secret-file FILE"},
		{"no Include", func(t *testing.T) string {
			return newTree(t, "etc/prosody/prosody.cfg.lua", "plugin_paths = { \"/x\" }\n"+host, "etc/turnserver.conf", coturnConfig)
		}, nil, "includes no folder of files; add the line Include"},
		{"no plugin_paths", func(t *testing.T) string {
			return newTree(t, "etc/prosody/prosody.cfg.lua", host+"Include \"conf.d/*.cfg.lua\"\n", "etc/turnserver.conf", coturnConfig)
		}, nil, "--module-dir DIR"},
		{"plugin_paths in two files", func(t *testing.T) string {
			return prosodyTree(t, host, "etc/prosody/conf.d/a.cfg.lua", "plugin_paths = { \"/a\" }\n", "etc/prosody/conf.d/b.cfg.lua", "plugin_paths = { \"/b\" }\n")
		}, nil, "plugin_paths is set in /etc/prosody/conf.d/a.cfg.lua and in /etc/prosody/conf.d/b.cfg.lua"},
		{"component_ports in two files", func(t *testing.T) string {
			return prosodyTree(t, host, "etc/prosody/conf.d/a.cfg.lua", "component_ports = { 5347 }\n", "etc/prosody/conf.d/b.cfg.lua", "component_ports = { 5348 }\n")
		}, nil, "component_ports is set in /etc/prosody/conf.d/a.cfg.lua and in /etc/prosody/conf.d/b.cfg.lua"},
		{"the address is taken", func(t *testing.T) string { return prosodyTree(t, host+"Component \"turn.example.org\"\n") }, nil,
			"line 2: there is a Component \"turn.example.org\" already"},
		{"no Lua", func(t *testing.T) string { return prosodyTree(t, host+"x = \"never closed\n") }, nil, "/etc/prosody/conf.d/hosts.cfg.lua, line 2: a quote is never closed"},
		{"a configuration with faults", func(t *testing.T) string {
			return prosodyTree(t, host, "etc/extdisco/config.toml", "[component]\njid = 3\n")
		}, nil,
			"/etc/extdisco/config.toml is there already and has faults"},
		{"a configuration and flags", func(t *testing.T) string {
			return prosodyTree(t, host, "etc/extdisco/config.toml", "[component]\njid = \"turn.example.org\"\nsecret = \""+handshake+"\"\n[[ice_server]]\nurls = [\"stun:turn.example.org\"]\n")
		}, func(o *Options) { o.Domains = []string{"example.org"} }, "flags that say what belongs in it have no use"},
		{"a configuration of a relay alone", func(t *testing.T) string {
			return prosodyTree(t, host, "etc/extdisco/config.toml", "[relay]\nhost = \"turn.example.org\"\npublic_ip = [\"203.0.113.5/127.0.0.1\"]\nsecret = \""+handshake+"\"\n")
		}, nil, "/etc/extdisco/config.toml is there already and has no [component]"},
		{"docker with a configuration and flags", func(t *testing.T) string {
			return newTree(t, "srv/.env", "CONFIG=/cfg\n", "cfg/extdisco/config.toml", "[component]\njid = \"turn.example.org\"\nsecret = \""+handshake+"\"\n[[ice_server]]\nurls = [\"stun:turn.example.org\"]\n")
		}, func(o *Options) { o.Docker, o.Component = "/srv", "turn.example.net" }, "/cfg/extdisco/config.toml is there already, so flags that say what belongs in it have no use"},
		{"docker without .env", func(t *testing.T) string { return newTree(t) }, func(o *Options) { o.Docker = "/srv/jitsi" }, "give the folder that has docker-compose.yml and .env"},
		{"docker without TURN", func(t *testing.T) string { return newTree(t, "srv/.env", "CONFIG=/cfg\n") }, func(o *Options) { o.Docker = "/srv" }, "names no TURN server"},
		{"docker without CONFIG", func(t *testing.T) string { return newTree(t, "srv/.env", "TURN_HOST=turn.example.org\n") }, func(o *Options) { o.Docker = "/srv" }, "--docker-config DIR"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := options(tt.tree(t))
			if tt.adjust != nil {
				tt.adjust(&o)
			}
			before := snapshot(t, o.Root)
			_, err := Find(o)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("%v\nwant %s", err, tt.want)
			}
			testkit.WantNoSecrets(t, "the error", err.Error(), testkit.SharedSecret)
			wantSame(t, "afterwards", snapshot(t, o.Root), before)
		})
	}
}

// killed is what ends a run in the middle.
type killed struct{}

// applyUntil makes the changes until so many files are written, as if the process were
// killed then. It reports whether it was.
func applyUntil(t *testing.T, plan *Plan, files int) (wasKilled bool) {
	t.Helper()
	defer func() {
		if thrown := recover(); thrown != nil {
			if _, wasKilled = thrown.(killed); !wasKilled {
				panic(thrown)
			}
		}
	}()
	plan.store.written = func(string) {
		if files--; files < 0 {
			panic(killed{})
		}
	}
	if err := plan.Apply(); err != nil {
		t.Fatal(err)
	}
	return false
}

// TestKilled kills a run after each file that it writes. Then it is undone, or run again.
func TestKilled(t *testing.T) {
	whole := options(jitsiTree(t))
	whole.RemoveOld = true
	if err := mustFind(t, whole).Apply(); err != nil {
		t.Fatal(err)
	}
	for files := 0; ; files++ {
		o := options(jitsiTree(t))
		o.RemoveOld = true
		before := snapshot(t, o.Root)
		if !applyUntil(t, mustFind(t, o), files) {
			if files < 10 {
				t.Errorf("%d files only", files)
			}
			return
		}
		if _, err := Find(o); !errors.Is(err, ErrInterrupted) {
			t.Fatalf("after %d files: %v", files, err)
		}
		if files%2 == 0 {
			if err := Undo(o.Root); err != nil {
				t.Fatal(err)
			}
			wantSame(t, "after undo", snapshot(t, o.Root), before)
			continue
		}
		if err := TakeBack(o.Root); err != nil {
			t.Fatal(err)
		}
		wantSame(t, "when the next run has put back", snapshot(t, o.Root), before)
		if err := mustFind(t, o).Apply(); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"etc/extdisco/config.toml", "etc/prosody/conf.d/extdisco.cfg.lua", "etc/prosody/conf.avail/meet.example.org.cfg.lua"} {
			testkit.WantEqual(t, name, readBelow(t, o.Root, name), readBelow(t, whole.Root, name))
		}
	}
}

// TestKilledBeforeTheFirstChange leaves folders for the backup, which undo removes.
func TestKilledBeforeTheFirstChange(t *testing.T) {
	o := options(jitsiTree(t))
	before := snapshot(t, o.Root)
	s := store{tree: tree{o.Root}}
	if err := os.MkdirAll(filepath.Join(o.Root, preparing, "lib"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := Undo(o.Root); err != nil {
		t.Fatal(err)
	}
	wantSame(t, "when it was being prepared", snapshot(t, o.Root), before)
	if err := s.prepare(&journal{}); err != nil {
		t.Fatal(err)
	}
	mustFind(t, o)
	if err := Undo(o.Root); err != nil {
		t.Fatal(err)
	}
	wantSame(t, "after undo", snapshot(t, o.Root), before)
	if err := Undo(o.Root); err != nil {
		t.Errorf("a second undo: %v", err)
	}
}

// TestFailure has a file that cannot be written: what was written before is put back.
func TestFailure(t *testing.T) {
	o := options(jitsiTree(t))
	before := snapshot(t, o.Root)
	plan := mustFind(t, o)
	plan.Changes = append(plan.Changes, change{file: "/etc/group/impossible", isNew: true, mode: 0o600})
	if err := plan.Apply(); err == nil || !strings.Contains(err.Error(), "/etc/group/impossible: not a directory") {
		t.Errorf("%v", err)
	}
	wantSame(t, "afterwards", snapshot(t, o.Root), before)
}

// TestUndoKeepsChanges does not throw away what somebody wrote after setup.
func TestUndoKeepsChanges(t *testing.T) {
	o := options(jitsiTree(t))
	before := snapshot(t, o.Root)
	if err := mustFind(t, o).Apply(); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(o.Root, configFile)
	written := readBelow(t, o.Root, configFile)
	testkit.WriteFile(t, file, written+"# mine\n")
	after := snapshot(t, o.Root)
	if err := Undo(o.Root); err == nil || !strings.Contains(err.Error(), "/etc/extdisco/config.toml was changed after setup wrote it") {
		t.Errorf("%v", err)
	}
	wantSame(t, "afterwards", snapshot(t, o.Root), after)
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if err := Undo(o.Root); err != nil {
		t.Fatal(err)
	}
	wantSame(t, "when it was moved away", snapshot(t, o.Root), before)
}

// TestUndoKeepsChangesBetweenRuns does not throw away what somebody wrote between two runs.
func TestUndoKeepsChangesBetweenRuns(t *testing.T) {
	o := options(jitsiTree(t))
	if err := mustFind(t, o).Apply(); err != nil {
		t.Fatal(err)
	}
	conf := filepath.Join(o.Root, "etc/prosody/conf.d", confFile)
	testkit.WriteFile(t, conf, readBelow(t, "/", conf)+"-- mine\n")
	if err := mustFind(t, o).Apply(); err != nil {
		t.Fatal(err)
	}
	after := snapshot(t, o.Root)
	if err := Undo(o.Root); err == nil || !strings.Contains(err.Error(), confFile+" was changed after setup wrote it") {
		t.Errorf("%v", err)
	}
	wantSame(t, "afterwards", snapshot(t, o.Root), after)
}

// TestChangedMeanwhile writes nothing when a file is not as it was when it was looked at.
func TestChangedMeanwhile(t *testing.T) {
	for _, tt := range []struct{ name, file, content string }{
		{"a file that is replaced", "etc/prosody/conf.avail/meet.example.org.cfg.lua", "mine"},
		{"a new file", "etc/prosody/conf.d/" + confFile, "mine"},
		{"a link", "etc/extdisco", "->/etc/prosody"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := options(jitsiTree(t))
			o.RemoveOld = true
			plan := mustFind(t, o)
			file := filepath.Join(o.Root, tt.file)
			if target, isLink := strings.CutPrefix(tt.content, "->"); !isLink {
				testkit.WriteFile(t, file, tt.content)
			} else if err := errors.Join(os.RemoveAll(file), os.Symlink(target, file)); err != nil {
				t.Fatal(err)
			}
			before := snapshot(t, o.Root)
			if err := plan.Apply(); err == nil || !strings.Contains(err.Error(), "/"+tt.file) || !strings.Contains(err.Error(), "run setup again") {
				t.Errorf("%v", err)
			}
			wantSame(t, "afterwards", snapshot(t, o.Root), before)
		})
	}
}

// TestLinkedFolder follows a link to the folder of the configuration, and stays in the tree.
func TestLinkedFolder(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "data")
	o := options(prosodyTree(t, "VirtualHost \"example.org\"\n", "etc/extdisco", "->"+outside))
	before := snapshot(t, o.Root)
	if err := mustFind(t, o).Apply(); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(filepath.Join(o.Root, outside, "secrets")); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", info, err)
	}
	if _, err := os.Stat(outside); err == nil {
		t.Error("something was written outside of the tree")
	}
	if err := Undo(o.Root); err != nil {
		t.Fatal(err)
	}
	wantSame(t, "after undo", snapshot(t, o.Root), before)
}

// TestInterruptedBesideChanges takes an interrupted run back although a file of an earlier
// run, which it does not touch, was changed.
func TestInterruptedBesideChanges(t *testing.T) {
	o := options(jitsiTree(t))
	if err := mustFind(t, o).Apply(); err != nil {
		t.Fatal(err)
	}
	testkit.WriteFile(t, filepath.Join(o.Root, configFile), readBelow(t, o.Root, configFile)+"# mine\n")
	before := snapshot(t, o.Root)
	o.RemoveOld = true
	if !applyUntil(t, mustFind(t, o), 0) {
		t.Fatal("the run was not interrupted")
	}
	if err := TakeBack(o.Root); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"/etc/prosody/conf.avail/meet.example.org.cfg.lua", configFile} {
		testkit.WantEqual(t, name, snapshot(t, o.Root)[name], before[name])
	}
}

// TestTwoRuns sets up, and removes the old list later; one undo takes both back.
func TestTwoRuns(t *testing.T) {
	o := options(jitsiTree(t))
	before := snapshot(t, o.Root)
	if err := mustFind(t, o).Apply(); err != nil {
		t.Fatal(err)
	}
	first := snapshot(t, o.Root)
	o.RemoveOld = true
	second := mustFind(t, o)
	if len(second.Changes) != 1 {
		t.Fatalf("%d changes", len(second.Changes))
	}
	if err := second.Apply(); err != nil {
		t.Fatal(err)
	}
	if old := readBelow(t, o.Root, "etc/prosody/conf.avail/meet.example.org.cfg.lua"); strings.Contains(old, testkit.SharedSecret) {
		t.Error("the secret is still there")
	}
	if err := second.TakeBack(); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"/etc/prosody/conf.avail/meet.example.org.cfg.lua", configFile} {
		testkit.WantEqual(t, name, snapshot(t, o.Root)[name], first[name])
	}
	if err := mustFind(t, o).Apply(); err != nil {
		t.Fatal(err)
	}
	if err := Undo(o.Root); err != nil {
		t.Fatal(err)
	}
	wantSame(t, "after undo", snapshot(t, o.Root), before)
}

// TestEjabberdBlock prints what README shows, which is tried with ejabberd.
func TestEjabberdBlock(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, block, found := strings.Cut(string(readme), "```yaml\n")
	block, _, ends := strings.Cut(block, "```")
	if !found || !ends {
		t.Fatal("README.md has no block of YAML")
	}
	printed, err := EjabberdConfig(config.Component{JID: "turn.meet.example.org", Server: config.DefaultServer, Hosts: []string{"meet.example.org"}}, "the content of component.secret")
	if err != nil {
		t.Fatal(err)
	}
	testkit.WantEqual(t, "the block", printed, block)
}

// TestNamesInWords: names of domains are lower case, and none stands twice.
func TestNamesInWords(t *testing.T) {
	o := options(newTree(t, "etc/ejabberd/ejabberd.yml", "hosts:\n  - example.org\n", "etc/turnserver.conf", coturnConfig))
	o.Domains, o.Allow = []string{"Example.org"}, []string{"example.net", "example.ORG", "example.net"}
	if text := shown(t, mustFind(t, o)); !strings.Contains(text, `allow = ["example.org", "example.net"]`) || !strings.Contains(text, `jid         = "turn.example.org"`) {
		t.Error(text)
	}
}

// TestEnvIsReadAsComposeDoes: the last value of a variable counts, and values refer to others.
func TestEnvIsReadAsComposeDoes(t *testing.T) {
	o := options(newTree(t, "srv/.env", "BASE=/data\nCONFIG=/old\nCONFIG=${BASE}/jitsi\nTURN_HOST=turn.example.org\nTURN_CREDENTIALS="+testkit.SharedSecret+"\n"))
	o.Docker = "/srv"
	if plan := mustFind(t, o); plan.Config != filepath.Join(o.Root, "data/jitsi/extdisco/config.toml") {
		t.Error(plan.Config)
	}
}

// TestRelativeNames takes names in flags from the folder where setup is called.
func TestRelativeNames(t *testing.T) {
	o := options(newTree(t, "srv/.env", "CONFIG=/cfg\nTURN_HOST=turn.example.org\nTURN_CREDENTIALS="+testkit.SharedSecret+"\n"))
	t.Chdir("/srv")
	o.Docker = "."
	if plan := mustFind(t, o); plan.Docker != "/srv" {
		t.Error(plan.Docker)
	}
	o = options(newTree(t, "srv/p.lua", mainConfig+"VirtualHost \"example.org\"\n", "etc/turnserver.conf", coturnConfig))
	o.ProsodyConfig, o.ModuleDir = "p.lua", "modules"
	if text := shown(t, mustFind(t, o)); !strings.Contains(text, "+++ /srv/modules/mod_extdisco_bridge/") {
		t.Error(text)
	}
}

// TestHints names what stands in the way of the bridge.
func TestHints(t *testing.T) {
	o := options(prosodyTree(t, `VirtualHost "example.org"
	modules_enabled = { "disco"; "turn_external" }
	modules_disabled = { "external_services" }
	delegations = { ["urn:xmpp:extdisco:2"] = { jid = "x" } }
VirtualHost "other.example.net"
	enabled = false
	modules_disabled = { "external_services" }
`))
	var hints []string
	for _, remark := range mustFind(t, o).Remarks {
		if _, hint, found := strings.Cut(remark, "hosts.cfg.lua, "); found {
			number, text, _ := strings.Cut(hint, ":")
			hints = append(hints, number+strings.Join(strings.Fields(text)[:3], " "))
		}
	}
	testkit.WantEqual(t, "hints", strings.Join(hints, "; "), "line 2turn_external in modules_enabled; line 3external_services is in; line 4if these delegations")
}

// TestTemporaryFiles: what somebody else has put in place of a temporary file is not
// written to.
func TestTemporaryFiles(t *testing.T) {
	o := options(jitsiTree(t))
	outside := filepath.Join(t.TempDir(), "outside")
	testkit.WriteFile(t, outside, "mine")
	if err := os.Symlink(outside, filepath.Join(o.Root, "etc/prosody/conf.d", confFile+temporary)); err != nil {
		t.Fatal(err)
	}
	if err := mustFind(t, o).Apply(); err != nil {
		t.Fatal(err)
	}
	testkit.WantEqual(t, "the file outside", readBelow(t, "/", outside), "mine")
	if conf := readBelow(t, o.Root, "etc/prosody/conf.d/"+confFile); !strings.Contains(conf, handshake) {
		t.Error(conf)
	}
}

// TestPackagedConfig replaces the config.toml that make installs, which nobody has changed.
func TestPackagedConfig(t *testing.T) {
	makefile := readBelow(t, "../..", "Makefile")
	found := regexp.MustCompile(`sed -E '(.+)' config.toml.example`).FindStringSubmatch(makefile)
	if found == nil {
		t.Fatal("the Makefile does not make config.toml of config.toml.example")
	}
	packaged, err := exec.CommandContext(t.Context(), "sed", "-E", found[1], "../../config.toml.example").Output()
	if err != nil {
		t.Fatal(err)
	}
	o := options(prosodyTree(t, "VirtualHost \"example.org\"\n", "etc/extdisco/config.toml", string(packaged)))
	o.ConfigExample = readBelow(t, "../..", "config.toml.example")
	if string(packaged) == o.ConfigExample {
		t.Error("make changes nothing")
	}
	if err := mustFind(t, o).Apply(); err != nil {
		t.Fatal(err)
	}
	if text := readBelow(t, o.Root, configFile); !strings.HasPrefix(text, "# Written by extdisco setup.") {
		t.Errorf("%.200s", text)
	}
}

// TestLinksStayInside: a link of the tree does not lead out of it.
func TestLinksStayInside(t *testing.T) {
	outside := t.TempDir()
	testkit.WriteFile(t, filepath.Join(outside, "secret"), "outside")
	root := newTree(t, "a", "->"+filepath.Join(outside, "secret"), "b", "->../../../../../../../../etc/passwd", "c", "->c")
	for _, name := range []string{"/a", "/b", "/c"} {
		if content, err := (tree{root}).read(name); err == nil {
			t.Errorf("%s: %q", name, content)
		}
	}
}

// TestAfterUndo names what has to be started anew, for each kind of machine.
func TestAfterUndo(t *testing.T) {
	for last, want := range map[string]string{
		"/etc/prosody/conf.d/" + confFile: "systemctl restart prosody; systemctl disable --now extdisco",
		configFile:                        "systemctl disable --now extdisco   # and take out of ejabberd.yml what was added",
	} {
		testkit.WantEqual(t, last, strings.Join(AfterUndo([]string{"/etc/extdisco/secrets/turn.secret", last}), "; "), want)
	}
	containers := []string{"/cfg/prosody/config/conf.d/" + confFile, "/srv/jitsi/" + overlay, "/srv/jitsi/.env"}
	testkit.WantEqual(t, "containers", strings.Join(AfterUndo(containers), "; "), "cd /srv/jitsi; docker compose up -d --force-recreate --remove-orphans")
}

func TestQuoteLua(t *testing.T) {
	for in, want := range map[string]string{
		"plain":        `"plain"`,
		`a"b\c`:        `"a\"b\\c"`,
		"two\nlines\t": `"two\010lines\009"`,
		"é\x7f":        "\"é\\127\"",
	} {
		if got := QuoteLua(in); got != want {
			t.Errorf("%q: %s, want %s", in, got, want)
		}
	}
}
