package setup

import (
	"cmp"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"extdisco/internal/testkit"
)

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
		{"only localhost", func(t *testing.T) string { return prosodyTree(t, "") }, nil, "there is no VirtualHost besides localhost"},
		{"a disabled host", func(t *testing.T) string { return prosodyTree(t, host+"\tenabled = false\n") }, nil, "there is no VirtualHost besides localhost"},
		{"hosts in a loop", func(t *testing.T) string {
			return prosodyTree(t, "for _, d in ipairs { \"example.org\" } do\n  VirtualHost(d)\nend\n")
		}, nil, "/etc/prosody/conf.d/hosts.cfg.lua, line 2: a host is computed"},
		{"a host on a condition", func(t *testing.T) string {
			return prosodyTree(t, "if os.getenv \"X\" then\n  VirtualHost \"example.org\"\nend\n")
		}, nil, "line 2: a host is computed or depends on a condition"},
		{"a domain that is not there", func(t *testing.T) string { return prosodyTree(t, host) }, func(o *Options) { o.Domains = []string{"example.com"} },
			"--domain example.com: Prosody has no such VirtualHost; it has localhost, example.org"},
		{"a computed list", func(t *testing.T) string {
			return prosodyTree(t, host+"  external_services = make_services(\"turn.example.org\")\n")
		}, nil, "/etc/prosody/conf.d/hosts.cfg.lua, line 2: external_services is computed"},
		{"a list in an argument", func(t *testing.T) string {
			return prosodyTree(t, "settings { external_services = { { type = \"stun\", host = \"x\" } } }\n"+host)
		}, nil, "line 1: external_services is computed, or part of something else"},
		{"options from an expression", func(t *testing.T) string {
			return prosodyTree(t, "local hosts = require \"hosts\"\nVirtualHost \"example.org\" (hosts.meet)\n")
		}, nil, "/etc/prosody/conf.d/hosts.cfg.lua, line 2: the options of example.org are computed and may hold a list of TURN servers; name the servers with --turn-server URI"},
		{"a list in the table of a host", func(t *testing.T) string {
			return prosodyTree(t, "VirtualHost \"example.org\" {\n  external_services = { { type = \"stun\", host = \"x\" } };\n}\n")
		}, nil, "/etc/prosody/conf.d/hosts.cfg.lua, line 2: external_services is computed, or part of something else"},
		{"an included file that is not there", func(t *testing.T) string {
			return prosodyTree(t, host+"Include \"more.cfg.lua\"\n")
		}, nil, "cannot read Prosody's configuration: /etc/prosody/conf.d/more.cfg.lua: no such file"},
		{"a folder in the place of a file", func(t *testing.T) string {
			return prosodyTree(t, host, "etc/prosody/conf.d/folder.cfg.lua/x", "")
		}, nil, "/etc/prosody/conf.d/folder.cfg.lua: is a directory"},
		{"a name that is not UTF-8", func(t *testing.T) string {
			return prosodyTree(t, "turn_external_secret = \""+testkit.SharedSecret+"\"\nturn_external_host = \"turn.example.org\"\n"+host, "etc/prosody/conf.d/z\xfc.cfg.lua", "turn_external_ttl = 3600\n")
		}, func(o *Options) { o.RemoveOld = true }, `"/etc/prosody/conf.d/z\xfc.cfg.lua": the name of this file is not UTF-8`},
		{"a computed secret", func(t *testing.T) string {
			return prosodyTree(t, host+"  turn_external_host = \"turn.example.org\"\n", "etc/prosody/conf.d/secret.cfg.lua", "turn_external_secret=Credential \"turn\"\n")
		}, nil, "the list in /etc/prosody/conf.d/hosts.cfg.lua, line 2 does not contain the secret of turn:turn.example.org:3478?transport=udp; name a file that holds it with --turn-secret-file FILE"},
		{"a computed secret, to be removed", func(t *testing.T) string {
			return prosodyTree(t, host+"  turn_external_secret = FileLine(\"/etc/secret\")\n")
		}, func(o *Options) {
			o.RemoveOld = true
			o.TURNServers = []string{"stun:turn.example.org"}
		}, "line 2: turn_external_secret is computed, or part of something else, and --remove-old cannot tell where it ends"},
		{"no TURN server", func(t *testing.T) string {
			return newTree(t, "etc/prosody/prosody.cfg.lua", mainConfig, "etc/prosody/conf.d/hosts.cfg.lua", host)
		}, nil, "no TURN server was found, neither in /etc/turnserver.conf nor in the XMPP server's configuration; set up extdisco's own relay with --relay, or name a TURN server with --turn-server"},
		{"relay beside coturn", func(t *testing.T) string { return prosodyTree(t, host) }, func(o *Options) { o.Relay = true },
			"/etc/turnserver.conf configures coturn, which uses the same ports as the relay: leave out --relay to keep coturn; or stop it"},
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
		}, func(o *Options) { o.Relay = true }, "flags that say what to write into it have no effect"},
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
		{"no Lua", func(t *testing.T) string { return prosodyTree(t, host+"x = \"never closed\n") }, nil, "/etc/prosody/conf.d/hosts.cfg.lua, line 2: a string is not closed"},
		{"a configuration with faults", func(t *testing.T) string {
			return prosodyTree(t, host, "etc/extdisco/config.toml", "[component]\njid = 3\n")
		}, nil,
			"/etc/extdisco/config.toml exists and is not valid"},
		{"a configuration and flags", func(t *testing.T) string {
			return prosodyTree(t, host, "etc/extdisco/config.toml", "[component]\njid = \"turn.example.org\"\nsecret = \""+handshake+"\"\n[[ice_server]]\nurls = [\"stun:turn.example.org\"]\n")
		}, func(o *Options) { o.Domains = []string{"example.org"} }, "flags that say what to write into it have no effect"},
		{"a configuration of a relay alone", func(t *testing.T) string {
			return prosodyTree(t, host, "etc/extdisco/config.toml", "[relay]\nhost = \"turn.example.org\"\npublic_ip = [\"203.0.113.5/127.0.0.1\"]\nsecret = \""+handshake+"\"\n")
		}, nil, "/etc/extdisco/config.toml exists and has no [component]"},
		{"a configuration of several servers", func(t *testing.T) string { return prosodyTree(t, host, "etc/extdisco/config.toml", severalServers) }, nil,
			"has several components; name one with --link NAME: one, two"},
		{"a configuration of several servers, another name", func(t *testing.T) string { return prosodyTree(t, host, "etc/extdisco/config.toml", severalServers) },
			func(o *Options) { o.Link = "three" }, "has no component with the name three; the names are: one, two"},
		{"a link and no configuration", func(t *testing.T) string { return prosodyTree(t, host) }, func(o *Options) { o.Link = "one" }, "--link names a component of /etc/extdisco/config.toml, and there is none yet"},
		{"docker with a configuration and flags", func(t *testing.T) string {
			return newTree(t, "srv/.env", "CONFIG=/cfg\n", "cfg/extdisco/config.toml", "[component]\njid = \"turn.example.org\"\nsecret = \""+handshake+"\"\n[[ice_server]]\nurls = [\"stun:turn.example.org\"]\n")
		}, func(o *Options) { o.Docker, o.Component = "/srv", "turn.example.net" }, "/cfg/extdisco/config.toml exists and is used as it is, so flags that say what to write into it have no effect"},
		{"docker without .env", func(t *testing.T) string { return newTree(t) }, func(o *Options) { o.Docker = "/srv/jitsi" }, "give the folder that has docker-compose.yml and .env"},
		{"docker without TURN", func(t *testing.T) string { return newTree(t, "srv/.env", "CONFIG=/cfg\n") }, func(o *Options) { o.Docker = "/srv" }, "names no TURN server"},
		{"docker with a value of two lines", func(t *testing.T) string {
			return newTree(t, "srv/.env", "CONFIG=/cfg\nTURN_HOST=turn.example.org\nexport TURN_CREDENTIALS=\"one\ntwo\"\n")
		}, func(o *Options) { o.Docker = "/srv" }, "/srv/.env, line 3: a value goes on in the next line"},
		{"a secret that is not UTF-8", func(t *testing.T) string {
			return newTree(t, "etc/prosody/prosody.cfg.lua", mainConfig, "etc/prosody/conf.d/hosts.cfg.lua", host+"  turn_external_host = \"turn.example.org\"\n  turn_external_secret = \"\xff\"\n")
		}, nil, "/etc/prosody/conf.d/hosts.cfg.lua, line 2 names no TURN server that can be used: the list of Prosody, line 3: turn_external_secret contains bytes that are not text"},
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

