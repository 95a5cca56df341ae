package migrate

import (
	"flag"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"extdisco/internal/config"
	"extdisco/internal/secret"
	"extdisco/internal/testkit"
	"extdisco/xep0215"
)

var update = flag.Bool("update", false, "write the golden files of testdata anew")

// componentTable is what a configuration needs besides its servers.
const componentTable = "[component]\njid = \"turn.example.org\"\nsecret_file = \"component.secret\"\n\n"

// hiddenInFixture finds the secrets of the fixtures.
var hiddenInFixture = regexp.MustCompile(`Secret[A-Z]|5ec7e`)

func fixtures(t testing.TB) []string {
	t.Helper()
	var files []string
	for _, pattern := range []string{"*.js", "*.json", "*.lua", "*.conf", "*.yml", "*.yaml", "*.env", "*.txt"} {
		found, err := filepath.Glob(filepath.Join("testdata", pattern))
		if err != nil || len(found) == 0 {
			t.Fatalf("no %s: %v", pattern, err)
		}
		files = append(files, found...)
	}
	return files
}

func TestRead(t *testing.T) {
	for _, file := range fixtures(t) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			if !hiddenInFixture.MatchString(readFile(t, file)) {
				t.Fatal("the fixture has no secret to be found")
			}
			list, err := Read(file, readFile(t, file), "")
			if err != nil {
				t.Fatal(err)
			}
			got := list.TOML(Secrets{}, testkit.Time)
			if hiddenInFixture.MatchString(got) {
				t.Errorf("shows a secret:\n%s", got)
			}
			golden := file + ".toml"
			if *update {
				testkit.WriteFile(t, golden, got)
			}
			testkit.WantEqual(t, "TOML", got, readFile(t, golden))
		})
	}
}

// TestReadLoads reads what is printed as configuration, with the secrets in it
// and with the secrets in files, and wants the same of both.
func TestReadLoads(t *testing.T) {
	for _, file := range fixtures(t) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			list, err := Read(file, readFile(t, file), "")
			if err != nil {
				t.Fatal(err)
			}
			inlineFiles := []string{"config.toml", componentTable + completed(list.TOML(Secrets{Inline: true}, testkit.Time))}
			files := []string{"config.toml", componentTable + completed(list.TOML(Secrets{}, testkit.Time))}
			for _, f := range list.SecretFiles() {
				if f.Value.IsEmpty() { // the administrator writes it, in either case
					f.Value = secret.New(testkit.SharedSecret)
					inlineFiles = append(inlineFiles, f.Name, testkit.SharedSecret)
				}
				files = append(files, f.Name, f.Value.Reveal()+"\n")
			}
			inline := mustLoad(t, filepath.Join(testkit.WriteFiles(t, inlineFiles...), "config.toml"))
			filed := mustLoad(t, filepath.Join(testkit.WriteFiles(t, files...), "config.toml"))

			if len(inline.ICEServers) != len(list.Servers) || len(filed.ICEServers) != len(list.Servers) {
				t.Fatalf("%d and %d servers, want %d", len(inline.ICEServers), len(filed.ICEServers), len(list.Servers))
			}
			for i, want := range list.Servers {
				sameServer(t, inline.ICEServers[i], want)
				sameServer(t, filed.ICEServers[i], want)
			}
		})
	}
}

// completed returns TOML as an administrator completes it.
func completed(toml string) string {
	toml = strings.ReplaceAll(toml, "# username = \"\"", "username = \"u\"")
	toml = strings.ReplaceAll(toml, "# realm = \"\"", "realm = \"example.org\"")
	return strings.ReplaceAll(toml, "/etc/synapse/turn.secret", "turn.secret")
}

func sameServer(t *testing.T, got config.ICEServer, want *Server) {
	t.Helper()
	var uris []string
	for _, s := range got.Services {
		uris = append(uris, s.URI())
	}
	testkit.WantEqual(t, "urls", strings.Join(uris, "\n"), strings.Join(want.URIs, "\n"))
	loaded := Credential{Username: got.Username, Secret: got.Password}
	if want.Kind == SharedSecret {
		loaded = Credential{TTL: got.TTL, Secret: got.SharedSecret}
	}
	if want.UsernameForm != "" && want.Realm == "" {
		want.Realm = "example.org"
	}
	if got.UsernameForm != want.UsernameForm || got.Realm != want.Realm {
		t.Errorf("%s is loaded with the form %q and the realm %q", uris, got.UsernameForm, got.Realm)
	}
	if !want.isShown() {
		want.Credential = want.with(testkit.SharedSecret)
	}
	if want.UsernameComputed {
		want.Username = "u"
	}
	if loaded.TTL != want.TTL || loaded.Username != want.Username || !loaded.Secret.Equal(want.Secret) {
		t.Errorf("%s is loaded with another credential: %+v, want %+v", uris, loaded, want.Credential)
	}
}

