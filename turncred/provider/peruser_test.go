package provider_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"extdisco/turncred/provider"
)

func setFor(user string, expires time.Time) provider.Set {
	return provider.Set{Servers: []server{turnServer(user, "pass", "turn:turn.example.org")}, Expires: expires}
}

// minter counts what a PerUser asks it.
type minter struct {
	life    time.Duration
	took    time.Duration // each time; ends early with the context
	err     error
	fetches atomic.Int64
	now     atomic.Int64 // fetches at the moment
	most    atomic.Int64
	refuse  error // of the sink

	mu      sync.Mutex
	reports []provider.Result
}

func (m *minter) fetch(ctx context.Context, user string, now time.Time) (provider.Set, error) {
	m.fetches.Add(1)
	running := m.now.Add(1)
	defer m.now.Add(-1)
	for most := m.most.Load(); running > most && !m.most.CompareAndSwap(most, running); most = m.most.Load() {
	}
	if m.took > 0 {
		select {
		case <-time.After(m.took):
		case <-ctx.Done():
			return provider.Set{}, ctx.Err()
		}
	}
	if m.err != nil {
		return provider.Set{}, m.err
	}
	return setFor(user, now.Add(m.life)), nil
}

const (
	testTimeout = 5 * time.Second
	testRest    = 10 * time.Minute
)

// Use implements [provider.Sink].
func (m *minter) Use(string, provider.Set) error { return m.refuse }

// Report implements [provider.Sink].
func (m *minter) Report(r provider.Result) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.reports = append(m.reports, r)
}

// config is that of a PerUser without a limit.
func config() provider.PerUserConfig {
	return provider.PerUserConfig{Timeout: testTimeout, Rest: testRest}
}

func (m *minter) perUser(t *testing.T, fetches int, per time.Duration) *provider.PerUser {
	t.Helper()
	cfg := config()
	cfg.Fetches, cfg.Per = fetches, per
	p := provider.NewPerUser(m.fetch, m, cfg, time.Now())
	t.Cleanup(p.Close)
	return p
}

// ask does what a requester does, and returns when there is an answer.
func ask(p *provider.PerUser, user string) (provider.Set, error) {
	if ready := p.Prepare(user, time.Now()); ready != nil {
		<-ready
	}
	return p.Get(user, time.Now())
}

// pass lets time pass in a bubble.
func pass(d time.Duration) { <-time.After(d) }

func TestOneFlightPerUser(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &minter{life: time.Hour, took: time.Second}
		p := m.perUser(t, 0, 0)
		if set, err := p.Get("a", time.Now()); len(set.Servers) != 0 || err != nil {
			t.Errorf("before anybody asked: %v, %v", set, err)
		}
		first := p.Prepare("a", time.Now())
		for range 100 {
			if p.Prepare("a", time.Now()) != first {
				t.Fatal("a second flight")
			}
		}
		other := p.Prepare("b", time.Now())
		if other == first {
			t.Error("two users share a flight")
		}
		if set, err := p.Get("a", time.Now()); len(set.Servers) != 0 || err != nil {
			t.Errorf("in flight: %v, %v", set, err)
		}
		var waiting sync.WaitGroup
		for range 50 {
			waiting.Go(func() { <-first })
		}
		waiting.Wait()
		<-other
		for _, user := range []string{"a", "b"} {
			if p.Prepare(user, time.Now()) != nil {
				t.Errorf("%s has to wait again", user)
			}
			if set, err := p.Get(user, time.Now()); err != nil || set.Servers[0].Username != user {
				t.Errorf("%s: %v, %v", user, set, err)
			}
		}
		if n := m.fetches.Load(); n != 2 {
			t.Errorf("%d fetches", n)
		}
	})
}

