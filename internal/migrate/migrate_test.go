package main

import (
	"bytes"
	"flag"
	"io"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"extdisco/xep0215"
)

var update = flag.Bool("update", false, "write the golden files of testdata/import anew")

// componentTable is what a configuration needs besides its servers.
const componentTable = "[component]\njid = \"turn.example.org\"\nsecret_file = \"component.secret\"\n\n"

// hiddenInFixture finds the secrets of the fixtures.
var hiddenInFixture = regexp.MustCompile(`Secret[A-Z]|5ec7e`)

func importFixtures(t testing.TB) []string {
	t.Helper()
	var files []string
	for _, pattern := range []string{"*.js", "*.json", "*.lua"} {
		found, err := filepath.Glob(filepath.Join("testdata", "import", pattern))
		if err != nil || len(found) == 0 {
			t.Fatalf("no %s: %v", pattern, err)
		}
		files = append(files, found...)
	}
	return files
}

func TestImport(t *testing.T) {
	for _, file := range importFixtures(t) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			if !hiddenInFixture.MatchString(readFile(t, file)) {
				t.Fatal("the fixture has no secret to be found")
			}
			r := runCommand(t, "", "import", file)
			if r.status != statusOK || hiddenInFixture.MatchString(r.stderr) {
				t.Errorf("status %d, standard error %q", r.status, r.stderr)
			}
			if hiddenInFixture.MatchString(r.stdout) {
				t.Errorf("shows a secret:\n%s", r.stdout)
			}
			golden := file + ".toml"
			if *update {
				writeFile(t, golden, r.stdout)
			}
			wantEqual(t, "standard output", r.stdout, readFile(t, golden))
			if noted := strings.HasPrefix(r.stdout, "#"); noted != strings.Contains(r.stderr, "left out") {
				t.Errorf("notes: %v, standard error %q", noted, r.stderr)
			}
			if warned := strings.Contains(r.stdout, "\n# Careful: "); warned != strings.Contains(r.stderr, "extdisco: warning: turn:") {
				t.Errorf("warnings: %v, standard error %q", warned, r.stderr)
			}
		})
	}
}

// TestImportLoads reads what is printed as configuration, with the secrets in it
// and with the secrets in files, and wants the same of both.
func TestImportLoads(t *testing.T) {
	for _, file := range importFixtures(t) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			list, err := importServers(readFile(t, file))
			if err != nil {
				t.Fatal(err)
			}
			r := runCommand(t, "", "import", "--inline", file)
			if r.status != statusOK || hiddenInFixture.MatchString(r.stderr) {
				t.Errorf("status %d, standard error %q", r.status, r.stderr)
			}
			inline := mustLoad(t, writeConfig(t, componentTable+r.stdout))

			files := []string{"config.toml", componentTable + list.toml(false)}
			for _, s := range list.servers {
				files = append(files, secretFilesOf(list, s)...)
			}
			filed := mustLoad(t, filepath.Join(writeFiles(t, files...), "config.toml"))

			if len(inline.iceServers) != len(list.servers) || len(filed.iceServers) != len(list.servers) {
				t.Fatalf("%d and %d servers, want %d", len(inline.iceServers), len(filed.iceServers), len(list.servers))
			}
			for i, want := range list.servers {
				sameServer(t, inline.iceServers[i], want)
				sameServer(t, filed.iceServers[i], want)
			}
		})
	}
}

// secretFilesOf returns the names and contents of the files of a server.
func secretFilesOf(l *importList, s *importedServer) []string {
	var files []string
	for file, value := range l.files("secret") {
		if value == s.credential.sharedSecret.Reveal() {
			files = append(files, file, value+"\n")
		}
	}
	for file, value := range l.files("password") {
		if value == s.credential.password.Reveal() {
			files = append(files, file, value+"\n")
		}
	}
	return files
}

// files returns the contents of the files that are named.
func (l *importList) files(kind string) map[string]string {
	secrets, passwords := l.fileNames()
	names := map[string]map[string]string{"secret": secrets, "password": passwords}[kind]
	contents := map[string]string{}
	for value, file := range names {
		contents[file] = value
	}
	return contents
}

func sameServer(t *testing.T, got iceServer, want *importedServer) {
	t.Helper()
	var uris []string
	for _, s := range got.services {
		uris = append(uris, s.URI())
	}
	wantEqual(t, "urls", strings.Join(uris, "\n"), strings.Join(want.uris, "\n"))
	c := want.credential
	if !got.sharedSecret.Equal(c.sharedSecret) || got.username != c.username || !got.password.Equal(c.password) {
		t.Errorf("%s is loaded with another credential", uris)
	}
	if !c.sharedSecret.IsEmpty() && got.ttl != c.ttl {
		t.Errorf("%s has the TTL %v, want %v", uris, got.ttl, c.ttl)
	}
}

const importedEntry, importedURI = `{urls: "stun:stun.example.org"}`, "stun:stun.example.org:3478"

