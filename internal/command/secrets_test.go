package main

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// wantNoSecrets checks that none of the secrets is in the text, also not in hex
// or base64.
func wantNoSecrets(t *testing.T, where, text string, secrets ...string) {
	t.Helper()
	for _, s := range secrets {
		if s == "" {
			t.Fatal("the test looks for nothing")
		}
		for form, hidden := range map[string]string{
			"itself":    s,
			"in hex":    hex.EncodeToString([]byte(s)),
			"in base64": strings.TrimRight(base64.StdEncoding.EncodeToString([]byte(s)), "="),
		} {
			if strings.Contains(text, hidden) {
				t.Errorf("%s shows the secret %q %s:\n%s", where, s, form, text)
			}
		}
	}
}

var configuredSecrets = []string{testkit.Handshake, testkit.SharedSecret, testkit.SharedSecretTwo, testkit.Password, testkit.PseudonymKey, testToken, testRESTKey}

// secretServers has every kind of secret, in the file and beside it.
const secretServers = `[[ice_server]]
urls = ["turn:one.example.org"]
secret = "` + testkit.SharedSecret + `"
pseudonym_key = "` + testkit.PseudonymKey + `"
[[ice_server]]
urls = ["turn:two.example.org"]
secret_file = "two.secret"
pseudonym_key_file = "pseudonym.key"
[[ice_server]]
urls = ["turn:static.example.org"]
username = "alice"
password = "` + testkit.Password + `"
` + httpTable + `[[rest_client]]
name = "janus"
key = "` + testRESTKey + `"
[limits]
total = "20/h"
[log]
audit = true
`

var passwordAttr = regexp.MustCompile(`password='([^']*)'`)

// TestServeShowsNoSecrets lets everything happen that may happen to a running
// component, and looks through its log.
func TestServeShowsNoSecrets(t *testing.T) {
	for _, format := range []string{"text", "json"} {
		t.Run(format, func(t *testing.T) {
			server := startServer(t)
			content := server.serverConfig(secretServers)
			content = strings.Replace(content, `secret_file = "component.secret"`, `secret = "`+testkit.Handshake+`"`, 1)
			s := startServing(t, "x = 1", environment{})
			if err := <-s.ended; err == nil {
				t.Fatal("a broken configuration is accepted")
			}
			s = startServing(t, strings.ReplaceAll(content, "two.secret", "turn.secret"), environment{logLevel: "debug", logFormat: format})
			testkit.WriteFile(t, filepath.Join(filepath.Dir(s.file), "two.secret"), testkit.SharedSecretTwo+"\n")

			if _, accepted := server.accept("the server has another secret"); accepted {
				t.Fatal("a wrong handshake is accepted")
			}
			s.log.WaitFor(t, "refused the handshake secret", 1)
			s.reload(strings.Replace(content, "jid =", "hosts = [\"example.org\", \"example.net\"]\njid =", 1), "connecting again")
			stream := s.connect(server, testkit.Handshake)
			var minted []string
			pages := provokeHTTP(t, s.site(1), &minted) // before the limit is reached
			minted = append(minted, provoke(t, stream)...)
			for _, broken := range brokenWithSecrets(content) {
				s.reload(broken, notChanged)
			}
			s.reload(strings.Replace(content, "static.example.org", "other.example.org", 1), "connecting again")
			stream.wantEnd()
			stream = s.connect(server, testkit.Handshake)
			minted = append(minted, provoke(t, stream)...)
			s.stop(syscall.SIGTERM, stream)

			if len(minted) < 8 {
				t.Fatalf("only %d passwords were handed out", len(minted))
			}
			if !strings.Contains(s.log.String(), "DEBUG") {
				t.Error("nothing is logged at level debug")
			}
			wantNoSecrets(t, "the log", s.log.String(), append(minted, configuredSecrets...)...)
			wantNoSecrets(t, "the log", s.log.String(), server.proofs...)
			wantNoSecrets(t, "what is served over HTTP", pages, append(minted, configuredSecrets...)...)
		})
	}
}

