package command

import (
	"strings"
	"testing"

	"extdisco/internal/testkit"
	"extdisco/turncred"
)

// twoLinks is a configuration for two servers.
const twoLinks = `[[component]]
name        = "shard-1"
jid         = "turn.example.org"
secret_file = "component.secret"

[[component]]
name   = "shard-2"
jid    = "turn.example.org"
server = "127.0.0.1:5348"
secret = "the handshake secret of the second"
hosts  = ["example.org", "example.net"]

[[ice_server]]
urls = ["stun:turn.example.org"]
`

func TestConfigOfOneOfSeveralLinks(t *testing.T) {
	file := testkit.WriteConfig(t, twoLinks)
	one := testkit.WriteConfig(t, testkit.MinimalConfig)
	for _, tt := range []struct {
		name, command, file string
		status              int
		has, hasNot         string
	}{
		{"Prosody, first", "prosody-config --link shard-1", file, statusOK, testkit.Handshake, "5348"},
		{"Prosody, second", "prosody-config --link shard-2", file, statusOK, "component_ports = { 5348 }", testkit.Handshake},
		{"Prosody, not named", "prosody-config", file, statusFailed, "has several components; name one with --link NAME: shard-1, shard-2", "component_secret"},
		{"Prosody, unknown", "prosody-config --link shard-3", file, statusFailed, "has no component with the name shard-3; the names are: shard-1, shard-2", "component_secret"},
		{"Prosody, the only one", "prosody-config --link turn.example.org", one, statusOK, testkit.Handshake, "5348"},
		{"Prosody, the only one under another name", "prosody-config --link shard-1", one, statusFailed, "the names are: turn.example.org", testkit.Handshake},
		{"ejabberd, second", "ejabberd-config --link shard-2", file, statusOK, "the handshake secret of the second", testkit.Handshake},
		{"ejabberd, not named", "ejabberd-config", file, statusFailed, "name one with --link NAME: shard-1, shard-2", "password"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			out := runCommand(t, "", append(strings.Fields(tt.command), "--config", tt.file)...)
			if all := out.stdout + out.stderr; out.status != tt.status || !strings.Contains(all, tt.has) || strings.Contains(all, tt.hasNot) {
				t.Errorf("status %d: %s", out.status, all)
			}
		})
	}
}

func TestCheckOfSeveralLinks(t *testing.T) {
	file := testkit.WriteConfig(t, twoLinks)
	const want = "  component  shard-1: turn.example.org at 127.0.0.1:5347\n  trusts     example.org\n" +
		"  component  shard-2: turn.example.org at 127.0.0.1:5348\n  trusts     example.org, example.net\n" +
		"  serves     example.org, example.net\n"
	if out := runCommand(t, "", "check", "--config", file); out.status != statusOK || !strings.Contains(out.stdout, want) {
		t.Errorf("%+v", out)
	}
	out := runCommand(t, "", "check", "--json", "--config", file)
	for _, part := range []string{`"name": "shard-1"`, `"name": "shard-2"`, `"server": "127.0.0.1:5348"`} {
		if !strings.Contains(out.stdout, part) {
			t.Errorf("no %s in %s", part, out.stdout)
		}
	}
}

// TestWhoisTriesTheKeysOfAllLinks, since another component may have been the first.
func TestWhoisTriesTheKeysOfAllLinks(t *testing.T) {
	file := testkit.WriteConfig(t, twoLinks)
	for _, secret := range []string{testkit.Handshake, "the handshake secret of the second"} {
		pseudonym := turncred.NewPseudonyms(turncred.DerivePseudonymKey([]byte(secret))).Append(nil, []byte("juliet@example.org"))
		if out := runCommand(t, "", "whois", string(pseudonym), "--jid", "juliet@example.org", "--config", file); out.stdout != "juliet@example.org\n" {
			t.Errorf("%+v", out)
		}
	}
}

// TestConfigOfAnyLink is what query looks for its domain in.
func TestConfigOfAnyLink(t *testing.T) {
	env := &environment{configFile: testkit.WriteConfig(t, twoLinks)}
	for domain, found := range map[string]bool{"example.org": true, "example.net": true, "turn.example.org": true, "example.com": false} {
		cfg, err := env.configFor(domain)
		if (cfg != nil) != found || found == (err != nil) || err != nil && !strings.Contains(err.Error(), "is for example.org, example.net, not for example.com") {
			t.Errorf("%s: %v, %v", domain, cfg, err)
		}
	}
}
