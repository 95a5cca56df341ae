package relay

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

const (
	storeName   = "relay-secrets.json"
	copySuffix  = ".copy"
	secretSize  = 32
	storeEvery  = time.Minute // how often it is asked whether a renewal is due
	generations = 2
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
func OpenStore(dir string, renew time.Duration, log *slog.Logger, now func() time.Time) (*Store, error) {
	s := &Store{file: filepath.Join(dir, storeName), renew: renew, log: log, now: now}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("state_dir: %w", err)
	}
	state, err := s.load()
	if err != nil {
		return nil, err
	}
	s.state = state
	if err := s.RenewIfDue(); err != nil {
		return nil, err
	}
	return s, nil
}

// load reads the file, or the copy. What holds no state is an empty state; only
// what the system refuses is an error.
func (s *Store) load() (storeState, error) {
	missing := 0
	for _, file := range []string{s.file, s.file + copySuffix} {
		state, err := readState(file)
		switch {
		case err == nil:
			if file != s.file {
				s.log.Warn("relay: took the secrets from the copy", "file", s.file)
				return state, s.write(state)
			}
			return state, nil
		case errors.Is(err, fs.ErrNotExist):
			missing++
		case errors.Is(err, errBadState):
			s.log.Warn("relay: this file with secrets is damaged", "file", file)
		default:
			return storeState{}, fmt.Errorf("relay secrets: %w", err)
		}
	}
	if missing < 2 {
		s.log.Error("relay: the secrets are lost, and new ones are made: credentials that clients have are void", "file", s.file)
	}
	return storeState{}, nil
}

// errBadState says nothing of what the file holds.
var errBadState = errors.New("no relay secrets")

func readState(file string) (storeState, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return storeState{}, err
	}
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

// RenewIfDue makes a new secret if the newest is older than it should get. A clock
// that was ahead when a secret was made does not keep it for ever.
func (s *Store) RenewIfDue() error {
	now := s.now()
	s.mu.Lock()
	defer s.mu.Unlock()
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

// write replaces the copy and then the file, so that one of them is whole whenever
// the machine stops.
func (s *Store) write(state storeState) error {
	text, err := json.Marshal(state)
	if err != nil {
		return err
	}
	for _, file := range []string{s.file + copySuffix, s.file} {
		if err := replaceFile(file, text); err != nil {
			return fmt.Errorf("relay secrets: %w", err)
		}
	}
	return nil
}

// replaceFile puts a file of mode 600 in the place of another one at once.
func replaceFile(file string, text []byte) error {
	temporary, err := os.CreateTemp(filepath.Dir(file), filepath.Base(file)+".*") // mode 600
	if err != nil {
		return err
	}
	_, err = temporary.Write(text)
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

// Run renews secrets when that is due, until ctx is done. What it cannot write is
// logged and tried again; the secrets that there are stay good.
func (s *Store) Run(ctx context.Context) {
	ticker := time.NewTicker(storeEvery)
	defer ticker.Stop()
	failing := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		err := s.RenewIfDue()
		if err != nil && !failing {
			s.log.Error("relay: cannot renew the secret", "error", err)
		}
		failing = err != nil
	}
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

// Current returns the secret to make credentials with.
func (s *Store) Current() []byte { return s.Valid()[0] }

// PseudonymKey returns the key for pseudonyms, which stays when secrets are renewed.
func (s *Store) PseudonymKey() []byte {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.state.PseudonymKey
}

// Fixed returns secrets that do not change, for [Config].Secrets.
func Fixed(secrets ...[]byte) func() [][]byte {
	return func() [][]byte { return secrets }
}
