// Package statefile keeps a little state, such as secrets, in a file of mode 600 and a copy
// of it, so that one of the two is whole whenever the machine stops.
package statefile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// CopySuffix is what the name of the copy ends in.
const CopySuffix = ".copy"

// Read calls use with the content of the file, and of the copy where that is an error. The
// error is that of the file; it is [fs.ErrNotExist] where there is neither of the two.
func Read(file string, use func(content []byte) error) error {
	var failed error
	for _, name := range []string{file, file + CopySuffix} {
		content, err := os.ReadFile(name)
		if err == nil {
			err = use(content)
		}
		if err == nil {
			return nil
		}
		if failed == nil || errors.Is(failed, fs.ErrNotExist) {
			failed = err
		}
	}
	return failed
}

// Write replaces the copy and then the file.
func Write(file string, content []byte) error {
	for _, name := range []string{file + CopySuffix, file} {
		if err := replace(name, content); err != nil {
			return err
		}
	}
	return nil
}

// replace puts a file of mode 600 in the place of another one at once.
func replace(file string, content []byte) error {
	temporary, err := os.CreateTemp(filepath.Dir(file), filepath.Base(file)+".*") // mode 600
	if err != nil {
		return err
	}
	_, err = temporary.Write(content)
	if err == nil {
		err = temporary.Sync()
	}
	if err = errors.Join(err, temporary.Close()); err == nil {
		err = os.Rename(temporary.Name(), file)
	}
	if err != nil {
		_ = os.Remove(temporary.Name())
		return err
	}
	return syncFolder(filepath.Dir(file))
}

func syncFolder(dir string) error {
	folder, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}