// provoke asks for services in every way, and for things that cannot be
// answered. It returns the passwords that were handed out.
func provoke(t *testing.T, stream *fakeStream) (passwords []string) {
	t.Helper()
	inner := "<iq xmlns='jabber:client' type='get' id='i1' from='romeo@example.org/1' to='example.org'>" + servicesRequest + "</iq>"
	forwarded := func(from string) string {
		return "<iq type='set' id='d1' from='" + from + "' to='" + stream.to + "'><delegation xmlns='urn:xmpp:delegation:2'>" +
			"<forwarded xmlns='urn:xmpp:forward:0'>" + inner + "</forwarded></delegation></iq>"
	}
	direct := func(from, payload string) string {
		return "<iq type='get' id='q1' from='" + from + "' to='" + stream.to + "'>" + payload + "</iq>"
	}
	iqs := []string{
		direct("juliet@example.org/1", servicesRequest),
		direct("juliet@example.org/1", "<credentials xmlns='urn:xmpp:extdisco:2'><service type='turn' host='one.example.org'/></credentials>"),
		direct("juliet@example.org/1", "<credentials xmlns='urn:xmpp:extdisco:1'><service host='two.example.org'/></credentials>"),
		direct("juliet@example.org/1", "<credentials xmlns='urn:xmpp:extdisco:2'><service type='turn'/></credentials>"),
		direct("juliet@example.org/1", "<services xmlns='urn:xmpp:extdisco:2'>&unknown;</services>"),
		direct("mallory@example.com/1", servicesRequest),
		direct("juliet@example.org/1", "<query xmlns='jabber:iq:version'/>"),
		forwarded("example.org"),
		forwarded("example.com"),
		forwarded("mallory@example.com/1"),
	}
	for range 20 { // over the limit
		iqs = append(iqs, direct("nurse@example.org/1", servicesRequest))
	}
	for _, iq := range iqs {
		for _, m := range passwordAttr.FindAllStringSubmatch(stream.roundTrip(iq).Inner, -1) {
			passwords = append(passwords, m[1])
		}
	}
	return passwords
}

// provokeHTTP asks for everything over HTTP, with and without the right secrets, and
// returns all answers but those that must hold a password. Those passwords are
// added to minted.
func provokeHTTP(t *testing.T, base string, minted *[]string) (pages string) {
	t.Helper()
	for _, path := range []string{"/", "/page.js", "/page.css", "/healthz", "/readyz", "/nowhere",
		"/turn", "/turn?service=turn&key=" + testToken, "/turn?key=" + testRESTKey, "/ice?service=turn&api=" + testkit.SharedSecret,
		"/turn?service=turn&username=" + strings.Repeat("u", 300) + "&key=" + testRESTKey} {
		pages += fetch(t, "GET", base+path).body
	}
	for _, token := range []string{"", testToken + "x", testRESTKey} {
		pages += fetch(t, "POST", base+"/try", "Authorization", "Bearer "+token).body
	}
	for _, given := range []fetched{
		fetch(t, "GET", base+"/ice?service=turn&key="+testRESTKey),
		fetch(t, "POST", base+"/try", "Authorization", "Bearer "+testToken),
	} {
		found := regexp.MustCompile(`"credential":"([^"]+)"`).FindAllStringSubmatch(given.body, -1)
		if len(found) < 2 {
			t.Fatalf("no credentials in %d %s", given.status, given.body)
		}
		for _, m := range found {
			*minted = append(*minted, m[1])
		}
	}
	return pages + fetch(t, "GET", base+"/").body + fetch(t, "GET", base+"/metrics").body
}

