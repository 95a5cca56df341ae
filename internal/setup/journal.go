package setup

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"
)

// backupFolder is where everything is noted that has to be put back.
const backupFolder = "/var/lib/extdisco/setup-backup"

// change is a file that is written, or a folder that is made.
type change struct {
	file     string // below the root, without symbolic links
	isFolder bool
	content  []byte
	mode     fs.FileMode
	owner    owner
	old      []byte // what it holds now
	isNew    bool
}

// journal says what setup has changed, in order. It is written before the first change.
type journal struct {
	Made []string // folders that were made for the journal, the outermost first
	Runs []*run
}

// run is what one call of setup changed.
type run struct {
	Done    bool
	Entries []entry
}

type entry struct {
	File     string
	IsFolder bool      `json:",omitempty"`
	Backup   string    `json:",omitempty"` // name in the backup folder; none for what was not there
	Mode     uint32    `json:",omitempty"` // of the old file
	Owner    owner     `json:",omitzero"`
	Modified time.Time `json:",omitzero"`
	Written  string    `json:",omitempty"` // SHA-256 of what was written
}

// store is the journal of a tree, and its backups.
type store struct {
	tree    tree
	written func(file string) // called after each file, for tests
}

func (s store) path(name string) string { return filepath.Join(s.tree.root, backupFolder, name) }

// read returns the journal; an empty one when there is none.
func (s store) read() (*journal, error) {
	content, err := os.ReadFile(s.path("journal.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return &journal{}, nil
	}
	j := &journal{}
	if err == nil {
		err = json.Unmarshal(content, j)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read the journal of earlier changes, %s/journal.json: %w", backupFolder, err)
	}
	return j, nil
}

func (s store) save(j *journal) error {
	content, err := json.MarshalIndent(j, "", "\t")
	if err != nil {
		return err
	}
	return s.writeFile(s.path("journal.json"), content, 0o600, owner{os.Geteuid(), os.Getegid()})
}

// apply makes the changes. When one fails, those before it are taken back. When the
// process dies, the journal has what is needed to take them back later.
func (s store) apply(changes []change) error {
	j, err := s.read()
	if err != nil {
		return err
	}
	r := &run{}
	made, err := s.makeFolders(backupFolder)
	if err != nil {
		return fmt.Errorf("cannot keep a backup: %w", err)
	}
	j.Made = append(j.Made, made...)
	for i, c := range changes {
		e, err := s.backUp(c, fmt.Sprintf("%d-%d-%s", len(j.Runs)+1, i+1, path.Base(c.file)))
		if err != nil {
			return errors.Join(fmt.Errorf("cannot keep a backup of %w", shortError(c.file, err)), s.forget(j))
		}
		r.Entries = append(r.Entries, e)
	}
	j.Runs = append(j.Runs, r)
	if err := s.save(j); err != nil {
		j.Runs = j.Runs[:len(j.Runs)-1]
		return errors.Join(fmt.Errorf("cannot keep a backup: %w", err), s.forget(j))
	}
	for _, c := range changes {
		if err := s.make(c); err != nil {
			return errors.Join(shortError(c.file, err), s.takeBackLast(j))
		}
		if s.written != nil {
			s.written(c.file)
		}
	}
	r.Done = true
	return s.save(j)
}

// forget takes away what a run has prepared that has changed nothing.
func (s store) forget(j *journal) error {
	if len(j.Runs) > 0 {
		return nil // backups that no entry names do no harm
	}
	return s.remove(j)
}

// makeFolders makes a folder of the tree, for root alone, and those above it. It returns
// those that were not there, the outermost first.
func (s store) makeFolders(folder string) ([]string, error) {
	file := filepath.Join(s.tree.root, folder)
	if _, err := os.Stat(file); err == nil {
		return nil, nil
	}
	made, err := s.makeFolders(path.Dir(folder))
	if err != nil {
		return made, err
	}
	mode := fs.FileMode(0o755)
	if folder == backupFolder {
		mode = 0o700
	}
	return append(made, folder), os.Mkdir(file, mode)
}

// backUp copies what a change replaces.
func (s store) backUp(c change, name string) (entry, error) {
	sum := sha256.Sum256(c.content)
	e := entry{File: c.file, IsFolder: c.isFolder, Written: hex.EncodeToString(sum[:])}
	if c.isFolder {
		e.Written = ""
	}
	if c.isNew {
		return e, nil
	}
	info, err := s.tree.stat(c.file)
	if err != nil {
		return e, err
	}
	e.Backup, e.Mode, e.Owner, e.Modified = name, uint32(info.Mode().Perm()), ownerOf(info), info.ModTime()
	return e, s.writeFile(s.path(name), c.old, 0o600, owner{os.Geteuid(), os.Getegid()})
}

func (s store) make(c change) error {
	file := filepath.Join(s.tree.root, c.file)
	if c.isFolder {
		return makeFolder(file, c.mode, c.owner)
	}
	return s.writeFile(file, c.content, c.mode, c.owner)
}

// temporary is what the name of a file ends with while it is written.
const temporary = ".extdisco-new"

// writeFile puts a whole file in place at once. Whoever else may write into the folder
// cannot lead it astray: it follows no link.
func (s store) writeFile(file string, content []byte, mode fs.FileMode, o owner) (err error) {
	if err := removeFile(file + temporary); err != nil {
		return err
	}
	f, err := os.OpenFile(file+temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(file + temporary)
		}
	}()
	_, err = f.Write(content)
	if err == nil && os.Geteuid() == 0 { // only root can give a file to somebody else
		err = f.Chown(o.UID, o.GID)
	}
	if err == nil {
		err = f.Chmod(mode)
	}
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(file+temporary, file)
}

