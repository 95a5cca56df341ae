package rotation

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"extdisco/internal/secret"
	"extdisco/internal/testkit"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// table is coturn's, in a file of SQLite.
type table struct {
	t    *testing.T
	file string
	db   *sql.DB
}

func newTable(t *testing.T) *table {
	t.Helper()
	file := filepath.Join(t.TempDir(), "turndb")
	db, err := sql.Open("sqlite", file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	db.SetMaxOpenConns(1)
	tab := &table{t, file, db}
	tab.exec("CREATE TABLE turn_secret (realm varchar(127) default '', value varchar(256), primary key (realm,value))")
	tab.exec("PRAGMA journal_mode=WAL")
	tab.exec("INSERT INTO turn_secret VALUES ('example.org', 'of somebody else'), ('example.net', 'of another realm')")
	return tab
}

func (tab *table) exec(statement string) {
	tab.t.Helper()
	if _, err := tab.db.Exec(statement); err != nil {
		tab.t.Fatal(err)
	}
}

// count returns how many secrets of ours there are, and checks that those of others are.
func (tab *table) count() int {
	tab.t.Helper()
	var n, others int
	if err := tab.db.QueryRow("SELECT count(*) FROM turn_secret WHERE value LIKE 'extdisco-%' AND realm = 'example.org'").Scan(&n); err != nil {
		tab.t.Fatal(err)
	}
	if err := tab.db.QueryRow("SELECT count(*) FROM turn_secret WHERE value LIKE 'of %'").Scan(&others); err != nil || others != 2 {
		tab.t.Fatal("secrets of others are gone: ", others, err)
	}
	return n
}

// scene is a rotator that is looked with by hand, at instants of the test's choice.
type scene struct {
	*Rotator
	log     *testkit.LogBuffer
	now     time.Time
	changes int
}

func newScene(t *testing.T, database, dir string) *scene {
	t.Helper()
	s := &scene{log: testkit.NewLogBuffer(), now: start}
	cfg := Config{Database: secret.New(database), Realm: "example.org", Every: every, TTL: ttl, StateDir: dir}
	r, err := New(cfg, testkit.NewLog(s.log), func() time.Time { return s.now }, func() { s.changes++ })
	if err != nil {
		t.Fatal(err)
	}
	s.Rotator = r
	return s
}

func (s *scene) lookAt(t *testing.T, after time.Duration) error {
	t.Helper()
	s.now = start.Add(after)
	return s.look(t.Context())
}

func TestRotator(t *testing.T) {
	tab := newTable(t)
	dir := filepath.Join(t.TempDir(), "state")
	s := newScene(t, "sqlite:"+tab.file, dir)
	if !s.Keys().Current.IsEmpty() || !s.Status().Rotated.IsZero() {
		t.Fatal("knows a secret from nowhere")
	}
	steps := []struct {
		after   time.Duration
		secrets int // in the table
		changes int
		another bool // credentials are made with another secret than before
		waiting bool
	}{
		{0, 1, 1, true, false},
		{time.Minute, 1, 1, false, false},
		{every, 2, 2, false, true}, // the newest can be tried
		{every + time.Minute, 2, 2, false, true},
		{every + 2*time.Minute, 2, 3, true, false},
		{every + ttl, 2, 4, false, false}, // the one before need not be tried any more
		{every + 2*ttl + 2*time.Minute, 1, 5, false, false},
		{2 * every, 2, 6, false, true},
		{2*every + time.Hour, 2, 7, true, false},
	}
	before := ""
	for _, step := range steps {
		if err := s.lookAt(t, step.after); err != nil {
			t.Fatal(step.after, err)
		}
		status, current := s.Status(), s.Keys().Current.Reveal()
		if tab.count() != step.secrets || s.changes != step.changes || (current != before) != step.another || status.Waiting != step.waiting {
			t.Errorf("after %v: %d secrets, %d changes, another %v, %+v; want %+v", step.after, tab.count(), s.changes, current != before, status, step)
		}
		if status.Err != nil || status.Note != "" || !status.Looked.Equal(s.now) || status.Next.Sub(status.Rotated) != every {
			t.Errorf("after %v: %+v", step.after, status)
		}
		before = current
		again, err := ReadKeys(s.cfg, s.now)
		if err != nil || !again.equal(s.Keys()) {
			t.Errorf("after %v: the file does not have the same: %v", step.after, err)
		}
		if peeked, err := Peek(t.Context(), s.cfg, s.now); err != nil || !peeked.Rotated.Equal(status.Rotated) {
			t.Errorf("after %v: %+v, %v", step.after, peeked, err)
		}
	}
	if strings.Contains(s.log.String(), "extdisco-") || strings.Contains(s.log.String(), "WARN") {
		t.Error(s.log.String())
	}
	files, _ := filepath.Glob(dir + "/*")
	for _, file := range files {
		if info, err := os.Stat(file); err != nil || info.Mode() != 0o600 {
			t.Errorf("%s: %v, %v", file, info, err)
		}
	}
	if info, err := os.Stat(dir); len(files) != 2 || err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%q: %v, %v", files, info, err)
	}
}