func TestFailureIsRemembered(t *testing.T) {
	tests := []struct {
		name string
		m    *minter
		want error
		took time.Duration
	}{
		{"error", &minter{err: errDown}, errDown, 0},
		{"late error", &minter{err: errDown, took: 2 * time.Second}, errDown, 2 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := tt.m.perUser(t, 0, 0)
				start := time.Now()
				if _, err := ask(p, "a"); !errors.Is(err, tt.want) {
					t.Errorf("error = %v", err)
				}
				if took := time.Since(start); took != tt.took {
					t.Errorf("took %v", took)
				}
				pass(10*time.Second - 1)
				if _, err := ask(p, "a"); !errors.Is(err, tt.want) || tt.m.fetches.Load() != 1 {
					t.Errorf("within 10 s: %v, %d fetches", err, tt.m.fetches.Load())
				}
				pass(1)
				tt.m.err, tt.m.took, tt.m.life = nil, 0, time.Hour
				if set, err := ask(p, "a"); err != nil || len(set.Servers) != 1 || tt.m.fetches.Load() != 2 {
					t.Errorf("after 10 s: %v, %v, %d fetches", set, err, tt.m.fetches.Load())
				}
			})
		})
	}
}

// A Set is given out while it lives for the rest longer, or for half of its life
// if that is shorter; then it is fetched anew.
func TestFresh(t *testing.T) {
	tests := []struct {
		name      string
		life, age time.Duration
		fresh     bool
	}{
		{"new", time.Hour, 0, true},
		{"with the rest left", time.Hour, 50 * time.Minute, true},
		{"with less than the rest left", time.Hour, 50*time.Minute + 1, false},
		{"expired", time.Hour, 2 * time.Hour, false},
		{"short life, half of it left", 10 * time.Minute, 5 * time.Minute, true},
		{"short life, less than half of it left", 10 * time.Minute, 5*time.Minute + 1, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := &minter{life: tt.life}
				p := m.perUser(t, 0, 0)
				if _, err := ask(p, "a"); err != nil {
					t.Fatal(err)
				}
				later := time.Now().Add(tt.age)
				if set, err := p.Get("a", later); (len(set.Servers) == 1) != tt.fresh || err != nil {
					t.Errorf("%v, %v", set, err)
				}
				if ready := p.Prepare("a", later); (ready == nil) != tt.fresh {
					t.Errorf("waits: %v", ready != nil)
				}
			})
		})
	}
}

// An answer without servers is given to nobody.
func TestEmptySet(t *testing.T) {
	p := provider.NewPerUser(func(context.Context, string, time.Time) (provider.Set, error) { return provider.Set{}, nil },
		quiet{}, config(), time.Now())
	defer p.Close()
	if set, err := ask(p, "a"); len(set.Servers) != 0 || err != nil {
		t.Errorf("%v, %v", set, err)
	}
}

// A requester waits three seconds for a provider that hangs, and the next ones not
// at all. What it answers after that is used.
func TestSlowPerUser(t *testing.T) {
	for _, tt := range []struct {
		name string
		took time.Duration
		want error
	}{
		{"slow", 4 * time.Second, nil},
		{"time-out", time.Hour, context.DeadlineExceeded},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := &minter{life: time.Hour, took: tt.took}
				p := m.perUser(t, 0, 0)
				start := time.Now()
				for range 2 {
					if _, err := ask(p, "a"); err == nil || err.Error() != "the provider has not answered yet" {
						t.Errorf("error = %v", err)
					}
					if waited := time.Since(start); waited != provider.MaxWait {
						t.Errorf("waited %v", waited)
					}
				}
				pass(testTimeout - provider.MaxWait)
				synctest.Wait()
				if set, err := p.Get("a", time.Now()); !errors.Is(err, tt.want) || (tt.want == nil) != (len(set.Servers) == 1) {
					t.Errorf("later: %v, %v", set, err)
				}
			})
		})
	}
}

