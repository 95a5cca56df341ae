package migrate

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"extdisco/internal/testkit"
)

func mustRead(t testing.TB, name, text, host string) *List {
	t.Helper()
	list, err := Read(name, text, host)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

const twoSecrets = `external_services = {
	{ type = "turn", host = "a.example.org", secret = "SecretOfA" },
	{ type = "turn", host = "b.example.org", secret = "SecretOfB" },
	{ type = "turn", host = "c.example.org", secret = compute() },
	{ type = "turn", host = "d.example.org", username = "u", password = "SecretOfA" },
	{ type = "turn", host = "e.example.org", secret = "SecretOfA", ttl = 3600 },
}`

func TestStoreSecrets(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "secrets")
	written, err := mustRead(t, "", twoSecrets, "").StoreSecrets(dir)
	if err != nil {
		t.Fatal(err)
	}
	testkit.WantEqual(t, "written", strings.Join(written, " "), fmt.Sprintf("%s/turn-1.secret %[1]s/turn-2.secret %[1]s/turn.password", dir))
	for name, want := range map[string]string{"turn-1.secret": "SecretOfA\n", "turn-2.secret": "SecretOfB\n", "turn.password": "SecretOfA\n"} {
		file := filepath.Join(dir, name)
		testkit.WantEqual(t, name, readFile(t, file), want)
		info, err := os.Stat(file)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: mode %v, %v", name, info.Mode(), err)
		}
	}
	info, err := os.Stat(dir)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("folder: mode %v, %v", info.Mode(), err)
	}
}

func TestStoreSecretsKeepsAFolder(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := mustRead(t, "", twoSecrets, "").StoreSecrets(dir); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o755 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

// Whatever is in the way, nothing is overwritten and nothing is left behind.
func TestStoreSecretsRefuses(t *testing.T) {
	const several = "external_services = { { type = 'turn', host = 'a', secret = 'Secret\\nOfA' } }"
	tests := []struct {
		name, text, want string
		before           func(dir string) error
	}{
		{"a file", twoSecrets, "DIR/turn-2.secret is there already, and is not overwritten; name another folder for --secrets",
			func(dir string) error { return os.WriteFile(dir+"/turn-2.secret", []byte("mine"), 0o600) }},
		{"a link to nowhere", twoSecrets, "DIR/turn.password is there already, and is not overwritten; name another folder for --secrets",
			func(dir string) error { return os.Symlink("nowhere", dir+"/turn.password") }},
		{"a file for the folder", twoSecrets, "DIR is not a folder; name one for --secrets",
			func(dir string) error { os.Remove(dir); return os.WriteFile(dir, []byte("mine"), 0o600) }},
		{"no folder above", twoSecrets, "cannot make the folder for secrets: mkdir DIR: no such file or directory",
			func(dir string) error { return os.Remove(filepath.Dir(dir) + "/dir") }},
		{"several lines", several, "the shared secret in line 1 has several lines, which a secret file cannot hold; use --inline",
			func(string) error { return nil }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "dir")
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			if err := tt.before(dir); err != nil {
				t.Fatal(err)
			}
			if tt.name == "no folder above" {
				dir += "/below"
			}
			before := tree(t, filepath.Dir(dir))
			written, err := mustRead(t, "", tt.text, "").StoreSecrets(dir)
			if err == nil || len(written) > 0 {
				t.Fatalf("wrote %s, %v", written, err)
			}
			testkit.WantEqual(t, "error", strings.ReplaceAll(err.Error(), dir, "DIR"), tt.want)
			if hiddenInFixture.MatchString(err.Error()) {
				t.Errorf("shows a secret: %v", err)
			}
			testkit.WantEqual(t, "files", tree(t, filepath.Dir(dir)), before)
		})
	}
}

// tree returns the files below a folder, with their content.
func tree(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	_ = filepath.WalkDir(dir, func(file string, _ os.DirEntry, _ error) error {
		content, _ := os.ReadFile(file)
		fmt.Fprintf(&b, "%s %q\n", file, content)
		return nil
	})
	return b.String()
}

func TestListShowsNoSecret(t *testing.T) {
	for _, file := range fixtures(t) {
		list := mustRead(t, file, readFile(t, file), "")
		shown := fmt.Sprintf("%+v %+v", list.SecretFiles(), *list)
		for _, s := range list.Servers {
			shown += fmt.Sprintf("%+v %s", *s, s.Warning(testkit.Time))
		}
		if list.Coturn != nil {
			shown += fmt.Sprintf("%+v", *list.Coturn)
		}
		if hiddenInFixture.MatchString(shown) {
			t.Errorf("%s: %s", file, shown)
		}
	}
}

