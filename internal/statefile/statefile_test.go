package statefile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

func TestReadAndWrite(t *testing.T) {
	errBad := errors.New("no state")
	for name, tt := range map[string]struct {
		damage func(file string) error
		want   string
		err    error
	}{
		"both whole":   {func(string) error { return nil }, "state", nil},
		"file missing": {os.Remove, "state", nil},
		"file damaged": {func(file string) error { return os.WriteFile(file, []byte("x"), 0o600) }, "state", nil},
		"copy missing": {func(file string) error { return os.Remove(file + CopySuffix) }, "state", nil},
		"file bad, no copy": {func(file string) error {
			return errors.Join(os.WriteFile(file, nil, 0o600), os.Remove(file+CopySuffix))
		}, "", errBad},
		"copy bad, no file": {func(file string) error {
			return errors.Join(os.WriteFile(file+CopySuffix, nil, 0o600), os.Remove(file))
		}, "", errBad},
		"neither of the two": {func(file string) error { return errors.Join(os.Remove(file), os.Remove(file+CopySuffix)) }, "", fs.ErrNotExist},
		"both damaged": {func(file string) error {
			return errors.Join(os.WriteFile(file, nil, 0o600), os.WriteFile(file+CopySuffix, nil, 0o600))
		}, "", errBad},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "state.json")
			for _, content := range []string{"before", "state"} {
				if err := Write(file, []byte(content)); err != nil {
					t.Fatal(err)
				}
			}
			for _, f := range []string{file, file + CopySuffix} {
				if info, err := os.Stat(f); err != nil || info.Mode() != 0o600 {
					t.Errorf("%s: %v, %v", f, info.Mode(), err)
				}
			}
			if err := tt.damage(file); err != nil {
				t.Fatal(err)
			}
			got := ""
			err := Read(file, func(content []byte) error {
				if len(content) < 2 {
					return errBad
				}
				got = string(content)
				return nil
			})
			if got != tt.want || !errors.Is(err, tt.err) {
				t.Errorf("%q, %v; want %q, %v", got, err, tt.want, tt.err)
			}
			if left, _ := filepath.Glob(file + ".*.*"); len(left) > 0 {
				t.Errorf("left behind: %q", left)
			}
		})
	}
}

func TestWriteIntoNoFolder(t *testing.T) {
	if err := Write(filepath.Join(t.TempDir(), "missing", "state.json"), nil); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}
