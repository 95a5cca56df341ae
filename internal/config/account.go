package config

import (
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// Account is a user of this machine in whose name files are looked at.
type Account struct {
	Name string
	UID  uint32
	GIDs []uint32 // the primary group first
	// HandedOver are files and folders that systemd reads as root and hands over to the service
	// (LoadCredential=).
	HandedOver []string
}

// LookUpAccount returns the account of a user, by name or number.
func LookUpAccount(name string) (*Account, error) {
	u, err := user.Lookup(name)
	if err != nil {
		if u, err = user.LookupId(name); err != nil {
			return nil, fmt.Errorf("there is no user %s on this machine", name)
		}
	}
	groups, err := u.GroupIds()
	if err != nil {
		return nil, fmt.Errorf("cannot find the groups of %s: %w", name, err)
	}
	a := &Account{Name: u.Username}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("cannot use the ID of %s: %w", name, err)
	}
	a.UID = uint32(uid)
	for _, group := range append([]string{u.Gid}, groups...) {
		if gid, err := strconv.ParseUint(group, 10, 32); err == nil && !slices.Contains(a.GIDs, uint32(gid)) {
			a.GIDs = append(a.GIDs, uint32(gid))
		}
	}
	return a, nil
}

// currentAccount returns the account of this process, as the kernel sees it.
func currentAccount() *Account {
	a := &Account{Name: strconv.Itoa(os.Geteuid()), UID: uint32(os.Geteuid()), GIDs: []uint32{uint32(os.Getegid())}}
	if u, err := user.LookupId(a.Name); err == nil {
		a.Name = u.Username
	}
	if groups, err := os.Getgroups(); err == nil {
		for _, gid := range groups {
			a.GIDs = append(a.GIDs, uint32(gid))
		}
	}
	return a
}

// mayRead says what keeps the account from reading a file, and the cure. The nil Account may read
// everything, as may root; what systemd hands over is read by root.
func (a *Account) mayRead(file string) error {
	if a == nil || a.UID == 0 {
		return nil
	}
	absolute, err := filepath.Abs(file)
	if err != nil {
		return fmt.Errorf("cannot find %s: %w", file, err)
	}
	for _, handed := range a.HandedOver {
		if absolute == handed || strings.HasPrefix(absolute, strings.TrimSuffix(handed, "/")+"/") {
			return nil
		}
	}
	return a.obstacle(file)
}

// obstacle says which folder or file on the way the account has no right to, judging by owner,
// group and mode; nil when there is none.
func (a *Account) obstacle(file string) error {
	path, err := filepath.Abs(file)
	if err != nil {
		return fmt.Errorf("cannot find %s: %w", file, err)
	}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	const search, read = 1, 4
	for at := 1; at < len(path); at++ {
		if path[at] != '/' {
			continue
		}
		if dir := path[:at]; !a.may(dir, search) {
			return fmt.Errorf("the user %s cannot enter %s; run: chgrp %s %s && chmod g+x %s", a.Name, dir, a.group(), dir, dir)
		}
	}
	if !a.may(path, read) {
		return fmt.Errorf("the user %s cannot read %s; run: chgrp %s %s && chmod g+r %s", a.Name, path, a.group(), path, path)
	}
	return nil
}

// may reports whether the mode of a file gives the account a right: 4 to read, 1 to search. What
// cannot be looked at is not in the way: something before it is.
func (a *Account) may(path string, right fs.FileMode) bool {
	info, err := os.Stat(path)
	if err != nil {
		return true
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return true
	}
	switch mode := info.Mode().Perm(); {
	case a.UID == 0:
		return true
	case stat.Uid == a.UID:
		return mode>>6&right != 0
	case slices.Contains(a.GIDs, stat.Gid):
		return mode>>3&right != 0
	default:
		return mode&right != 0
	}
}

// group returns the name of the primary group.
func (a *Account) group() string {
	if len(a.GIDs) == 0 {
		return a.Name
	}
	id := strconv.FormatUint(uint64(a.GIDs[0]), 10)
	if g, err := user.LookupGroupId(id); err == nil {
		return g.Name
	}
	return id
}

// HandedOverBy returns the files and folders that the unit files of a service name in
// LoadCredential=. Files that are not there are passed over.
func HandedOverBy(units ...string) []string {
	var handed []string
	for _, unit := range units {
		content, err := os.ReadFile(unit)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(content)) {
			value, found := strings.CutPrefix(strings.TrimSpace(line), "LoadCredential=")
			if _, path, named := strings.Cut(value, ":"); found && named && filepath.IsAbs(path) {
				handed = append(handed, path)
			}
		}
	}
	return handed
}
