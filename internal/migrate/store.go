package migrate

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// StoreSecrets writes each secret that is known into a new file in the folder, which it makes
// if it is missing. Only the owner may read them. It returns the files that were written. A
// file that is there already is an error, and nothing is written then.
func (l *List) StoreSecrets(dir string) ([]string, error) {
	var files []SecretFile
	for _, f := range l.SecretFiles() {
		if !f.Value.IsEmpty() {
			files = append(files, f)
		}
	}
	if err := checkStorable(dir, files); err != nil {
		return nil, err
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("cannot make the folder for secrets: %w", err)
	}
	var written []string
	for _, f := range files {
		file := filepath.Join(dir, f.Name)
		created, err := writeNew(file, f.Value.Reveal()+"\n")
		if created {
			written = append(written, file)
		}
		if err != nil {
			for _, file := range written {
				err = errors.Join(err, os.Remove(file))
			}
			return nil, fmt.Errorf("cannot write a secret: %w", err)
		}
	}
	return written, nil
}

// checkStorable reports what keeps the files from being written, before any is.
func checkStorable(dir string, files []SecretFile) error {
	if info, err := os.Stat(dir); err == nil && !info.IsDir() {
		return fmt.Errorf("%s is not a folder; name one for --secrets", dir)
	}
	for _, f := range files {
		if strings.ContainsAny(f.Value.Reveal(), "\r\n") {
			return fmt.Errorf("%s has several lines, which a secret file cannot hold; use --inline", f.What)
		}
		switch _, err := os.Lstat(filepath.Join(dir, f.Name)); {
		case err == nil:
			return fmt.Errorf("%s is there already, and is not overwritten; name another folder for --secrets", filepath.Join(dir, f.Name))
		case !errors.Is(err, fs.ErrNotExist):
			return err
		}
	}
	return nil
}

// writeNew writes a file that must not exist, and reports whether it made one.
func writeNew(file, content string) (created bool, err error) {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return false, err
	}
	_, err = f.WriteString(content)
	return true, errors.Join(err, f.Sync(), f.Close())
}
