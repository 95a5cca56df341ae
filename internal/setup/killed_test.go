package setup

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"extdisco/internal/testkit"
)

// killed is what ends a run in the middle.
type killed struct{}

// until calls a function until a store has written so many files, as if the process were
// killed then. It reports whether it was.
func until(files int, s *store, do func()) (wasKilled bool) {
	defer func() {
		if thrown := recover(); thrown != nil {
			if _, wasKilled = thrown.(killed); !wasKilled {
				panic(thrown)
			}
		}
	}()
	s.written = func(string) {
		if files--; files < 0 {
			panic(killed{})
		}
	}
	do()
	return false
}

// applyUntil makes the changes until so many files are written.
func applyUntil(t *testing.T, plan *Plan, files int) (wasKilled bool) {
	t.Helper()
	return until(files, &plan.store, func() {
		if err := plan.Apply(); err != nil {
			t.Fatal(err)
		}
	})
}

// TestKilled kills a run after each file that it writes. Then it is undone, or run again.
func TestKilled(t *testing.T) {
	whole := options(jitsiTree(t))
	whole.RemoveOld = true
	if err := mustFind(t, whole).Apply(); err != nil {
		t.Fatal(err)
	}
	for files := 0; ; files++ {
		o := options(jitsiTree(t))
		o.RemoveOld = true
		before := snapshot(t, o.Root)
		if !applyUntil(t, mustFind(t, o), files) {
			if files < 10 {
				t.Errorf("%d files only", files)
			}
			return
		}
		if _, err := Find(o); !errors.Is(err, ErrInterrupted) {
			t.Fatalf("after %d files: %v", files, err)
		}
		if files%2 == 0 {
			if err := Undo(o.Root); err != nil {
				t.Fatal(err)
			}
			wantSame(t, "after undo", snapshot(t, o.Root), before)
			continue
		}
		if err := TakeBack(o.Root); err != nil {
			t.Fatal(err)
		}
		wantSame(t, "when the next run has put back", snapshot(t, o.Root), before)
		if err := mustFind(t, o).Apply(); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"etc/extdisco/config.toml", "etc/prosody/conf.d/extdisco.cfg.lua", "etc/prosody/conf.avail/meet.example.org.cfg.lua"} {
			testkit.WantEqual(t, name, readBelow(t, o.Root, name), readBelow(t, whole.Root, name))
		}
	}
}

// TestKilledUndo kills an undo of two runs after each file that it puts back. Another undo
// puts back the rest.
func TestKilledUndo(t *testing.T) {
	for files := range 100 {
		o := options(jitsiTree(t))
		before := snapshot(t, o.Root)
		for _, o.RemoveOld = range []bool{false, true} {
			if err := mustFind(t, o).Apply(); err != nil {
				t.Fatal(err)
			}
		}
		s := store{tree: tree{o.Root}}
		j, err := s.read()
		if err != nil {
			t.Fatal(err)
		}
		wasKilled := until(files, &s, func() { err = s.undo(j) })
		if err != nil {
			t.Fatal(err)
		}
		if err := Undo(o.Root); err != nil {
			t.Fatal(err)
		}
		wantSame(t, "after undo", snapshot(t, o.Root), before)
		if !wasKilled {
			if files < 8 {
				t.Errorf("undo puts back %d files only", files)
			}
			return
		}
	}
}