const importedEntry, importedURI = `{urls: "stun:stun.example.org"}`, "stun:stun.example.org:3478"

// forms are texts and the URIs that are found in them.
var forms = []struct{ name, text, want string }{
	{"list", "[" + importedEntry + "]", importedURI},
	{"entry alone", importedEntry, importedURI},
	{"object", "{iceServers: [" + importedEntry + "]}", importedURI},
	{"object for a list", `{"iceServers":` + importedEntry + `}`, importedURI},
	{"const", "const config = {iceServers: [" + importedEntry + "]};", importedURI},
	{"var", "var iceServers = [" + importedEntry + "]", importedURI},
	{"typed", "const config: RTCConfiguration = {iceServers: [" + importedEntry + "] as RTCIceServer[]};", importedURI},
	{"call", "pc = new RTCPeerConnection({iceServers: [" + importedEntry + "]})", importedURI},
	{"call in a function", "async () => { await f(); pc = new RTCPeerConnection({iceServers: [" + importedEntry + "]}); return pc; }", importedURI},
	{"module", "export default {iceServers: [" + importedEntry + "]}", importedURI},
	{"script in a page", "<p title=\"a\">It's [here</p>\n<script>\nrun({iceServers: [" + importedEntry + "]})</script>", importedURI},
	{"cut off at the end", "{iceServers: [" + importedEntry + ", {urls: 'stun:", importedURI},
	{"bracket too many", "]}{iceServers: [" + importedEntry + "]}]}", importedURI},
	{"wrong bracket", "[{]" + importedEntry, importedURI},
	{"byte order mark", "\ufeff[" + importedEntry + "]", importedURI},
	{"line ends of Windows", "[\r\n  " + importedEntry + ", // end\r\n]\r\n", importedURI},
	{"no-break spaces", "[\u00a0" + importedEntry + "\u00a0]", importedURI},
	{"comments everywhere", "/*[*/[/*{*/" + `{/**/urls/*]*/:/*"*/"stun:stun.example.org"/*'*/,}` + "/*}*/,//]\n]", importedURI},
	{"comment without end", "[" + importedEntry + "]/* more", importedURI},
	{"single quotes", `[{'urls': 'stun:stun.example.org'}]`, importedURI},
	{"backticks", "[{urls: `stun:stun.example.org`}]", importedURI},
	{"quotes in quotes", `x = "it's [{"; [` + importedEntry + `, {note: '"`, importedURI},
	{"escaped quotes", `x = "\"[{"; y = '\\'; [` + importedEntry + `]`, importedURI},
	{"blanks around", `[{urls: " stun:stun.example.org "}]`, importedURI},
	{"capitals", `[{URLs: ["STUN:stun.example.org"]}]`, importedURI},
	{"texts in a list", `{iceServers: ["stun:stun.example.org", 5, "other"]}`, importedURI},
	{"stuns", `[{urls: ["stuns:stun.example.org?transport=tcp"]}]`, "stuns:stun.example.org:5349"},
	{"old name", `[{url: "stun:stun.example.org"}]`, importedURI},
	{"both names", `[{url: "stun:old.example.org", urls: "stun:stun.example.org"}]`, importedURI},
	{"AWS", `{"IceServerList":[{"Uris":["turn:a.example.org"],"Username":"u","Password":"p","Ttl":300}]}`, "turn:a.example.org:3478?transport=udp"},
	{"Xirsys", `{"v":{"iceServers":{"username":"u","urls":["stun:a.example.org","turn:a.example.org:80?transport=udp"],"credential":"p"}},"s":"ok"}`,
		"stun:a.example.org:3478\nturn:a.example.org:80?transport=udp"},
	{"other addresses beside", `{url: "https://example.org", pages: [{urls: "stun:stun.example.org"}]}`, importedURI},
	{"STUN keeps to itself", `[{urls: "turn:a.example.org", username: "u", credential: "p"}, {urls: ["turns:a.example.org", "stun:a.example.org"], username: "u", credential: "p"}]`,
		"turn:a.example.org:3478?transport=udp\nturns:a.example.org:5349?transport=tcp\nstun:a.example.org:3478"},
	{"assertions of TypeScript", `[{urls: ["turn:a.example.org"] as string[], username: "u" as const, credential: "p" as  any}]`, "turn:a.example.org:3478?transport=udp"},
	{"values that are called", `[{urls: "turn:a.example.org", username: "u", credential: f("a, {b", [c, "]"])}]`, "turn:a.example.org:3478?transport=udp"},
	{"values that are functions", "[{urls: 'turn:a.example.org', username: 'u', credential: () => { return {a: 1, urls: 2}; }}, " + importedEntry + "]", "turn:a.example.org:3478?transport=udp\n" + importedURI},
	{"shorthand", "[{urls: 'turn:a.example.org', username, credential}]", "turn:a.example.org:3478?transport=udp"},
	{"spread", "[...more, " + importedEntry + "]", importedURI},
	{"list of texts with a variable", `["stun:stun.example.org", name]`, importedURI},
	{"list of texts without schemes", `{iceServers: ["stun.example.org", "a b", "stun:b.example.org"]}`, importedURI + "\nstun:b.example.org:3478"},
	{"address without a scheme", `[{url: "a.example.org:5349", username: "u", password: "p"}]`, "turns:a.example.org:5349?transport=tcp"},
	{"another name", `[{uri: "stun:stun.example.org"}, {"server": ["stun:b.example.org"]}]`, importedURI + "\nstun:b.example.org:3478"},
	{"in a string", `x = JSON.parse("[{\"urls\": \"stun:stun.example.org\"}]")`, importedURI},
	{"in a string in a string", `x = "{\"a\": \"[{\\\"urls\\\": \\\"stun:stun.example.org\\\"}]\"}"`, importedURI},
	{"in an attribute", `<p data-a="[{&#34;urls&#34;:&#34;stun:stun.example.org&#34;}]">`, importedURI},
	{"in a string beside one that is not", "x = \"[a]\"; y = '[{urls: `stun:stun.example.org`}]' // \"stun:[\"", importedURI},
	{"texts in a string", `ICE_SERVERS='["stun:stun.example.org"]'`, importedURI},
	{"export of a shell", "export TURN_HOST=a.example.org TURN_CREDENTIALS=x\nexport TURN_CREDENTIALS=y", "turn:a.example.org:443?transport=tcp"},
	{"environment of compose", "environment:\n  - TURN_HOST=a.example.org\n  - \"TURN_CREDENTIALS=y\"\n  - TURN_TRANSPORT=udp", "turn:a.example.org:443?transport=udp"},
	{"mapping of compose", "environment:\n  TURNS_HOST: a.example.org # one\n  TURN_CREDENTIALS: \"y\"\n  TURNS_PORT: 5349", "turns:a.example.org:5349?transport=tcp"},
	{"Lua with an option in a table", `config = { { turncredentials_host = "a.example.org" }, ["turncredentials_secret"] = f(1) }`, "stun:a.example.org:3478\nturn:a.example.org:3478?transport=udp"},
	{"Lua with a call behind a call", "turn_external_secret = f \"x\" { a = 1 } [2].c:d(3)\nturn_external_host = \"a.example.org\"", "stun:a.example.org:3478\nturn:a.example.org:3478?transport=udp"},
	{"Lua with blocks", "turn_external_secret = (function() for i = 1, 2 do if i then return 'end' end end repeat local x until true end)()\nturn_external_host = 'a.example.org'",
		"stun:a.example.org:3478\nturn:a.example.org:3478?transport=udp"},
	{"Lua with operators", "turn_external_secret = not a and #b .. 'c' or -d ^ 2\nturn_external_host = 'a.example.org'", "stun:a.example.org:3478\nturn:a.example.org:3478?transport=udp"},
	{"Lua with numbers for names", `external_services = { [1] = { type = "stun", host = "stun.example.org" }, [f(2)] = { type = "stun", host = "b.example.org" } }`, importedURI + "\nstun:b.example.org:3478"},
	{"Lua with old names for Jitsi", `turncredentials_secret = "s" turncredentials_port = "3480" turncredentials = { { type = "turn", host = "a.example.org" } }`, "turn:a.example.org:3480?transport=udp"},
	{"Lua for a list of URIs", `Servers = { { urls = { "stun:stun.example.org", f() } } }`, importedURI},
	{"ejabberd with a keyword", "define_keyword: {S: secret}\nhosts: [a.example.org]\nlisten:\n- {module: ejabberd_stun, port: 3479, use_turn: true, auth_type: anonymous}\nmodules: {mod_stun_disco: {secret: '@S@', credentials_lifetime: never}}",
		"stun:a.example.org:3479\nturn:a.example.org:3479?transport=udp"},
	{"ejabberd over tcp", "hosts: [a.example.org]\nlisten:\n- {module: ejabberd_stun, port: 3478, transport: tcp, use_turn: true, ip: 203.0.113.3}\nmodules: {mod_stun_disco: {secret: s}}", "turn:203.0.113.3:3478?transport=tcp"},
	{"ejabberd without its own", "listen:\n- {module: ejabberd_stun, port: 3478, use_turn: true}\nmodules: {mod_stun_disco: {offer_local_services: false, services: [{host: b.example.org}]}}", "stun:b.example.org:3478"},
	{"STUN servers of Talk", "  - stun.example.org:3478\n  - b.example.org:443\n", importedURI + "\nstun:b.example.org:443"},
	{"STUN servers of Talk in JSON", `["stun.example.org:3478","b.example.org:443"]`, importedURI + "\nstun:b.example.org:443"},
	{"coturn with tabs", "\tuse-auth-secret\n\tstatic-auth-secret\tx\n\trealm = a.example.org\n no-udp\n", "turn:a.example.org:3478?transport=tcp"},
	{"Lua in one line", `external_services={{type='stun',host='stun.example.org'}}`, importedURI},
	{"Lua with line ends of Windows", "external_services = {\r\n  { type = \"stun\"; host = \"stun.example.org\" };\r\n};\r\n", importedURI},
	{"Lua with IPv6", `external_services = { { type = "turn", host = "2001:db8::1", password = "p", username = "u" } }`, "turn:[2001:db8::1]:3478?transport=udp"},
	{"Lua twice", `external_services = { { type = "stun", host = "stun.example.org" } } external_services = { { type = "stun", host = "b.example.org" } }`,
		importedURI + "\nstun:b.example.org:3478"},
	{"Lua with nothing for values", `external_services = { { type = "stun", host = "stun.example.org", port = nil, username = nil, expires = 5 } }`, importedURI},
	{"Lua in a table of more", `return { external_services = { { type = "stun", host = "stun.example.org" } }, other = f("x") }`, importedURI},
}

