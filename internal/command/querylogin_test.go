package main

import (
	"crypto/tls"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestQueryLogin(t *testing.T) {
	dir := t.TempDir()
	testkit.WriteFile(t, filepath.Join(dir, "password"), "from the file\n")
	testkit.WriteFile(t, filepath.Join(dir, "empty"), "\n")
	base := queryCommand{Domain: "Meet.Example.org", TLS: "starttls", Timeout: time.Second}
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
			if l.account.String() != tt.account || l.password.Reveal() != tt.password {
				t.Errorf("account %s, password %q", l.account, l.password.Reveal())
			}
			if l.address != tt.query.Address || l.tls != tt.query.TLS || l.insecure != tt.query.Insecure {
				t.Errorf("login %+v", l)
			}
		})
	}
}

// TestQueryMechanisms checks that a password never crosses the network in the
// clear.
func TestQueryMechanisms(t *testing.T) {
	tests := []struct {
		name      string
		query     queryCommand
		encrypted bool
		want      string
	}{
		{"anonymously", queryCommand{}, true, "ANONYMOUS"},
		{"anonymously in the clear", queryCommand{}, false, "ANONYMOUS"},
		{"account", queryCommand{JID: "alice@example.org", PasswordFile: "-"}, true,
			"SCRAM-SHA-256 SCRAM-SHA-1 PLAIN"},
		{"account in the clear", queryCommand{JID: "alice@example.org", PasswordFile: "-"}, false, "SCRAM-SHA-256 SCRAM-SHA-1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			q := tt.query
			q.Domain, q.Timeout = "example.org", time.Second
			l, err := q.login(strings.NewReader("typed"))
			if err != nil {
				t.Fatal(err)
			}
			var names []string
			for _, m := range l.mechanisms(tt.encrypted) {
				names = append(names, m.Name)
			}
			testkit.WantEqual(t, "mechanisms", strings.Join(names, " "), tt.want)
		})
	}
}

func TestQueryTLSConfig(t *testing.T) {
	dir := t.TempDir()
	notPEM := filepath.Join(dir, "not.pem")
	testkit.WriteFile(t, notPEM, "no certificate")
	login := func(tlsMode string, insecure bool, caFile string) *xmppLogin {
		l, err := queryCommand{Domain: "example.org", Timeout: time.Second, TLS: tlsMode, Insecure: insecure, CAFile: caFile}.login(nil)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	for name, tt := range map[string]struct {
		login    *xmppLogin
		alpn     string
		insecure bool
		wantErr  string
	}{
		"starttls":      {login: login("starttls", false, "")},
		"direct":        {login: login("direct", false, ""), alpn: "xmpp-client"},
		"insecure":      {login: login("starttls", true, ""), insecure: true},
		"no CA file":    {login: login("starttls", false, filepath.Join(dir, "nowhere.pem")), wantErr: "--ca-file: open " + dir + "/nowhere.pem: no such file or directory"},
		"wrong CA file": {login: login("starttls", false, notPEM), wantErr: "--ca-file: " + notPEM + " holds no certificate in PEM form"},
	} {
		t.Run(name, func(t *testing.T) {
			config, err := tt.login.tlsConfig()
			if tt.wantErr != "" {
				if err == nil || err.Error() != tt.wantErr {
					t.Errorf("error %v, want %s", err, tt.wantErr)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if config.ServerName != "example.org" || config.InsecureSkipVerify != tt.insecure || config.MinVersion < tls.VersionTLS12 ||
				strings.Join(config.NextProtos, " ") != tt.alpn {
				t.Errorf("config for %s, insecure %v, from %#x, ALPN %q", config.ServerName, config.InsecureSkipVerify, config.MinVersion, config.NextProtos)
			}
		})
	}
}