// TestKilledBeforeTheFirstChange leaves folders for the backup, which undo removes.
func TestKilledBeforeTheFirstChange(t *testing.T) {
	o := options(jitsiTree(t))
	before := snapshot(t, o.Root)
	s := store{tree: tree{o.Root}}
	if err := os.MkdirAll(filepath.Join(o.Root, preparing, "lib"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := Undo(o.Root); err != nil {
		t.Fatal(err)
	}
	wantSame(t, "when it was being prepared", snapshot(t, o.Root), before)
	if err := s.prepare(&journal{}); err != nil {
		t.Fatal(err)
	}
	mustFind(t, o)
	if err := Undo(o.Root); err != nil {
		t.Fatal(err)
	}
	wantSame(t, "after undo", snapshot(t, o.Root), before)
	if err := Undo(o.Root); err != nil {
		t.Errorf("a second undo: %v", err)
	}
}

// TestFailure has a file that cannot be written: what was written before is put back.
func TestFailure(t *testing.T) {
	o := options(jitsiTree(t))
	before := snapshot(t, o.Root)
	plan := mustFind(t, o)
	plan.Changes = append(plan.Changes, change{file: "/etc/group/impossible", isNew: true, mode: 0o600})
	if err := plan.Apply(); err == nil || !strings.Contains(err.Error(), "/etc/group/impossible: not a directory") {
		t.Errorf("%v", err)
	}
	wantSame(t, "afterwards", snapshot(t, o.Root), before)
}

// TestUndoKeepsChanges does not throw away what somebody wrote after setup.
func TestUndoKeepsChanges(t *testing.T) {
	o := options(jitsiTree(t))
	before := snapshot(t, o.Root)
	if err := mustFind(t, o).Apply(); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(o.Root, configFile)
	written := readBelow(t, o.Root, configFile)
	testkit.WriteFile(t, file, written+"# mine\n")
	after := snapshot(t, o.Root)
	if err := Undo(o.Root); err == nil || !strings.Contains(err.Error(), "/etc/extdisco/config.toml was changed after setup wrote it") {
		t.Errorf("%v", err)
	}
	wantSame(t, "afterwards", snapshot(t, o.Root), after)
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if err := Undo(o.Root); err != nil {
		t.Fatal(err)
	}
	wantSame(t, "when it was moved away", snapshot(t, o.Root), before)
}

// TestUndoKeepsChangesBetweenRuns does not throw away what somebody wrote between two runs.
func TestUndoKeepsChangesBetweenRuns(t *testing.T) {
	o := options(jitsiTree(t))
	if err := mustFind(t, o).Apply(); err != nil {
		t.Fatal(err)
	}
	conf := filepath.Join(o.Root, "etc/prosody/conf.d", confFile)
	testkit.WriteFile(t, conf, readBelow(t, "/", conf)+"-- mine\n")
	if err := mustFind(t, o).Apply(); err != nil {
		t.Fatal(err)
	}
	after := snapshot(t, o.Root)
	if err := Undo(o.Root); err == nil || !strings.Contains(err.Error(), confFile+" was changed after setup wrote it") {
		t.Errorf("%v", err)
	}
	wantSame(t, "afterwards", snapshot(t, o.Root), after)
}

// TestChangedMeanwhile writes nothing when a file is not as it was when it was looked at.
func TestChangedMeanwhile(t *testing.T) {
	for _, tt := range []struct{ name, file, content string }{
		{"a file that is replaced", "etc/prosody/conf.avail/meet.example.org.cfg.lua", "mine"},
		{"a new file", "etc/prosody/conf.d/" + confFile, "mine"},
		{"a link", "etc/extdisco", "->/etc/prosody"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := options(jitsiTree(t))
			o.RemoveOld = true
			plan := mustFind(t, o)
			file := filepath.Join(o.Root, tt.file)
			if target, isLink := strings.CutPrefix(tt.content, "->"); !isLink {
				testkit.WriteFile(t, file, tt.content)
			} else if err := errors.Join(os.RemoveAll(file), os.Symlink(target, file)); err != nil {
				t.Fatal(err)
			}
			before := snapshot(t, o.Root)
			if err := plan.Apply(); err == nil || !strings.Contains(err.Error(), "/"+tt.file) || !strings.Contains(err.Error(), "run setup again") {
				t.Errorf("%v", err)
			}
			wantSame(t, "afterwards", snapshot(t, o.Root), before)
		})
	}
}

// TestLinkedFolder follows a link to the folder of the configuration, and stays in the tree.
func TestLinkedFolder(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "data")
	o := options(prosodyTree(t, "VirtualHost \"example.org\"\n", "etc/extdisco", "->"+outside))
	before := snapshot(t, o.Root)
	if err := mustFind(t, o).Apply(); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(filepath.Join(o.Root, outside, "secrets")); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", info, err)
	}
	if _, err := os.Stat(outside); err == nil {
		t.Error("something was written outside of the tree")
	}
	if err := Undo(o.Root); err != nil {
		t.Fatal(err)
	}
	wantSame(t, "after undo", snapshot(t, o.Root), before)
}

// TestInterruptedBesideChanges takes an interrupted run back although a file of an earlier
// run, which it does not touch, was changed.
func TestInterruptedBesideChanges(t *testing.T) {
	o := options(jitsiTree(t))
	if err := mustFind(t, o).Apply(); err != nil {
		t.Fatal(err)
	}
	testkit.WriteFile(t, filepath.Join(o.Root, configFile), readBelow(t, o.Root, configFile)+"# mine\n")
	before := snapshot(t, o.Root)
	o.RemoveOld = true
	if !applyUntil(t, mustFind(t, o), 0) {
		t.Fatal("the run was not interrupted")
	}
	if err := TakeBack(o.Root); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"/etc/prosody/conf.avail/meet.example.org.cfg.lua", configFile} {
		testkit.WantEqual(t, name, snapshot(t, o.Root)[name], before[name])
	}
}
