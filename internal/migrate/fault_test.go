package migrate

import (
	"strings"
	"testing"
	"time"

	"extdisco/internal/testkit"
)

// faults are texts that cannot be imported, and what is said then.
var faults = []struct{ name, text, want string }{
	{"missing comma", "external_services = { { type = \"stun\"\n host = \"HiddenSecret\" } }", "line 2: a comma is missing before a value in a table"},
	{"table cut off", "external_services = {\n { type = \"turn\",\n secret = \"HiddenSecret\"", "line 2: a { has no } that ends it"},
	{"table cut off behind a comma", "external_services = {\n { type = \"turn\",\n", "line 3: a table is cut off: a } is missing"},
	{"call cut off", "external_service_port = 1\nexternal_service_secret = f(\"HiddenSecret\"", "line 2: an expression is cut off: a bracket or an end is missing"},
	{"function cut off", "external_service_secret = function() return \"HiddenSecret\"", "line 1: an expression is cut off: a bracket or an end is missing"},
	{"bracket without its end", "external_services = { [\"HiddenSecret\" = 5 }", "line 1: a [ in a table is not followed by ] ="},
	{"tables in tables", "external_services = " + strings.Repeat("{", 20), "line 1: an expression is cut off: a bracket or an end is missing"},
	{"text without its end", "external_service_secret = \"HiddenSecret\n\"", "line 1: a string is not closed"},
	{"text without its end, at the end", "external_service_secret = 'HiddenSecret\\", "line 1: a string is not closed"},
	{"unknown escape", "external_service_secret = 'Hidden\\Secret'", "line 1: a string has an escape that Lua does not know; a backslash itself is written \\\\"},
	{"long text without its end", "\nexternal_service_secret = [==[HiddenSecret]]", "line 2: a [[ is not closed"},
	{"comment without its end", "external_service_port = 3478\n--[[HiddenSecret]", "line 2: a [[ is not closed"},
	{"secrets of two hosts", "external_service_secret = \"HiddenSecret\"\nexternal_service_secret = \"HiddenSecretToo\"",
		"line 2: external_service_secret is already set in line 1, to another value; import the part of each host on its own"},
	{"YAML", "mod_stun_disco:\n\tsecret: HiddenSecret", "line 2: it is not valid YAML; check indentation and quotes"},
	{"YAML with an unknown alias", "turn_uris: *HiddenSecret", "it is not valid YAML; check indentation and quotes"},
}

func TestReadFaults(t *testing.T) {
	for _, tt := range faults {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Read("", tt.text, "")
			if err == nil {
				t.Fatal("is read")
			}
			testkit.WantEqual(t, "error", err.Error(), tt.want)
			if strings.Contains(err.Error(), "Hidden") {
				t.Errorf("shows the secret: %v", err)
			}
		})
	}
}

