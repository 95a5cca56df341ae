package command

import (
	"bytes"
	"io"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"extdisco/internal/migrate"
	"extdisco/internal/testkit"
)

// hiddenInFixture finds the secrets of the fixtures.
var hiddenInFixture = regexp.MustCompile(`Secret[A-Z]|5ec7e`)

// fixtures returns what package migrate is tested with.
func fixtures(t testing.TB) []string {
	t.Helper()
	var files []string
	for _, pattern := range []string{"*.js", "*.json", "*.lua", "*.conf", "*.yml", "*.yaml", "*.env", "*.txt"} {
		found, err := filepath.Glob(filepath.Join("../migrate/testdata", pattern))
		if err != nil || len(found) == 0 {
			t.Fatalf("no %s: %v", pattern, err)
		}
		files = append(files, found...)
	}
	return files
}

func TestImport(t *testing.T) {
	for _, file := range fixtures(t) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			if !hiddenInFixture.MatchString(readFile(t, file)) {
				t.Fatal("the fixture has no secret to be found")
			}
			r := runCommand(t, "", "import", file, "--config", filepath.Join(t.TempDir(), "config.toml"))
			if r.status != statusOK || hiddenInFixture.MatchString(r.stderr) {
				t.Errorf("status %d, standard error %q", r.status, r.stderr)
			}
			if hiddenInFixture.MatchString(r.stdout) {
				t.Errorf("shows a secret:\n%s", r.stdout)
			}
			golden := file + ".toml"
			testkit.WantEqual(t, "standard output", r.stdout, readFile(t, golden))
			if noted := strings.HasPrefix(r.stdout, "#"); noted != strings.Contains(r.stderr, "left out") {
				t.Errorf("notes: %v, standard error %q", noted, r.stderr)
			}
			if warned := strings.Contains(r.stdout, "\n# Careful: "); warned != strings.Contains(r.stderr, "extdisco: warning: turn") {
				t.Errorf("warnings: %v, standard error %q", warned, r.stderr)
			}
		})
	}
}

