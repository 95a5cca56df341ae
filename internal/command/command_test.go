package command

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"extdisco/internal/testkit"
)

const usageLine = "usage: extdisco COMMAND [flags]; extdisco --help and extdisco COMMAND --help say more\n"

func TestWrongUsage(t *testing.T) {
	tests := []struct {
		name string
		args []string
		want string // first line on standard error, without "extdisco: "
	}{
		{"no command", nil, `expected one of "serve", "check", "credential", "probe", "query", ...`},
		{"unknown command", []string{"dance"}, "unexpected argument dance"},
		{"unknown flag", []string{"--dance"}, "unknown flag --dance"},
		{"unknown flag of a command", []string{"check", "--dance"}, "unknown flag --dance"},
		{"argument too many", []string{"credential", "config.toml"}, "unexpected argument config.toml"},
		{"configuration named twice", []string{"check", "a.toml", "--config", "b.toml"}, "check: name the configuration once, as FILE or with --config"},
		{"flag without its value", []string{"check", "--config"}, `--config: expected string value but got "EOL" (<EOL>)`},
		{"unknown log level", []string{"--log-level", "loud", "check"}, `--log-level must be one of "","debug","info","warn","error" but got "loud"`},
		{"unknown log format", []string{"--log-format", "xml", "check"}, `--log-format must be one of "","text","json" but got "xml"`},
		{"credential with a colon in the user", []string{"credential", "--user", "a:b"},
			"--user: the user part contains ':'; use only letters, digits and . _ ~ @ -"},
		{"credential with a blank in the user", []string{"credential", "--user", "a b"},
			"--user: the user part contains ' '; use only letters, digits and . _ ~ @ -"},
		{"credential without user", []string{"credential", "--user", ""}, "--user: the user part is empty"},
		{"credential with a TTL in words", []string{"credential", "--ttl", "long"}, `--ttl: is not a duration; write for example "24h", "90m" or "3600s"`},
		{"credential with a TTL of nothing", []string{"credential", "--ttl", "0s"}, `--ttl: is too short; write at least "1s"`},
		{"credential with a TTL in the past", []string{"credential", "--ttl=-1h"}, `--ttl: is too short; write at least "1s"`},
		{"credential with a TTL without a unit", []string{"credential", "--ttl", "86400"}, `--ttl: is a number without a unit; write "24h"`},
		{"query with a timeout without a unit", []string{"query", "example.org", "--timeout", "5"}, `--timeout: is a number without a unit; write "5s"`},
		{"probe with a timeout in days", []string{"probe", "--timeout", "1d"}, `--timeout: is not a duration; write "24h"`},
		{"query over ws in the clear", []string{"query", "example.org", "--websocket", "ws://example.org/xmpp-websocket"}, "--websocket: ws:// sends everything in the clear; use wss://, or add --insecure if this is a lab"},
		{"query over no WebSocket", []string{"query", "example.org", "--websocket", "https://example.org/xmpp-websocket"}, "--websocket: give a URL such as wss://meet.example.org/xmpp-websocket"},
		{"query over a WebSocket and TCP", []string{"query", "example.org", "--websocket", "wss://example.org/x", "--address", "127.0.0.1:5222"}, "--websocket replaces --address and --tls; leave them out"},
		{"query of an address as room", []string{"query", "example.org", "--room", "a@conference.example.org"}, `--room: "a@conference.example.org" is not the name of a room; write only what is before the @`},
		{"query with --muc alone", []string{"query", "example.org", "--muc", "conference.example.org"}, "--muc requires --room"},
		{"query with an account as --muc", []string{"query", "example.org", "--room", "a", "--muc", "a@example.org"}, `--muc: "a@example.org" is not a domain; write for example conference.meet.example.org`},
		{"query without domain", []string{"query"}, `expected "<domain>"`},
		{"query of two domains", []string{"query", "example.org", "example.net"}, "unexpected argument example.net"},
		{"query of an account", []string{"query", "alice@example.org"}, `"alice@example.org" is not a domain; write for example meet.example.org, and an account with --jid`},
		{"query of a resource", []string{"query", "example.org/desk"}, `"example.org/desk" is not a domain; write for example meet.example.org, and an account with --jid`},
		{"query of no address", []string{"query", "exam ple.org"}, `"exam ple.org" is not a domain; write for example meet.example.org, and an account with --jid`},
		{"query in two forms", []string{"query", "example.org", "--json", "--rtc"}, "--json and --rtc can't be used together"},
		{"query with unknown TLS", []string{"query", "example.org", "--tls", "maybe"}, `--tls must be one of "starttls","direct","none" but got "maybe"`},
		{"query in the clear", []string{"query", "example.org", "--tls", "none"}, "--tls none sends everything in the clear; add --insecure if this is a lab"},
		{"query without time", []string{"query", "example.org", "--timeout", "0s"}, `--timeout: is too short; write at least "1s"`},
		{"query with account, without password", []string{"query", "example.org", "--jid", "alice@example.org"}, "--jid and --password-file go together"},
		{"query with password, without account", []string{"query", "example.org", "--password-file", "-"}, "--jid and --password-file go together"},
		{"query with a domain as account", []string{"query", "example.org", "--jid", "example.org", "--password-file", "-"}, `--jid: "example.org" is not an account; write USER@DOMAIN`},
		{"query with no address as account", []string{"query", "example.org", "--jid", "@", "--password-file", "-"}, `--jid: "@" is not an account; write USER@DOMAIN`},
		{"query with an account elsewhere", []string{"query", "example.org", "--jid", "alice@example.net", "--password-file", "-"},
			"--jid is at example.net; name that domain, and what to ask with --to example.org"},
		{"query to no address", []string{"query", "example.org", "--to", "exam ple.org"},
			`--to: "exam ple.org" is not an address: idna: disallowed rune U+0020`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := runCommand(t, "password\n", tt.args...)
			if r.status != statusUsage || r.stdout != "" {
				t.Errorf("status %d, standard output %q", r.status, r.stdout)
			}
			testkit.WantEqual(t, "standard error", r.stderr, "extdisco: "+tt.want+"\n"+usageLine)
		})
	}
}