// nothing has texts that can be read, in which nothing can be used, and the notes about them.
var nothing = []struct{ name, text, notes string }{
	{"empty", "", ""},
	{"prose", "Don't [worry], {be} happy.", ""},
	{"other JSON", `{"url": "https://example.org", "icons": [{"src": "a.png"}], "stun": "HiddenSecret"}`, ""},
	{"a login", `{"url": "https://example.org", "database": {"username": "HiddenName", "password": "HiddenSecret"}}`, ""},
	{"empty list", "const iceServers = [];", ""},
	{"list of other texts", `const names = ["HiddenName", "turn.example.org"]`, ""},
	{"entry cut off", `[{urls: "turn:a.example.org", username: "u", credential: "HiddenSecret`, "line 1: an entry with urls is left out: its closing bracket is missing"},
	{"urls that are computed", "[{username: 'u', credential: 'HiddenSecret',\n urls: `turn:${HiddenName}`}]", "line 2: a URI is left out: it is computed; write it out"},
	{"urls that are no texts", `[{urls: [5], username: "u", credential: "HiddenSecret"}]`, "line 1: an entry is left out: its urls is neither a string nor a list of strings"},
	{"no urls", "[{username: 'HiddenName', credential: 'HiddenSecret', host: 'HiddenHost'}]", "line 1: an entry with username and credential is left out: it has no urls"},
	{"TURN without credentials", "[\n{urls: \"turn:a.example.org\"}]",
		"line 2: turn:a.example.org:3478?transport=udp is left out: it has no credential, which a TURN server requires"},
	{"TURN with a number for the credential", `[{urls: "turn:a.example.org", username: "u", credential: 5}]`,
		"line 1: turn:a.example.org:3478?transport=udp is left out: its credential is not a string"},
	{"TURN without username", `[{urls: "turn:a.example.org", credential: "HiddenSecret"}]`,
		"line 1: turn:a.example.org:3478?transport=udp is left out: it has a password and no username"},
	{"TURN without password", `[{urls: "turn:a.example.org", username: "HiddenName"}]`,
		"line 1: turn:a.example.org:3478?transport=udp is left out: it has a username and no password"},
	{"STUN over tcp", `[{urls: "stun:a.example.org?transport=tcp"}]`, "line 1: a URI is left out: stun is offered over udp only"},
	{"password in the URI", `[{urls: "turn:u@b:HiddenSecret@a.example.org"}]`,
		"line 1: a URI is left out: it has a user before an @; username and password do not belong in the URI, give them separately"},
	{"password between colons", `[{urls: "turn:u:HiddenSecret:a.example.org"}]`,
		"line 1: a URI is left out: it has too many colons; write turn:HOST:PORT, and an IPv6 address in brackets: turn:[2001:db8::1]:3478"},
	{"password in the query", `[{urls: "turn:a.example.org?HiddenSecret"}]`, "line 1: a URI is left out: it has an unknown query; only ?transport=udp and ?transport=tcp are allowed"},
	{"password for a URI in a list", `iceServers = ["HiddenSecret"]`,
		"line 1: a URI is left out: it is not an ICE URI; write stun:, stuns:, turn: or turns: and then the host, such as turn:turn.example.org:3478"},
	{"an address of nobody", `[{urls: ["stun:0.0.0.0", "stun:[ff02::1]"]}]`, "line 1: stun:0.0.0.0:3478 is left out: it names the unspecified address, which nobody can connect to\n" +
		"line 1: stun:[ff02::1]:3478 is left out: it names a multicast address, which nobody can connect to"},
	{"control characters in the URI", `[{urls: "turn:a\u001b[31m"}]`,
		"line 1: a URI is left out: it has a host with a character that is not allowed; use letters, digits, hyphens and dots"},
	{"no host", "external_service_secret = \"HiddenSecret\"\nexternal_services = { { type = \"turn\", secret = true } }",
		`line 2: an entry of type "turn" is left out: it has no host, and Prosody uses the name of the VirtualHost; give it with --host`},
	{"no secret", "external_services = { { type = \"turn\", host = \"a.example.org\", secret = true } }",
		"line 1: turn:a.example.org:3478?transport=udp is left out: it has secret = true, and external_service_secret is not set"},
	{"commented out", "-- external_services = { { type = \"stun\", host = \"HiddenSecret\" } }", ""},
	{"no services", `external_service_secret = "HiddenSecret"`, ""},
	{"turn_external without secret", `turn_external_host = "a.example.org"`, "line 1: turn_external is left out: turn_external_secret is not set"},
	{"turncredentials without host", `turncredentials_secret = HiddenSecret`,
		"line 1: turncredentials is left out: turncredentials_host is not set, and Prosody uses the name of the VirtualHost; give it with --host"},
	{"services that are computed", "external_services = get(\"HiddenSecret\")", "line 1: external_services is computed, and ignored; write the value out"},
	{"services as a text", `external_services = "HiddenSecret"`, "line 1: external_services is a string instead of a table, and is ignored"},
	{"entry as a text", `external_services = { "HiddenSecret" }`,
		`line 1: an entry of external_services is left out: it is not a table such as { type = "turn", host = "turn.example.org", port = 3478 }`},
	{"variable as an entry", "external_services = {\n HiddenSecret }", "line 2: an entry of external_services is left out: it is computed; write it out"},
	{"host as a number", `external_services = { { type = "stun", host = 5 } }`,
		"line 1: host is a whole number instead of a string, and is ignored\n" +
			`line 1: an entry of type "stun" is left out: it has no host, and Prosody uses the name of the VirtualHost; give it with --host`},
	{"secret as a number", `external_services = { { type = "turn", host = "a", secret = 5 } }`,
		"line 1: secret is a whole number instead of a string or true, and is ignored\n" +
			"line 1: turn:a:3478?transport=udp is left out: it has no credential, which a TURN server requires"},
	{"secret as an option that is true", `external_service_secret = true`, "line 1: external_service_secret is true or false instead of a string, and is ignored"},
	{"secret that is no text", "external_service_secret = 'HiddenSecret\\255'", "line 1: external_service_secret contains bytes that are not text, and is ignored"},
	{"another type", `external_services = { { type = "ftp", host = "a", secret = "HiddenSecret" } }`,
		`line 1: an entry of type "ftp" is left out: extdisco offers stun, stuns, turn and turns only`},
	{"coturn without host", "static-auth-secret=HiddenSecret\nrealm=internal",
		"line 1: the name or address that clients use for the TURN server is not in turnserver.conf; give it with --host"},
	{"coturn with secrets in comments", "#static-auth-secret=HiddenSecret\nrealm=", "line 2: realm is not set, and browsers get no relay from coturn then; add realm= with your domain to turnserver.conf\n" +
		"line 2: the name or address that clients use for the TURN server is not in turnserver.conf; give it with --host"},
	{"Synapse without URIs", "turn_shared_secret: HiddenSecret", "line 1: turn_uris is not set"},
	{"Synapse without secret", "turn_uris: ['turn:a.example.org']",
		"line 1: turn:a.example.org:3478?transport=udp is left out: neither turn_shared_secret nor turn_username and turn_password are set"},
	{"docker without secret", "TURN_HOST=a.example.org\nTURN_PORT=1", "line 1: turn:a.example.org:1?transport=tcp is left out: neither TURN_CREDENTIALS nor TURN_USERNAME and TURN_PASSWORD are set"},
	{"ejabberd without secret", "hosts: [example.org]\nmodules:\n  mod_stun_disco:\n    services: [{host: 203.0.113.4, type: turn}]",
		"line 4: turn:203.0.113.4:3478?transport=udp is left out: mod_stun_disco has no secret, and ejabberd makes up another one at each start; set secret there and import again"},
	{"ejabberd on localhost", "hosts: [localhost]\nlisten:\n- {module: ejabberd_stun, port: 3478, ip: '::', use_turn: true}\nmodules: {mod_stun_disco: {secret: HiddenSecret}}",
		"line 3: a listener is left out: the name that clients use for it is not in ejabberd.yml; give it with --host"},
	{"ejabberd with a user before the host", "modules:\n  mod_stun_disco:\n    services: [{host: 'HiddenSecret@a'}]",
		"line 3: a service is left out: it has a user before an @; username and password do not belong in the URI, give them separately"},
	{"Talk without secret", `[{"server":"a.example.org","secret":"","protocols":"udp"}]`, "line 1: turn:a.example.org:3478?transport=udp is left out: it has no secret"},
	{"Talk with a hidden secret", `[{"server":"a.example.org","secret":"***REMOVED SENSITIVE VALUE***","protocols":"udp"}]`,
		"line 1: turn:a.example.org:3478?transport=udp is left out: occ hides its secret; add --private to the command"},
}