func TestReadForms(t *testing.T) {
	for _, tt := range forms {
		t.Run(tt.name, func(t *testing.T) {
			list, err := Read("", tt.text, "")
			if err != nil {
				t.Fatal(err)
			}
			var uris []string
			for _, s := range list.Servers {
				uris = append(uris, s.URIs...)
			}
			testkit.WantEqual(t, "urls", strings.Join(uris, "\n"), tt.want)
		})
	}
}

// checkImported checks what an import of anything gives.
func checkImported(t *testing.T, dir string, list *List) {
	t.Helper()
	for _, n := range list.Notes {
		if strings.ContainsAny(n, "\n\r\x1b") || strings.Contains(n, "%!") || !strings.HasPrefix(n, "line ") {
			t.Errorf("note %q", n)
		}
	}
	if len(list.Servers) == 0 {
		return
	}
	for _, server := range list.Servers {
		if server.File != "" {
			server.Credential, server.File = server.with(testkit.SharedSecret), ""
		}
	}
	for _, f := range list.SecretFiles() {
		if f.Value.IsEmpty() {
			testkit.WriteFile(t, filepath.Join(dir, f.Name), testkit.SharedSecret)
		}
	}
	printed := completed(list.TOML(Secrets{Inline: true}, testkit.Time))
	file := filepath.Join(dir, "config.toml")
	testkit.WriteFile(t, file, componentTable+printed)
	cfg, err := config.Load(file, testkit.Time)
	if err != nil {
		t.Fatalf("%v in\n%s", err, printed)
	}
	if len(cfg.ICEServers) != len(list.Servers) {
		t.Fatalf("%d servers of %d in\n%s", len(cfg.ICEServers), len(list.Servers), printed)
	}
	for i, s := range cfg.ICEServers {
		sameServer(t, s, list.Servers[i])
		for _, service := range s.Services {
			if _, err := xep0215.ParseURI(service.URI()); err != nil {
				t.Errorf("%s: %v", service.URI(), err)
			}
		}
	}
}