// brokenWithSecrets returns a configuration with secrets in it, broken in ways
// that concern the secrets.
func brokenWithSecrets(content string) map[string]string {
	broken := map[string]string{}
	for _, tt := range []struct{ name, right, wrong string }{
		{"handshake secret without quotes", `secret = "` + testkit.Handshake + `"`, `secret = ` + testkit.Handshake},
		{"handshake secret without closing quote", `secret = "` + testkit.Handshake + `"`, `secret = "` + testkit.Handshake},
		{"handshake secret in a list", `secret = "` + testkit.Handshake + `"`, `secret = ["` + testkit.Handshake + `"]`},
		{"handshake secret in a table", `secret = "` + testkit.Handshake + `"`, `secret = { file = "` + testkit.Handshake + `" }`},
		{"wrong escape behind the handshake secret", `secret = "` + testkit.Handshake + `"`, `secret = "` + testkit.Handshake + `\q"`},
		{"wrong code point behind the handshake secret", `secret = "` + testkit.Handshake + `"`, `secret = "` + testkit.Handshake + `\uzzzz"`},
		{"colon instead of equals sign", `secret = "` + testkit.Handshake + `"`, `secret: "` + testkit.Handshake + `"`},
		{"misspelt key", `secret = "` + testkit.Handshake + `"`, `secrte = "` + testkit.Handshake + `"`},
		{"wrong code point in a text of two lines", `secret = "` + testkit.Handshake + `"`, "secret = \"\"\"\n" + testkit.Handshake + `\uzzzz"""`},
		{"handshake secret given twice over", `secret = "` + testkit.Handshake + `"`, `secret = "` + testkit.Handshake + "\"\nsecret_file = \"component.secret\""},
		{"shared secret and account", `secret = "` + testkit.SharedSecret + `"`, `secret = "` + testkit.SharedSecret + "\"\nusername = \"alice\""},
		{"shared secret without quotes", `secret = "` + testkit.SharedSecret + `"`, `ttl = "` + "\"\nsecret = " + testkit.SharedSecret},
		{"password too long", `password = "` + testkit.Password + `"`, `password = "` + strings.Repeat(testkit.Password, 30) + `"`},
		{"password with a control character", `password = "` + testkit.Password + `"`, `password = "` + testkit.Password + `\u0001"`},
		{"password in unlike quotes", `password = "` + testkit.Password + `"`, `password = '` + testkit.Password + `"`},
		{"password given twice", `password = "` + testkit.Password + `"`, "password = \"" + testkit.Password + "\"\npassword = \"" + testkit.Password + "\""},
		{"password in a URI", `"turn:one.example.org"`, `"turn:alice:` + testkit.Password + `@one.example.org"`},
		{"password in a URI with slashes", `"turn:one.example.org"`, `"turn://alice:` + testkit.Password + `@one.example.org?transport=udp"`},
		{"token without quotes", `token = "` + testToken + `"`, `token = ` + testToken},
		{"token with a blank", `token = "` + testToken + `"`, `token = "` + testToken + ` "`},
		{"key of a client twice", `[limits]`, "[[rest_client]]\nname = \"other\"\nkey = \"" + testRESTKey + "\"\n[limits]"},
		{"key of a client as its name", `name = "janus"`, `key_file = "` + testRESTKey + `"`},
		{"token in a host", `token = "` + testToken + `"`, `token: "` + testToken + `"`},
		{"token without quotes", `token = "` + testToken + `"`, `token = ` + testToken},
		{"token with a blank", `token = "` + testToken + `"`, `token = "` + testToken + ` "`},
		{"token without an address", `listen = "127.0.0.1:0"`, ``},
		{"key of a client in a list", `key = "` + testRESTKey + `"`, `key = ["` + testRESTKey + `"]`},
		{"key of two clients", `key = "` + testRESTKey + `"`, `key = "` + testRESTKey + "\"\n[[rest_client]]\nname = \"b\"\nkey = \"" + testRESTKey + "\""},
		{"pseudonym key without quotes", `pseudonym_key = "` + testkit.PseudonymKey + `"`, `pseudonym_key = ` + testkit.PseudonymKey},
	} {
		broken[tt.name] = strings.Replace(content, tt.right, tt.wrong, 1)
	}
	return broken
}