// TestDatabaseAway: whatever is wrong with the database, the last secrets stay in use, also after a
// restart, and the log says so once.
func TestDatabaseAway(t *testing.T) {
	for name, tt := range map[string]struct{ spoil, mend string }{
		"no table":     {"ALTER TABLE turn_secret RENAME TO away", "ALTER TABLE away RENAME TO turn_secret"},
		"no column":    {"ALTER TABLE turn_secret RENAME COLUMN value TO other", "ALTER TABLE turn_secret RENAME COLUMN other TO value"},
		"no such file": {"", ""},
		"locked":       {"BEGIN IMMEDIATE", "ROLLBACK"},
		"no writing":   {"CREATE TRIGGER no BEFORE INSERT ON turn_secret BEGIN SELECT RAISE(ABORT, 'no'); END", "DROP TRIGGER no"},
	} {
		t.Run(name, func(t *testing.T) {
			tab := newTable(t)
			dir := t.TempDir()
			s := newScene(t, "sqlite:"+tab.file, dir)
			if err := s.lookAt(t, 0); err != nil {
				t.Fatal(err)
			}
			secret := s.Keys().Current
			away := tab.file + ".away"
			if tt.spoil == "" {
				if err := os.Rename(tab.file, away); err != nil {
					t.Fatal(err)
				}
			} else {
				tab.exec(tt.spoil)
			}
			fresh := newScene(t, "sqlite:"+tab.file, dir)
			for i, rotator := range []*scene{s, s, fresh} {
				err := rotator.lookAt(t, every+time.Duration(i)*time.Hour)
				if err == nil || !rotator.Keys().Current.Equal(secret) || rotator.Status().Err == nil {
					t.Errorf("look %d: %v, %+v", i, err, rotator.Status())
				}
			}
			if n := strings.Count(s.log.String(), "cannot use coturn's database"); n != 1 {
				t.Errorf("told %d times:\n%s", n, s.log)
			}
			if tt.spoil == "" {
				if err := os.Rename(away, tab.file); err != nil {
					t.Fatal(err)
				}
			} else {
				tab.exec(tt.mend)
			}
			if err := s.lookAt(t, every+2*time.Hour); err != nil || s.Status().Err != nil || tab.count() != 2 {
				t.Errorf("mended: %v, %+v", err, s.Status())
			}
			if !strings.Contains(s.log.String(), "can be used again") || strings.Contains(s.log.String(), "extdisco-") {
				t.Error(s.log.String())
			}
		})
	}
}

// TestHalfDone: a rotation that was interrupted after any step is finished by whoever looks next, or
// by the same one; one that somebody took back is taken back here.
func TestHalfDone(t *testing.T) {
	tab := newTable(t)
	dir := t.TempDir()
	s := newScene(t, "sqlite:"+tab.file, dir)
	if err := s.lookAt(t, 0); err != nil {
		t.Fatal(err)
	}
	first := s.Keys().Current
	// The process dies after the new secret was written, and before it knew.
	if _, _, err := s.db.Change(t.Context(), func(values []string) change { return usual.plan(values, start.Add(every)) }); err != nil {
		t.Fatal(err)
	}
	restarted := newScene(t, "sqlite:"+tab.file, dir)
	if !restarted.Keys().Current.Equal(first) {
		t.Error("the file is ahead of the process")
	}
	if err := restarted.lookAt(t, every+time.Hour); err != nil || restarted.Keys().Current.Equal(first) || tab.count() != 2 {
		t.Errorf("not finished: %v, %d secrets", err, tab.count())
	}
	// Somebody takes the new one away: it is worthless at once, and the one before in force.
	tab.exec("DELETE FROM turn_secret WHERE value LIKE 'extdisco-2-%'")
	if err := s.lookAt(t, every-time.Hour); err != nil || !s.Keys().Current.Equal(first) {
		t.Errorf("not taken back: %v", err)
	}
	// And everything: there is a new one at once, and the log says what that means.
	tab.exec("DELETE FROM turn_secret WHERE value LIKE 'extdisco-%'")
	if err := s.lookAt(t, every-time.Hour); err != nil || s.Keys().Current.Equal(first) || tab.count() != 1 {
		t.Errorf("no new secret: %v", err)
	}
	if !strings.Contains(s.log.String(), "are void") {
		t.Error(s.log.String())
	}
}

