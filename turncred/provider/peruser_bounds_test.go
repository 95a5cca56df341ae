package provider_test

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"extdisco/turncred/provider"
)

// Bounds of PerUser that the tests rely on.
const (
	mostUsers   = 10_000
	mostFlights = 32
	mostWaiting = 512
)

// Many users at once wait for their turn and are all served, with no more than so
// many requests at a time.
func TestBurst(t *testing.T) {
	tests := []struct {
		name    string
		users   int
		took    time.Duration
		fetches int // of the rate, per second
		good    int
		longest time.Duration
	}{
		{"sixty at once", 60, 200 * time.Millisecond, 50, 60, time.Second},
		{"as many as fit", 400, 200 * time.Millisecond, 0, 400, provider.MaxWait},
		{"more than fit into the time", 512, 900 * time.Millisecond, 0, 96, provider.MaxWait},
		{"more than the rate allows", 200, 10 * time.Millisecond, 20, 79, provider.MaxWait},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := &minter{life: time.Hour, took: tt.took}
				p := m.perUser(t, tt.fetches, time.Second)
				start := time.Now()
				var asking sync.WaitGroup
				var good atomic.Int64
				for i := range tt.users {
					asking.Go(func() {
						set, err := ask(p, fmt.Sprint(i))
						switch {
						case len(set.Servers) == 1:
							good.Add(1)
						case err == nil:
							t.Errorf("user %d gets nothing and no reason", i)
						}
						if waited := time.Since(start); waited > tt.longest {
							t.Errorf("user %d waited %v", i, waited)
						}
					})
				}
				asking.Wait()
				if n := int(good.Load()); n < tt.good-2 || n > tt.good+2 {
					t.Errorf("%d of %d users are served, want %d", n, tt.users, tt.good)
				}
				if m.most.Load() > mostFlights {
					t.Errorf("%d flights at once", m.most.Load())
				}
				pass(provider.MaxWait)
				for i := range min(tt.users, 10) { // who was refused may come again
					if _, err := ask(p, fmt.Sprint(tt.users-1-i)); err != nil {
						t.Errorf("later: %v", err)
					}
				}
			})
		})
	}
}

// The queue is bounded: who comes when it is full is refused at once, and not for
// longer.
func TestQueueBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &minter{life: time.Hour, took: time.Second}
		p := m.perUser(t, 0, 0)
		refused := 0
		for i := range mostWaiting + 10 {
			if p.Prepare(fmt.Sprint(i), time.Now()) == nil {
				refused++
				if _, err := p.Get(fmt.Sprint(i), time.Now()); err == nil || !strings.Contains(err.Error(), "too many credentials") {
					t.Errorf("error = %v", err)
				}
			}
		}
		if refused != 10 {
			t.Errorf("%d refused, want 10", refused)
		}
		pass(2 * provider.MaxWait)
		if _, err := ask(p, fmt.Sprint(mostWaiting+5)); err != nil {
			t.Errorf("later: %v", err)
		}
	})
}

// Who asks again and again does not keep the provider busy.
func TestOftenPerUser(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &minter{life: time.Millisecond}
		p := m.perUser(t, 0, 0)
		var last error
		for range 20 {
			_, last = ask(p, "a")
			pass(10 * time.Millisecond)
		}
		if n := m.fetches.Load(); n != 6 || last == nil || !strings.Contains(last.Error(), "too often in the last minute") {
			t.Errorf("%d fetches, %v", n, last)
		}
	})
}

// The least recently used user makes room, and never one who waits.
func TestEviction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		m := &minter{life: time.Hour}
		cfg := config()
		cfg.Timeout = time.Hour
		p := provider.NewPerUser(func(ctx context.Context, user string, now time.Time) (provider.Set, error) {
			if user == "slow" {
				<-release
			}
			return m.fetch(ctx, user, now)
		}, m, cfg, time.Now())
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

func TestManyUsers(t *testing.T) {
	start := time.Now()
	m := &minter{life: time.Hour}
	p := provider.NewPerUser(m.fetch, quiet{}, config(), start)
	defer p.Close()
	heap := func() int64 {
		var s runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&s)
		return int64(s.HeapAlloc)
	}
	before := heap()
	for i := range 200_000 {
		user := fmt.Sprintf("%016x", i)
		if ready := p.Prepare(user, start); ready != nil {
			<-ready
		}
		if i%1000 == 0 && p.Len() > mostUsers {
			t.Fatalf("%d users are kept", p.Len())
		}
	}
	if n := p.Len(); n != mostUsers {
		t.Errorf("%d users are kept", n)
	}
	if grown := heap() - before; grown > 12<<20 {
		t.Errorf("the users took %d bytes", grown)
	}
}

// quiet is a Sink that keeps nothing.
type quiet struct{}

func (quiet) Use(string, provider.Set) error { return nil }

func (quiet) Report(provider.Result) {}

func TestPerUserRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &minter{life: time.Hour}
		p := m.perUser(t, 5, time.Hour)
		good := 0
		for i := range 20 {
			if _, err := ask(p, fmt.Sprint(i)); err == nil {
				good++
			}
		}
		if good != 5 {
			t.Errorf("%d users served in an hour, want 5", good)
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
		p := m.perUser(t, 0, 0)
		for range 600 {
			_, _ = ask(p, "a")
			pass(100 * time.Millisecond)
		}
		if n := m.fetches.Load(); n < 6 || n > 12 {
			t.Errorf("%d fetches in a minute", n)
		}
	})
}
