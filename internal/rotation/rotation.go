// Package rotation changes the shared secret of a TURN server by itself: that of coturn,
// which looks in the table turn_secret of its database (use-auth-secret, userdb) whenever a
// client authenticates, and accepts every secret of its realm that it finds there.
//
// A [Rotator] writes a new secret beside the one in use, has credentials made with it once
// it has been there for a while, and removes the old one when the last credential that was
// made with it has expired. What it needs to know stands in the secrets themselves, see
// plan.go: several instances that share a database agree without talking to each other, and
// whoever starts again goes on where the database stands. Only one of them writes at a time,
// under a lock that the database has for such purposes.
//
// A database that is away changes nothing: the last secrets that were read stay in use. They
// are kept in a file of mode 600 for a start without the database.
package rotation

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"extdisco/internal/secret"
	"extdisco/internal/statefile"
)

const (
	// interval is how often the database is looked at, and retry how often while that fails.
	interval = time.Minute
	retry    = 15 * time.Second
	// settles is how long a new secret is only accepted: until every instance has looked,
	// and a replica of the database that coturn may read has it too.
	settles = 2 * time.Minute
	// timeout bounds a look at the database, connecting included.
	timeout = 10 * time.Second
)

// Config says which secrets are rotated.
type Config struct {
	Database secret.Secret // the URL; see [Open]
	Realm    string        // coturn's, byte for byte
	Every    time.Duration // how long a secret makes credentials
	TTL      time.Duration // how long a credential lives at most
	StateDir string        // the folder for the file with the last secrets

	// Interval and Settles replace a minute between looks, and the two minutes until a new secret
	// is used; for tests.
	Interval, Settles time.Duration
}

// Equal reports whether both rotate the same secrets alike.
func (c Config) Equal(other Config) bool {
	database := other.Database
	other.Database = c.Database
	return c == other && c.Database.Equal(database)
}

// stateFile is where the secrets are kept. Its name does not depend on passwords.
func (c Config) stateFile() string {
	name := c.Database.Reveal()
	if u, err := url.Parse(name); err == nil {
		name = u.Redacted()
	}
	sum := sha256.Sum256([]byte(name + "\n" + c.Realm))
	return filepath.Join(c.StateDir, "turn-secrets-"+hex.EncodeToString(sum[:8])+".json")
}

// Rotator rotates the secrets of one realm. Its methods may be called from several
// goroutines at once.
type Rotator struct {
	cfg     Config
	db      Database
	log     *slog.Logger
	now     func() time.Time
	changed func()

	stop context.CancelFunc
	wait sync.WaitGroup
	kick chan struct{}
	once sync.Once
	done chan struct{} // closed after the first look

	mu     sync.Mutex
	known  []made // the newest first
	told   Keys
	status Status
	kept   []string // what the state file holds
}

// Status is how a rotation is doing.
type Status struct {
	Kind    string // of database: "postgres"
	Realm   string
	Rotated time.Time // when the newest secret was made; zero for none
	Next    time.Time // when the next one is due; zero without one
	Waiting bool      // the newest secret is not in use yet
	Looked  time.Time // when the database answered last; zero for never
	Err     error     // why it did not since; nil when it did
	Note    string    // what needs attention although it works
}

// New returns a rotator that knows the secrets of the state file. changed is called, by
// the rotator's goroutine, when [Rotator.Keys] has changed. It does nothing until
// [Rotator.Start].
func New(cfg Config, log *slog.Logger, now func() time.Time, changed func()) (*Rotator, error) {
	db, err := Open(cfg.Database, cfg.Realm)
	if err != nil {
		return nil, err
	}
	if cfg.Interval == 0 {
		cfg.Interval = interval
	}
	if cfg.Settles == 0 {
		cfg.Settles = settles
	}
	r := &Rotator{cfg: cfg, db: db, log: log, now: now, changed: changed, kick: make(chan struct{}, 1), done: make(chan struct{})}
	r.status = Status{Kind: db.Kind(), Realm: cfg.Realm}
	switch values, err := readState(cfg.stateFile()); {
	case err == nil:
		r.kept, r.known = values, parseAll(values)
	case !errors.Is(err, os.ErrNotExist):
		log.Warn("cannot read the file with the last TURN secrets", "err", err.Error(), "do", "make it readable for extdisco, or remove it: it is written again")
	}
	r.told = r.keys()
	return r, nil
}

// Start starts looking at the database, until Close.
func (r *Rotator) Start() {
	ctx, stop := context.WithCancel(context.Background())
	r.stop = stop
	r.wait.Go(func() { r.run(ctx) })
}

// Close ends what runs and waits for it.
func (r *Rotator) Close() {
	if r.stop != nil {
		r.stop()
		r.wait.Wait()
	}
}

// Look has the database looked at now.
func (r *Rotator) Look() {
	select {
	case r.kick <- struct{}{}:
	default:
	}
}

// First is closed when the database was looked at once, or could not be.
func (r *Rotator) First() <-chan struct{} { return r.done }

func (r *Rotator) run(ctx context.Context) {
	for {
		pause := r.cfg.Interval
		if err := r.look(ctx); err != nil {
			pause = min(pause, retry)
		}
		if ctx.Err() != nil {
			return
		}
		r.once.Do(func() { close(r.done) })
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-r.kick:
		case <-ctx.Done():
		}
		timer.Stop()
	}
}

// look reads the secrets, and changes them where that is due.
func (r *Rotator) look(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	values, note, err := r.db.Secrets(ctx)
	if err == nil && !r.plan(values).isEmpty() {
		var done change
		var after []string
		if after, done, err = r.db.Change(ctx, r.plan); err == nil {
			r.tell(done)
			values = after
		} else if errors.Is(err, errBusy) { // another instance is at it
			err = nil
		}
	}
	if err != nil {
		if errors.Is(ctx.Err(), context.Canceled) {
			return err
		}
		r.failed(err)
		r.notify() // time alone may put another secret in use
		return err
	}
	r.use(values, note)
	r.notify()
	return nil
}