// TestUnusualIsKept is about what setup can work on: besides the old list, not a byte changes
// in a file, nor whom it belongs to, nor a link, and undo leaves all as it was.
func TestUnusualIsKept(t *testing.T) {
	const (
		hosts = "/etc/prosody/conf.d/hosts.cfg.lua"
		host  = "VirtualHost \"example.org\"\n"
		list  = "turn_external_host = \"turn.example.org\"\nturn_external_secret = \"" + testkit.SharedSecret + "\"\n"
		gone  = "-- turn_external_host = \"turn.example.org\"\n-- turn_external_secret = \"removed-by-extdisco-setup\"\n"
	)
	for _, tt := range []struct {
		name   string
		tree   func(*testing.T) string
		file   string // that has the old list
		want   string // what it holds then
		conf   string // where our own file is then
		adjust func(*testing.T, *Options)
	}{
		{"bytes that are not UTF-8", func(t *testing.T) string { return prosodyTree(t, "-- Z\xfcrich\n"+list+host+"name = \"\xff\xfe\"\n") },
			hosts, "-- Z\xfcrich\n" + gone + host + "name = \"\xff\xfe\"\n", "", nil},
		{"line ends of Windows", func(t *testing.T) string { return prosodyTree(t, strings.ReplaceAll(list+host, "\n", "\r\n")) },
			hosts, strings.ReplaceAll(gone+host, "\n", "\r\n"), "", nil},
		{"no line end at the end", func(t *testing.T) string { return prosodyTree(t, host+strings.TrimSpace(list)) },
			hosts, host + strings.TrimSpace(gone), "", nil},
		{"includes of includes", func(t *testing.T) string {
			return prosodyTree(t, "Include \"sites/*.lua\"\n", "etc/prosody/conf.d/sites/a.lua", list+host, "etc/prosody/conf.d/sites/.b.lua", "VirtualHost \"hidden.example.net\"\n", "etc/prosody/conf.d/c.cfg.lua~", "VirtualHost \"old.example.net\"\n")
		}, "/etc/prosody/conf.d/sites/a.lua", gone + host, "", nil},
		{"brackets in a pattern", func(t *testing.T) string {
			return newTree(t, "etc/prosody/prosody.cfg.lua", strings.Replace(mainConfig, "conf.d/*", "[conf]/*", 1), "etc/prosody/[conf]/hosts.cfg.lua", list+host)
		}, "/etc/prosody/[conf]/hosts.cfg.lua", gone + host, "/etc/prosody/[conf]/extdisco.cfg.lua", nil},
		{"links", func(t *testing.T) string {
			return newTree(t, "srv/main.lua", mainConfig, "srv/hosts/hosts.cfg.lua", "->../real/hosts", "srv/real/hosts", list+host,
				"etc/prosody/prosody.cfg.lua", "->../../srv/main.lua", "etc/prosody/conf.d", "->/srv/hosts")
		}, "/srv/real/hosts", gone + host, "/srv/hosts/extdisco.cfg.lua", nil},
		{"files that are read-only", func(t *testing.T) string { return prosodyTree(t, list+host) }, hosts, gone + host, "",
			func(t *testing.T, o *Options) {
				eachFile(t, o.Root, func(file string) error { return os.Chmod(file, 0o444) })
			}},
		{"other owners", func(t *testing.T) string { return prosodyTree(t, list+host) }, hosts, gone + host, "",
			func(t *testing.T, o *Options) {
				if os.Geteuid() == 0 { // nobody else may give files away
					eachFile(t, o.Root, func(file string) error { return os.Chown(file, 4711, 815) })
				}
			}},
		{"an .env with line ends of Windows", func(t *testing.T) string {
			return newTree(t, "srv/.env", "CONFIG=/cfg\r\nXMPP_DOMAIN=example.org\r\nTURN_HOST=turn.example.org\r\nexport TURN_CREDENTIALS="+testkit.SharedSecret+"\r\nTZ=UTC\r\n")
		}, "/srv/.env", "CONFIG=/cfg\r\nXMPP_DOMAIN=example.org\r\n# TURN_HOST=turn.example.org\r\n# TURN_CREDENTIALS=removed-by-extdisco-setup\r\nTZ=UTC\r\n",
			"/cfg/prosody/config/conf.d/extdisco.cfg.lua", func(_ *testing.T, o *Options) { o.Docker = "/srv" }},
		{"options in tables of hosts", func(t *testing.T) string {
			return prosodyTree(t, "host \"example.org\" {\n  modules_enabled = { \"ping\" };\n}\n"+list+"VirtualHost \"old.example.net\" { enabled = false }\ncomponent \"rooms.example.org\" \"muc\" { name = \"Rooms\" }\n")
		}, hosts, "host \"example.org\" {\n  modules_enabled = { \"ping\" };\n}\n" + gone + "VirtualHost \"old.example.net\" { enabled = false }\ncomponent \"rooms.example.org\" \"muc\" { name = \"Rooms\" }\n", "", nil},
		{"options from an expression, and servers by name", func(t *testing.T) string {
			return prosodyTree(t, list+"VirtualHost \"example.org\" (require \"hosts\")\n")
		},
			hosts, gone + "VirtualHost \"example.org\" (require \"hosts\")\n", "", func(_ *testing.T, o *Options) { o.TURNServers = []string{"stun:turn.example.org"} }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := options(tt.tree(t))
			o.RemoveOld = true
			if tt.adjust != nil {
				tt.adjust(t, &o)
			}
			before := snapshot(t, o.Root)
			plan := mustFind(t, o)
			testkit.WantEqual(t, "domain", plan.Domain, "example.org")
			if err := plan.Apply(); err != nil {
				t.Fatal(err)
			}
			after := snapshot(t, o.Root)
			testkit.WantEqual(t, tt.file, readBelow(t, o.Root, tt.file), tt.want)
			if conf := cmp.Or(tt.conf, "/etc/prosody/conf.d/extdisco.cfg.lua"); after[conf] == "" {
				t.Errorf("there is no %s", conf)
			}
			for name, text := range before {
				if name != tt.file && after[name] != text {
					t.Errorf("%s was changed", name)
				}
			}
			mode := func(files map[string]string) string { m, _, _ := strings.Cut(files[tt.file], "}"); return m }
			testkit.WantEqual(t, "mode and owner", mode(after), mode(before))
			if err := Undo(o.Root); err != nil {
				t.Fatal(err)
			}
			wantSame(t, "after undo", snapshot(t, o.Root), before)
		})
	}
}

// eachFile calls a function for the files of a tree.
func eachFile(t *testing.T, root string, do func(file string) error) {
	t.Helper()
	for name, text := range snapshot(t, root) {
		if strings.HasPrefix(text, "-") {
			if err := do(filepath.Join(root, name)); err != nil {
				t.Fatal(err)
			}
		}
	}
}