// makeFolder makes a folder that belongs to its owner from the beginning.
func makeFolder(file string, mode fs.FileMode, o owner) error {
	if err := os.Mkdir(file, mode); err != nil {
		return err
	}
	f, err := os.OpenFile(file, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_DIRECTORY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	if os.Geteuid() == 0 {
		if err := f.Chown(o.UID, o.GID); err != nil {
			return err
		}
	}
	return f.Chmod(mode)
}

// interrupted reports whether the last run did not come to its end.
func (j *journal) interrupted() bool {
	return len(j.Runs) > 0 && !j.Runs[len(j.Runs)-1].Done
}

// takeBackLast puts back what the last run changed.
func (s store) takeBackLast(j *journal) error {
	last := j.Runs[len(j.Runs)-1]
	for _, e := range slices.Backward(last.Entries) {
		if err := s.putBack(e); err != nil {
			return fmt.Errorf("cannot put back %w", shortError(e.File, err))
		}
	}
	j.Runs = j.Runs[:len(j.Runs)-1]
	if len(j.Runs) > 0 {
		return s.save(j)
	}
	return s.remove(j)
}

// undo puts back everything that setup has changed.
func (s store) undo(j *journal) error {
	if err := s.changedSince(j); err != nil {
		return err
	}
	for len(j.Runs) > 0 {
		if err := s.takeBackLast(j); err != nil {
			return err
		}
	}
	return nil
}

// changedSince returns an error that names the files that somebody else has changed since
// setup wrote them.
func (s store) changedSince(j *journal) error {
	last := map[string]entry{}
	var order []string
	for _, r := range j.Runs {
		for _, e := range r.Entries {
			if e.IsFolder {
				continue
			}
			if _, known := last[e.File]; !known {
				order = append(order, e.File)
			}
			last[e.File] = e
		}
	}
	var errs []error
	for _, file := range order {
		content, err := os.ReadFile(filepath.Join(s.tree.root, file))
		if err != nil || hash(content) == last[file].Written {
			continue // what is not there has no changes to lose
		}
		if old, err := os.ReadFile(s.path(last[file].Backup)); last[file].Backup != "" && err == nil && bytes.Equal(old, content) {
			continue // not written yet
		}
		errs = append(errs, fmt.Errorf("%s was changed after setup wrote it; move it away to have it put back as it was before setup (the old one is in %s)", file, backupFolder))
	}
	return errors.Join(errs...)
}

func hash(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}

// putBack puts back one file, or takes it away. It may not have been written yet.
func (s store) putBack(e entry) error {
	file := filepath.Join(s.tree.root, e.File)
	if err := removeFile(file + temporary); err != nil {
		return err
	}
	if e.IsFolder {
		if err := removeFile(file); !errors.Is(err, fs.ErrExist) {
			return err
		}
		return nil // somebody else has put something into it
	}
	if e.Backup == "" {
		return removeFile(file)
	}
	old, err := os.ReadFile(s.path(e.Backup))
	if err != nil {
		return err
	}
	if err := s.writeFile(file, old, fs.FileMode(e.Mode), e.Owner); err != nil {
		return err
	}
	return os.Chtimes(file, e.Modified, e.Modified)
}

// removeFile removes a file or an empty folder, if it is there.
func removeFile(file string) error {
	err := os.Remove(file)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return nil
	}
	return err
}

// remove takes the journal and the backups away, and the folders that were made for them.
func (s store) remove(j *journal) error {
	if err := os.RemoveAll(s.path(".")); err != nil {
		return err
	}
	for _, folder := range slices.Backward(j.Made) {
		_ = os.Remove(filepath.Join(s.tree.root, folder)) // one that holds something else stays
	}
	return nil
}

func octal(mode fs.FileMode) string { return "0" + strconv.FormatUint(uint64(mode.Perm()), 8) }
