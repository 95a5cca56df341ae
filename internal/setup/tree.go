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
	f, err := os.OpenFile(file, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a FIFO makes nobody wait
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

// included returns the files that Prosody includes for a pattern, in the order of their
// names: only * and ? in the last part stand for something, and hidden files are left out.
func (t tree) included(pattern string) ([]string, error) {
	if !strings.ContainsAny(pattern, "*?") {
		return []string{pattern}, nil
	}
	folder, err := t.path(path.Dir(pattern))
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(folder)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, shortError(path.Dir(pattern), err)
	}
	var files []string
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), ".") && isIncluded(pattern, e.Name()) {
			files = append(files, path.Join(path.Dir(pattern), e.Name()))
		}
	}
	return files, nil
}

// isIncluded reports whether the last part of a pattern matches a name.
func isIncluded(pattern, name string) bool {
	matched, err := path.Match(strings.NewReplacer(`\`, `\\`, "[", `\[`).Replace(path.Base(pattern)), name)
	return err == nil && matched
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