// FuzzRead checks that no text makes the import panic, and that what it prints
// is configuration with the same servers and secrets.
func FuzzRead(f *testing.F) {
	for _, file := range fixtures(f) {
		f.Add(readFile(f, file))
	}
	for _, tt := range faults {
		f.Add(tt.text)
	}
	for _, tt := range nothing {
		f.Add(tt.text)
	}
	f.Add("external_services={{type='turn',host='a',secret=[=[\n]]\\0]=],ttl=1}}")
	f.Add("[{urls:'turn:a',username:'\\u0001',credential:'\\ud800'}]")
	dir := testkit.WriteFiles(f)
	f.Fuzz(func(t *testing.T, text string) {
		if !utf8.ValidString(text) {
			return
		}
		list, err := Read("", text, "")
		if err != nil {
			if strings.ContainsAny(err.Error(), "\n\r\x1b") || strings.Contains(err.Error(), "%!") {
				t.Errorf("error %q", err)
			}
			return
		}
		checkImported(t, dir, list)
	})
}

// fuzzParser checks one parser, whatever the format looks like.
func fuzzParser(f *testing.F, pattern string, read func(text string, list *List) error) {
	files, err := filepath.Glob(filepath.Join("testdata", pattern))
	if err != nil || len(files) == 0 {
		f.Fatalf("no %s: %v", pattern, err)
	}
	for _, file := range files {
		f.Add(readFile(f, file))
	}
	dir := testkit.WriteFiles(f)
	f.Fuzz(func(t *testing.T, text string) {
		if !utf8.ValidString(text) || len(text) > MaxSize {
			return
		}
		list := newList()
		list.host = "turn.example.org"
		if err := read(text, list); err != nil {
			if strings.ContainsAny(err.Error(), "\n\r\x1b") || strings.Contains(err.Error(), "%!") {
				t.Errorf("error %q", err)
			}
			return
		}
		checkImported(t, dir, list)
	})
}

