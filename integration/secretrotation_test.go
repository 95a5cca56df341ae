//go:build integration

package integration

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"extdisco/integration/lab"
	"extdisco/internal/rotation"
	"extdisco/internal/secret"
	"extdisco/internal/testkit"
	"extdisco/turncred"
)

// databases are those that a secret can rotate in.
// A file of SQLite comes first, since it has no server.
var databases = []string{"sqlite", "postgres", "mysql", "redis"}

// eachDatabase runs a test for each of them, with coturn on it.
func eachDatabase(t *testing.T, kinds []string, test func(t *testing.T, db *lab.Database, turn *lab.Coturn)) {
	for _, kind := range kinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			db, err := lab.StartDatabase(t.Context(), kind, t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			if kind != "sqlite" {
				keep(t, db)
			}
			turn, err := lab.StartCoturn(stepContext(t), lab.CoturnConfig{Dir: t.TempDir(), Database: db.Coturn})
			if err != nil {
				t.Fatal(err)
			}
			keep(t, turn)
			test(t, db, turn)
		})
	}
}

// rotator is a rotation that changes its secret every few seconds.
func newRotator(t *testing.T, db *lab.Database, dir string, log *slog.Logger) *rotation.Rotator {
	t.Helper()
	r, err := rotation.New(rotation.Config{
		Database: secret.New(db.URL), Realm: "example.org", Every: 4 * time.Second, TTL: 2 * time.Second, StateDir: dir,
		Interval: 200 * time.Millisecond, Settles: time.Second,
	}, log, time.Now, func() {})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// allocator allocates all the time with credentials of whatever a rotator has in use.
type allocator struct {
	keys    func() rotation.Keys
	port    int
	lives   time.Duration // how old credentials get before they are used: up to their TTL
	done    atomic.Int64
	secrets sync.Map
	mu      sync.Mutex
	refused []string
}

func (a *allocator) run(ctx context.Context, name string) {
	tick := time.NewTicker(40 * time.Millisecond) // coturn frees a relay port a second after its allocation, and has 200
	defer tick.Stop()
	type minted struct{ user, password string }
	var waiting []minted
	for ctx.Err() == nil {
		now := time.Now()
		keys := a.keys()
		a.secrets.Store(keys.Current.Reveal(), true)
		var c turncred.Credential
		if err := turncred.NewSharedSecret([]byte(keys.Current.Reveal()), nil, a.lives+2*time.Second).IssueTo(&c, name, now, a.lives+2*time.Second); err != nil {
			a.refuse(err)
		}
		waiting = append(waiting, minted{string(c.Username), string(c.Password)})
		if len(waiting) > int(a.lives/(40*time.Millisecond)) {
			a.try(ctx, waiting[0].user, waiting[0].password)
			waiting = waiting[1:]
		}
		<-tick.C
	}
}

func (a *allocator) try(ctx context.Context, user, password string) {
	_, _, err := lab.Allocation{Type: "turn", Host: "127.0.0.1", Port: a.port, Transport: "udp", Username: user, Password: password}.Do(ctx)
	var refused *lab.AllocateError
	switch {
	case err == nil:
		a.done.Add(1)
	case errors.As(err, &refused) && refused.Code == 437: // our port is one that coturn has just freed
	case ctx.Err() == nil:
		a.refuse(err)
	}
}

func (a *allocator) refuse(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.refused = append(a.refused, time.Now().Format("05.000")+" "+err.Error())
}

// TestIntegrationSecretsRotate rotates the secret of a real coturn every 4 s, by two instances that
// share its database, while users allocate all the time: at once, and with credentials that have
// nearly expired. Nobody is refused, the instances agree, and old secrets go.
func TestIntegrationSecretsRotate(t *testing.T) {
	eachDatabase(t, databases, func(t *testing.T, db *lab.Database, turn *lab.Coturn) {
		logs := [2]*testkit.LogBuffer{testkit.NewLogBuffer(), testkit.NewLogBuffer()}
		var both [2]*rotation.Rotator
		for i := range both {
			both[i] = newRotator(t, db, t.TempDir(), testkit.NewLog(logs[i]))
			both[i].Start()
			<-both[i].First()
			defer both[i].Close()
		}
		ctx, stop := context.WithCancel(t.Context())
		var users sync.WaitGroup
		var all []*allocator
		for i, r := range both {
			for _, lives := range []time.Duration{0, 2 * time.Second} {
				a := &allocator{keys: r.Keys, port: turn.Port, lives: lives}
				all = append(all, a)
				users.Go(func() { a.run(ctx, fmt.Sprintf("user%d", i)) })
			}
		}
		err := lab.Poll(stepContext(t), func(context.Context) error {
			if n := strings.Count(logs[0].String()+logs[1].String(), "removed TURN secrets"); n < 3 {
				return fmt.Errorf("%d secrets were removed", n)
			}
			return nil
		})
		stop()
		users.Wait()
		if err != nil {
			t.Error(err)
		}
		allocated, secrets := int64(0), map[any]bool{}
		for _, a := range all {
			allocated += a.done.Load()
			a.secrets.Range(func(k, _ any) bool { secrets[k] = true; return true })
			if len(a.refused) > 0 {
				t.Errorf("%d allocations were refused: %v", len(a.refused), a.refused[0])
			}
		}
		made := 0
		for _, log := range logs {
			made += strings.Count(log.String(), "a new TURN secret is in")
			testkit.WantNoSecrets(t, "the log", log.String(), lab.DatabasePassword)
			if strings.Contains(log.String(), "extdisco-") || strings.Contains(log.String(), "level=WARN") {
				t.Errorf("the log has a secret, or a warning:\n%s", log)
			}
		}
		t.Logf("%d allocations with %d secrets, of which %d were made, none refused", allocated, len(secrets), made)
		if len(secrets) < 4 || made > len(secrets)+1 {
			t.Errorf("%d secrets were used, and %d made", len(secrets), made)
		}
	})
}

// TestIntegrationSecretDatabaseAway takes the database away, for good as far as the instance knows,
// and brings it back; and starts an instance without it. A file that is missing or locked is tested in
// internal/rotation.
func TestIntegrationSecretDatabaseAway(t *testing.T) {
	eachDatabase(t, databases[1:], func(t *testing.T, db *lab.Database, turn *lab.Coturn) {
		dir, log := t.TempDir(), testkit.NewLogBuffer()
		r := newRotator(t, db, dir, testkit.NewLog(log))
		r.Start()
		defer r.Close()
		<-r.First()
		if err := db.Stop(); err != nil {
			t.Fatal(err)
		}
		log.WaitFor(t, "cannot use coturn's database", 1)
		if r.Keys().Current.IsEmpty() || r.Status().Err == nil {
			t.Errorf("without the database: %+v", r.Status())
		}
		second := testkit.NewLogBuffer()
		fresh := newRotator(t, db, dir, testkit.NewLog(second))
		if !fresh.Keys().Current.Equal(r.Keys().Current) {
			t.Error("a start without the database does not know the secret")
		}
		fresh.Start()
		<-fresh.First()
		fresh.Close()
		if db.Kind == "redis" { // which keeps nothing here
			testkit.WantNoSecrets(t, "the logs", log.String()+second.String(), lab.DatabasePassword)
			return
		}
		if err := db.Start(stepContext(t)); err != nil {
			t.Fatal(err)
		}
		log.WaitFor(t, "coturn's database can be used again", 1)
		a := &allocator{keys: r.Keys, port: turn.Port}
		if err := lab.Poll(stepContext(t), func(ctx context.Context) error { // coturn connects again in its own time
			before := a.done.Load()
			var c turncred.Credential
			if err := turncred.NewSharedSecret([]byte(r.Keys().Current.Reveal()), nil, time.Minute).IssueTo(&c, "alice", time.Now(), time.Minute); err != nil {
				return err
			}
			if a.try(ctx, string(c.Username), string(c.Password)); a.done.Load() == before {
				return fmt.Errorf("refused: %v", a.refused)
			}
			return nil
		}); err != nil {
			t.Error(err)
		}
		testkit.WantNoSecrets(t, "the logs", log.String()+second.String(), lab.DatabasePassword)
		if bytes.Contains([]byte(log.String()), []byte("extdisco-")) {
			t.Error("the log has a secret")
		}
	})
}
