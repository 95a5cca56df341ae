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