func TestCoturn(t *testing.T) {
	list := mustRead(t, "turnserver.conf", readFile(t, "testdata/turnserver-accounts.conf"), "turn.example.org")
	c := list.Coturn
	got := fmt.Sprintf("%q auth-secret %v long-term %v no-auth %v database %v, ports %d %d %d-%d, no udp %v tcp %v, TLS %v %s %s, ips %s %s, peers %s %s, quotas %d %d, accounts %v",
		c.Realm, c.UseAuthSecret, c.LongTerm, c.NoAuth, c.Database, c.Port, c.TLSPort, c.MinPort, c.MaxPort, c.NoUDP, c.NoTCP,
		c.HasTLS(), c.Cert, c.PrivateKey, c.ListeningIPs, c.ExternalIPs, c.AllowedPeers, c.DeniedPeers, c.UserQuota, c.TotalQuota, c.Credential().Kind == FixedAccount)
	testkit.WantEqual(t, "accounts", got, `"internal" auth-secret false long-term true no-auth false database false, ports 3480 443 50000-60000, no udp false tcp false, `+
		`TLS true /etc/ssl/turn.pem /etc/ssl/turn.key, ips [10.207.21.238] [203.0.113.5 2001:db8::5], peers [] [], quotas 12 1200, accounts true`)
	testkit.WantEqual(t, "host", list.Servers[0].URIs[0], "stun:turn.example.org:3480")

	list = mustRead(t, "", readFile(t, "testdata/turnserver-jitsi.conf"), "")
	c = list.Coturn
	got = fmt.Sprintf("%q %v %d secrets, peers %s %s, no tcp %v, URIs %s", c.Realm, c.UseAuthSecret, len(c.Secrets), c.AllowedPeers, c.DeniedPeers, c.NoTCP, c.URIs("2001:db8::1"))
	testkit.WantEqual(t, "Jitsi", got, `"meet.example.org" true 2 secrets, peers [10.0.0.5] [10.0.0.0-10.255.255.255 192.168.0.0-192.168.255.255], no tcp true, `+
		`URIs [stun:[2001:db8::1]:3478 turn:[2001:db8::1]:3478?transport=udp turns:[2001:db8::1]:5349?transport=tcp]`)
	if !c.Secrets[0].Equal(list.Servers[1].Secret) || c.Secrets[0].Reveal() != "SecretOfCoturnForJitsi" {
		t.Error("another secret")
	}
}

func TestCoturnSwitches(t *testing.T) {
	for _, tt := range []struct {
		text string
		want bool
	}{
		{"lt-cred-mech", true}, {"lt-cred-mech=1", true}, {"lt-cred-mech yes", true}, {"  lt-cred-mech\r", true},
		{"lt-cred-mech=0", false}, {"lt-cred-mech=false", false}, {"lt-cred-mech No", false}, {"#lt-cred-mech", false}, {"lt-cred-mechs", false},
	} {
		list := newList()
		readCoturn(tt.text+"\n", list)
		if list.Coturn.LongTerm != tt.want {
			t.Errorf("%q is %v", tt.text, list.Coturn.LongTerm)
		}
	}
}

func TestFormats(t *testing.T) {
	for file, want := range map[string]Format{
		"turnserver-jitsi.conf": FormatCoturn, "turnserver-accounts.conf": FormatCoturn, "turnserver-database.conf": FormatCoturn,
		"ejabberd-own.yml": FormatEjabberd, "docker-jitsi.env": FormatDocker, "list-in-variable.env": FormatWeb, "talk-turn.json": FormatNextcloud,
		"talk-turn.txt": FormatNextcloud, "talk-hidden.json": FormatNextcloud, "synapse.yaml": FormatSynapse, "turncredentials.lua": FormatProsody,
		"manual-servers.lua": FormatLua, "page.js": FormatWeb, "cloudflare.json": FormatWeb, "extdisco-module.lua": FormatProsody,
	} {
		for _, name := range []string{file, "-"} { // the content alone is enough
			if got := mustRead(t, name, readFile(t, filepath.Join("testdata", file)), "").Format; got != want {
				t.Errorf("%s as %s is %s, want %s", file, name, got, want)
			}
		}
	}
	if got := mustRead(t, "/etc/turnserver.conf", "verbose\n", "").Format; got != FormatCoturn {
		t.Errorf("by its name: %s", got)
	}
}

func TestParseDuration(t *testing.T) {
	for text, want := range map[string]string{
		"3600": "1h0m0s", "12 hours": "12h0m0s", "1 day": "24h0m0s", "90min": "1h30m0s", "2w": "336h0m0s", "1 second": "1s", "1y": "8760h0m0s", "5000ms": "5s",
	} {
		if d, err := parseDuration(text, 1e9); err != nil || d.String() != want {
			t.Errorf("%s: %v, %v", text, d, err)
		}
	}
	for _, text := range []string{"", "0", "infinity", "-5", "1 fortnight", "999999999 y", "11y", "5 ms", "1.5h"} {
		if d, err := parseDuration(text, 1e9); err == nil {
			t.Errorf("%s: %v", text, d)
		}
	}
}

func TestWarningOfLimitedAccounts(t *testing.T) {
	const limited = "this account was made for a limited time and "
	for username, want := range map[string]string{
		"1582164948":                limited + "expired on 2020-02-20T02:15:48Z",
		"1582164948:alice":          limited + "expired on 2020-02-20T02:15:48Z",
		"testuser:1582164948":       limited + "expired on 2020-02-20T02:15:48Z",
		"1795702278.5:alice":        limited + "expires on 2026-11-26T14:11:18Z",
		"1795702278000:alice":       limited + "expires on 2026-11-26T14:11:18Z",
		"alice":                     "",
		"alice:5":                   "",
		"0123456789012345678901234": "",
	} {
		list := mustRead(t, "", `[{urls: "turn:a.example.org", username: "`+username+`", credential: "p"}]`, "")
		if got := list.Servers[0].Warning(testkit.Time); got != want && (want == "" || !strings.HasPrefix(got, want)) {
			t.Errorf("%s: %q, want %q", username, got, want)
		}
	}
}
