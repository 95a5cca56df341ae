package command

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"extdisco/internal/report"
	"extdisco/internal/testkit"
	"extdisco/turncred"
	"extdisco/xep0215"
)

// printedField returns what a line of the output says behind its name.
func printedField(t *testing.T, output, name string) string {
	t.Helper()
	for line := range strings.SplitSeq(output, "\n") {
		if value, found := strings.CutPrefix(line, name); found {
			return strings.TrimSpace(value)
		}
	}
	t.Fatalf("no %s in\n%s", name, output)
	return ""
}

func TestCredentialOfASharedSecret(t *testing.T) {
	tests := []struct {
		name string
		args []string
		user string
		ttl  time.Duration
	}{
		{"by default", nil, "test", time.Hour},
		{"user and TTL", []string{"--user", "alice@example.org", "--ttl", "10m"}, "alice@example.org", 10 * time.Minute},
		{"longest TTL", []string{"--ttl", "1000000h"}, "test", time.Until(time.Unix(turncred.MaxExpires, 0))},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			file := testkit.WriteConfig(t, testkit.MinimalConfig)
			before := time.Now()
			r := runCommand(t, "", append([]string{"--config", file, "credential"}, tt.args...)...)
			if r.status != statusOK || r.stderr != "" {
				t.Fatalf("%+v", r)
			}
			username := printedField(t, r.stdout, "username")
			stamp, user, _ := strings.Cut(username, ":")
			seconds, err := strconv.ParseInt(stamp, 10, 64)
			if err != nil || user != tt.user {
				t.Errorf("username = %q, %v", username, err)
			}
			if lives := time.Unix(seconds, 0).Sub(before); lives < tt.ttl-2*time.Second || lives > tt.ttl+time.Minute {
				t.Errorf("lives %v, want %v", lives, tt.ttl)
			}
			password := printedField(t, r.stdout, "password")
			if password != testkit.PasswordFor(testkit.SharedSecret, username) {
				t.Errorf("the password %q does not belong to %q", password, username)
			}
			if expires := printedField(t, r.stdout, "expires"); expires != time.Unix(seconds, 0).UTC().Format(time.RFC3339) {
				t.Errorf("expires = %q, and the username says %d", expires, seconds)
			}
			testkit.WantEqual(t, "services", r.stdout[strings.Index(r.stdout, "turn:"):],
				"turn:turn.example.org:3478?transport=udp\n  try it: turnutils_uclient -y -n 5 -u '"+username+"' -w '"+password+"' -p 3478 turn.example.org\n")
		})
	}
}

func TestCredentialsAsJSON(t *testing.T) {
	file := testkit.WriteConfig(t, testkit.MinimalConfig)
	r := runCommand(t, "", "credential", "--json", "--user", "alice", "--config", file)
	var document struct {
		Version     int
		Credentials []struct {
			URLs               []string
			Username, Password string
			Expires            time.Time
		}
	}
	if err := json.Unmarshal([]byte(r.stdout), &document); err != nil || r.status != statusOK || document.Version != report.JSONVersion || len(document.Credentials) != 1 {
		t.Fatalf("%v: %+v", err, r)
	}
	c := document.Credentials[0]
	if len(c.URLs) != 1 || c.Password != testkit.PasswordFor(testkit.SharedSecret, c.Username) || c.Username != fmt.Sprintf("%d:alice", c.Expires.Unix()) {
		t.Errorf("%+v", c)
	}
}

func TestCredentialOfEveryServer(t *testing.T) {
	file := testkit.WriteConfig(t, `[component]
jid = "turn.example.org"
secret_file = "component.secret"
[[ice_server]]
urls = ["turn:static.example.net", "turns:static.example.net", "turn:[2001:db8::1]:3479?transport=tcp"]
username = "al'ice"
password = "$HOME \"it's\" `+"`id`"+`"
[[ice_server]]
urls = ["stun:turn.example.org"]
[[ice_server]]
urls = ["turns:turn.example.org:443"]
secret_file = "turn.secret"
`)
	r := runCommand(t, "", "--config", file, "credential")
	if r.status != statusOK || r.stderr != "" {
		t.Fatalf("%+v", r)
	}
	fixed, minted, _ := strings.Cut(r.stdout, "\n\n")
	const login = `-u 'al'\''ice' -w '$HOME "it'\''s" ` + "`id`'"
	testkit.WantEqual(t, "fixed account", fixed, `username  al'ice
password  $HOME "it's" `+"`id`"+`
expires   never (fixed account)
turn:static.example.net:3478?transport=udp
  try it: turnutils_uclient -y -n 5 `+login+` -p 3478 static.example.net
turns:static.example.net:5349?transport=tcp
  try it: turnutils_uclient -y -n 5 -t -S `+login+` -p 5349 static.example.net
turn:[2001:db8::1]:3479?transport=tcp
  try it: turnutils_uclient -y -n 5 -t `+login+` -p 3479 2001:db8::1`)
	if username := printedField(t, minted, "username"); printedField(t, minted, "password") != testkit.PasswordFor(testkit.SharedSecret, username) {
		t.Errorf("the second credential is wrong:\n%s", minted)
	}
	if strings.Contains(r.stdout, "stun:") {
		t.Errorf("a credential for STUN:\n%s", r.stdout)
	}
}

func TestCredentialWithoutTURNFails(t *testing.T) {
	file := testkit.WriteConfig(t, "[component]\njid = \"turn.example.org\"\nsecret_file = \"component.secret\"\n[[ice_server]]\nurls = [\"stun:turn.example.org\"]\n")
	r := runCommand(t, "", "--config", file, "credential")
	if r.status != statusFailed || r.stdout != "" || !strings.HasPrefix(r.stderr, "extdisco: "+file+" names no TURN server") {
		t.Errorf("%+v", r)
	}
}

// TestTryLineSurvivesTheShell gives the line to a shell.
func TestTryLineSurvivesTheShell(t *testing.T) {
	for _, password := range []string{"plain", "it's", `"quoted"`, "$HOME", "`id`", `back\slash`, "a;b|c&d", "* ?", "tab\there", "-n", "ü", "''", "!x"} {
		t.Run(password, func(t *testing.T) {
			line := tryLine(xep0215.Service{Type: "turn", Host: "turn.example.org", Port: 3478, Transport: "udp"},
				turncred.Credential{Username: []byte("1795266551:alice"), Password: []byte(password)})
			out, err := exec.CommandContext(t.Context(), "sh", "-c", "turnutils_uclient() { printf '%s\\n' \"$@\"; }; "+line).Output()
			if err != nil {
				t.Fatal(err)
			}
			testkit.WantEqual(t, "arguments", string(out), "-y\n-n\n5\n-u\n1795266551:alice\n-w\n"+password+"\n-p\n3478\nturn.example.org\n")
		})
	}
}
