package relay

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"extdisco/internal/statefile"
)

const (
	storeName   = "relay-secrets.json"
	secretSize  = 32
	generations = 2
	// StoreInterval is how often [Store.RenewIfDue] should be called.
	StoreInterval = time.Minute
	// settles is how long a new secret is only accepted: until another process that
	// shares the folder has looked.
	settles = 2 * StoreInterval
)

// Store keeps the relay's shared secrets in a folder, in a file of mode 600 and a
// copy of it. The newest secret makes credentials; the one before is good for those
// that it has made, which is why neither a renewal nor a restart ends a credential.
// It is safe for concurrent use.
type Store struct {
	file  string
	renew time.Duration
	log   *slog.Logger
	now   func() time.Time

	mu    sync.RWMutex
	state storeState
}

// storeState is what the file holds.
type storeState struct {
	// PseudonymKey stays when secrets are renewed, so that a user keeps a pseudonym.
	PseudonymKey []byte        `json:"pseudonym_key"`
	Secrets      []storeSecret `json:"secrets"` // the newest first
}

type storeSecret struct {
	Made   time.Time `json:"made"`
	Secret []byte    `json:"secret"`
}

// OpenStore reads the secrets in dir, or makes the first ones. Secrets are renewed
// after renew, which must be no shorter than any credential lives. A file that was
// cut off or overwritten is replaced by its copy; only if that is no better do the
// credentials that are out become void, which is logged.
//
// Several processes may share a folder: see [Store.RenewIfDue].
func OpenStore(dir string, renew time.Duration, log *slog.Logger, now func() time.Time) (*Store, error) {
	s := &Store{file: filepath.Join(dir, storeName), renew: renew, log: log, now: now}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("state_dir: %w", err)
	}
	return s, s.RenewIfDue()
}

// lock keeps other processes from writing until it is closed.
func (s *Store) lock() (io.Closer, error) {
	dir, err := os.Open(filepath.Dir(s.file))
	if err != nil {
		return nil, fmt.Errorf("state_dir: %w", err)
	}
	if err := syscall.Flock(int(dir.Fd()), syscall.LOCK_EX); err != nil {
		_ = dir.Close()
		return nil, fmt.Errorf("state_dir: cannot lock %s: %w", dir.Name(), err)
	}
	return dir, nil
}

// load reads the file, or the copy. What holds no state is an empty state; only
// what the system refuses is an error. damaged reports whether there was a file.
func (s *Store) load() (kept storeState, damaged bool, err error) {
	missing := 0
	for _, file := range []string{s.file, s.file + statefile.CopySuffix} {
		state, err := readState(file)
		switch {
		case err == nil:
			if file != s.file {
				s.log.Warn("relay: took the secrets from the copy", "file", s.file)
				return state, true, s.write(state)
			}
			return state, false, nil
		case errors.Is(err, fs.ErrNotExist):
			missing++
		case errors.Is(err, errBadState):
			s.log.Warn("relay: this file with secrets is damaged", "file", file)
		default:
			return storeState{}, false, fmt.Errorf("relay secrets: %w", err)
		}
	}
	return storeState{}, missing < 2, nil
}

// errBadState says nothing of what the file holds.
var errBadState = errors.New("no relay secrets")

func readState(file string) (storeState, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return storeState{}, err
	}
	return parseState(text)
}

func parseState(text []byte) (storeState, error) {
	var state storeState
	if json.Unmarshal(text, &state) != nil || len(state.PseudonymKey) != secretSize || len(state.Secrets) == 0 {
		return storeState{}, errBadState
	}
	for _, secret := range state.Secrets {
		if len(secret.Secret) != secretSize {
			return storeState{}, errBadState
		}
	}
	return state, nil
}

// Keys are what credentials for the relay are made with.
type Keys struct{ Secret, PseudonymKey []byte }

// ReadKeys reads the keys that the store in dir has at now, and changes nothing there.
func ReadKeys(dir string, now time.Time) (Keys, error) {
	var state storeState
	err := statefile.Read(filepath.Join(dir, storeName), func(content []byte) (err error) {
		state, err = parseState(content)
		return err
	})
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Keys{}, fmt.Errorf("the relay has no secret in %s yet; it makes one when it is started first", dir)
	case err != nil:
		return Keys{}, fmt.Errorf("relay secrets: %w", err)
	}
	return state.keys(now), nil
}

// RenewIfDue reads what another process may have written, and makes a new secret if
// the newest is older than it should get. A clock that was ahead when a secret was made
// does not keep it for ever. Files that got lost meanwhile are written again.
func (s *Store) RenewIfDue() error {
	lock, err := s.lock()
	if err != nil {
		return err
	}
	defer lock.Close()
	now := s.now()
	kept, damaged, err := s.load()
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case len(kept.Secrets) > 0:
		s.state = kept
	case len(s.state.Secrets) > 0:
		s.log.Warn("relay: the files with secrets were gone, and are written again", "file", s.file)
		if err := s.write(s.state); err != nil {
			return err
		}
	case damaged:
		s.log.Error("relay: the secrets are lost, and new ones are made: credentials that clients have are void", "file", s.file)
	}
	state := storeState{PseudonymKey: s.state.PseudonymKey, Secrets: slices.Clone(s.state.Secrets)}
	if len(state.Secrets) > 0 {
		age := now.Sub(state.Secrets[0].Made)
		if age < s.renew && age > -s.renew {
			return nil
		}
	}
	if state.PseudonymKey == nil {
		state.PseudonymKey = randomBytes()
	}
	state.Secrets = slices.Insert(state.Secrets, 0, storeSecret{now.UTC(), randomBytes()})
	state.Secrets = state.Secrets[:min(len(state.Secrets), generations)]
	if err := s.write(state); err != nil { // what is not kept must not be used
		return err
	}
	s.state = state
	return nil
}

func randomBytes() []byte {
	b := make([]byte, secretSize)
	_, _ = rand.Read(b) // never fails (crypto/rand)
	return b
}

// write replaces what the files hold.
func (s *Store) write(state storeState) error {
	text, err := json.Marshal(state)
	if err != nil {
		return err
	}
	if err := statefile.Write(s.file, text); err != nil {
		return fmt.Errorf("relay secrets: %w", err)
	}
	return nil
}

// Valid returns the secrets that credentials may be made with, the newest first.
// Nobody may change them.
func (s *Store) Valid() [][]byte {
	s.mu.RLock()
	defer s.mu.RUnlock()
	list := make([][]byte, 0, generations)
	for _, secret := range s.state.Secrets {
		list = append(list, secret.Secret)
	}
	return list
}

// Keys returns what credentials are made with at present. A new secret waits until every
// process that shares the folder knows it.
func (s *Store) Keys() Keys {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.state.keys(s.now())
}

// keys returns the newest secret that is settled, or the only one.
func (s *storeState) keys(now time.Time) Keys {
	newest := s.Secrets[0]
	if age := now.Sub(newest.Made); len(s.Secrets) > 1 && age >= 0 && age < settles {
		newest = s.Secrets[1]
	}
	return Keys{newest.Secret, s.PseudonymKey}
}

// Fixed returns secrets that do not change, for [Config].Secrets.
func Fixed(secrets ...[]byte) func() [][]byte {
	return func() [][]byte { return secrets }
}