func TestHelp(t *testing.T) {
	tests := []struct {
		args  string
		wants []string
	}{
		{"--help", []string{"Usage: extdisco <command>", "serve", "check", "credential", "query", "import", "version", "--config=FILE", "--log-level=LEVEL",
			"debug, info, warn or error", "--log-format=FORMAT", "text or json", "/etc/extdisco/config.toml", "To begin,"}},
		{"-h", []string{"Usage: extdisco <command>"}},
		{"help", []string{"Usage: extdisco <command>"}},
		{"help credential", []string{"Usage: extdisco credential", "--config=FILE"}},
		{"serve --help", []string{"Usage: extdisco serve", "SIGTERM", "SIGHUP"}},
		{"check --help", []string{"Usage: extdisco check", "every fault", "Does not touch the network"}},
		{"credential --help", []string{"Usage: extdisco credential", "--user=NAME", "Default: test", "--ttl=DURATION", "Default: 1h", "turnutils_uclient", "Example"}},
		{"query --help", []string{"Usage: extdisco query <domain>", "--jid=USER@DOMAIN", "--password-file=FILE", "--to=ADDRESS", "--address=HOST:PORT",
			"--tls=", "--insecure", "--ca-file=FILE", "--timeout=DURATION", "Default: 10s", "--json", "--rtc", "--room=NAME", "--websocket=URL", "--config=FILE", "with an account", "do not publish"}},
		{"version --help", []string{"Usage: extdisco version"}},
	}
	for _, tt := range tests {
		t.Run(tt.args, func(t *testing.T) {
			r := runCommand(t, "", strings.Fields(tt.args)...)
			if r.status != statusOK || r.stderr != "" {
				t.Errorf("status %d, standard error %q", r.status, r.stderr)
			}
			text := strings.Join(strings.Fields(r.stdout), " ") // wherever the lines are broken
			for _, want := range tt.wants {
				if !strings.Contains(text, want) {
					t.Errorf("no %q in\n%s", want, r.stdout)
				}
			}
		})
	}
}