func TestReadFindsNothing(t *testing.T) {
	for _, tt := range nothing {
		t.Run(tt.name, func(t *testing.T) {
			list, err := Read("", tt.text, "")
			if err != nil || len(list.Servers) > 0 {
				t.Fatalf("servers %d, %v", len(list.Servers), err)
			}
			testkit.WantEqual(t, "notes", strings.Join(list.Notes, "\n"), tt.notes)
			if strings.Contains(strings.ToLower(strings.Join(list.Notes, "")), "hidden"+"secret") || strings.Contains(strings.Join(list.Notes, ""), "HiddenName") {
				t.Errorf("shows what was not understood: %s", list.Notes)
			}
		})
	}
}

// TestReadHostileText has texts on which a careless reader takes minutes.
func TestReadHostileText(t *testing.T) {
	const size = MaxSize / 8 // a reader that takes quadratic time shows at this size already
	fill := func(s string) string { return strings.Repeat(s, size/len(s)) }
	for name, text := range map[string]string{
		"brackets":                      fill("["),
		"brackets and braces":           fill("[{"),
		"brackets, then closing braces": fill("[")[:size/2] + fill("}")[:size/2],
		"entries in entries":            fill("{urls:1,a:"),
		"entries in entries, closed":    fill("{urls:1,a:")[:size/2] + fill("}")[:size/20],
		"lists in lists":                fill("['stun:',"),
		"quotes":                        fill(`\'\"`),
		"quotes of one kind":            fill(`\'`),
		"backticks":                     fill("\\`"),
		"comments":                      fill("/*"),
		"comments and quotes":           fill("/*'*/\""),
		"many entries":                  fill(`{urls:"stun:a"},`),
		"strings in strings":            fill(`"['stun: `),
		"strings":                       fill(`"[stun:a]" `),
		"members":                       "{urls:[" + fill(`'stun:a',`) + "]}",
		"lists in a list of servers":    "{urls:" + fill("[")[:size/2] + fill("]")[:size/2-9] + "}",
		"members without values":        "{username:1," + fill("a,") + "}",
		"Lua tables in a list":          "ManualIceServers = {urls={" + fill("{a='',},") + "}}",
		"Lua functions":                 "external_services = " + fill("function "),
		"Lua functions with their ends": "external_services = " + fill("function() end,"),
		"Lua operators":                 "external_services = " + fill("a.b*"),
		"YAML":                          "mod_stun_disco: " + fill("["),
		"YAML aliases":                  "turn_uris: &a [" + fill("*a,") + "]",
		"coturn":                        "use-auth-secret\n" + fill("user=a:b\n"),
		"docker":                        fill("TURN_HOST=$TURN_HOST$TURN_HOST\n"),
		"docker, doubled":               "TURN_HOST=aaaaaaaa\n" + fill("TURN_HOST=$TURN_HOST$TURN_HOST\n"),
		"docker, many hosts":            "TURN_HOST=" + fill("a,")[:size/2] + "\nTURN_TRANSPORT=" + fill("b,")[:size/2],
		"Talk":                          `{"turn_servers":` + fill("["),
		"Talk in lines":                 fill("- protocols: udp\n- 0:\n"),
		"Talk in strings":               fill(`{"stun_servers":"[\"`),
		"Lua tables":                    "external_services = " + fill("{"),
		"Lua long brackets":             "external_services = 1" + fill("[="),
		"Lua escapes":                   "external_services = '" + fill(`\u{`),
		"Lua comments":                  "external_services = 1" + fill("--[["),
		"Lua entries":                   "external_services = {" + fill("{type='stun',host='a'},") + "}",
	} {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			if _, err := Read("", text[:min(len(text), size)], ""); err != nil && len(err.Error()) > 500 {
				t.Errorf("error of %d bytes", len(err.Error()))
			}
			if took := time.Since(start); took > 5*testkit.Patience {
				t.Errorf("took %v", took)
			} else if testing.Verbose() {
				t.Log(took)
			}
		})
	}
}
