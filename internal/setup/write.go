package setup

import (
	"errors"
	"io/fs"
	"os"
	"strconv"
	"syscall"
)

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

// removeFile removes a file or an empty folder, if it is there.
func removeFile(file string) error {
	err := os.Remove(file)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return nil
	}
	return err
}

// octal writes a mode as chmod takes it.
func octal(mode fs.FileMode) string { return "0" + strconv.FormatUint(uint64(mode.Perm()), 8) }
