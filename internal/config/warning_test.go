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
	oneURL := func(name string) string { return strings.ReplaceAll(ICEServer, "turn.example", name+".example") }
	threeURLs := func(name string) string {
		return strings.Replace(oneURL(name), `"]`, `", "turn:`+name+`.example.org?transport=tcp", "turns:`+name+`.example.org"]`, 1)
	}
	tests := []struct {
		name   string
		config string
		modes  map[string]fs.FileMode // others are 0600
		want   string                 // with DIR for the folder
	}{
		{"nothing", component + ICEServer, nil, ""},
		{"readable without secrets", component + ICEServer, map[string]fs.FileMode{"config.toml": readable}, ""},
		{"readable with handshake secret", strings.Replace(component, `secret_file = "component.secret"`, `secret = "inline secret of the tests"`, 1) + ICEServer,
			map[string]fs.FileMode{"config.toml": readable},
			"DIR/config.toml: contains secrets, and everybody on this machine can read it; run: chmod o-r DIR/config.toml"},
		{"readable with pseudonym key", component + ICEServer + "pseudonym_key = \"inline\"\n",
			map[string]fs.FileMode{"config.toml": readable},
			"DIR/config.toml: contains secrets, and everybody on this machine can read it; run: chmod o-r DIR/config.toml"},
		{"readable by the group with secrets", component + ICEServer + "pseudonym_key = \"inline\"\n",
			map[string]fs.FileMode{"config.toml": 0o640}, ""},
		{"readable handshake secret file", component + ICEServer, map[string]fs.FileMode{"component.secret": readable},
			"DIR/config.toml:3: component.secret_file: everybody on this machine can read DIR/component.secret; run: chmod o-r DIR/component.secret"},
		{"readable shared secret file", component + ICEServer, map[string]fs.FileMode{"turn.secret": 0o604},
			"DIR/config.toml:6: ice_server[0].secret_file: everybody on this machine can read DIR/turn.secret; run: chmod o-r DIR/turn.secret"},
		{"blank behind a secret in a file", component + strings.Replace(ICEServer, "turn.secret", "blank.secret", 1), nil,
			"DIR/config.toml:6: ice_server[0].secret_file: DIR/blank.secret has spaces before or after the secret, and they are part of it; remove them unless they belong there"},
		{"short shared secret", component + strings.Replace(ICEServer, `secret_file = "turn.secret"`, `secret = "fifteen bytes.."`, 1), nil,
			"DIR/config.toml:6: ice_server[0].secret: the shared secret has only 15 bytes; a random one of 32 is safer: openssl rand -hex 32"},
		{"short shared secret in a file", component + strings.Replace(ICEServer, "turn.secret", "short.secret", 1), nil,
			"DIR/config.toml:6: ice_server[0].secret_file: the shared secret has only 5 bytes; a random one of 32 is safer: openssl rand -hex 32"},
		{"shared secret just long enough", component + strings.Replace(ICEServer, `secret_file = "turn.secret"`, `secret = "sixteen bytes..."`, 1), nil, ""},
		{"a previous secret that nobody looks for", component + ICEServer + "previous_secret_file = \"pseudonym.key\"\n", nil,
			"DIR/config.toml:7: ice_server[0].previous_secret_file: the new secret is used at once, and refused until the TURN server has it; with [probe], extdisco uses the previous one until then"},
		{"readable with a database that needs no password", component + "[[ice_server]]\nurls = [\"turn:turn.example.org\"]\nrotate = \"720h\"\nrealm = \"example.org\"\ncoturn_db = \"sqlite:/var/lib/turn/turndb\"\n",
			map[string]fs.FileMode{"config.toml": readable}, ""},
		{"readable with the password of a database", component + "[[ice_server]]\nurls = [\"turn:turn.example.org\"]\nrotate = \"720h\"\nrealm = \"example.org\"\ncoturn_db = \"postgres://turn:password@127.0.0.1/coturn\"\n",
			map[string]fs.FileMode{"config.toml": readable},
			"DIR/config.toml: contains secrets, and everybody on this machine can read it; run: chmod o-r DIR/config.toml"},
		{"a previous secret that [probe] looks for", component + ICEServer + "previous_secret_file = \"pseudonym.key\"\n[probe]\n", nil, ""},
		{"ttl too short for Dino", component + ICEServer + "ttl = \"599s\"\n", nil,
			"DIR/config.toml:7: ice_server[0].ttl: 9m59s is short: Dino renews only credentials that live 10m or longer; write 1h where mod_extdisco_bridge renews those of Jitsi Meet, and 24h elsewhere"},
		{"ttl too short for a client that sleeps", component + ICEServer + "ttl = \"10m\"\n", nil,
			"DIR/config.toml:7: ice_server[0].ttl: 10m is short: a client that was asleep wakes up with an expired credential; write 1h where mod_extdisco_bridge renews those of Jitsi Meet, and 24h elsewhere"},
		{"ttl that the bridge renews", component + ICEServer + "ttl = \"1h\"\n", nil, ""},
		{"ttl beyond what coturn takes", component + ICEServer + "ttl = \"105120h\"\n", nil,
			"DIR/config.toml:7: ice_server[0].ttl: credentials expire on 2038-01-19 at the latest; coturn takes no later expiry"},
		{"fixed account", component + strings.Replace(ICEServer, "secret_file = \"turn.secret\"", "username = \"alice\"\npassword_file = \"static.password\"", 1), nil,
			"DIR/config.toml:6: ice_server[0].username: everybody gets the same account, which never expires; a shared secret (secret_file) is safer if the TURN server supports it"},
		{"IPv6 address", component + strings.Replace(ICEServer, "turn:turn.example.org", "turn:[2001:db8::1]", 1), nil,
			`DIR/config.toml:5: ice_server[0].urls[0]: names an IPv6 address, which Jitsi Meet and others cannot use; a host name is safer`},
		{"IPv4 address", component + strings.Replace(ICEServer, "turn:turn.example.org", "turn:192.0.2.1", 1), nil, ""},
		{"server elsewhere", component + "server = \"xmpp.example.org:5347\"\n" + ICEServer, nil,
			"DIR/config.toml:4: component.server: the link to another machine is not encrypted and carries credentials; keep it in a private network or in a tunnel"},
		{"server at an address elsewhere", component + "server = \"[2001:db8::1]:5347\"\n" + ICEServer, nil,
			"DIR/config.toml:4: component.server: the link to another machine is not encrypted and carries credentials; keep it in a private network or in a tunnel"},
		{"short handshake secret", strings.Replace(component, `secret_file = "component.secret"`, `secret = "fifteen bytes.."`, 1) + ICEServer, nil,
			"DIR/config.toml:3: component.secret: the handshake secret has only 15 bytes; use a random one of 32 bytes, here and on the XMPP server: openssl rand -hex 32"},
		{"handshake secret of one byte", strings.Replace(component, `secret_file = "component.secret"`, `secret = "x"`, 1) + ICEServer, nil,
			"DIR/config.toml:3: component.secret: the secret looks like a placeholder; write the secret itself\n" +
				"DIR/config.toml:3: component.secret: the handshake secret has only 1 byte; use a random one of 32 bytes, here and on the XMPP server: openssl rand -hex 32"},
		{"handshake secret just long enough", strings.Replace(component, `secret_file = "component.secret"`, `secret = "sixteen bytes..."`, 1) + ICEServer, nil, ""},
		{"private address", component + strings.Replace(ICEServer, "turn:turn.example.org", "turn:10.0.0.5", 1), nil,
			"DIR/config.toml:5: ice_server[0].urls[0]: names a private address, which clients elsewhere cannot reach; write the public name or address of the server, unless all clients are in that network"},
		{"private IPv6 address", component + strings.Replace(ICEServer, "turn:turn.example.org", "turn:[fd00::1]", 1), nil,
			"DIR/config.toml:5: ice_server[0].urls[0]: names a private address, which clients elsewhere cannot reach; write the public name or address of the server, unless all clients are in that network"},
		{"loopback address", component + strings.Replace(ICEServer, "turn:turn.example.org", "turn:127.0.1.1", 1), nil,
			"DIR/config.toml:5: ice_server[0].urls[0]: names a loopback address, which clients elsewhere cannot reach; write the public name or address of the server, unless all clients are in that network"},
		{"link-local address", component + strings.Replace(ICEServer, "turn:turn.example.org", "turn:169.254.1.1", 1), nil,
			"DIR/config.toml:5: ice_server[0].urls[0]: names a link-local address, which clients elsewhere cannot reach; write the public name or address of the server, unless all clients are in that network"},
		{"localhost", component + strings.Replace(ICEServer, "turn:turn.example.org", "turn:localhost", 1), nil,
			"DIR/config.toml:5: ice_server[0].urls[0]: names a loopback address, which clients elsewhere cannot reach; write the public name or address of the server, unless all clients are in that network"},
		{"local name", component + strings.Replace(ICEServer, "turn:turn.example.org", "turn:relay", 1), nil,
			"DIR/config.toml:5: ice_server[0].urls[0]: names a host of the local network, which clients elsewhere cannot reach; write the public name or address of the server, unless all clients are in that network"},
		{"private address behind a provider", component + "[[ice_server]]\nprovider = \"http\"\nurl = \"https://turn.example.org\"\nurls = [\"turn:192.168.1.5\"]\n", nil,
			"DIR/config.toml:7: ice_server[0].urls[0]: names a private address, which clients elsewhere cannot reach; write the public name or address of the server, unless all clients are in that network"},
		{"no TURN over udp", component + strings.Replace(ICEServer, `"turn:turn.example.org"`, `"stun:turn.example.org", "turn:turn.example.org?transport=tcp", "turns:turn.example.org"`, 1), nil,
			"DIR/config.toml:4: ice_server: no TURN URL is over udp, and Dino uses only those; add one, such as \"turn:turn.example.org:3478?transport=udp\""},
		{"STUN only", component + "[[ice_server]]\nurls = [\"stun:turn.example.org\"]\n", nil, ""},
		{"TURN over udp in another server", component + strings.Replace(ICEServer, `"turn:turn.example.org"`, `"turns:turn.example.org"`, 1) + strings.Replace(ICEServer, "turn:turn.", "turn:turn2.", 1), nil, ""},
		{"TURN over udp perhaps from a provider", component + strings.Replace(ICEServer, `"turn:turn.example.org"`, `"turns:turn.example.org"`, 1) +
			"[[ice_server]]\nprovider = \"turn-rest\"\nurl = \"https://turn.example.org\"\n", nil, ""},
		{"four TURN URLs", component + strings.Replace(ICEServer, `"turn:turn.example.org"`, `"stun:s.example.org", "turn:a.example.org", "turn:b.example.org", "turn:c.example.org", "turn:d.example.org"`, 1), nil, ""},
		{"five TURN URLs", component + strings.Replace(ICEServer, `"turn:turn.example.org"`, `"turn:a.example.org", "turn:b.example.org", "turn:c.example.org"`, 1) +
			strings.Replace(ICEServer, `"turn:turn.example.org"`, `"turn:d.example.org", "turn:e.example.org"`, 1), nil,
			"DIR/config.toml:4: ice_server: an answer has 5 TURN URLs, and browsers connect more slowly with more than 4; keep one each over udp, tcp and TLS, or give each user only some of the servers with offer.servers"},
		{"five TURN URLs of one server", component + strings.Replace(ICEServer, `"turn:turn.example.org"`, `"turn:a.example.org", "turn:b.example.org", "turn:c.example.org", "turn:d.example.org", "turn:e.example.org"`, 1), nil,
			"DIR/config.toml:4: ice_server: an answer has 5 TURN URLs, and browsers connect more slowly with more than 4; keep one each over udp, tcp and TLS"},
		{"choice without a number of servers", component + ICEServer + "weight = 2\nnetworks = [\"192.0.2.0/24\"]\ndomains = [\"example.org\"]\n", nil,
			"DIR/config.toml:7: ice_server[0].weight: has no effect without offer.servers, which says how many servers each user is given; set it, or remove this\n" +
				"DIR/config.toml:8: ice_server[0].networks: has no effect without offer.servers, which says how many servers each user is given; set it, or remove this"},
		{"weight of a STUN server", component + ICEServer + "[[ice_server]]\nurls = [\"stun:stun.example.org\"]\nweight = 2\n[offer]\nservers = 1\n", nil,
			"DIR/config.toml:9: ice_server[1].weight: has no effect on a server without TURN; remove it"},
		{"weight of the relay", component + "[relay]\npublic_ip = [\"127.0.0.1\"]\nsecret_file = \"turn.secret\"\nweight = 2\n", nil,
			"DIR/config.toml:7: relay.weight: has no effect without offer.servers, which says how many servers each user is given; set it, or remove this"},
		{"countries that nobody asks for", component + ICEServer + "[offer]\nservers = 1\ngeoip_file = \"COUNTRIES\"\n", nil,
			"DIR/config.toml:9: offer.geoip_file: is not used, since no server has countries; set them, or remove it"},
		{"four TURN URLs chosen of six", component + threeURLs("a") + oneURL("b") + threeURLs("c") + "[offer]\nservers = 1\n", nil, ""},
		{"five TURN URLs chosen of seven", component + threeURLs("a") + oneURL("b") + threeURLs("c") + "[offer]\nservers = 2\n", nil,
			"DIR/config.toml:14: offer.servers: an answer can have 6 TURN URLs, and browsers connect more slowly with more than 4; write a lower number, or keep one each over udp, tcp and TLS"},
		{"TURN URLs for different domains", component + threeURLs("a") + "domains = [\"a.example.org\"]\n" + threeURLs("b") + "domains = [\"example.org\"]\n", nil, ""},
		{"TURN URLs of one domain and of all", component + threeURLs("a") + "domains = [\"a.example.org\"]\n" + threeURLs("b"), nil,
			"DIR/config.toml:4: ice_server: an answer has 6 TURN URLs, and browsers connect more slowly with more than 4; keep one each over udp, tcp and TLS, or give each user only some of the servers with offer.servers"},
		{"some are given TURN without udp", component + oneURL("a") + strings.Replace(oneURL("b"), "turn:", "turns:", 1) + "[offer]\nservers = 1\n", nil,
			"DIR/config.toml:4: ice_server: some users are given no TURN URL over udp, and Dino uses only those; add one to each server, such as \"turn:turn.example.org:3478?transport=udp\""},
		{"everybody is given one with udp", component + oneURL("a") + oneURL("c") + strings.Replace(oneURL("b"), "turn:", "turns:", 1) + "[offer]\nservers = 2\n", nil, ""},
		{"a domain without TURN", component + oneURL("a") + "domains = [\"eu.example.org\"]\n[access]\nallow = [\"eu.example.org\", \"alice@us.example.org\", \"us.example.org\"]\n", nil,
			"DIR/config.toml:4: ice_server: every server with TURN is for other domains than us.example.org, which is served; add it to the domains of one"},
		{"jid with nothing before the domain", strings.Replace(component, "turn.example.org", "example.org", 1) + ICEServer, nil,
			"DIR/config.toml:2: component.jid: seems to be the users' own domain: its parent domain, which is trusted and served by default, is a single word; use a separate name such as \"turn.example.org\", or set hosts"},
		{"jid below localhost", strings.Replace(component, "turn.example.org", "turn.localhost", 1) + ICEServer, nil, ""},
		{"jid of a VirtualHost", component + ICEServer + "[access]\nallow = [\"turn.example.org\"]\n", nil,
			"DIR/config.toml:8: access.allow: has component.jid in it, which has no users; is jid the name of a VirtualHost? A component needs a name of its own, such as \"turn.example.org\""},
		{"nobody left to serve", component + ICEServer + "[access]\ndeny = [\"example.org\"]\n", nil,
			"DIR/config.toml:8: access.deny: covers everything in allow, so nobody is served; remove an entry"},
		{"somebody left to serve", component + ICEServer + "[access]\nallow = [\"example.org\", \"example.net\"]\ndeny = [\"example.org\"]\n", nil, ""},
		{"status page in the open", component + ICEServer + "[http]\nlisten = \"0.0.0.0:9215\"\n", nil,
			"DIR/config.toml:8: http.listen: is open to other machines and not encrypted; set cert_file and key_file, or listen on 127.0.0.1 behind a proxy with TLS"},
		{"status page in the open behind a proxy", component + ICEServer + "[http]\nlisten = \"0.0.0.0:9215\"\nbehind_tls_proxy = true\n", nil, ""},
		{"status page on loopback", component + ICEServer + "[http]\nlisten = \"localhost:9215\"\n", nil, ""},
		{"client in a private network", component + ICEServer + "[http]\nlisten = \"10.0.0.5:9215\"\n[[rest_client]]\nname = \"janus\"\nkey = \"0123456789abcdef\"\n", nil,
			"DIR/config.toml:8: http.listen: is open to other machines and not encrypted; set cert_file and key_file, or listen on 127.0.0.1 behind a proxy with TLS"},
		{"client in the open behind a proxy", component + ICEServer + "[http]\nlisten = \"192.0.2.1:9215\"\nbehind_tls_proxy = true\n[[rest_client]]\nname = \"janus\"\nkey = \"0123456789abcdef\"\n", nil, ""},
		{"audit lines that are not logged", component + ICEServer + "[log]\nlevel = \"warn\"\naudit = true\n", nil,
			"DIR/config.toml:9: log.audit: is true, but its lines have the level info, which log.level suppresses; set level to \"info\""},
		{"secret in a header", component + ICEServer + "[[ice_server]]\nprovider = \"http\"\nurl = \"https://turn.example.org\"\nheaders = { X-Key = \"s\" }\n", map[string]fs.FileMode{"config.toml": readable},
			"DIR/config.toml: contains secrets, and everybody on this machine can read it; run: chmod o-r DIR/config.toml"},
		{"secret in a query", component + ICEServer + "[[ice_server]]\nprovider = \"http\"\nurl = \"https://turn.example.org\"\nquery = { key = \"s\" }\n", map[string]fs.FileMode{"config.toml": readable},
			"DIR/config.toml: contains secrets, and everybody on this machine can read it; run: chmod o-r DIR/config.toml"},
		{"secret in a body", component + ICEServer + "[[ice_server]]\nprovider = \"http\"\nurl = \"https://turn.example.org\"\nbody = \"s\"\n", map[string]fs.FileMode{"config.toml": readable},
			"DIR/config.toml: contains secrets, and everybody on this machine can read it; run: chmod o-r DIR/config.toml"},
		{"headers without a secret", component + ICEServer + "[[ice_server]]\nprovider = \"http\"\nurl = \"https://turn.example.org\"\nheaders = { Content-Type = \"application/json\", X-Key = { file = \"turn.secret\" } }\n",
			map[string]fs.FileMode{"config.toml": readable}, ""},
		{"readable header file", component + ICEServer + "[[ice_server]]\nprovider = \"http\"\nurl = \"https://turn.example.org\"\nheaders = { X-Key = { file = \"static.password\" } }\n",
			map[string]fs.FileMode{"static.password": readable},
			"DIR/config.toml:10: ice_server[1].headers.X-Key: everybody on this machine can read DIR/static.password; run: chmod o-r DIR/static.password"},
		{"readable body file", component + ICEServer + "[[ice_server]]\nprovider = \"http\"\nurl = \"https://turn.example.org\"\nbody_file = \"static.password\"\n",
			map[string]fs.FileMode{"static.password": readable},
			"DIR/config.toml:10: ice_server[1].body_file: everybody on this machine can read DIR/static.password; run: chmod o-r DIR/static.password"},
		{"server on this machine", component + "server = \"127.0.0.53:5347\"\n" + ICEServer, nil, ""},
		{"server on this machine over IPv6", component + "server = \"[::1]:5347\"\n" + ICEServer, nil, ""},
		{"server named localhost", component + "server = \"localhost:5347\"\n" + ICEServer, nil, ""},
	}
	countries, err := filepath.Abs("testdata/geoip/countries.mmdb")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := testkit.WriteFiles(t, "config.toml", strings.Replace(tt.config, "COUNTRIES", countries, 1), "short.secret", "short\n", "blank.secret", testkit.SharedSecret+" \n")
			for file, mode := range tt.modes {
				if err := os.Chmod(filepath.Join(dir, file), mode); err != nil {
					t.Fatal(err)
				}
			}
			cfg := mustLoad(t, filepath.Join(dir, "config.toml"))
			testkit.WantEqual(t, "warnings", strings.ReplaceAll(cfg.Warnings.String(), dir, "DIR"), tt.want)
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
	find(t, "", "", "there is neither config.toml nor "+dir+"/etc.toml; run extdisco setup, which writes one, or write it by hand (config.toml.example has every key), or name it with --config FILE")
	find(t, "other.toml", "other.toml", "")
	testkit.WriteFile(t, "etc.toml", "")
	find(t, "", dir+"/etc.toml", "")
	testkit.WriteFile(t, "config.toml", "")
	find(t, "", "config.toml", "")
	candidates = []string{"config.toml/inside", "etc.toml"}
	find(t, "", "", "cannot look at the configuration")
}
