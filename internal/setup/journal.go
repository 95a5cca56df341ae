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
	"time"
)

// backupFolder is where everything is noted that has to be put back. Not in extdisco's own
// state folder: what the service can write, root must not restore.
const backupFolder = "/var/backups/extdisco-setup"

// change is a file that is written, or a folder that is made.
type change struct {
	file     string // below the root, without symbolic links
	isFolder bool
	content  []byte
	mode     fs.FileMode
	owner    owner
	old      []byte // what it holds now
	shown    string // old, as people see it in the difference: without secrets
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
	written func(file string) // called after each file that is written or put back, for tests
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
	if err := s.unchanged(changes); err != nil {
		return err
	}
	r := &run{}
	if err := s.prepare(j); err != nil {
		return fmt.Errorf("cannot keep a backup: %w", err)
	}
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

// unchanged returns an error that names the files that are not as they were when the changes
// were planned: whoever answers a question late must not overwrite what came in between.
func (s store) unchanged(changes []change) error {
	var errs []error
	for _, c := range changes {
		resolved, err := s.tree.resolve(c.file)
		same := err == nil && resolved == c.file
		switch {
		case c.isNew:
			same = same && !s.tree.exists(c.file)
		case same:
			content, err := s.tree.read(c.file)
			same = err == nil && bytes.Equal(content, c.old)
		}
		if !same {
			errs = append(errs, fmt.Errorf("%s was changed after setup looked at it; nothing was written, run setup again", c.file))
		}
	}
	return errors.Join(errs...)
}

// forget takes away what a run has prepared that has changed nothing.
func (s store) forget(j *journal) error {
	if len(j.Runs) > 0 {
		return nil // backups that no entry names do no harm
	}
	return s.remove(j)
}

// preparing is the name of a folder that becomes that of the journal, or one above it.
const preparing = ".extdisco-setup-new"

// prepare makes the folder of the journal with a journal in it, and the folders above it,
// all at once: a run that is killed leaves all of it or nothing that undo would not find.
func (s store) prepare(j *journal) error {
	if err := s.removePreparing(); err != nil {
		return err
	}
	top, rest := backupFolder, ""
	if _, err := os.Stat(filepath.Join(s.tree.root, top)); err == nil {
		return nil
	}
	j.Made = []string{top}
	for {
		above := path.Dir(top)
		if _, err := os.Stat(filepath.Join(s.tree.root, above)); err == nil {
			break
		}
		top, rest = above, path.Join(path.Base(top), rest)
		j.Made = append([]string{top}, j.Made...)
	}
	folder := filepath.Join(s.tree.root, path.Dir(top), preparing)
	if err := os.MkdirAll(filepath.Join(folder, rest), 0o755); err != nil {
		return err
	}
	if err := os.Chmod(filepath.Join(folder, rest), 0o700); err != nil {
		return err
	}
	content, err := json.Marshal(j)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(folder, rest, "journal.json"), content, 0o600); err != nil {
		return err
	}
	return os.Rename(folder, filepath.Join(s.tree.root, top))
}

// removePreparing removes what a run has left that was killed while it prepared.
func (s store) removePreparing() error {
	for folder := path.Dir(backupFolder); ; folder = path.Dir(folder) {
		if err := os.RemoveAll(filepath.Join(s.tree.root, folder, preparing)); err != nil || folder == "/" {
			return err
		}
	}
}

// backUp copies what a change replaces.
func (s store) backUp(c change, name string) (entry, error) {
	e := entry{File: c.file, IsFolder: c.isFolder}
	if !c.isFolder {
		e.Written = hash(c.content)
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
		if s.written != nil {
			s.written(e.File)
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
	if err := s.changedSince(j.Runs); err != nil {
		return err
	}
	if len(j.Runs) == 0 {
		return s.remove(j) // a run may have been killed before its first change
	}
	for len(j.Runs) > 0 {
		if err := s.takeBackLast(j); err != nil {
			return err
		}
	}
	return nil
}

// changedSince returns an error that names the files that somebody else has changed since
// one of the runs wrote them, and which are still there: what is not there has no changes
// to lose.
func (s store) changedSince(runs []*run) error {
	last := map[string]entry{}
	changed := map[string]bool{}
	var order []string
	for _, r := range runs {
		for _, e := range r.Entries {
			if e.IsFolder {
				continue
			}
			before, known := last[e.File]
			if !known {
				order = append(order, e.File)
			} else if old, err := s.backup(e); err == nil && hash(old) != before.Written {
				changed[e.File] = true // between two runs
			}
			last[e.File] = e
		}
	}
	var errs []error
	for _, file := range order {
		content, err := os.ReadFile(filepath.Join(s.tree.root, file))
		if err != nil {
			continue
		}
		old, err := s.backup(last[file])
		isNotWritten := err == nil && bytes.Equal(old, content)
		if changed[file] || hash(content) != last[file].Written && !isNotWritten {
			errs = append(errs, fmt.Errorf("%s was changed after setup wrote it; move it away to have it put back as it was before setup (the old one is in %s)", file, backupFolder))
		}
	}
	return errors.Join(errs...)
}

// backup returns what a file held before; an error when it was not there.
func (s store) backup(e entry) ([]byte, error) {
	if e.Backup == "" {
		return nil, fs.ErrNotExist
	}
	return os.ReadFile(s.path(e.Backup))
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
	old, err := s.backup(e)
	if err != nil {
		return err
	}
	if err := s.writeFile(file, old, fs.FileMode(e.Mode), e.Owner); err != nil {
		return err
	}
	return os.Chtimes(file, e.Modified, e.Modified)
}

// remove takes the journal and the backups away, and the folders that were made for them.
// The journal goes last: should this be interrupted, undo goes on with it.
func (s store) remove(j *journal) error {
	if err := s.removePreparing(); err != nil {
		return err
	}
	files, err := os.ReadDir(s.path("."))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = s.save(j)
	}
	if err != nil {
		return err
	}
	for _, file := range files {
		if file.Name() != "journal.json" {
			if err := removeFile(s.path(file.Name())); err != nil {
				return err
			}
		}
	}
	if err := removeFile(s.path("journal.json")); err != nil {
		return err
	}
	for _, folder := range slices.Backward(j.Made) {
		_ = os.Remove(filepath.Join(s.tree.root, folder)) // one that holds something else stays
	}
	return nil
}
