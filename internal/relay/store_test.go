package relay

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"extdisco/internal/statefile"
)

func TestStore(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	clock := func() time.Time { return now }
	open := func(t *testing.T, dir string) (*Store, *logBuffer) {
		t.Helper()
		log := &logBuffer{}
		s, err := OpenStore(dir, 7*24*time.Hour, newTestLog(log), clock)
		if err != nil {
			t.Fatal(err)
		}
		return s, log
	}

	t.Run("survives a restart", func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "state")
		first, _ := open(t, dir)
		again, log := open(t, dir)
		if string(first.Keys().Secret) != string(again.Keys().Secret) || string(first.Keys().PseudonymKey) != string(again.Keys().PseudonymKey) || len(first.Keys().Secret) != secretSize {
			t.Error("the secret is another one")
		}
		if log.String() != "" {
			t.Errorf("logged %s", log)
		}
		files, err := os.ReadDir(dir)
		if err != nil || len(files) != 2 {
			t.Fatalf("%v, %v", files, err)
		}
		for _, file := range files {
			if info, err := file.Info(); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("%s has mode %v, %v", file.Name(), info.Mode(), err)
			}
		}
	})

	t.Run("is shared by two processes", func(t *testing.T) {
		dir := t.TempDir()
		one, _ := open(t, dir)
		two, _ := open(t, dir)
		now = now.Add(7 * 24 * time.Hour)
		for _, s := range []*Store{one, two} {
			if err := s.RenewIfDue(); err != nil {
				t.Fatal(err)
			}
		}
		now = now.Add(settles)
		keys, err := ReadKeys(dir, now)
		if err != nil || string(one.Keys().Secret) != string(two.Keys().Secret) || string(keys.Secret) != string(one.Keys().Secret) || string(keys.PseudonymKey) != string(two.Keys().PseudonymKey) {
			t.Errorf("the secrets differ, %v", err)
		}
	})

	t.Run("cannot be read before there is one", func(t *testing.T) {
		if _, err := ReadKeys(t.TempDir(), now); err == nil || !strings.Contains(err.Error(), "no secret") {
			t.Errorf("ReadKeys() = %v", err)
		}
	})

	t.Run("renews, and the one before stays good", func(t *testing.T) {
		dir := t.TempDir()
		s, _ := open(t, dir)
		first, key := s.Keys().Secret, s.Keys().PseudonymKey
		for range 3 {
			before := s.Valid()[0]
			now = now.Add(7 * 24 * time.Hour)
			if err := s.RenewIfDue(); err != nil {
				t.Fatal(err)
			}
			if string(s.Keys().Secret) != string(before) {
				t.Error("the new secret makes credentials before another process can know it")
			}
			valid := s.Valid()
			if len(valid) != 2 || string(valid[0]) == string(before) || string(valid[1]) != string(before) {
				t.Fatalf("%d secrets are valid, or not the right ones", len(valid))
			}
			if again, _ := open(t, dir); string(again.Valid()[1]) != string(before) {
				t.Error("the one before is forgotten over a restart")
			}
		}
		now = now.Add(settles)
		if string(s.Keys().Secret) != string(s.Valid()[0]) {
			t.Error("the new secret makes no credentials")
		}
		if string(s.Keys().Secret) == string(first) || string(s.Keys().PseudonymKey) != string(key) {
			t.Error("the pseudonym key changed, or the secret did not")
		}
	})

	for name, damage := range map[string]string{"empty": "", "cut off": `{"pseudonym_key":"AAAA`, "of another kind": "[]", "zeros": strings.Repeat("\x00", 300),
		"short secrets": `{"pseudonym_key":"AAAA","secrets":[{"secret":"AAAA"}]}`, "no secrets": `{"pseudonym_key":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}`} {
		t.Run("file "+name, func(t *testing.T) {
			dir := t.TempDir()
			first, _ := open(t, dir)
			if err := os.WriteFile(filepath.Join(dir, storeName), []byte(damage), 0o600); err != nil {
				t.Fatal(err)
			}
			again, log := open(t, dir)
			if string(first.Keys().Secret) != string(again.Keys().Secret) {
				t.Error("the secret is lost although there is a copy")
			}
			if !strings.Contains(log.String(), "damaged") || !strings.Contains(log.String(), "copy") {
				t.Errorf("logged %s", log)
			}
			if third, log := open(t, dir); string(third.Keys().Secret) != string(first.Keys().Secret) || log.String() != "" {
				t.Errorf("the file is not mended; logged %s", log)
			}
			for _, suffix := range []string{"", statefile.CopySuffix} {
				if err := os.WriteFile(filepath.Join(dir, storeName+suffix), []byte(damage), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			fresh, log := open(t, dir)
			if len(fresh.Keys().Secret) != secretSize || !strings.Contains(log.String(), "void") {
				t.Errorf("logged %s", log)
			}
		})
	}

	t.Run("files that are lost while it runs", func(t *testing.T) {
		dir := t.TempDir()
		s, log := open(t, dir)
		want := s.Keys()
		for _, name := range []string{storeName, storeName + statefile.CopySuffix} {
			if err := os.Remove(filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.RenewIfDue(); err != nil {
			t.Fatal(err)
		}
		again, _ := open(t, dir)
		if string(again.Keys().Secret) != string(want.Secret) || string(again.Keys().PseudonymKey) != string(want.PseudonymKey) {
			t.Error("the secret is another one after a restart")
		}
		if !strings.Contains(log.String(), "written again") || strings.Contains(log.String(), "void") {
			t.Errorf("logged %s", log)
		}
	})

	t.Run("says what it cannot do", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := OpenStore(filepath.Join(file, "state"), time.Hour, newTestLog(&logBuffer{}), clock)
		if err == nil || !strings.Contains(err.Error(), "state_dir") {
			t.Errorf("OpenStore() = %v", err)
		}
		var path *os.PathError
		if !errors.As(err, &path) {
			t.Errorf("%v does not name the file", err)
		}
	})
}

// FuzzReadState reads a file that holds anything.
func FuzzReadState(f *testing.F) {
	f.Add([]byte(`{"pseudonym_key":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=","secrets":[{"made":"2026-11-29T00:00:00Z","secret":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		file := filepath.Join(t.TempDir(), storeName)
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
		state, err := readState(file)
		if err == nil && (len(state.Secrets) == 0 || len(state.PseudonymKey) != secretSize) {
			t.Errorf("%q is taken for %v", text, state)
		}
	})
}