func FuzzCoturn(f *testing.F) {
	fuzzParser(f, "*.conf", func(text string, list *List) error { readCoturn(text, list); return nil })
}

func FuzzDocker(f *testing.F) {
	fuzzParser(f, "*.env", func(text string, list *List) error { readDocker(text, list); return nil })
}

func FuzzEjabberd(f *testing.F) { fuzzParser(f, "*.yml", readEjabberd) }

func FuzzSynapse(f *testing.F) { fuzzParser(f, "*.yaml", readSynapse) }

func FuzzTalk(f *testing.F) {
	fuzzParser(f, "talk-*.*[nt]", func(text string, list *List) error { readTalk(text, list); return nil })
}

func FuzzJavaScript(f *testing.F) { fuzzParser(f, "*.js", readJavaScript) }

func FuzzLua(f *testing.F) {
	fuzzParser(f, "*.lua", func(text string, list *List) error {
		_, err := readProsody(text, list)
		return err
	})
}

func TestEjabberdWithoutHostsAsksForTheRealm(t *testing.T) {
	list := mustRead(t, "", "listen:\n- {module: ejabberd_stun, port: 3478, use_turn: true, turn_ipv4_address: 203.0.113.3}\nmodules: {mod_stun_disco: {secret: s}}", "")
	if got := list.TOML(Secrets{Inline: true}, testkit.Time); !strings.HasSuffix(got, "secret = \"s\"\nusername_form = \"ejabberd\"\n# The virtual host of ejabberd is not known. Write it here:\n# realm = \"\"\n") {
		t.Error(got)
	}
}

// TestDockerIsWhatItRenders compares the variables with what the image makes of them.
func TestDockerIsWhatItRenders(t *testing.T) {
	const variables = "TURN_CREDENTIALS=SecretOfJitsiInDocker\nSTUN_HOST=stun.example.org\nTURN_HOST=turn1.example.org,turn2.example.org\nTURNS_HOST=turn1.example.org\n"
	rendered := mustRead(t, "", readFile(t, "testdata/jitsi-docker.lua"), "")
	rendered.Notes = nil
	testkit.WantEqual(t, "TOML", mustRead(t, "", variables, "").TOML(Secrets{Inline: true}, testkit.Time), rendered.TOML(Secrets{Inline: true}, testkit.Time))
}