// TestCommandsShowNoSecrets runs commands on good and broken configurations.
func TestCommandsShowNoSecrets(t *testing.T) {
	good := strings.Replace(testkit.MinimalConfig, `secret_file = "component.secret"`, `secret = "`+testkit.Handshake+`"`, 1) +
		strings.ReplaceAll(secretServers, "two.secret", "turn.secret")
	good = strings.Replace(good, "[log]", "[log]\nlevel = \"debug\"", 1)
	show := func(t *testing.T, content string, wantStatus int, commands ...string) {
		t.Helper()
		file := testkit.WriteConfig(t, content)
		for _, command := range commands {
			r := runCommand(t, "", append(strings.Fields(command), "--config", file, "--log-level", "debug")...)
			if r.status != wantStatus {
				t.Errorf("%s: status %d, want %d\n%s\n%s", command, r.status, wantStatus, r.stderr, content)
			}
			wantNoSecrets(t, command, r.stdout+r.stderr, configuredSecrets...)
		}
	}
	t.Run("good", func(t *testing.T) {
		show(t, good, statusOK, "check")
		show(t, good, statusUsage, "check --dance", "credential --user :")
	})
	for name, content := range brokenWithSecrets(good) {
		t.Run(name, func(t *testing.T) {
			if content == good {
				t.Fatal("nothing was broken")
			}
			show(t, content, statusFailed, "check", "credential", "serve")
		})
	}
}

// TestSlipsOfTheKeyboardShowNoSecrets takes away each character of a
// configuration in turn, and all that is behind it.
func TestSlipsOfTheKeyboardShowNoSecrets(t *testing.T) {
	dir := testkit.WriteFiles(t)
	content := "[component]\njid = \"turn.example.org\"\nsecret = \"" + testkit.Handshake + "\"\n" + strings.ReplaceAll(secretServers, "two.secret", "turn.secret")
	var parts []string // a character may be missing in the middle
	for _, s := range []string{testkit.Handshake, testkit.SharedSecret, testkit.Password, testkit.PseudonymKey, testToken, testRESTKey} {
		parts = append(parts, s[:len(s)/2-1], s[len(s)/2+1:])
	}
	for i := range content {
		for _, slip := range []string{content[:i] + content[i+1:], content[:i]} {
			cfg, err := parseConfig(filepath.Join(dir, "config.toml"), []byte(slip), testkit.Time)
			text := fmt.Sprintf("%v %+v %#v", err, cfg, cfg)
			if cfg != nil {
				text += strings.Join(cfg.warnings, "\n")
			}
			wantNoSecrets(t, "the loader", text, parts...)
			if t.Failed() {
				t.Fatalf("in\n%s", slip)
			}
		}
	}
}

func TestBrokenConfigsShowNoSecrets(t *testing.T) {
	for file, want := range brokenFiles(t) {
		t.Run(testName(file), func(t *testing.T) {
			wantNoSecrets(t, "the fault", want, "correct", "horse", "battery", "staple", "of the tests", "12345678")
		})
	}
}

func TestQueryShowsNoPassword(t *testing.T) {
	server := startServer(t)
	server.listener.Close()
	var stdout, stderr bytes.Buffer
	status := run([]string{"query", "example.org", "--address", server.address(), "--jid", "alice@example.org", "--password-file", "-"},
		strings.NewReader(testkit.Password+"\n"), &stdout, &stderr)
	if status != statusFailed || !strings.Contains(stderr.String(), "cannot connect to the XMPP server") {
		t.Errorf("status %d, %s", status, stderr.String())
	}
	wantNoSecrets(t, "query", stdout.String()+stderr.String(), testkit.Password)
}