func TestImportReadsStandardInput(t *testing.T) {
	r := runCommand(t, `[{urls: 'turn:turn.example.org', username: 'u\u0007', credential: 'p'}, {urls: 'turn:b.example.org', username: 'u', credential: '"\\é'}]`,
		"import", "-", "--inline", "--config", filepath.Join(t.TempDir(), "config.toml"))
	want := result{statusOK, `# Left out, changed, or in need of a look:
#   line 1: turn:turn.example.org:3478?transport=udp is left out: its username or password contains characters that XML cannot carry, or more than 508 bytes

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
	for _, want := range []string{"Usage: extdisco import <file>", "--inline", "--secrets", "--host", "turnserver.conf", "ejabberd.yml", "docker-jitsi-meet", "occ talk:turn:list", "homeserver.yaml", "turncredentials", "- reads standard input", "Examples:", "extdisco import config.js", "external_services"} {
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
	status := program.Run([]string{"import", "-"}, strings.NewReader(`[{urls: "stun:stun.example.org"}]`), brokenWriter{}, &stderr)
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
	most := entry + strings.Repeat(" ", migrate.MaxSize-len(entry))
	if r := runCommand(t, most, "import", "-"); r.status != statusOK {
		t.Errorf("1 MiB: %+v", r)
	}
	in := new(endless)
	err := importCommand{File: "-"}.Run(&environment{stdin: in, stdout: io.Discard, stderr: io.Discard})
	if err == nil || err.Error() != "cannot import standard input: it is larger than 1 MiB; cut out the part with the servers" {
		t.Errorf("more: %v", err)
	}
	if in.read > 2*migrate.MaxSize {
		t.Errorf("%d bytes were read", in.read)
	}
}

func TestImportOfNoFile(t *testing.T) {
	dir := t.TempDir()
	testkit.WriteFile(t, filepath.Join(dir, "utf16.js"), "\xff\xfe[\x00]\x00")
	tests := []struct{ name, file, want string }{
		{"missing", dir + "/nowhere.js", "open " + dir + "/nowhere.js: no such file or directory"},
		{"a folder", dir, "read " + dir + ": is a directory"},
		{"another encoding", dir + "/utf16.js", "it is not text in UTF-8; save it in that encoding"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			want := result{statusFailed, "", "extdisco: cannot import " + tt.file + ": " + tt.want + "\n"}
			if r := runCommand(t, "", "import", tt.file); r != want {
				t.Errorf("%+v, want %+v", r, want)
			}
		})
	}
}

const importComponent = "[component]\njid = \"turn.example.org\"\nsecret_file = \"component.secret\"\n"

// incomplete are fixtures in which a secret or username is computed or elsewhere.
var incomplete = regexp.MustCompile(`page\.js|parsed-string\.js|computed\.lua|manual-servers\.lua|turnserver-database\.conf|ejabberd-services\.yml|synapse-path\.yaml`)

// TestImportSecrets wants that the output loads as it is.
func TestImportSecrets(t *testing.T) {
	for _, file := range fixtures(t) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			dir := testkit.WriteFiles(t)
			cfg := filepath.Join(dir, "config.toml")
			r := runCommand(t, "", "import", file, "--secrets", filepath.Join(dir, "secrets"), "--config", cfg)
			if r.status != statusOK || hiddenInFixture.MatchString(r.stdout+r.stderr) {
				t.Fatalf("status %d, %s\n%s", r.status, r.stderr, r.stdout)
			}
			if strings.Contains(r.stdout, "_file = \"turn") || strings.Contains(r.stdout, "_file = \""+dir) {
				t.Errorf("a path is not relative to the configuration:\n%s", r.stdout)
			}
			testkit.WriteFile(t, cfg, importComponent+r.stdout)
			checked := runCommand(t, "", "check", "--config", cfg)
			if complete := !incomplete.MatchString(file); complete != (checked.status == statusOK) {
				t.Errorf("check: status %d, %s\n%s", checked.status, checked.stderr, r.stdout)
			} else if complete && strings.Contains(r.stdout, "chmod") {
				t.Errorf("asks to write what is written:\n%s", r.stdout)
			}
			if again := runCommand(t, "", "import", file, "--secrets", filepath.Join(dir, "secrets"), "--config", cfg); strings.Contains(r.stderr, "extdisco: wrote ") &&
				(again.status != statusFailed || again.stdout != "" || !strings.Contains(again.stderr, "is there already, and is not overwritten")) {
				t.Errorf("again: %+v", again)
			}
		})
	}
}

// TestImportSecretsPaths has where the folder is and what the configuration calls it.
func TestImportSecretsPaths(t *testing.T) {
	const text = `[{urls: "turn:a.example.org", username: "u", credential: "SecretOfTheAccount"}]`
	dir := t.TempDir()
	t.Chdir(dir)
	for _, tt := range []struct{ name, config, secrets, want string }{
		{"beside the configuration", "config.toml", "one", "one/turn.password"},
		{"its own folder", "config.toml", ".", "turn.password"},
		{"below it, absolute", "config.toml", dir + "/two", "two/turn.password"},
		{"outside of it", "etc/config.toml", "three", dir + "/three/turn.password"},
		{"no configuration", "", "four", dir + "/four/turn.password"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			args := []string{"import", "-", "--secrets", tt.secrets}
			if tt.config != "" {
				args = append(args, "--config", tt.config)
			}
			r := runOf(t, Program{SystemConfig: dir + "/nowhere/config.toml"}, text, args...)
			if r.status != statusOK || !strings.Contains(r.stdout, "password_file = \""+tt.want+"\"") {
				t.Errorf("%+v, want %s", r, tt.want)
			}
			if got := readFile(t, filepath.Join(dir, tt.secrets[strings.LastIndex(tt.secrets, "/")+1:], "turn.password")); got != "SecretOfTheAccount\n" {
				t.Errorf("the file holds %q", got)
			}
		})
	}
}

func runOf(t testing.TB, p Program, stdin string, args ...string) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	status := p.Run(args, strings.NewReader(stdin), &stdout, &stderr)
	return result{status, stdout.String(), stderr.String()}
}

// TestImportSaysWhereItBelongs wants that nobody appends servers to those that are there.
func TestImportSaysWhereItBelongs(t *testing.T) {
	const text = `[{urls: "stun:a.example.org"}]`
	dir := t.TempDir()
	t.Chdir(dir)
	program := Program{SystemConfig: dir + "/etc.toml"}
	const servers = "\n[[ice_server]]\nurls = [\"stun:b.example.org\"]\n# [[ice_server]]\n"
	wantAdvice := func(want string) {
		t.Helper()
		r := runOf(t, program, text, "import", "-")
		comment, line := "", ""
		if want != "" {
			comment, line = "# Put "+want+".\n\n", "extdisco: put "+want+"\n"
		}
		if r.status != statusOK || !strings.HasPrefix(r.stdout, comment+"[[ice_server]]") || r.stderr != line {
			t.Errorf("%+v, want %q", r, want)
		}
	}
	wantAdvice("")
	testkit.WriteFile(t, "etc.toml", "broken"+servers)
	wantAdvice("this in place of your [[ice_server]] table in " + dir + "/etc.toml")
	testkit.WriteFile(t, "config.toml", servers+servers)
	wantAdvice("this in place of your 2 [[ice_server]] tables in config.toml")
	testkit.WriteFile(t, "config.toml", importComponent)
	wantAdvice("")
}

func TestImportSecretsAndInlineIsWrongUsage(t *testing.T) {
	r := runCommand(t, "[]", "import", "-", "--inline", "--secrets", "x")
	if r.status != statusUsage || r.stdout != "" || !strings.HasPrefix(r.stderr, "extdisco: --inline and --secrets exclude each other\n") {
		t.Errorf("%+v", r)
	}
}

func TestImportHost(t *testing.T) {
	r := runCommand(t, "static-auth-secret=SecretOfCoturn\nrealm=example.org\n", "import", "-", "--host", "turn.example.net", "--config", filepath.Join(t.TempDir(), "none"))
	if r.status != statusOK || !strings.Contains(r.stdout, `"turn:turn.example.net:3478?transport=tcp"`) || r.stderr != "" {
		t.Errorf("%+v", r)
	}
}

// TestImportLeavesNoFilesWithoutOutput wants that a second try is possible.
func TestImportLeavesNoFilesWithoutOutput(t *testing.T) {
	dir := t.TempDir()
	var stderr bytes.Buffer
	status := program.Run([]string{"import", "-", "--secrets", dir, "--config", dir + "/none"}, strings.NewReader("static-auth-secret=SecretOfCoturn\nrealm=example.org\n"), brokenWriter{}, &stderr)
	if left, err := filepath.Glob(dir + "/*"); status != statusFailed || err != nil || len(left) > 0 {
		t.Errorf("status %d, left %s, %v", status, left, err)
	}
}

func TestImportNamesWhatIsToBeWritten(t *testing.T) {
	dir := t.TempDir()
	r := runCommand(t, "turn_external_host = 'a.example.org'\nturn_external_secret = Credential('SecretName')\n", "import", "-", "--secrets", dir, "--config", dir+"/config.toml")
	if !strings.Contains(r.stdout, "# Write the shared secret (computed in line 2) into this file, and let nobody else read it: chmod 600 turn.secret\nsecret_file = \"turn.secret\"\n") ||
		!strings.Contains(r.stderr, "extdisco: write the shared secret (computed in line 2) into "+dir+"/turn.secret, and let nobody else read it: chmod 600\n") {
		t.Errorf("%+v", r)
	}
}

func TestImportOfNothing(t *testing.T) {
	none := filepath.Join(t.TempDir(), "none")
	r := runCommand(t, "prose", "import", "-", "--config", none)
	if want := "extdisco: standard input has no STUN or TURN server that can be used\nextdisco: looked for: objects with urls"; r.status != statusFailed || r.stdout != "" || !strings.HasPrefix(r.stderr, want) {
		t.Errorf("%+v", r)
	}
	r = runCommand(t, "turn_shared_secret: x", "import", "-", "--config", none)
	if want := "extdisco: standard input has no STUN or TURN server that can be used\nextdisco: line 1: turn_uris is not set\n"; r.status != statusFailed || r.stdout != "" || r.stderr != want {
		t.Errorf("%+v", r)
	}
}