// TestOneOfManyRotates has many instances look at the same time.
func TestOneOfManyRotates(t *testing.T) {
	tab := newTable(t)
	var all []*scene
	for range 8 {
		all = append(all, newScene(t, "sqlite:"+tab.file, t.TempDir()))
	}
	for round := range 3 {
		var looks sync.WaitGroup
		for _, s := range all {
			looks.Go(func() {
				if err := s.lookAt(t, time.Duration(round)*every); err != nil {
					t.Error(err)
				}
			})
		}
		looks.Wait()
		if n := tab.count(); n > 2 {
			t.Fatalf("round %d: %d secrets", round, n)
		}
		made := 0
		for _, s := range all {
			made += strings.Count(s.log.String(), "a new TURN secret is in")
			if err := s.lookAt(t, time.Duration(round)*every+time.Hour); err != nil || !s.Keys().Current.Equal(all[0].Keys().Current) {
				t.Errorf("round %d: they do not agree; %v", round, err)
			}
		}
		if made != round+1 {
			t.Errorf("%d secrets were made in %d rounds", made, round+1)
		}
	}
}

func TestStartAndClose(t *testing.T) {
	tab := newTable(t)
	r, err := New(Config{Database: secret.New("sqlite:" + tab.file), Realm: "example.org", Every: time.Hour, TTL: time.Hour, StateDir: t.TempDir(), Interval: time.Hour},
		testkit.NewLog(testkit.NewLogBuffer()), time.Now, func() {})
	if err != nil {
		t.Fatal(err)
	}
	r.Close() // before it was started
	r.Start()
	defer r.Close()
	<-r.First()
	first := r.Keys().Current
	tab.exec("DELETE FROM turn_secret WHERE value LIKE 'extdisco-%'")
	deadline := time.Now().Add(testkit.Patience)
	for r.Keys().Current.Equal(first) {
		if r.Look(); time.Now().After(deadline) {
			t.Fatal("Look does nothing")
		}
	}
}

// TestClosedWhileItWaits: a database that does not answer does not hold an exit up.
func TestClosedWhileItWaits(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	for _, database := range []string{"postgres://turn:" + testkit.DatabasePassword + "@HOST/coturn?sslmode=disable", "mysql://turn:" + testkit.DatabasePassword + "@HOST/coturn", "redis://:" + testkit.DatabasePassword + "@HOST/0"} {
		s := newScene(t, strings.Replace(database, "HOST", silent.Addr().String(), 1), t.TempDir())
		s.Start()
		conn, err := silent.Accept()
		if err != nil {
			t.Fatal(err)
		}
		begun := time.Now()
		s.Close()
		if took := time.Since(begun); took > timeout/2 {
			t.Errorf("%s: %v", database[:5], took)
		}
		_ = conn.Close()
		testkit.WantNoSecrets(t, "the log", s.log.String(), testkit.DatabasePassword)
	}
}

