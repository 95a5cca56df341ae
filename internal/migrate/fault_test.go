package migrate

import (
	"strings"
	"testing"
	"time"

	"extdisco/internal/testkit"
)

const noData = " is not plain data; only a text in quotes, a whole number, true, false and a table of them can be read, no variable, call or arithmetic: write the value itself"

// faults are texts that cannot be imported, and what is said then.
var faults = []struct{ name, text, want string }{
	{"unquoted secret", `external_service_secret = HiddenSecret`, "line 1: external_service_secret" + noData},
	{"call", "\n\nexternal_service_secret = os.getenv(\"HiddenSecret\")", "line 3: external_service_secret" + noData},
	{"call behind a text", "external_service_secret = \"HiddenSecret\":lower()", "line 1: external_service_secret" + noData},
	{"texts put together", "external_service_secret = \"Hidden\" .. \"Secret\"", "line 1: external_service_secret" + noData},
	{"alternative", "external_service_secret = nil or \"HiddenSecret\"", "line 1: external_service_secret" + noData},
	{"arithmetic", "external_services = { { type = \"stun\",\n ttl = 24*60*60 } }", "line 2: a value in an entry of external_services" + noData + " (or a comma is missing before it)"},
	{"fraction", "external_service_ttl = 1.5", "line 1: external_service_ttl" + noData},
	{"number in hex", "external_service_port = 0x10", "line 1: external_service_port" + noData},
	{"negative number", "external_service_port = -1", "line 1: external_service_port" + noData},
	{"variable in an entry", "external_services = { { type = \"turn\", secret = HiddenSecret } }", `line 1: "secret" in an entry of external_services` + noData},
	{"function in an entry", "external_services = {\n { type = \"turn\",\n credentials_cb = function() return \"HiddenSecret\" end } }", `line 3: "credentials_cb" in an entry of external_services` + noData},
	{"variable as an entry", "external_services = {\n HiddenSecret }", "line 2: a value in external_services" + noData},
	{"missing comma", "external_services = { { type = \"stun\"\n host = \"HiddenSecret\" } }", "line 2: a value in an entry of external_services" + noData + " (or a comma is missing before it)"},
	{"table cut off", "external_services = {\n { type = \"turn\",\n secret = \"HiddenSecret\"", "line 2: the { of an entry of external_services has no } that ends it"},
	{"table cut off behind a comma", "external_services = {\n { type = \"turn\",\n", "line 3: an entry of external_services is cut off: a } is missing"},
	{"table in brackets", "external_services = { { [1] = \"HiddenSecret\" } }", "line 1: a [ ] in an entry of external_services is not read; write NAME = VALUE"},
	{"tables in tables", "external_services = " + strings.Repeat("{", 20), "line 1: an entry of external_services" + noData},
	{"text without its end", "external_service_secret = \"HiddenSecret\n\"", "line 1: a text has no quote that ends it"},
	{"text without its end, at the end", "external_service_secret = 'HiddenSecret\\", "line 1: a text has no quote that ends it"},
	{"unknown escape", "external_service_secret = 'Hidden\\Secret'", "line 1: a text has a backslash with something behind it that Lua does not know; a backslash itself is written \\\\"},
	{"bytes that are no text", "external_service_secret = 'HiddenSecret\\255'", "line 1: external_service_secret holds bytes that are no text"},
	{"long text without its end", "\nexternal_service_secret = [==[HiddenSecret]]", "line 2: a [[ has no ]] that ends it"},
	{"comment without its end", "external_service_port = 3478\n--[[HiddenSecret]", "line 2: a [[ has no ]] that ends it"},
	{"host as a number", "external_services = { { type = \"stun\", host = 5 } }", "line 1: host is a whole number; it has to be a text in quotes"},
	{"secret as a number", "external_services = { { type = \"turn\", host = \"a\", secret = 5 } }", "line 1: secret is a whole number; it has to be a text in quotes or true"},
	{"secret as an option that is true", "external_service_secret = true", "line 1: external_service_secret is true or false; it has to be a text in quotes"},
	{"services as a text", "external_services = \"HiddenSecret\"", "line 1: external_services is a text in quotes; it has to be a table"},
	{"entry as a text", "external_services = { \"HiddenSecret\" }", `line 1: an entry of external_services is no table; write { type = "turn", host = "…", port = 3478 }`},
	{"secrets of two hosts", "external_service_secret = \"HiddenSecret\"\nexternal_service_secret = \"HiddenSecretToo\"",
		"line 2: external_service_secret is given in line 1 already, with another value; import the part of each host on its own"},
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

// TestReadFindsNothing has texts that can be read, and in which is nothing to
// be used.
func TestReadFindsNothing(t *testing.T) {
	const notData = "line 1: an entry with urls is left out: a value in it is not plain data but code, such as a variable, a call or a + between texts; put the value itself there"
	tests := []struct{ name, text, note string }{
		{"nothing", "", ""},
		{"prose", "Don't [worry], {be} happy.", ""},
		{"other JSON", `{"url": "https://example.org", "icons": [{"src": "a.png"}], "stun": "HiddenSecret"}`, ""},
		{"empty list", "const iceServers = [];", ""},
		{"variable for the password", `[{urls: "turn:a.example.org", username: "u", credential: HiddenSecret}]`, notData},
		{"call for the password", `[{urls: "turn:a.example.org", username: "u", credential: get("HiddenSecret")}]`, notData},
		{"list of URIs with a variable", `["stun:a.example.org", HiddenSecret]`,
			"line 1: a list of URIs is left out: a value in it is not plain data but code, such as a variable, a call or a + between texts; put the value itself there"},
		{"entry cut off", `[{urls: "turn:a.example.org", username: "u", credential: "HiddenSecret`, "line 1: an entry with urls is left out: its closing bracket is missing"},
		{"TURN without credentials", "[\n{urls: \"turn:a.example.org\"}]",
			"line 2: turn:a.example.org:3478?transport=udp is left out: it comes without credentials, and a TURN server is of no use without"},
		{"STUN over tcp", `[{urls: "stun:a.example.org?transport=tcp"}]`, `line 1: "stun:a.example.org?transport=tcp" is left out: stun is offered over udp only`},
		{"password in the URI", `[{urls: "turn:u:HiddenSecret@a.example.org"}]`,
			`line 1: "…@a.example.org" is left out: it has a user before an @; username and password do not belong in the URI, give them separately`},
		{"control characters in the URI", `[{urls: "turn:a\u001b[31m"}]`,
			`line 1: "turn:a\x1b[31m" is left out: it has a host with a character that is not allowed; use letters, digits, hyphens and dots`},
		{"no host", "external_service_secret = \"HiddenSecret\"\nexternal_services = { { type = \"turn\", secret = true } }",
			`line 2: an entry of type "turn" is left out: it has no host, and there is no external_service_host; Prosody takes the name of the VirtualHost, write it out`},
		{"no secret", "external_services = { { type = \"turn\", host = \"a.example.org\", secret = true } }",
			"line 1: turn:a.example.org:3478?transport=udp is left out: it has secret = true, and there is no external_service_secret with it"},
		{"commented out", "-- external_services = { { type = \"stun\", host = \"HiddenSecret\" } }", ""},
		{"no services", `external_service_secret = "HiddenSecret"`, ""},
		{"turn_external without secret", `turn_external_host = "a.example.org"`, "line 1: turn_external is left out: there is no turn_external_secret with it"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			list, err := Read("", tt.text, "")
			if err != nil || len(list.Servers) > 0 {
				t.Fatalf("servers %d, %v", len(list.Servers), err)
			}
			testkit.WantEqual(t, "notes", strings.Join(list.Notes, "\n"), tt.note)
		})
	}
}

