package config

import (
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"extdisco/internal/testkit"
)

// TestLoadAs asks in the name of an account that owns nothing, and is in a group or not.
func TestLoadAs(t *testing.T) {
	owner, group := uint32(os.Geteuid()), uint32(os.Getegid())
	stranger := &Account{Name: "extdisco", UID: owner + 4242, GIDs: []uint32{group + 4242}}
	member := &Account{Name: "extdisco", UID: owner + 4242, GIDs: []uint32{group + 4242, group}}
	self := &Account{Name: "extdisco", UID: owner + 4242, GIDs: []uint32{group}}
	grp := func(a *Account) string { return a.group() }
	tests := []struct {
		name    string
		account *Account
		modes   map[string]fs.FileMode // of DIR "", config.toml, turn.secret
		want    string                 // with DIR; what is behind the key
	}{
		{"nobody", nil, map[string]fs.FileMode{"turn.secret": 0o600}, ""},
		{"secret for its owner only", stranger, map[string]fs.FileMode{"turn.secret": 0o600},
			"DIR/config.toml:7: ice_server[0].secret_file: the user extdisco cannot read DIR/turn.secret; run: chgrp " + grp(stranger) + " DIR/turn.secret && chmod g+r DIR/turn.secret"},
		{"secret for a group of others", stranger, map[string]fs.FileMode{"turn.secret": 0o640},
			"DIR/config.toml:7: ice_server[0].secret_file: the user extdisco cannot read DIR/turn.secret; run: chgrp " + grp(stranger) + " DIR/turn.secret && chmod g+r DIR/turn.secret"},
		{"secret for the group", member, map[string]fs.FileMode{"turn.secret": 0o640}, ""},
		{"secret for everybody but the group", member, map[string]fs.FileMode{"turn.secret": 0o604},
			"DIR/config.toml:7: ice_server[0].secret_file: the user extdisco cannot read DIR/turn.secret; run: chgrp " + grp(member) + " DIR/turn.secret && chmod g+r DIR/turn.secret"},
		{"configuration for its owner only", self, map[string]fs.FileMode{"config.toml": 0o600},
			"DIR/config.toml: the user extdisco cannot read DIR/config.toml; run: chgrp " + grp(self) + " DIR/config.toml && chmod g+r DIR/config.toml"},
		{"directory for its owner only", self, map[string]fs.FileMode{"": 0o700},
			"DIR/config.toml: the user extdisco cannot enter DIR; run: chgrp " + grp(self) + " DIR && chmod g+x DIR\n" +
				"DIR/config.toml:3: component.secret_file: the user extdisco cannot enter DIR; run: chgrp " + grp(self) + " DIR && chmod g+x DIR\n" +
				"DIR/config.toml:7: ice_server[0].secret_file: the user extdisco cannot enter DIR; run: chgrp " + grp(self) + " DIR && chmod g+x DIR"},
		{"directory that can be entered only", self, map[string]fs.FileMode{"": 0o710}, ""},
		{"root", &Account{Name: "root"}, map[string]fs.FileMode{"turn.secret": 0o600}, ""},
		{"the owner", &Account{Name: "owner", UID: owner}, map[string]fs.FileMode{"turn.secret": 0o600}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := openDir(t)
			modes := map[string]fs.FileMode{"": 0o755, "config.toml": 0o644, "component.secret": 0o644, "turn.secret": 0o644}
			for file, mode := range modes {
				if special, ok := tt.modes[file]; ok {
					mode = special
				}
				if err := os.Chmod(filepath.Join(dir, file), mode); err != nil {
					t.Fatal(err)
				}
			}
			_, err := LoadAs(filepath.Join(dir, "config.toml"), testkit.Time, tt.account)
			got := ""
			if err != nil {
				got = strings.ReplaceAll(err.Error(), dir, "DIR")
			}
			testkit.WantEqual(t, "faults", got, tt.want)
		})
	}
}

// openDir returns a directory that everybody can enter, with a configuration and its secrets.
func openDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "account")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		t.Fatal(err)
	}
	for file, content := range map[string]string{"config.toml": testkit.MinimalConfig, "component.secret": testkit.Handshake, "turn.secret": testkit.SharedSecret} {
		testkit.WriteFile(t, filepath.Join(dir, file), content)
	}
	return dir
}

func TestHandedOverFilesAreRootsToRead(t *testing.T) {
	dir := openDir(t)
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(dir, "config.toml"), 0o644); err != nil {
		t.Fatal(err)
	}
	unit := filepath.Join(dir, "extdisco.service")
	testkit.WriteFile(t, unit, "[Service]\n# LoadCredential=a:/nowhere\nLoadCredential=secrets:"+dir+"/turn.secret\n  LoadCredential=component:"+dir+"/component.secret\nLoadCredential=b\nLoadCredential=c:relative\n")
	handed := HandedOverBy(filepath.Join(dir, "missing.service"), unit)
	if want := []string{dir + "/turn.secret", dir + "/component.secret"}; !slices.Equal(handed, want) {
		t.Fatalf("handed over %q, want %q", handed, want)
	}
	account := &Account{Name: "extdisco", UID: uint32(os.Geteuid()) + 4242, GIDs: []uint32{uint32(os.Getegid()) + 4242}}
	load := func() error {
		_, err := LoadAs(filepath.Join(dir, "config.toml"), testkit.Time, account)
		return err
	}
	if load() == nil {
		t.Error("a secret of its owner is not found")
	}
	account.HandedOver = handed
	if err := load(); err != nil {
		t.Error(err)
	}
	account.HandedOver = []string{dir + "/"}
	if err := load(); err != nil {
		t.Error("a folder is not handed over:", err)
	}
	account.HandedOver = []string{dir + "/turn", dir + "/component"}
	if load() == nil {
		t.Error("names that only begin like the files are taken for them")
	}
}

func TestLookUpAccount(t *testing.T) {
	for _, name := range []string{"root", "0"} {
		a, err := LookUpAccount(name)
		if err != nil {
			t.Fatal(err)
		}
		if a.Name != "root" || a.UID != 0 || len(a.GIDs) == 0 || a.GIDs[0] != 0 || len(slices.Compact(slices.Sorted(slices.Values(a.GIDs)))) != len(a.GIDs) {
			t.Errorf("%s is %+v", name, a)
		}
	}
	if _, err := LookUpAccount("nobody-of-this-name"); err == nil || err.Error() != "there is no user nobody-of-this-name on this machine" {
		t.Errorf("error %v", err)
	}
	current := currentAccount()
	if current.UID != uint32(os.Geteuid()) || current.GIDs[0] != uint32(os.Getegid()) {
		t.Errorf("this process is %+v", current)
	}
	if u, err := user.Current(); err != nil || current.Name != u.Username {
		t.Errorf("this process is of %s, not of %+v, %v", current.Name, u, err)
	}
	if groups, err := os.Getgroups(); err != nil || len(current.GIDs) != 1+len(groups) {
		t.Errorf("this process is in the groups %v, not %v, %v", groups, current.GIDs, err)
	}
	if got := (&Account{Name: "extdisco"}).group(); got != "extdisco" {
		t.Errorf("the group of an account without groups is %s", got)
	}
	if got := (&Account{Name: "extdisco", GIDs: []uint32{4000000001}}).group(); got != "4000000001" {
		t.Errorf("a group without a name is %s", got)
	}
}
