package testkit

import (
	"encoding/base64"
	"encoding/hex"
	"strings"
	"testing"
)

// Further secrets of the tests, and a configuration with them.
const (
	Token   = "TokenOfTheTests0123456789"
	RESTKey = "KeyOfTheTests9876543210"
	// PreviousSecret is the shared secret that a server had before.
	PreviousSecret = "ElderCorrectHorseBattery7654321"
	// DatabasePassword stands in the URL of coturn's database.
	DatabasePassword = "DatabasePasswordOfTheTests"
	// HTTPTable is [http] on a free port, with the token.
	HTTPTable = "[http]\nlisten = \"127.0.0.1:0\"\ntoken = \"" + Token + "\"\n"
)

// Secrets are all that configurations of the tests have.
var Secrets = []string{Handshake, SharedSecret, SharedSecretTwo, PreviousSecret, Password, PseudonymKey, Token, RESTKey, DatabasePassword}

// WantNoSecrets checks that none of the secrets is in the text, also not in hex
// or base64.
func WantNoSecrets(t *testing.T, where, text string, secrets ...string) {
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

// SecretServers has every kind of secret, in the file and beside it.
const SecretServers = `[[ice_server]]
urls = ["turn:one.example.org"]
secret = "` + SharedSecret + `"
previous_secret = "` + PreviousSecret + `"
pseudonym_key = "` + PseudonymKey + `"
[[ice_server]]
urls = ["turn:two.example.org"]
secret_file = "two.secret"
pseudonym_key_file = "pseudonym.key"
[[ice_server]]
urls = ["turn:static.example.org"]
username = "alice"
password = "` + Password + `"
[[ice_server]]
urls = ["turn:rotates.example.org"]
rotate = "720h"
realm = "example.org"
coturn_db = "postgres://turn:` + DatabasePassword + `@127.0.0.1:1/coturn?sslmode=disable"
` + HTTPTable + `[[rest_client]]
name = "janus"
key = "` + RESTKey + `"
[limits]
total = "20/h"
[log]
audit = true
`

// BrokenWithSecrets returns a configuration with secrets in it, broken in ways
// that concern the secrets.
func BrokenWithSecrets(content string) map[string]string {
	broken := map[string]string{}
	for _, tt := range []struct{ name, right, wrong string }{
		{"handshake secret without quotes", `secret = "` + Handshake + `"`, `secret = ` + Handshake},
		{"handshake secret without closing quote", `secret = "` + Handshake + `"`, `secret = "` + Handshake},
		{"handshake secret in a list", `secret = "` + Handshake + `"`, `secret = ["` + Handshake + `"]`},
		{"handshake secret in a table", `secret = "` + Handshake + `"`, `secret = { file = "` + Handshake + `" }`},
		{"wrong escape behind the handshake secret", `secret = "` + Handshake + `"`, `secret = "` + Handshake + `\q"`},
		{"wrong code point behind the handshake secret", `secret = "` + Handshake + `"`, `secret = "` + Handshake + `\uzzzz"`},
		{"colon instead of equals sign", `secret = "` + Handshake + `"`, `secret: "` + Handshake + `"`},
		{"misspelt key", `secret = "` + Handshake + `"`, `secrte = "` + Handshake + `"`},
		{"wrong code point in a text of two lines", `secret = "` + Handshake + `"`, "secret = \"\"\"\n" + Handshake + `\uzzzz"""`},
		{"handshake secret given twice over", `secret = "` + Handshake + `"`, `secret = "` + Handshake + "\"\nsecret_file = \"component.secret\""},
		{"shared secret and account", `secret = "` + SharedSecret + `"`, `secret = "` + SharedSecret + "\"\nusername = \"alice\""},
		{"shared secret without quotes", `secret = "` + SharedSecret + `"`, `ttl = "` + "\"\nsecret = " + SharedSecret},
		{"previous secret without quotes", `previous_secret = "` + PreviousSecret + `"`, `previous_secret = ` + PreviousSecret},
		{"previous secret given twice over", `previous_secret = "` + PreviousSecret + `"`, `previous_secret = "` + PreviousSecret + "\"\nprevious_secret_file = \"two.secret\""},
		{"shared secret given as the previous one", `previous_secret = "` + PreviousSecret + `"`, `previous_secret = "` + SharedSecret + `"`},
		{"password too long", `password = "` + Password + `"`, `password = "` + strings.Repeat(Password, 30) + `"`},
		{"password with a control character", `password = "` + Password + `"`, `password = "` + Password + `\u0001"`},
		{"password in unlike quotes", `password = "` + Password + `"`, `password = '` + Password + `"`},
		{"password given twice", `password = "` + Password + `"`, "password = \"" + Password + "\"\npassword = \"" + Password + "\""},
		{"password in a URI", `"turn:one.example.org"`, `"turn:alice:` + Password + `@one.example.org"`},
		{"password in a URI with slashes", `"turn:one.example.org"`, `"turn://alice:` + Password + `@one.example.org?transport=udp"`},
		{"token without quotes", `token = "` + Token + `"`, `token = ` + Token},
		{"token with a blank", `token = "` + Token + `"`, `token = "` + Token + ` "`},
		{"key of a client twice", `[limits]`, "[[rest_client]]\nname = \"other\"\nkey = \"" + RESTKey + "\"\n[limits]"},
		{"key of a client as its name", `name = "janus"`, `key_file = "` + RESTKey + `"`},
		{"token behind a colon", `token = "` + Token + `"`, `token: "` + Token + `"`},
		{"token without an address", `listen = "127.0.0.1:0"`, ``},
		{"key of a client in a list", `key = "` + RESTKey + `"`, `key = ["` + RESTKey + `"]`},
		{"key of two clients", `key = "` + RESTKey + `"`, `key = "` + RESTKey + "\"\n[[rest_client]]\nname = \"b\"\nkey = \"" + RESTKey + "\""},
		{"database without quotes", `coturn_db = "postgres://turn:` + DatabasePassword + `@127.0.0.1:1/coturn?sslmode=disable"`, `coturn_db = postgres://turn:` + DatabasePassword + `@127.0.0.1:1/coturn`},
		{"database of an unknown kind", `coturn_db = "postgres://`, `coturn_db = "mongodb://`},
		{"database that is no URL", DatabasePassword + `@127.0.0.1:1/coturn`, DatabasePassword + `%@127.0.0.1:1/coturn`},
		{"database with a port that is none", DatabasePassword + `@127.0.0.1:1/coturn`, DatabasePassword + `@127.0.0.1:port/coturn`},
		{"database with unknown parameters", `?sslmode=disable`, `?sslmode=perhaps`},
		{"database without a name", `@127.0.0.1:1/coturn`, `@127.0.0.1:1`},
		{"database given as a file", `coturn_db = "postgres`, `coturn_db_file = "postgres`},
		{"rotation without a realm", "realm = \"example.org\"\n", ""},
		{"rotation and a secret", "realm = \"example.org\"\n", "realm = \"example.org\"\nsecret_file = \"turn.secret\"\n"},
		{"pseudonym key without quotes", `pseudonym_key = "` + PseudonymKey + `"`, `pseudonym_key = ` + PseudonymKey},
	} {
		broken[tt.name] = strings.Replace(content, tt.right, tt.wrong, 1)
	}
	return broken
}
