package setup

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// tree is a file system below a root folder. Names begin with a slash, and symbolic links
// do not lead out of it.
type tree struct{ root string }

// maxLinks bounds the symbolic links on the way to a file.
const maxLinks = 40

// resolve returns the name of a file without symbolic links. What is not there yet is
// taken as it is named.
func (t tree) resolve(name string) (string, error) {
	resolved, rest := "/", strings.Split(path.Clean("/"+name), "/")
	for links := 0; len(rest) > 0; {
		next := path.Join(resolved, rest[0])
		rest = rest[1:]
		target, err := os.Readlink(filepath.Join(t.root, next))
		if err != nil {
			resolved = next // no link, or not there
			continue
		}
		if links++; links > maxLinks {
			return "", fmt.Errorf("%s: too many symbolic links", name)
		}
		if !path.IsAbs(target) {
			target = path.Join(resolved, target)
		}
		resolved, rest = "/", append(strings.Split(path.Clean(target), "/"), rest...)
	}
	return resolved, nil
}

// path returns where a file is on this machine.
func (t tree) path(name string) (string, error) {
	resolved, err := t.resolve(name)
	return filepath.Join(t.root, resolved), err
}

func (t tree) stat(name string) (fs.FileInfo, error) {
	file, err := t.path(name)
	if err != nil {
		return nil, err
	}
	return os.Lstat(file)
}

func (t tree) exists(name string) bool {
	_, err := t.stat(name)
	return err == nil
}

// maxFile bounds the files that are read, in bytes.
const maxFile = 4 << 20

func (t tree) read(name string) ([]byte, error) {
	file, err := t.path(name)
	if err != nil {
		return nil, err
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, shortError(name, err)
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(content) > maxFile {
		err = errors.New("larger than 4 MiB")
	}
	if err != nil {
		return nil, shortError(name, err)
	}
	return content, nil
}

// shortError names a file as it is named below the root.
func shortError(name string, err error) error {
	if e := new(fs.PathError); errors.As(err, &e) {
		err = e.Err
	}
	return fmt.Errorf("%s: %w", name, err)
}

// glob returns the files that a pattern matches, in the order of their names.
func (t tree) glob(pattern string) ([]string, error) {
	folder, err := t.path(path.Dir(pattern))
	if err != nil {
		return nil, err
	}
	matches, err := filepath.Glob(filepath.Join(folder, path.Base(pattern)))
	for i, m := range matches {
		matches[i] = path.Join(path.Dir(pattern), filepath.Base(m))
	}
	return matches, err
}

// owner is who a file belongs to.
type owner struct{ UID, GID int }

func ownerOf(info fs.FileInfo) owner {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return owner{int(stat.Uid), int(stat.Gid)}
	}
	return owner{}
}

// group returns the number of a group of the tree.
func (t tree) group(name string) (int, bool) {
	groups, err := t.read("/etc/group")
	if err != nil {
		return 0, false
	}
	for line := range strings.Lines(string(groups)) {
		if fields := strings.Split(line, ":"); len(fields) >= 3 && fields[0] == name {
			gid, err := strconv.Atoi(fields[2])
			return gid, err == nil
		}
	}
	return 0, false
}
