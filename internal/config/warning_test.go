package config

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"extdisco/internal/testkit"
)

func TestConfigWarnings(t *testing.T) {
	const component = "[component]\njid = \"turn.example.org\"\nsecret_file = \"component.secret\"\n"
	const ICEServer = "[[ice_server]]\nurls = [\"turn:turn.example.org\"]\nsecret_file = \"turn.secret\"\n"
	const readable = 0o644
	tests := []struct {
		name   string
		config string
		modes  map[string]fs.FileMode // others are 0600
		want   string                 // with DIR for the folder
	}{
		{"nothing", component + ICEServer, nil, ""},
		{"readable without secrets", component + ICEServer, map[string]fs.FileMode{"config.toml": readable}, ""},
		{"readable with handshake secret", strings.Replace(component, `secret_file = "component.secret"`, `secret = "inline"`, 1) + ICEServer,
			map[string]fs.FileMode{"config.toml": readable},
			"DIR/config.toml: holds secrets, and everybody on this machine can read it; run: chmod o-r DIR/config.toml"},
		{"readable with pseudonym key", component + ICEServer + "pseudonym_key = \"inline\"\n",
			map[string]fs.FileMode{"config.toml": readable},
			"DIR/config.toml: holds secrets, and everybody on this machine can read it; run: chmod o-r DIR/config.toml"},
		{"readable by the group with secrets", component + ICEServer + "pseudonym_key = \"inline\"\n",
			map[string]fs.FileMode{"config.toml": 0o640}, ""},
		{"readable handshake secret file", component + ICEServer, map[string]fs.FileMode{"component.secret": readable},
			"DIR/config.toml:3: component.secret_file: everybody on this machine can read DIR/component.secret; run: chmod o-r DIR/component.secret"},
		{"readable shared secret file", component + ICEServer, map[string]fs.FileMode{"turn.secret": 0o604},
			"DIR/config.toml:6: ice_server[0].secret_file: everybody on this machine can read DIR/turn.secret; run: chmod o-r DIR/turn.secret"},
		{"blank behind a secret in a file", component + strings.Replace(ICEServer, "turn.secret", "blank.secret", 1), nil,
			"DIR/config.toml:6: ice_server[0].secret_file: DIR/blank.secret begins or ends with blanks or more than one line end, which count; take them out unless they belong to the secret"},
		{"short shared secret", component + strings.Replace(ICEServer, `secret_file = "turn.secret"`, `secret = "fifteen bytes.."`, 1), nil,
			"DIR/config.toml:6: ice_server[0].secret: the shared secret has 15 bytes only; a random one of 32 is safer: openssl rand -hex 32"},
		{"short shared secret in a file", component + strings.Replace(ICEServer, "turn.secret", "short.secret", 1), nil,
			"DIR/config.toml:6: ice_server[0].secret_file: the shared secret has 5 bytes only; a random one of 32 is safer: openssl rand -hex 32"},
		{"shared secret just long enough", component + strings.Replace(ICEServer, `secret_file = "turn.secret"`, `secret = "sixteen bytes..."`, 1), nil, ""},
		{"ttl too short for Dino", component + ICEServer + "ttl = \"599s\"\n", nil,
			"DIR/config.toml:7: ice_server[0].ttl: 9m59s is short: Dino asks again only for credentials that live 10m or longer, Jitsi Meet never asks again; 24h suits both"},
		{"ttl too short for Psi", component + ICEServer + "ttl = \"10m\"\n", nil,
			"DIR/config.toml:7: ice_server[0].ttl: 10m is short: Jitsi Meet never asks again, and Psi reads the expiry in its own time zone; 24h suits both"},
		{"ttl long enough", component + ICEServer + "ttl = \"14h\"\n", nil, ""},
		{"ttl beyond what coturn takes", component + ICEServer + "ttl = \"105120h\"\n", nil,
			"DIR/config.toml:7: ice_server[0].ttl: credentials will expire on 2038-01-19 at the latest, since coturn takes no later instant"},
		{"fixed account", component + strings.Replace(ICEServer, "secret_file = \"turn.secret\"", "username = \"alice\"\npassword_file = \"static.password\"", 1), nil,
			"DIR/config.toml:6: ice_server[0].username: everybody gets the same fixed account, which does not expire; a shared secret (secret_file) is safer if the TURN server can do it"},
		{"IPv6 address", component + strings.Replace(ICEServer, "turn:turn.example.org", "turn:[2001:db8::1]", 1), nil,
			`DIR/config.toml:5: ice_server[0].urls[0]: "turn:[2001:db8::1]" names an IPv6 address, which Jitsi Meet and others cannot use; a host name is safer`},
		{"IPv4 address", component + strings.Replace(ICEServer, "turn:turn.example.org", "turn:192.0.2.1", 1), nil, ""},
		{"server elsewhere", component + "server = \"xmpp.example.org:5347\"\n" + ICEServer, nil,
			"DIR/config.toml:4: component.server: the link to xmpp.example.org is not encrypted and carries credentials; keep it on this machine, in a private network or in a tunnel"},
		{"server at an address elsewhere", component + "server = \"[2001:db8::1]:5347\"\n" + ICEServer, nil,
			"DIR/config.toml:4: component.server: the link to 2001:db8::1 is not encrypted and carries credentials; keep it on this machine, in a private network or in a tunnel"},
		{"server on this machine", component + "server = \"127.0.0.53:5347\"\n" + ICEServer, nil, ""},
		{"server on this machine over IPv6", component + "server = \"[::1]:5347\"\n" + ICEServer, nil, ""},
		{"server named localhost", component + "server = \"localhost:5347\"\n" + ICEServer, nil, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := testkit.WriteFiles(t, "config.toml", tt.config, "short.secret", "short\n", "blank.secret", testkit.SharedSecret+" \n")
			for file, mode := range tt.modes {
				if err := os.Chmod(filepath.Join(dir, file), mode); err != nil {
					t.Fatal(err)
				}
			}
			cfg := mustLoad(t, filepath.Join(dir, "config.toml"))
			testkit.WantEqual(t, "warnings", strings.ReplaceAll(strings.Join(cfg.Warnings, "\n"), dir, "DIR"), tt.want)
		})
	}
}

