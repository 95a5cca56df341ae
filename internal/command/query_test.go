package command

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"extdisco/internal/testkit"
)

func TestQueryLogin(t *testing.T) {
	dir := t.TempDir()
	testkit.WriteFile(t, filepath.Join(dir, "password"), "from the file\n")
	testkit.WriteFile(t, filepath.Join(dir, "empty"), "\n")
	base := queryCommand{Domain: "Meet.Example.org", TLS: "starttls", Timeout: duration(time.Second)}
	account := func(file string) queryCommand {
		q := base
		q.JID, q.PasswordFile = "alice@meet.example.org", file
		return q
	}
	elsewhere := account("-")
	elsewhere.JID, elsewhere.To = "alice@example.net", "meet.example.org"
	inTheClear := base
	inTheClear.TLS, inTheClear.Insecure, inTheClear.Address = "none", true, "127.0.0.1:5222"
	tests := []struct {
		name     string
		query    queryCommand
		stdin    string
		account  string
		password string
		wantErr  string
	}{
		{"anonymously", base, "", "meet.example.org", "", ""},
		{"in the clear", inTheClear, "", "meet.example.org", "", ""},
		{"password from a file", account(filepath.Join(dir, "password")), "", "alice@meet.example.org", "from the file", ""},
		{"password from standard input", account("-"), "typed\n", "alice@meet.example.org", "typed", ""},
		{"password with line end of Windows", account("-"), "typed\r\n", "alice@meet.example.org", "typed", ""},
		{"password with blanks", account("-"), " typed ", "alice@meet.example.org", " typed ", ""},
		{"account elsewhere", elsewhere, "typed\n", "alice@example.net", "typed", ""},
		{"empty password", account(filepath.Join(dir, "empty")), "", "", "", "the password is empty"},
		{"nothing on standard input", account("-"), "", "", "", "the password is empty"},
		{"no such file", account(filepath.Join(dir, "nowhere")), "", "", "",
			"cannot read the password: open " + dir + "/nowhere: no such file or directory"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l, err := tt.query.login(strings.NewReader(tt.stdin))
			if tt.wantErr != "" {
				if err == nil || err.Error() != tt.wantErr || errors.As(err, new(usageError)) {
					t.Errorf("error %v, want %s", err, tt.wantErr)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if l.Account.String() != tt.account || l.Password.Reveal() != tt.password {
				t.Errorf("account %s, password %q", l.Account, l.Password.Reveal())
			}
			if l.Address != tt.query.Address || l.TLS != tt.query.TLS || l.Insecure != tt.query.Insecure {
				t.Errorf("login %+v", l)
			}
		})
	}
}

func TestQueryCAFile(t *testing.T) {
	dir := t.TempDir()
	notPEM := filepath.Join(dir, "not.pem")
	testkit.WriteFile(t, notPEM, "no certificate")
	for file, want := range map[string]string{
		filepath.Join(dir, "nowhere.pem"): "--ca-file: there is no file " + dir + "/nowhere.pem",
		notPEM:                            "--ca-file: " + notPEM + " contains no certificate; it must contain one in PEM form (-----BEGIN CERTIFICATE-----)",
	} {
		_, err := queryCommand{Domain: "example.org", Timeout: duration(time.Second), TLS: "starttls", CAFile: file}.login(nil)
		if err == nil || err.Error() != want {
			t.Errorf("error %v, want %s", err, want)
		}
	}
}

func TestQueryWebSocket(t *testing.T) {
	for _, tt := range []struct{ name, url, room, want string }{
		{"none", "", "Stand Up", ""},
		{"without a room", "wss://example.org/xmpp-websocket?token=t", "", "wss://example.org/xmpp-websocket?token=t"},
		{"with a room", "wss://example.org/xmpp-websocket", "StandUp", "wss://example.org/xmpp-websocket?room=standup"},
		{"with a token", "wss://example.org/xmpp-websocket?token=t", "a&b", "wss://example.org/xmpp-websocket?room=a%26b&token=t"},
		{"with a room already", "wss://example.org/xmpp-websocket?room=other", "standup", "wss://example.org/xmpp-websocket?room=other"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			testkit.WantEqual(t, "URL", queryCommand{WebSocket: tt.url, Room: tt.room}.webSocket(), tt.want)
		})
	}
}
