package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
)

// maxFile bounds every file that is read, in bytes.
const maxFile = 1 << 20

// readRegular reads a regular file of at most [maxFile] bytes. A FIFO does not block it. Unless
// the name is open, the error names the file only if there is one: what stands in the configuration
// in place of a file's name may be a secret.
func readRegular(name string, open bool) ([]byte, error) { return readUpTo(name, open, maxFile) }

// readUpTo is readRegular for a file of at most so many bytes.
func readUpTo(name string, open bool, most int64) ([]byte, error) {
	f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, explainOpen(name, open, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("cannot read %s: %w", name, cause(err))
	}
	switch mode := info.Mode(); {
	case mode.IsDir():
		return nil, fmt.Errorf("%s is a directory; name a file", name)
	case !mode.IsRegular():
		return nil, fmt.Errorf("%s is %s; it must be a regular file", name, kindOfFile(mode))
	case info.Size() > most:
		return nil, fmt.Errorf("%s has more than %d MiB; is it the right file?", name, most>>20)
	}
	content, err := io.ReadAll(io.LimitReader(f, most+1))
	if err != nil {
		return nil, fmt.Errorf("cannot read %s: %w", name, cause(err))
	}
	if int64(len(content)) > most {
		return nil, fmt.Errorf("%s has more than %d MiB; is it the right file?", name, most>>20)
	}
	return content, nil
}

func kindOfFile(mode fs.FileMode) string {
	switch {
	case mode&fs.ModeNamedPipe != 0:
		return "a named pipe"
	case mode&fs.ModeSocket != 0:
		return "a socket"
	}
	return "a device"
}

// cause returns the error without the operation and the path.
func cause(err error) error {
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		return pathErr.Err
	}
	return err
}

// fileName matches names that tell a file from a secret.
var fileName = regexp.MustCompile(`^[\w-]{1,64}(?:\.[\w-]{1,32})?\.(?:secret|password|key|token|pem|crt|cer|cert|ca|txt|conf|toml|json)$`)

// explainOpen says why a file cannot be opened, and the cure.
func explainOpen(name string, open bool, err error) error {
	switch {
	case errors.Is(err, fs.ErrPermission):
		who := currentAccount()
		if obstacle := who.obstacle(name); obstacle != nil {
			return obstacle
		}
		return fmt.Errorf("the user %s may not read %s (%w)", who.Name, name, cause(err))
	case errors.Is(err, syscall.ENXIO): // a socket
		return fmt.Errorf("%s is a socket; it must be a regular file", name)
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		if open || fileName.MatchString(filepath.Base(name)) {
			return fmt.Errorf("there is no file %s", name)
		}
		return fmt.Errorf("there is no such file in %s; write the name of the file, not what belongs in it", existingFolder(name))
	}
	if open {
		return fmt.Errorf("cannot read %s: %w", name, cause(err))
	}
	return errors.New("this is not the name of a file; write the name of the file, not what belongs in it")
}

// existingFolder returns the folder nearest to a file that is there.
func existingFolder(name string) string {
	for dir := filepath.Dir(name); ; dir = filepath.Dir(dir) {
		if info, err := os.Stat(dir); err == nil && info.IsDir() || dir == filepath.Dir(dir) {
			return dir
		}
	}
}

// readBeside reads a file of at most so many bytes that the key of the configuration names, and
// returns its content and its name.
func (r *reader) readBeside(key, file string, most int64) (content []byte, name string, err error) {
	name, handed := r.resolve(file)
	content, err = readUpTo(name, false, most)
	if err != nil {
		return nil, name, err
	}
	if handed {
		r.warnHandedOver(key, file, name)
	} else if obstacle := r.account.mayRead(name); obstacle != nil {
		r.fault(key, "%v", obstacle)
	}
	return content, name, nil
}

// resolve returns where a file is that the configuration names. A relative name is taken from the
// folder of the configuration, unless systemd has handed such a file to us:
// LoadCredential=secrets:/etc/extdisco/secrets gives us what is secrets/turn.secret there under
// the name secrets_turn.secret.
func (r *reader) resolve(file string) (name string, handed bool) {
	if filepath.IsAbs(file) {
		return file, false
	}
	if dir := os.Getenv("CREDENTIALS_DIRECTORY"); dir != "" {
		name := filepath.Join(dir, strings.ReplaceAll(filepath.Clean(file), "/", "_"))
		if info, err := os.Stat(name); err == nil && info.Mode().IsRegular() {
			return name, true
		}
	}
	return filepath.Join(filepath.Dir(r.file), file), false
}

// warnHandedOver warns of a file that was changed since systemd handed it over, which it does at
// the start of the service only. Where the file cannot be looked at, its folder tells.
func (r *reader) warnHandedOver(key, file, handed string) {
	given, err := os.Stat(handed)
	if err != nil {
		return
	}
	original := filepath.Join(filepath.Dir(r.file), file)
	info, err := os.Stat(original)
	if errors.Is(err, fs.ErrPermission) {
		original = filepath.Dir(original)
		info, err = os.Stat(original)
	}
	if err == nil && info.ModTime().After(given.ModTime()) {
		r.warn(key, "%s was changed after systemd handed over the secret; restart the service: systemctl restart extdisco", original)
	}
}

// warnIfPublic warns of a file with secrets that everybody can read.
func (r *reader) warnIfPublic(key, file string) {
	if info, err := os.Stat(file); err == nil && info.Mode().Perm()&0o004 != 0 {
		r.warn(key, "everybody on this machine can read %s; run: chmod o-r %s", file, file)
	}
}
