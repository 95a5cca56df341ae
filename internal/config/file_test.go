package config

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"extdisco/internal/testkit"
)

// TestOddFiles puts what is no file, or too much, in the place of each file that is read. None of
// them may block.
func TestOddFiles(t *testing.T) {
	const config = testkit.MinimalConfig + "[http]\nlisten = \"127.0.0.1:9215\"\ncert_file = \"server.pem\"\nkey_file = \"server.key\"\n[probe]\nca_file = \"ca.pem\"\n"
	kinds := map[string]func(name string) error{
		"a named pipe": func(name string) error { return syscall.Mkfifo(name, 0o600) },
		"a directory":  func(name string) error { return os.Mkdir(name, 0o700) },
		"a device":     func(name string) error { return os.Symlink("/dev/zero", name) },
		"a socket": func(name string) error {
			s, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
			if err != nil {
				return err
			}
			defer syscall.Close(s)
			return syscall.Bind(s, &syscall.SockaddrUnix{Name: name})
		},
		"more than 1 MiB": func(name string) error {
			return errors.Join(os.WriteFile(name, nil, 0o600), os.Truncate(name, 3<<30))
		},
	}
	for kind, make := range kinds {
		for _, name := range []string{"config.toml", "turn.secret", "component.secret", "server.pem", "server.key", "ca.pem"} {
			t.Run(kind+" for "+name, func(t *testing.T) {
				dir, err := os.MkdirTemp("", "odd") // the name of a socket must be short
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { os.RemoveAll(dir) })
				for file, content := range map[string]string{"config.toml": config, "turn.secret": testkit.SharedSecret, "component.secret": testkit.Handshake,
					"server.pem": readFile(t, "testdata/secrets/server.pem"), "server.key": readFile(t, "testdata/secrets/server.key"), "ca.pem": readFile(t, "testdata/secrets/ca.pem")} {
					testkit.WriteFile(t, filepath.Join(dir, file), content)
				}
				file := filepath.Join(dir, "config.toml")
				mustLoad(t, file)
				odd := filepath.Join(dir, name)
				if err := errors.Join(os.Remove(odd), make(odd)); err != nil {
					t.Fatal(err)
				}
				_, err = Load(file, testkit.Time)
				if err == nil || !strings.Contains(err.Error(), odd) || !strings.Contains(err.Error(), kind) || strings.Contains(err.Error(), "\n") {
					t.Errorf("error %v", err)
				}
			})
		}
	}
}

func TestLargestFile(t *testing.T) {
	file := testkit.WriteConfig(t, testkit.MinimalConfig)
	pad := func(size int) {
		testkit.WriteFile(t, file, testkit.MinimalConfig+strings.Repeat("#", size-len(testkit.MinimalConfig)))
	}
	pad(1 << 20)
	mustLoad(t, file)
	pad(1<<20 + 1)
	if _, err := Load(file, testkit.Time); err == nil || !strings.Contains(err.Error(), "more than 1 MiB") {
		t.Errorf("error %v", err)
	}
}

func TestExplainOpen(t *testing.T) {
	dir := testkit.WriteFiles(t)
	perm := &fs.PathError{Op: "open", Path: "x", Err: syscall.EACCES}
	tests := []struct {
		name, file string
		err        error
		want       string // with DIR
		open       bool
	}{
		{"missing file of a usual name", "DIR/nowhere.secret", syscall.ENOENT, "there is no file DIR/nowhere.secret", false},
		{"missing file of two endings", "DIR/turn.example-org.key", syscall.ENOENT, "there is no file DIR/turn.example-org.key", false},
		{"missing file that may be a secret", "DIR/k7Qe2mN4pR9s", syscall.ENOENT, "there is no such file in DIR; write the name of the file, not what belongs in it", false},
		{"missing folder", "DIR/k7Qe/2mN4/pR9s", syscall.ENOENT, "there is no such file in DIR; write the name of the file, not what belongs in it", false},
		{"file in the place of a folder", "DIR/turn.secret/pR9s", syscall.ENOTDIR, "there is no such file in DIR; write the name of the file, not what belongs in it", false},
		{"no name", "DIR/a\x00b", syscall.EINVAL, "this is not the name of a file; write the name of the file, not what belongs in it", false},
		{"missing file of the command line", "DIR/k7Qe2mN4pR9s", syscall.ENOENT, "there is no file DIR/k7Qe2mN4pR9s", true},
		{"no name on the command line", "DIR/a", syscall.EINVAL, "cannot read DIR/a: invalid argument", true},
		{"socket", "DIR/turn.secret", syscall.ENXIO, "DIR/turn.secret is a socket; it must be a regular file", false},
		{"denied by something else than modes", "DIR/turn.secret", perm, "the user " + currentAccount().Name + " may not read DIR/turn.secret (permission denied)", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := explainOpen(strings.ReplaceAll(tt.file, "DIR", dir), tt.open, tt.err)
			testkit.WantEqual(t, "error", strings.ReplaceAll(err.Error(), dir, "DIR"), tt.want)
		})
	}
}
