package command

import (
	"path/filepath"
	"strings"
	"testing"

	"extdisco/internal/testkit"
	"extdisco/turncred"
)

func TestWhois(t *testing.T) {
	file := testkit.WriteConfig(t, testkit.MinimalConfig+"pseudonym_key_file = \"pseudonym.key\"\n"+
		"[[ice_server]]\nurls = [\"turn:turn.example.net\"]\nsecret_file = \"turn.secret\"\nusername_form = \"ejabberd\"\nrealm = \"example.org\"\n"+
		"[[ice_server]]\nurls = [\"turn:relay.example.net\"]\nsecret_file = \"turn.secret\"\nusername_form = \"extdisco\"\n")
	pseudonym := string(turncred.NewPseudonyms([]byte(testkit.PseudonymKey)).Append(nil, []byte("juliet@example.org")))
	other := string(turncred.NewPseudonyms([]byte(testkit.PseudonymKey)).Append(nil, []byte("romeo@example.org")))
	ofEjabberd := string(turncred.NewEjabberdPseudonyms(turncred.DerivePseudonymKey([]byte(testkit.SharedSecret)), "example.org").Append(nil, []byte("juliet@example.org")))
	ofRelay := string(turncred.NewDomainPseudonyms(turncred.DerivePseudonymKey([]byte(testkit.SharedSecret))).Append(nil, []byte("juliet@example.org")))
	username := []string{"", "1795320000:" + pseudonym, pseudonym}
	list := filepath.Join(t.TempDir(), "list")
	testkit.WriteFile(t, list, "# users\n\nromeo@example.org\n  Juliet@Example.org/balcony  \nnurse@example.org")
	tests := []struct {
		name, stdin    string
		args           []string
		status         int
		stdout, stderr string
	}{
		{"address", "", []string{username[2], "--jid", "juliet@example.org"}, statusOK, "juliet@example.org\n", ""},
		{"username of coturn's log", "", []string{username[1], "--jid", "juliet@example.org"}, statusOK, "juliet@example.org\n", ""},
		{"list", "", []string{username[2], "--jid-list", list}, statusOK, "juliet@example.org\n", ""},
		{"standard input", "romeo@example.org\njuliet@example.org\n", []string{username[2], "--jid-list", "-"}, statusOK, "juliet@example.org\n", ""},
		{"several", "", []string{username[1], other, "--jid-list", list}, statusOK, pseudonym + "  juliet@example.org\n" + other + "  romeo@example.org\n", ""},
		{"one of two", "", []string{pseudonym, "0123456789abcdef", "--jid", "juliet@example.org"}, statusFailed, pseudonym + "  juliet@example.org\n", "0123456789abcdef: not found among 1 address;"},
		{"ejabberd's form", "", []string{ofEjabberd, "--jid", "juliet@example.org"}, statusOK, "juliet@example.org\n", ""},
		{"the relay's form", "", []string{ofRelay, "--jid", "juliet@example.org"}, statusOK, "juliet@example.org\n", ""},
		{"nobody", "", []string{username[2], "--jid", "romeo@example.org", "--jid", "nurse@example.org"}, statusFailed, "", username[2] + ": not found among 2 addresses"},
		{"empty list", "# nobody\n", []string{username[2], "--jid-list", "-"}, statusFailed, "", "the list has no address in it"},
		{"no such list", "", []string{username[2], "--jid-list", list + "x"}, statusFailed, "", "--jid-list: open "},
		{"no pseudonym", "", []string{"juliet", "--jid", "juliet@example.org"}, statusUsage, "", `"juliet" is not a pseudonym`},
		{"no address", "", []string{username[2]}, statusUsage, "", "whois needs addresses to try"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := runCommand(t, tt.stdin, append([]string{"whois", "--config", file}, tt.args...)...)
			if r.status != tt.status || r.stdout != tt.stdout || !strings.Contains(r.stderr, tt.stderr) {
				t.Errorf("%+v", r)
			}
		})
	}
}
