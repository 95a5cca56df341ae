package config

import (
	"net/netip"
	"strings"
	"testing"

	"extdisco/internal/testkit"
)

const relaySecret = "secret = \"a secret that is long enough\"\n"

// parseRelay parses a configuration on a machine with these addresses.
func parseRelay(t *testing.T, content string, addresses ...string) (*Config, error) {
	t.Helper()
	r := &reader{file: "config.toml", now: testkit.Time}
	for _, a := range addresses {
		r.interfaces = append(r.interfaces, netip.MustParsePrefix(a))
	}
	return r.config([]byte(content))
}

func TestRelayFindsPublicAddress(t *testing.T) {
	for _, tt := range []struct {
		name      string
		content   string
		addresses []string
		host      string
		fault     string
	}{
		{"public", "", []string{"127.0.0.1/8", "10.0.0.5/24", "8.8.4.4/24"}, "8.8.4.4", ""},
		{"public over IPv6 only", "", []string{"127.0.0.1/8", "10.0.0.5/24", "2a00:1450::5/64"}, "2a00:1450::5", ""},
		{"behind NAT", "", []string{"127.0.0.1/8", "10.0.0.5/24"}, "", "config.toml:1: relay.public_ip: this machine has private addresses only, so peers cannot reach a relay here: set public_ip to the address that the Internet knows it by, and let the NAT forward the relay's ports"},
		{"behind NAT, named", "public_ip = [\"8.8.4.4\"]\n", []string{"127.0.0.1/8", "10.0.0.5/24"}, "8.8.4.4", ""},
		{"behind NAT, mapped", "public_ip = [\"8.8.4.4/10.0.0.6\"]\n", []string{"127.0.0.1/8", "10.0.0.5/24", "10.0.0.6/24"}, "8.8.4.4", ""},
		{"behind NAT, mapped from elsewhere", "public_ip = [\"8.8.4.4/10.0.0.7\"]\n", []string{"127.0.0.1/8", "10.0.0.5/24"}, "", "config.toml:2: relay.public_ip: this machine has no address 10.0.0.7"},
		{"named host", "host = \"relay.example.org\"\n", []string{"8.8.4.4/24"}, "relay.example.org", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg, err := parseRelay(t, "[relay]\n"+tt.content+relaySecret, tt.addresses...)
			switch {
			case tt.fault != "":
				if err == nil || err.Error() != tt.fault {
					t.Errorf("fault %v, want %s", err, tt.fault)
				}
			case err != nil:
				t.Error(err)
			default:
				testkit.WantEqual(t, "host", cfg.Relay.Host, tt.host)
			}
		})
	}
}

func TestRelayWarnings(t *testing.T) {
	const tls = "cert_file = \"testdata/secrets/server.pem\"\nkey_file = \"testdata/secrets/server.key\"\n"
	for _, tt := range []struct{ name, content, want string }{
		{"none", "host = \"relay.example.org\"\n", ""},
		{"local host", "host = \"relay.local\"\n", "relay.host: is a name of the local network, which clients elsewhere cannot reach"},
		{"certificate for another name", "host = \"relay.example.org\"\n" + tls, "relay.cert_file: the certificate does not name host"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg, err := parseRelay(t, "[relay]\n"+relaySecret+tt.content, "8.8.4.4/24")
			if err != nil {
				t.Fatal(err)
			}
			got := cfg.Warnings.String()
			got = strings.ReplaceAll(got, "config.toml: contains secrets", "")
			if tt.want == "" && got != "" || !strings.Contains(got, tt.want) {
				t.Errorf("warnings %q, want %q", got, tt.want)
			}
		})
	}
}

// TestRelayStateDir holds where the secrets are when nobody says so.
func TestRelayStateDir(t *testing.T) {
	for _, tt := range []struct{ name, file, named, systemd, want string }{
		{"beside the configuration", "/home/me/config.toml", "", "", "/home/me"},
		{"installed", "/etc/extdisco/config.toml", "", "", "/var/lib/extdisco"},
		{"systemd", "/etc/extdisco/config.toml", "", "/var/lib/private/extdisco:/var/lib/more", "/var/lib/private/extdisco"},
		{"named", "/etc/extdisco/config.toml", "/srv/relay", "/var/lib/extdisco", "/srv/relay"},
		{"named beside the configuration", "/etc/extdisco/config.toml", "relay", "", "/etc/extdisco/relay"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv("STATE_DIRECTORY", tt.systemd)
			testkit.WantEqual(t, "folder", (&reader{file: tt.file}).stateDir(tt.named), tt.want)
		})
	}
}

// TestRelaySameSockets holds which changes a running relay can follow.
func TestRelaySameSockets(t *testing.T) {
	const base = "[relay]\nhost = \"relay.example.org\"\nsecret = \"a secret that is long enough\"\n"
	load := func(t *testing.T, content string) Relay {
		cfg, err := parseRelay(t, content, "8.8.4.4/24")
		if err != nil {
			t.Fatal(err)
		}
		return cfg.Relay
	}
	for _, tt := range []struct {
		name, more string
		equal      bool
	}{
		{"nothing", "", true},
		{"ttl", "ttl = \"20h\"\n", true},
		{"drain", "drain = \"20s\"\n", true},
		{"limits", "[relay.limits]\nper_user = 3\nbandwidth = \"1MB/s\"\n", true},
		{"listen", "listen = [\":3479\"]\n", false},
		{"ports", "ports = \"50000-60000\"\n", false},
		{"peers", "allow_peers = [\"10.0.0.5\"]\n", false},
		{"connections", "[relay.limits]\nconnections = 3\n", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := load(t, base).SameSockets(load(t, base+tt.more)); got != tt.equal {
				t.Errorf("SameSockets() = %t", got)
			}
		})
	}
}