// TestErrorsHideSecrets asks databases that are not there, and others that quote.
func TestErrorsHideSecrets(t *testing.T) {
	const password = "Pass/word@OfTheTests"
	value := newValue(1, start, ttl)
	for _, database := range []string{"postgres://turn:Pass%2Fword%40OfTheTests@127.0.0.1:1/coturn", "postgres://127.0.0.1:1/coturn?user=turn&password=Pass%2Fword%40OfTheTests",
		"mysql://turn:Pass%2Fword%40OfTheTests@127.0.0.1:1/coturn", "redis://:Pass%2Fword%40OfTheTests@127.0.0.1:1/0", "rediss://u:Pass%2Fword%40OfTheTests@127.0.0.1:1"} {
		db, err := Open(secret.New(database), "example.org")
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), timeout)
		_, _, first := db.Secrets(ctx)
		_, _, second := db.Change(ctx, func([]string) change { return change{} })
		cancel()
		for _, err := range []error{first, second} {
			if err == nil || strings.Contains(err.Error(), "word") {
				t.Errorf("%s: %v", db.Kind(), err)
			}
		}
	}
	for _, database := range []string{"", "turn:" + password, "postgres://turn:Pass%word@h/d", "postgres://turn:word@h:port/d", "mysql://turn:word@h", "redis://:word@h/x", "sqlite://turn:word@h/d", "mongodb://turn:word@h/d"} {
		if _, err := Open(secret.New(database), "example.org"); err == nil || strings.Contains(err.Error(), "turn:") || strings.Contains(err.Error(), "Pass") {
			t.Errorf("%q: %v", database, err)
		}
	}
	db, err := Open(secret.New("postgres://turn:Pass%2Fword%40OfTheTests@h/d"), "example.org")
	if err != nil {
		t.Fatal(err)
	}
	quoted := clean(errors.New("Duplicate entry 'example.org-"+value+"' for "+password+" and Pass%2Fword%40OfTheTests"), db.(*postgres).url).Error()
	if strings.Contains(quoted, value[20:]) || strings.Contains(quoted, "word") {
		t.Error(quoted)
	}
}

func TestStateFile(t *testing.T) {
	cfg := Config{Database: secret.New("postgres://turn:one@h/d"), Realm: "example.org", StateDir: t.TempDir(), TTL: ttl}
	other := cfg
	other.Database = secret.New("postgres://turn:two@h/d")
	if cfg.stateFile() != other.stateFile() {
		t.Error("a new password forgets the secrets")
	}
	if other.Realm = "example.net"; cfg.stateFile() == other.stateFile() {
		t.Error("two realms share a file")
	}
	if _, err := ReadKeys(cfg, start); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	value := newValue(1, start, ttl)
	for _, content := range []string{"", "{}x", `{"secrets":["` + value + `x"]}`, `{"secrets":["stranger"]}`} {
		testkit.WriteFile(t, cfg.stateFile(), content)
		keys, err := ReadKeys(cfg, start)
		if err == nil || errors.Is(err, fs.ErrNotExist) || strings.Contains(err.Error(), "stranger") || strings.Contains(err.Error(), value) || !keys.Current.IsEmpty() {
			t.Errorf("%q: %v", content, err)
		}
		log := testkit.NewLogBuffer()
		r, err := New(cfg, testkit.NewLog(log), time.Now, nil)
		if err != nil || !r.Keys().Current.IsEmpty() || !strings.Contains(log.String(), "cannot read the file") {
			t.Errorf("%q: %v\n%s", content, err, log)
		}
	}
}

// TestUnwritableState: without a folder for the state, the rotation works, and the log says so.
func TestUnwritableState(t *testing.T) {
	tab := newTable(t)
	file := filepath.Join(t.TempDir(), "no-folder")
	testkit.WriteFile(t, file, "")
	s := newScene(t, "sqlite:"+tab.file, file)
	for range 2 {
		if err := s.lookAt(t, 0); err != nil || s.Keys().Current.IsEmpty() {
			t.Error(err)
		}
	}
	if n := strings.Count(s.log.String(), "cannot keep the TURN secrets"); n != 1 {
		t.Error(s.log.String())
	}
}

func TestSQLiteWithoutWAL(t *testing.T) {
	tab := newTable(t)
	tab.exec("PRAGMA journal_mode=DELETE")
	s := newScene(t, "sqlite:"+tab.file, t.TempDir())
	for range 2 {
		if err := s.lookAt(t, 0); err != nil || !strings.Contains(s.Status().Note, "WAL") {
			t.Errorf("%v, %+v", err, s.Status())
		}
	}
	if n := strings.Count(s.log.String(), "needs attention"); n != 1 {
		t.Error(s.log.String())
	}
}

func TestEqual(t *testing.T) {
	one := Config{Database: secret.New("sqlite:/a"), Realm: "r", Every: every}
	two := Config{Database: secret.New("sqlite:/a"), Realm: "r", Every: every}
	if !one.Equal(two) {
		t.Error("the same is not equal")
	}
	if two.Every++; one.Equal(two) {
		t.Error("another time is equal")
	}
	two = one
	if two.Database = secret.New("sqlite:/b"); one.Equal(two) {
		t.Error("another database is equal")
	}
}