func TestSecretFilesLoseOneLineEnd(t *testing.T) {
	tests := []struct{ name, content, want string }{
		{"no line end", "secret", "secret"},
		{"line end", "secret\n", "secret"},
		{"line end of Windows", "secret\r\n", "secret"},
		{"two line ends", "secret\n\n", "secret\n"},
		{"blanks", " secret \n", " secret "},
		{"a line end in front", "\nsecret", "\nsecret"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := testkit.WriteFiles(t, "config.toml", testkit.MinimalConfig)
			testkit.WriteFile(t, filepath.Join(dir, "component.secret"), tt.content)
			cfg := mustLoad(t, filepath.Join(dir, "config.toml"))
			if got := cfg.Component.Secret.Reveal(); got != tt.want {
				t.Errorf("secret = %q, want %q", got, tt.want)
			}
		})
	}
}

func TestFindConfig(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	candidates := []string{"config.toml", filepath.Join(dir, "etc.toml")}

	find := func(t *testing.T, named, want, wantErr string) {
		t.Helper()
		got, err := Find(named, candidates)
		if got != want || (err == nil) != (wantErr == "") || err != nil && !strings.Contains(err.Error(), wantErr) {
			t.Errorf("Find(%q) = %q, %v; want %q, %q", named, got, err, want, wantErr)
		}
	}
	find(t, "", "", "there is neither config.toml nor "+dir+"/etc.toml; write one (config.toml.example has every key) or name it with --config FILE")
	find(t, "other.toml", "other.toml", "")
	testkit.WriteFile(t, "etc.toml", "")
	find(t, "", dir+"/etc.toml", "")
	testkit.WriteFile(t, "config.toml", "")
	find(t, "", "config.toml", "")
	candidates = []string{"config.toml/inside", "etc.toml"}
	find(t, "", "", "cannot look at the configuration")
}