// TestReadHostileText has texts on which a careless reader takes minutes.
func TestReadHostileText(t *testing.T) {
	fill := func(s string) string { return strings.Repeat(s, MaxSize/len(s)) }
	for name, text := range map[string]string{
		"brackets":                      fill("["),
		"brackets and braces":           fill("[{"),
		"brackets, then closing braces": fill("[")[:MaxSize/2] + fill("}")[:MaxSize/2],
		"entries in entries":            fill("{urls:1,a:"),
		"entries in entries, closed":    fill("{urls:1,a:")[:MaxSize/2] + fill("}")[:MaxSize/20],
		"lists in lists":                fill("['stun:',"),
		"quotes":                        fill(`\'\"`),
		"quotes of one kind":            fill(`\'`),
		"backticks":                     fill("\\`"),
		"comments":                      fill("/*"),
		"comments and quotes":           fill("/*'*/\""),
		"many entries":                  fill(`{urls:"stun:a"},`),
		"Lua tables":                    "external_services = " + fill("{"),
		"Lua long brackets":             "external_services = 1" + fill("[="),
		"Lua escapes":                   "external_services = '" + fill(`\u{`),
		"Lua comments":                  "external_services = 1" + fill("--[["),
		"Lua entries":                   "external_services = {" + fill("{type='stun',host='a'},") + "}",
	} {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			if _, err := Read("", text[:min(len(text), MaxSize)], ""); err != nil && len(err.Error()) > 500 {
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
