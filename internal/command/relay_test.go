package command

import (
	"strings"
	"testing"

	"extdisco/internal/config"
	"extdisco/internal/relay"
	"extdisco/internal/testkit"
)

const relayHere = "[relay]\nhost = \"relay.example.org\"\npublic_ip = [\"127.0.0.1\"]\nlisten = [\"127.0.0.1:3478\"]\n"

func run(t *testing.T, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	r := runCommand(t, "", args...)
	return r.status, r.stdout, r.stderr
}

func TestRelayConfig(t *testing.T) {
	file := testkit.WriteConfig(t, relayHere+"secret = \"a secret that is long enough\"\nttl = \"12h\"\n")
	status, stdout, stderr := run(t, "relay-config", "--config", file)
	if status != 0 {
		t.Fatal(status, stderr)
	}
	testkit.WantEqual(t, "table", stdout, `[[ice_server]]
urls = [
  "stun:relay.example.org:3478",
  "turn:relay.example.org:3478?transport=udp",
  "turn:relay.example.org:3478?transport=tcp",
]
secret_file   = "relay.secret"
username_form = "extdisco"
ttl           = "12h"
`)
	// What it prints must be a configuration.
	there := testkit.WriteConfig(t, "[component]\njid = \"turn.example.org\"\nsecret_file = \"component.secret\"\n"+
		strings.Replace(stdout, `secret_file   = "relay.secret"`, `secret = "a secret that is long enough"`, 1))
	if status, _, stderr := run(t, "check", there); status != 0 {
		t.Error(stderr)
	}
}

func TestRelayConfigFaults(t *testing.T) {
	for _, tt := range []struct{ name, content, want string }{
		{"no relay", testkit.MinimalConfig + "[[ice_server]]\nurls = [\"stun:stun.example.org\"]\n", "has no [relay]"},
		{"a secret of its own", testkit.MinimalConfig + relayHere, "relay.secret_file is missing"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			status, stdout, stderr := run(t, "relay-config", "--config", testkit.WriteConfig(t, tt.content))
			if status != 1 || stdout != "" || !strings.Contains(stderr, tt.want) {
				t.Errorf("%d %q %q", status, stdout, stderr)
			}
		})
	}
}

// TestCommandsBeforeTheRelayWasStarted: its secret is made when it starts.
func TestCommandsBeforeTheRelayWasStarted(t *testing.T) {
	file := testkit.WriteConfig(t, testkit.MinimalConfig+relayHere)
	for _, args := range [][]string{{"credential"}, {"probe"}, {"whois", "5f0c8a2be6d94713", "--jid", "a@example.org"}} {
		t.Run(args[0], func(t *testing.T) {
			status, _, stderr := run(t, append(args, "--config", file)...)
			if status != 1 || !strings.Contains(stderr, "the relay has no secret in") {
				t.Errorf("%d %q", status, stderr)
			}
		})
	}
}

func TestRelayAloneNeedsRelay(t *testing.T) {
	status, _, stderr := run(t, "relay", "--config", testkit.WriteConfig(t, testkit.MinimalConfig))
	if status != 1 || !strings.Contains(stderr, "has no [relay]") {
		t.Errorf("%d %q", status, stderr)
	}
}

func TestCheckMachine(t *testing.T) {
	on := config.Relay{On: true, Limits: relay.DefaultLimits()}
	for _, tt := range []struct {
		name        string
		relay       config.Relay
		rmemMax     string
		descriptors uint64
		want        string
	}{
		{"enough", on, "4194304\n", 6100, ""},
		{"no relay", config.Relay{}, "212992\n", 10, ""},
		{"not Linux", on, "", 6100, ""},
		{"small buffers", on, "212992\n", 6100, "config.toml: relay: this machine grants receive buffers of 212992 bytes, so that a busy relay loses packets; set net.core.rmem_max = 4194304 (contrib/extdisco-relay.sysctl)"},
		{"few files", on, "4194304\n", 6099, "config.toml: relay: the limits need 6100 open files, and a process of this user may have 6099; set LimitNOFILE= in the service to that, or lower relay.limits"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := checkMachine(&config.Config{File: "config.toml", Relay: tt.relay}, tt.rmemMax, tt.descriptors)
			testkit.WantEqual(t, "warnings", got.String(), tt.want)
		})
	}
}