// importForms are texts and the URIs that are found in them.
var importForms = []struct{ name, text, want string }{
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

func TestImportForms(t *testing.T) {
	for _, tt := range importForms {
		t.Run(tt.name, func(t *testing.T) {
			list, err := importServers(tt.text)
			if err != nil {
				t.Fatal(err)
			}
			var uris []string
			for _, s := range list.servers {
				uris = append(uris, s.uris...)
			}
			wantEqual(t, "urls", strings.Join(uris, "\n"), tt.want)
		})
	}
}

func TestImportReadsStandardInput(t *testing.T) {
	r := runCommand(t, `[{urls: 'turn:turn.example.org', username: 'u\u0007', credential: 'p'}, {urls: 'turn:b.example.org', username: 'u', credential: '"\\é'}]`,
		"import", "-", "--inline")
	want := result{statusOK, `# Left out, changed, or in need of a look:
#   line 1: turn:turn.example.org:3478?transport=udp is left out: its username or password holds characters that XML cannot carry, or more than 508 bytes

[[ice_server]]
urls = ["turn:b.example.org:3478?transport=udp"]
username = "u"
password = "\"\\é"
`, "extdisco: some of it was left out, changed, or needs a look; the comments at the top of the output say what and why\n"}
	if r != want {
		t.Errorf("%+v, want %+v", r, want)
	}
}

func TestImportTeaches(t *testing.T) {
	r := runCommand(t, "", "import", "--help")
	text := strings.Join(strings.Fields(r.stdout), " ")
	for _, want := range []string{"Usage: extdisco import <file>", "--inline", "- reads standard input", "Examples:", "extdisco import config.js", "external_services"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, r.stdout)
		}
	}
	// The example with echo works as it stands.
	example := regexp.MustCompile(`echo '(.*)' \| extdisco (import - --inline)`).FindStringSubmatch(text)
	if example == nil {
		t.Fatalf("no example in\n%s", text)
	}
	if r := runCommand(t, example[1], strings.Fields(example[2])...); r.status != statusOK || !strings.Contains(r.stdout, `password = "p"`) {
		t.Errorf("the example gives %+v", r)
	}
}

func TestImportWithoutFileIsWrongUsage(t *testing.T) {
	for _, args := range [][]string{{"import"}, {"import", "a", "b"}, {"import", "-", "--dance"}} {
		if r := runCommand(t, "", args...); r.status != statusUsage || r.stdout != "" || !strings.HasSuffix(r.stderr, usageLine) {
			t.Errorf("%q: %+v", args, r)
		}
	}
}

func TestImportThatCannotBeWrittenFails(t *testing.T) {
	var stderr bytes.Buffer
	status := run([]string{"import", "-"}, strings.NewReader(`[{urls: "stun:stun.example.org"}]`), brokenWriter{}, &stderr)
	if status != statusFailed || stderr.String() != "extdisco: no space left\n" {
		t.Errorf("status %d, standard error %q", status, stderr.String())
	}
}

// endless counts what is read of it.
type endless struct{ read int }

func (e *endless) Read(p []byte) (int, error) {
	e.read += len(p)
	return copy(p, bytes.Repeat([]byte(" "), len(p))), nil
}

func TestImportSize(t *testing.T) {
	const entry = `[{urls: "stun:stun.example.org"}]`
	most := entry + strings.Repeat(" ", maxImport-len(entry))
	if r := runCommand(t, most, "import", "-"); r.status != statusOK {
		t.Errorf("1 MiB: %+v", r)
	}
	in := new(endless)
	err := importCommand{File: "-"}.Run(&environment{stdin: in, stdout: io.Discard, stderr: io.Discard})
	if err == nil || err.Error() != "cannot import standard input: it is larger than 1 MiB; cut out the part with the servers" {
		t.Errorf("more: %v", err)
	}
	if in.read > 2*maxImport {
		t.Errorf("%d bytes were read", in.read)
	}
}

// checkImported checks what an import of anything gives.
func checkImported(t *testing.T, dir string, list *importList) {
	t.Helper()
	for _, n := range list.notes {
		if strings.ContainsAny(n, "\n\r\x1b") || strings.Contains(n, "%!") || !strings.HasPrefix(n, "line ") {
			t.Errorf("note %q", n)
		}
	}
	if len(list.servers) == 0 {
		return
	}
	printed := list.toml(true)
	cfg, err := parseConfig(filepath.Join(dir, "config.toml"), []byte(componentTable+printed), testTime)
	if err != nil {
		t.Fatalf("%v in\n%s", err, printed)
	}
	if len(cfg.iceServers) != len(list.servers) {
		t.Fatalf("%d servers of %d in\n%s", len(cfg.iceServers), len(list.servers), printed)
	}
	for i, s := range cfg.iceServers {
		sameServer(t, s, list.servers[i])
		for _, service := range s.services {
			if _, err := xep0215.ParseURI(service.URI()); err != nil {
				t.Errorf("%s: %v", service.URI(), err)
			}
		}
	}
}

// FuzzImport checks that no text makes the import panic, and that what it prints
// is configuration with the same servers and secrets.
func FuzzImport(f *testing.F) {
	for _, file := range importFixtures(f) {
		f.Add(readFile(f, file))
	}
	for _, tt := range importFaults {
		f.Add(tt.text)
	}
	f.Add("external_services={{type='turn',host='a',secret=[=[\n]]\\0]=],ttl=1}}")
	f.Add("[{urls:'turn:a',username:'\\u0001',credential:'\\ud800'}]")
	dir := writeFiles(f)
	f.Fuzz(func(t *testing.T, text string) {
		list, err := importServers(text)
		if err != nil {
			if strings.ContainsAny(err.Error(), "\n\r\x1b") || strings.Contains(err.Error(), "%!") {
				t.Errorf("error %q", err)
			}
			return
		}
		checkImported(t, dir, list)
	})
}