// Commands that read no configuration do not show its flags, and only what runs on writes a
// log.
func TestHelpLeavesOutWhatMeansNothing(t *testing.T) {
	for command, logs := range map[string]bool{"serve": true, "relay": true, "import": false, "check": false} {
		if r := runCommand(t, "", command, "--help"); strings.Contains(r.stdout, "--log-level") != logs {
			t.Errorf("%s:\n%s", command, r.stdout)
		}
	}
	for _, command := range configless {
		if r := runCommand(t, "", command, "--help"); r.status != statusOK || strings.Contains(r.stdout, "--config") || strings.Contains(r.stdout, "--log-level") {
			t.Errorf("%s: %d\n%s", command, r.status, r.stdout)
		}
	}
}

func TestMissingConfigFails(t *testing.T) {
	dir := t.TempDir()
	for _, command := range []string{"serve", "check", "credential"} {
		t.Run(command, func(t *testing.T) {
			r := runCommand(t, "", command, "--config", filepath.Join(dir, "nowhere.toml"))
			want := result{statusFailed, "", "extdisco: cannot read the configuration: there is no file " + dir + "/nowhere.toml\n"}
			if r != want {
				t.Errorf("%+v, want %+v", r, want)
			}
		})
	}
}

func TestBrokenConfigFails(t *testing.T) {
	file := testkit.WriteConfig(t, "[component]\njid = 5\nsecret_file = \"component.secret\"\n[log]\nlevel = \"loud\"\n"+
		"[[ice_server]]\nurls = [\"stun:turn.example.org\"]\n")
	want := fmt.Sprintf("extdisco: %s:2: component.jid: is a number; put it in quotes\n"+
		"extdisco: %[1]s:5: log.level: is none of info, debug, warn, error\n", file)
	for _, command := range []string{"serve", "check", "credential"} {
		t.Run(command, func(t *testing.T) {
			want := want
			if command == "check" {
				want += "extdisco: " + file + " is not valid: 2 faults\n"
			}
			if r := runCommand(t, "", command, "--config", file); r != (result{statusFailed, "", want}) {
				t.Errorf("%+v, want all faults\n%s", r, want)
			}
		})
	}
}

func TestCheck(t *testing.T) {
	file := testkit.WriteConfig(t, testkit.MinimalConfig+"ttl = \"30m\"\n[access]\nallow = [\"example.org\", \"alice@example.net\"]\n")
	r := runCommand(t, "", "--config", file, "check")
	if r.status != statusOK {
		t.Errorf("status %d", r.status)
	}
	testkit.WantEqual(t, "standard output", r.stdout, file+` is valid, but one thing needs attention; see the warning.
  component  turn.example.org at 127.0.0.1:5347
  trusts     example.org
  serves     example.org, alice@example.net
  offers     stun:turn.example.org:3478
             turn:turn.example.org:3478?transport=udp
`)
	testkit.WantEqual(t, "standard error", r.stderr, "extdisco: warning: "+file+
		":8: ice_server[0].ttl: 30m is short: a client that was asleep wakes up with an expired credential; write 1h where mod_extdisco_bridge renews those of Jitsi Meet, and 24h elsewhere\n")
}

// Servers of providers, which no test asks.
const (
	cloudflareServer = "[[ice_server]]\nprovider = \"cloudflare\"\nkey_id = \"key\"\napi_token_file = \"turn.secret\"\n"
	httpServer       = "[[ice_server]]\nprovider = \"http\"\nurl = \"https://turn.example.org/credentials\"\n"
)