// TestNotesOfOddSettings has what is imported with a word about it.
func TestNotesOfOddSettings(t *testing.T) {
	tests := []struct{ name, text, note string }{
		{"blank secret", "turn_external_host = 'a'\nturn_external_secret = ' '", "line 1: turn:a:3478?transport=udp is left out: its shared secret is blank"},
		{"several secrets", "static-auth-secret=a\nstatic-auth-secret=b\nrealm=a.example.org", "line 2: there are 2 static-auth-secret lines; the first is used, coturn accepts all of them"},
		{"open relay", "no-auth\nrealm=a.example.org", "is left out: coturn asks for no credential (no-auth) and relays for anybody"},
		{"keys for passwords", "user=a:0xbc807ee29df3c9ffa736523fb2c4e8ee\nrealm=a.example.org", "have keys (0x...) instead of passwords"},
		{"no credential", "listening-port=1\nrealm=a.example.org", "turnserver.conf has no shared secret"},
		{"port of coturn", "listening-port=x\nrealm=a.example.org", "line 1: listening-port is not a number from 1 to 65535; coturn's default is assumed"},
		{"quota of coturn", "realm=a.example.org\nuser-quota=x", "line 2: user-quota is not a whole number, and is ignored"},
		{"no realm", "static-auth-secret=a\nexternal-ip=203.0.113.5", "line 1: realm is not set, and browsers get no relay from coturn then"},
		{"both kinds", "lt-cred-mech\nuse-auth-secret\nrealm=a.example.org", "line 1: lt-cred-mech and use-auth-secret are both set; remove lt-cred-mech"},
		{"path of Synapse", "turn_uris: ['turn:a']\nturn_shared_secret_path: x", "line 2: turn_shared_secret_path is relative to Synapse's working directory; write the whole path"},
		{"TTL of docker", "STUN_HOST=a\nTURN_CREDENTIALS=x\nTURN_TTL=1h", "line 3: TURN_TTL is not a number of seconds; 24h is used instead"},
		{"user of docker", "STUN_HOST=a\nTURN_CREDENTIALS=x\nTURN_USERNAME=u", "line 3: TURN_USERNAME is ignored beside TURN_CREDENTIALS"},
		{"transports of docker", "STUN_HOST=a\nTURN_TRANSPORT=a,b,c,d,e", "line 2: TURN_TRANSPORT has more than 4 transports"},
		{"TTL of Prosody", "turn_external_host = 'a'\nturn_external_secret = 's'\nturn_external_ttl = 0", "line 3: a TTL of 0 seconds is not possible; 24h is used instead"},
		{"user of Prosody", "turn_external_host = 'a'\nturn_external_secret = 's'\nturn_external_user = 'u'", "line 3: turn_external_user is ignored"},
		{"ejabberd without mod_stun_disco", "hosts: [a.example.org]\nlisten:\n- {module: ejabberd_stun, port: 3478, use_turn: true}", "line 3: mod_stun_disco is not enabled"},
		{"ejabberd with anonymous TURN", "hosts: [a.example.org]\nlisten:\n- {module: ejabberd_stun, port: 3478, use_turn: true, auth_type: anonymous}\nmodules: {mod_stun_disco: {secret: s}}", "line 3: this TURN server relays for anybody"},
		{"ejabberd without hosts", "listen:\n- {module: ejabberd_stun, port: 3478, use_turn: true, turn_ipv4_address: 203.0.113.3}\nmodules: {mod_stun_disco: {secret: s}}", "line 2: hosts is not set"},
		{"lifetime of ejabberd", "modules: {mod_stun_disco: {credentials_lifetime: infinity}}", "line 1: credentials_lifetime is not a duration; 24h is used instead"},
		{"own server of ejabberd not offered", "hosts: [a.example.org]\nlisten:\n- {module: ejabberd_stun, port: 3478}\nmodules:\n  mod_stun_disco:\n    offer_local_services: false", "line 6: ejabberd does not offer its own STUN and TURN server"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if notes := strings.Join(mustRead(t, "", tt.text, "").Notes, "\n"); !strings.Contains(notes, tt.note) {
				t.Errorf("notes %s, want %s", notes, tt.note)
			}
		})
	}
}