func (r *Rotator) plan(values []string) change {
	return policy{every: r.cfg.Every, ttl: r.cfg.TTL, settles: r.cfg.Settles}.plan(values, r.now())
}

// tell logs what was changed.
func (r *Rotator) tell(c change) {
	if c.add != "" {
		r.mu.Lock()
		lost := len(r.known) > 0 && c.first
		r.mu.Unlock()
		if lost {
			r.log.Warn("the TURN secrets are gone from coturn's database, and a new one was made: credentials that clients have are void", "realm", r.cfg.Realm)
		} else {
			r.log.Info("a new TURN secret is in coturn's database", "realm", r.cfg.Realm)
		}
	}
	if n := len(c.remove); n > 0 {
		r.log.Info("removed TURN secrets from coturn's database, since all credentials made with them have expired", "realm", r.cfg.Realm, "count", n)
	}
}

// failed notes why the database cannot be used.
func (r *Rotator) failed(err error) {
	r.mu.Lock()
	before := r.status.Err
	r.status.Err = err
	r.mu.Unlock()
	if before == nil || before.Error() != err.Error() {
		r.log.Warn("cannot use coturn's database; the last TURN secrets that it had stay in use", "realm", r.cfg.Realm, "do", Cure, "err", err.Error())
	}
}

// Cure is what to do about an error of the database.
const Cure = "see that the database runs, that coturn_db names it, and that its user may read and write the table turn_secret (docs/rotation.md)"

// use takes over what the database has.
func (r *Rotator) use(values []string, note string) {
	known := parseAll(values)
	values = nil
	for _, m := range known {
		values = append(values, m.value)
	}
	r.mu.Lock()
	back := r.status.Err != nil
	fresh := note != "" && note != r.status.Note
	r.known, r.status.Err, r.status.Note, r.status.Looked = known, nil, note, r.now()
	keep := !slices.Equal(values, r.kept)
	r.mu.Unlock()
	if back {
		r.log.Info("coturn's database can be used again", "realm", r.cfg.Realm)
	}
	if fresh {
		r.log.Warn("coturn's database needs attention", "realm", r.cfg.Realm, "note", note)
	}
	if !keep {
		return
	}
	if err := writeState(r.cfg.stateFile(), values); err != nil {
		r.log.Warn("cannot keep the TURN secrets for a start without the database", "err", err.Error(), "do", "see docs/rotation.md: extdisco needs a folder of its own, as systemd's StateDirectory")
	}
	r.mu.Lock()
	r.kept = values // also when it failed: that was told
	r.mu.Unlock()
}

// notify calls changed if other secrets are in use than before.
func (r *Rotator) notify() {
	r.mu.Lock()
	keys := r.keys()
	same := keys.equal(r.told)
	inUse := !keys.Current.Equal(r.told.Current) && !r.told.Current.IsEmpty()
	r.told = keys
	r.mu.Unlock()
	if same {
		return
	}
	if inUse {
		r.log.Info("credentials are made with another TURN secret of coturn's database", "realm", r.cfg.Realm)
	}
	r.changed()
}

// Status says how the rotation is doing.
func (r *Rotator) Status() Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.status
	if len(r.known) > 0 {
		s.Rotated = r.known[0].at
		s.Next = s.Rotated.Add(r.cfg.Every)
		s.Waiting = !r.known[0].settled(r.cfg.Settles, r.now()) && len(r.known) > 1
		if ahead := s.Rotated.Sub(r.now()); ahead > time.Hour && s.Note == "" {
			s.Note = "the newest secret was made in the future (" + s.Rotated.UTC().Format(time.RFC3339) + "): a clock is or was wrong"
		}
	}
	return s
}

// Keys returns the secrets to make credentials with.
func (r *Rotator) Keys() Keys {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.keys()
}

// keys is Keys for who holds mu.
func (r *Rotator) keys() Keys { return keysOf(r.known, r.cfg, r.now()) }

// ReadKeys returns what a rotator with cfg knows before it has looked at the database.
// The error is [os.ErrNotExist] where none has run yet.
func ReadKeys(cfg Config, now time.Time) (Keys, error) {
	if cfg.Settles == 0 {
		cfg.Settles = settles
	}
	values, err := readState(cfg.stateFile())
	return keysOf(parseAll(values), cfg, now), err
}

// Peek looks at the database once, and changes nothing.
func Peek(ctx context.Context, cfg Config, now time.Time) (Status, error) {
	db, err := Open(cfg.Database, cfg.Realm)
	if err != nil {
		return Status{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	values, note, err := db.Secrets(ctx)
	if err != nil {
		return Status{}, err
	}
	r := Rotator{cfg: cfg, now: func() time.Time { return now }, known: parseAll(values), status: Status{Kind: db.Kind(), Realm: cfg.Realm, Note: note, Looked: now}}
	return r.Status(), nil
}

// state is what the file holds.
type state struct {
	Secrets []string `json:"secrets"`
}

func readState(file string) ([]string, error) {
	var s state
	err := statefile.Read(file, func(content []byte) error {
		s = state{}
		if json.Unmarshal(content, &s) != nil || len(parseAll(s.Secrets)) != len(s.Secrets) {
			return errors.New(file + " holds no TURN secrets") // and says nothing of what it does
		}
		return nil
	})
	return s.Secrets, err
}

func writeState(file string, values []string) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	content, err := json.Marshal(state{values})
	if err != nil {
		return err
	}
	return statefile.Write(file, content)
}
