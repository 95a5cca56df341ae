package provider_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"extdisco/internal/limit"
	"extdisco/turncred/provider"
)

// Bounds of PerUser that the tests rely on.
const (
	mostUsers   = 10_000
	mostFlights = 32
)

func setFor(user string, expires time.Time) provider.Set {
	return provider.Set{Servers: []server{{[]string{"turn:turn.example.org"}, user, "pass"}}, Expires: expires}
}

// minter counts what a PerUser asks it.
type minter struct {
	life    time.Duration
	took    time.Duration // each time; ends early with the context
	err     error
	fetches atomic.Int64
	now     atomic.Int64 // fetches at the moment
	most    atomic.Int64
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

func (m *minter) perUser(t *testing.T, rate limit.Rate) *provider.PerUser {
	t.Helper()
	p := provider.NewPerUser(m.fetch, testTimeout, testRest, rate, time.Now())
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
		p := m.perUser(t, limit.Rate{})
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

func TestFlightsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &minter{life: time.Hour, took: time.Second}
		p := m.perUser(t, limit.Rate{})
		refused := 0
		for i := range 100 {
			user := fmt.Sprint(i)
			if p.Prepare(user, time.Now()) != nil {
				continue
			}
			refused++
			if _, err := p.Get(user, time.Now()); err == nil {
				t.Errorf("%s is neither fetched nor refused", user)
			}
		}
		synctest.Wait()
		if refused != 100-mostFlights || m.now.Load() != mostFlights {
			t.Errorf("%d refused, %d in flight", refused, m.now.Load())
		}
		pass(10 * time.Second) // what was refused counts no more
		for i := range mostFlights {
			if _, err := ask(p, fmt.Sprint(50+i)); err != nil {
				t.Errorf("later: %v", err)
			}
		}
		if m.most.Load() != mostFlights {
			t.Errorf("%d flights at once", m.most.Load())
		}
	})
}

// The least recently used user makes room, and never one who waits.
func TestEviction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		m := &minter{life: time.Hour}
		p := provider.NewPerUser(func(ctx context.Context, user string, now time.Time) (provider.Set, error) {
			if user == "slow" {
				<-release
			}
			return m.fetch(ctx, user, now)
		}, time.Hour, testRest, limit.Rate{}, time.Now())
		defer p.Close()
		slow := p.Prepare("slow", time.Now())
		for i := range 3 * mostUsers {
			if _, err := ask(p, fmt.Sprint(i)); err != nil {
				t.Fatal(err)
			}
			if _, err := ask(p, "steady"); err != nil {
				t.Fatal(err)
			}
		}
		if n := p.Len(); n != mostUsers {
			t.Errorf("%d users are kept", n)
		}
		if n := m.fetches.Load(); n != 3*mostUsers+1 {
			t.Errorf("%d fetches: somebody who asks all the time was forgotten", n)
		}
		for user, kept := range map[string]bool{"0": false, fmt.Sprint(mostUsers): false, fmt.Sprint(2*mostUsers + 10): true, fmt.Sprint(3*mostUsers - 1): true} {
			if set, _ := p.Get(user, time.Now()); (len(set.Servers) != 0) != kept {
				t.Errorf("%s: kept = %v", user, !kept)
			}
		}
		close(release)
		<-slow
		if set, err := p.Get("slow", time.Now()); err != nil || len(set.Servers) != 1 {
			t.Errorf("who waited gets %v, %v", set, err)
		}
	})
}

func TestMillionUsers(t *testing.T) {
	start := time.Now()
	m := &minter{life: time.Hour}
	p := provider.NewPerUser(m.fetch, testTimeout, testRest, limit.Rate{Events: 50, Per: time.Second}, start)
	defer p.Close()
	heap := func() int64 {
		var s runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&s)
		return int64(s.HeapAlloc)
	}
	before := heap()
	for i := range 1_000_000 {
		now := start.Add(time.Duration(i) * 10 * time.Microsecond)
		user := fmt.Sprintf("%016x", i)
		if ready := p.Prepare(user, now); ready != nil {
			<-ready
		}
		if i%1000 == 0 && p.Len() > mostUsers {
			t.Fatalf("%d users are kept", p.Len())
		}
	}
	if n := p.Len(); n != mostUsers {
		t.Errorf("%d users are kept", n)
	}
	// The rate lets through 50 at once and 50 in each of the 10 seconds.
	if n := m.fetches.Load(); n < 500 || n > 551 {
		t.Errorf("%d fetches", n)
	}
	if grown := heap() - before; grown > 8<<20 {
		t.Errorf("a million users took %d bytes", grown)
	}
}

func TestPerUserRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &minter{life: time.Hour}
		p := m.perUser(t, limit.Rate{Events: 5, Per: time.Minute})
		good := 0
		for i := range 20 {
			if _, err := ask(p, fmt.Sprint(i)); err == nil {
				good++
			}
		}
		if good != 5 {
			t.Errorf("%d users served in a minute, want 5", good)
		}
		if set, err := ask(p, "0"); err != nil || len(set.Servers) != 1 {
			t.Errorf("who was served before: %v, %v", set, err)
		}
	})
}

// A user whose credentials live for moments only is not fetched for all the time.
func TestShortLivedPerUser(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &minter{life: 2 * time.Second}
		p := m.perUser(t, limit.Rate{})
		for range 600 {
			_, _ = ask(p, "a")
			pass(100 * time.Millisecond)
		}
		if n := m.fetches.Load(); n < 6 || n > 12 {
			t.Errorf("%d fetches in a minute", n)
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
		{"late error", &minter{err: errDown, took: 4 * time.Second}, errDown, 4 * time.Second},
		{"time-out", &minter{took: time.Hour}, context.DeadlineExceeded, testTimeout},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := tt.m.perUser(t, limit.Rate{})
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
				p := m.perUser(t, limit.Rate{})
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
		testTimeout, testRest, limit.Rate{}, time.Now())
	defer p.Close()
	if set, err := ask(p, "a"); len(set.Servers) != 0 || err != nil {
		t.Errorf("%v, %v", set, err)
	}
}

func TestPerUserClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &minter{took: time.Hour}
		p := provider.NewPerUser(m.fetch, 2*time.Hour, testRest, limit.Rate{}, time.Now())
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

// Everything at once, for the race detector, with Close in the middle.
func TestPerUserRace(t *testing.T) {
	m := &minter{life: 21 * time.Minute, took: 10 * time.Microsecond}
	p := provider.NewPerUser(m.fetch, testTimeout, testRest, limit.Rate{}, time.Now())
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