// The sink is told of everything once, and of the same failure again after ten
// minutes.
func TestPerUserReports(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &minter{life: time.Hour}
		p := m.perUser(t, 0, 0)
		n := 0
		fetch := func() bool {
			n++
			_, _ = ask(p, fmt.Sprint(n))
			synctest.Wait()
			if len(m.reports) != n || m.reports[n-1].User != fmt.Sprint(n) || !errors.Is(m.reports[n-1].Err, cmp.Or(m.err, m.refuse)) {
				t.Fatalf("reports = %+v", m.reports)
			}
			return m.reports[n-1].Repeated
		}
		for i, want := range []bool{false, true, true} {
			if fetch() != want {
				t.Errorf("success %d: repeated = %v", i, !want)
			}
		}
		m.err = errDown
		for i, want := range []bool{false, true} {
			if fetch() != want {
				t.Errorf("failure %d: repeated = %v", i, !want)
			}
		}
		m.err = nil
		if !fetch() {
			t.Error("a success between failures is told")
		}
		m.err = errDown
		pass(10*time.Minute - 1)
		if !fetch() {
			t.Error("the same failure is told before ten minutes are over")
		}
		pass(1)
		if fetch() {
			t.Error("the same failure is not told after ten minutes")
		}
		m.err, m.refuse = nil, errors.New("cannot be offered")
		if fetch() {
			t.Error("a refusal of the sink is not told")
		}
		if s := p.Status(); s.OK != 4 || s.Failed != 5 || !errors.Is(s.Err, m.refuse) {
			t.Errorf("status = %+v", s)
		}
	})
}

func TestPerUserClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &minter{took: time.Hour}
		cfg := config()
		cfg.Timeout = 2 * time.Hour
		p := provider.NewPerUser(m.fetch, m, cfg, time.Now())
		ready := p.Prepare("a", time.Now())
		synctest.Wait()
		p.Close()
		if m.now.Load() != 0 {
			t.Error("Close did not wait")
		}
		select {
		case <-ready:
		default:
			t.Error("who waited is still waiting")
		}
		if _, err := p.Get("a", time.Now()); !errors.Is(err, context.Canceled) {
			t.Errorf("error = %v", err)
		}
		for _, user := range []string{"a", "b"} {
			if p.Prepare(user, time.Now().Add(time.Hour)) != nil {
				t.Errorf("%s is fetched for after Close", user)
			}
		}
		p.Close()
	})
}

// Who waits for a turn when the provider is given up has not met a busy provider.
func TestPerUserCloseWhileWaitingForATurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &minter{took: time.Hour}
		p := m.perUser(t, 0, 0)
		for i := range mostFlights + 1 {
			p.Prepare(fmt.Sprint(i), time.Now())
		}
		synctest.Wait()
		p.Close()
		closed := 0
		for i := range mostFlights + 1 {
			switch _, err := p.Get(fmt.Sprint(i), time.Now()); {
			case err != nil && err.Error() == "the provider is no longer asked":
				closed++
			case !errors.Is(err, context.Canceled):
				t.Errorf("user %d: %v", i, err)
			}
		}
		if closed != 1 || len(m.reports) != 0 {
			t.Errorf("%d waited for a turn; reports %+v", closed, m.reports)
		}
	})
}

// Everything at once, for the race detector, with Close in the middle.
func TestPerUserRace(t *testing.T) {
	m := &minter{life: 21 * time.Minute, took: 10 * time.Microsecond}
	p := provider.NewPerUser(m.fetch, m, config(), time.Now())
	var asking sync.WaitGroup
	for g := range 32 {
		asking.Go(func() {
			for i := range 500 {
				user := fmt.Sprint((g * i) % 97)
				now := time.Now().Add(time.Duration(i) * time.Second)
				if ready := p.Prepare(user, now); ready != nil {
					<-ready
				}
				set, _ := p.Get(user, now)
				if len(set.Servers) == 1 && set.Servers[0].Username != user {
					t.Errorf("%s gets the credential of %s", user, set.Servers[0].Username)
				}
			}
			if g == 0 {
				p.Close()
			}
		})
	}
	asking.Wait()
	p.Close()
	if most := m.most.Load(); most > mostFlights {
		t.Errorf("%d flights at once", most)
	}
}
