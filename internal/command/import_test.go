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
			r := runCommand(t, "", "import", file)
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
			if warned := strings.Contains(r.stdout, "\n# Careful: "); warned != strings.Contains(r.stderr, "extdisco: warning: turn:") {
				t.Errorf("warnings: %v, standard error %q", warned, r.stderr)
			}
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