func TestCheckOfProviders(t *testing.T) {
	const component = "[component]\njid = \"turn.example.org\"\nsecret_file = \"component.secret\"\n"
	const header = ` is valid.
  component  turn.example.org at 127.0.0.1:5347
  trusts     example.org
  serves     example.org
  offers     `
	const own = "stun:turn.example.org:3478\n             turn:turn.example.org:3478?transport=udp\n"
	tests := []struct {
		name, config, args string
		status             int
		stdout, stderr     string // with FILE for the configuration
	}{
		{"one provider", component + cloudflareServer, "check", statusOK, "FILE" + header + "what cloudflare gives (ice_server[0])\n", ""},
		{"providers and others, in order", testkit.MinimalConfig + cloudflareServer + httpServer, "check", statusOK,
			"FILE" + header + own + "             what cloudflare gives (ice_server[1])\n             what http gives (ice_server[2])\n", ""},
		{"--fetch of a broken configuration", component + cloudflareServer + "region = \"eu\"\nttl = \"60h\"\n" + httpServer + "method = \"HEAD\"\n", "check --fetch", statusFailed, "",
			"extdisco: FILE:8: ice_server[0].region: unknown key; it requires provider = \"metered\"\n" +
				"extdisco: FILE:9: ice_server[0].ttl: is longer than this provider allows; write \"48h\" or less\n" +
				"extdisco: FILE:13: ice_server[1].method: is none of GET, POST, PUT\nextdisco: FILE is not valid: 3 faults\n"},
		{"credential of a provider", component + cloudflareServer, "credential", statusFailed, "",
			"extdisco: FILE names no TURN server with credentials of its own: there is nothing to make one for (extdisco check --fetch shows those of providers)\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			file := testkit.WriteConfig(t, tt.config)
			r := runCommand(t, "", append(strings.Fields(tt.args), "--config", file)...)
			if r.status != tt.status {
				t.Errorf("status %d, want %d", r.status, tt.status)
			}
			testkit.WantEqual(t, "standard output", strings.ReplaceAll(r.stdout, file, "FILE"), tt.stdout)
			testkit.WantEqual(t, "standard error", strings.ReplaceAll(r.stderr, file, "FILE"), tt.stderr)
		})
	}
}

func TestCheckReadsDefaultConfig(t *testing.T) {
	dir := testkit.WriteFiles(t, "config.toml", testkit.MinimalConfig)
	t.Chdir(dir)
	if r := runCommand(t, "", "check"); r.status != statusOK || !strings.HasPrefix(r.stdout, dir+"/config.toml is valid.\n") || r.stderr != "" {
		t.Errorf("%+v", r)
	}
}

func TestVersion(t *testing.T) {
	before := program
	t.Cleanup(func() { program = before })
	program.Version = "1.2.3"
	want := fmt.Sprintf("extdisco 1.2.3 (%s %s/%s)\n", runtime.Version(), runtime.GOOS, runtime.GOARCH)
	if r := runCommand(t, "", "version"); r != (result{statusOK, want, ""}) {
		t.Errorf("%+v, want %q", r, want)
	}
	if r := runCommand(t, "", "--version"); r != (result{statusOK, want, ""}) {
		t.Errorf("--version: %+v, want %q", r, want)
	}
	program.Version = ""
	if r := runCommand(t, "", "version"); !regexp.MustCompile(`^extdisco (devel|v?\d)\S* \(go\S+ \w+/\w+\)\n$`).MatchString(r.stdout) {
		t.Errorf("without linked version %q", r.stdout)
	}
}

// brokenWriter is a standard output that is a full disk or a closed pipe.
type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, errors.New("no space left") }

func TestResultsThatCannotBeWrittenFail(t *testing.T) {
	file := testkit.WriteConfig(t, testkit.MinimalConfig)
	for _, command := range []string{"check", "credential", "version"} {
		t.Run(command, func(t *testing.T) {
			var stderr bytes.Buffer
			status := program.Run([]string{"--config", file, command}, strings.NewReader(""), brokenWriter{}, &stderr)
			if status != statusFailed || !strings.Contains(stderr.String(), "no space left") {
				t.Errorf("status %d, standard error %q", status, stderr.String())
			}
		})
	}
}
