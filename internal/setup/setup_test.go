package setup

import (
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

// TestComputedSecret takes the servers of a list whose secret is computed, and the secret from
// a file.
func TestComputedSecret(t *testing.T) {
	o := options(newTree(t, "etc/prosody/prosody.cfg.lua", mainConfig, "etc/prosody/conf.d/hosts.cfg.lua",
		"external_service_secret = Credential(\"turn\")\nexternal_services = { { type = \"turn\", host = \"turn.example.org\", secret = true } }\nVirtualHost \"example.org\"\n"))
	o.SecretFile = filepath.Join(t.TempDir(), "turn")
	testkit.WriteFile(t, o.SecretFile, testkit.SharedSecret+"\n")
	if err := mustFind(t, o).Apply(); err != nil {
		t.Fatal(err)
	}
	testkit.WantEqual(t, "secret", readBelow(t, o.Root, secretFolder+"/turn.secret"), testkit.SharedSecret+"\n")
	if text := readBelow(t, o.Root, configFile); !strings.Contains(text, `urls = ["turn:turn.example.org:3478`) {
		t.Error(text)
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

// TestEjabberdBlock prints what docs/servers.md shows, which is tried with ejabberd.
func TestEjabberdBlock(t *testing.T) {
	page, err := os.ReadFile("../../docs/servers.md")
	if err != nil {
		t.Fatal(err)
	}
	_, block, found := strings.Cut(string(page), "```yaml\n")
	block, _, ends := strings.Cut(block, "```")
	if !found || !ends {
		t.Fatal("docs/servers.md has no block of YAML")
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
	testkit.WantEqual(t, "hints", strings.Join(hints, "; "), "line 2turn_external in modules_enabled; line 3external_services is in; line 4if urn:xmpp:extdisco:1 or")
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

// TestTryCommands shows how to see what a client gets, for each kind of machine.
func TestTryCommands(t *testing.T) {
	machine := mustFind(t, options(jitsiTree(t)))
	testkit.WantEqual(t, "machine", strings.Join(machine.TryCommands(), "; "), "extdisco query meet.example.org; extdisco probe --config "+machine.Config)
	for public, want := range map[string]string{"": "wss://localhost:8443/xmpp-websocket", "PUBLIC_URL=https://meet.example.org/\n": "wss://meet.example.org/xmpp-websocket"} {
		o := options(newTree(t, "srv/jitsi/.env", dockerEnv+public))
		o.Docker, o.Home = "/srv/jitsi", "/home/alice"
		testkit.WantEqual(t, "containers", mustFind(t, o).TryCommands()[0], "extdisco query meet.example.org --room test --websocket "+want)
	}
}

// TestAfterUndo names what has to be started anew, for each kind of machine.
func TestAfterUndo(t *testing.T) {
	for last, want := range map[string]string{
		"/etc/prosody/conf.d/" + confFile: "systemctl restart prosody; systemctl disable --now extdisco",
		configFile:                        "systemctl disable --now extdisco   # and remove from ejabberd.yml what you added",
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
