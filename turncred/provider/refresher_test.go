package provider_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"extdisco/turncred/provider"
)

// fetched is one fetch of a Refresher, as it was reported.
type fetched struct {
	at    time.Duration // since the start
	err   error
	alike bool
	next  time.Duration
}

// vendor is what a Refresher asks in a test. Its answers live for life, unless
// fail says what is wrong.
type vendor struct {
	life time.Duration
	fail func(n int) error // of the nth fetch, from 0
	use  func(provider.Set) error

	fetches int
	reports []fetched
	started time.Time
}

func (p *vendor) refresher() *provider.Refresher {
	p.started = time.Now()
	return provider.NewRefresher(func(_ context.Context, now time.Time) (provider.Set, error) {
		p.fetches++
		if p.fail != nil {
			if err := p.fail(p.fetches - 1); err != nil {
				return provider.Set{}, err
			}
		}
		return provider.Set{Servers: []server{{URLs: []string{stunURL}}}, Expires: now.Add(p.life)}, nil
	}, func(set provider.Set) error {
		if p.use != nil {
			return p.use(set)
		}
		return nil
	}, func(err error, alike bool, next time.Duration) {
		p.reports = append(p.reports, fetched{time.Since(p.started), err, alike, next})
	})
}

// run runs a Refresher for a while, inside a bubble.
func (p *vendor) run(t *testing.T, duration time.Duration) *provider.Refresher {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), duration)
	defer cancel()
	r := p.refresher()
	r.Run(ctx)
	if got := time.Since(p.started); got != duration {
		t.Errorf("Run returned after %v, want %v", got, duration)
	}
	if unreported := p.fetches - len(p.reports); unreported < 0 || unreported > 1 { // one that ended with the context
		t.Errorf("%d fetches, %d reports", p.fetches, len(p.reports))
	}
	return r
}

func always(err error) func(int) error { return func(int) error { return err } }

var errDown = &provider.APIError{Status: 503, Problem: "down"}

func TestRefreshAtHalfLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &vendor{life: 24 * time.Hour}
		r := p.run(t, 30*24*time.Hour)
		if p.reports[0].at != 0 {
			t.Errorf("first fetch after %v", p.reports[0].at)
		}
		pauses := map[time.Duration]bool{}
		for i, f := range p.reports {
			if f.err != nil || f.alike != (i > 0) {
				t.Errorf("report %d: %+v", i, f)
			}
			if f.next > 12*time.Hour || f.next < 12*time.Hour*9/10-time.Second {
				t.Errorf("pause of %v in a life of 24h", f.next)
			}
			if i > 0 && f.at != p.reports[i-1].at+p.reports[i-1].next {
				t.Errorf("fetch %d at %v, not when it was announced", i, f.at)
			}
			pauses[f.next] = true
		}
		if len(pauses) < 2 {
			t.Error("the pauses do not vary")
		}
		last := p.started.Add(p.reports[len(p.reports)-1].at)
		if at, expires := r.Fetched(); !at.Equal(last) || !expires.Equal(last.Add(p.life)) {
			t.Errorf("fetched %v, expires %v", at, expires)
		}
	})
}

func TestBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &vendor{fail: always(errDown)}
		r := p.run(t, 24*time.Hour)
		full, varies := time.Second, map[time.Duration]bool{}
		for i, f := range p.reports {
			if f.next < full/2 || f.next >= full {
				t.Errorf("pause %d = %v, want between %v and %v", i, f.next, full/2, full)
			}
			if full = min(2*full, 5*time.Minute); full == 5*time.Minute {
				varies[f.next] = true
			}
			if f.alike != (i > 0) || !errors.Is(f.err, errDown) {
				t.Errorf("report %d: %+v", i, f)
			}
		}
		if len(varies) < 50 {
			t.Errorf("the longest pause has %d values only", len(varies))
		}
		if at, expires := r.Fetched(); !at.IsZero() || !expires.IsZero() {
			t.Errorf("fetched %v, expires %v", at, expires)
		}
	})
}

func TestPauseOfTheProvider(t *testing.T) {
	tests := []struct {
		name     string
		err      error
		min, max time.Duration // of the first pause
	}{
		{"Retry-After", &provider.APIError{Status: 429, RetryAfter: 2 * time.Minute}, 2 * time.Minute, 2 * time.Minute},
		{"Retry-After of an hour", &provider.APIError{Status: 503, RetryAfter: time.Hour}, time.Hour, time.Hour},
		{"Retry-After that is shorter than ours", &provider.APIError{Status: 429, RetryAfter: time.Millisecond}, time.Second / 2, time.Second},
		{"permanent", &provider.APIError{Status: 403, Permanent: true}, 5 * time.Minute, 5 * time.Minute},
		{"permanent, and Retry-After", &provider.APIError{Status: 403, Permanent: true, RetryAfter: time.Hour}, time.Hour, time.Hour},
		{"wrapped", fmt.Errorf("provider: %w", &provider.APIError{Status: 403, Permanent: true}), 5 * time.Minute, 5 * time.Minute},
		{"other error", errors.New("x"), time.Second / 2, time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := &vendor{fail: always(tt.err)}
				p.run(t, 10*time.Hour)
				if next := p.reports[0].next; next < tt.min || next > tt.max {
					t.Errorf("pause = %v, want %v to %v", next, tt.min, tt.max)
				}
			})
		})
	}
}

// A provider that is down for an hour is not asked all the time, and is used
// again soon after it is back, without help. The next fault begins with short
// pauses.
func TestRecovery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &vendor{life: 20 * time.Hour}
		hours := func() float64 { return time.Since(p.started).Hours() }
		p.fail = func(int) error {
			if hours() >= 8 && hours() < 11 || hours() > 30 {
				return errDown
			}
			return nil
		}
		p.run(t, 40*time.Hour)
		down := slices.IndexFunc(p.reports, func(f fetched) bool { return f.err != nil })
		again := down + slices.IndexFunc(p.reports[down:], func(f fetched) bool { return f.err == nil })
		if down != 1 || p.reports[again].at > 11*time.Hour+5*time.Minute || p.reports[again].alike || again > 60 {
			t.Errorf("down at fetch %d, back at fetch %d: %+v", down, again, p.reports[again])
		}
		if p.reports[again].next < 9*time.Hour {
			t.Errorf("next fetch after %v", p.reports[again].next)
		}
		second := again + slices.IndexFunc(p.reports[again:], func(f fetched) bool { return f.err != nil })
		if f := p.reports[second]; f.next > time.Second || f.alike {
			t.Errorf("the second fault begins with %+v", f)
		}
	})
}

func TestReportAlike(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one, other := errors.New("one"), errors.New("other")
		errs := []error{one, errors.New("one"), other, nil, nil, one, other}
		p := &vendor{life: time.Minute, fail: func(n int) error {
			if n < len(errs) {
				return errs[n]
			}
			return one
		}}
		p.run(t, time.Hour)
		for i, want := range []bool{false, true, false, false, true, false, false, false, true} {
			if p.reports[i].alike != want {
				t.Errorf("report %d (%v): alike = %v", i, p.reports[i].err, !want)
			}
		}
	})
}

// What is refused by its user counts as a failure, and the Set before stays.
func TestUseRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refusal := errors.New("no such port")
		p := &vendor{life: time.Hour}
		p.use = func(provider.Set) error {
			if p.fetches > 1 {
				return refusal
			}
			return nil
		}
		r := p.run(t, 2*time.Hour)
		if p.reports[0].err != nil || !errors.Is(p.reports[1].err, refusal) || p.reports[1].next > time.Second {
			t.Errorf("reports = %+v", p.reports[:2])
		}
		if at, expires := r.Fetched(); !at.Equal(p.started) || !expires.Equal(p.started.Add(time.Hour)) {
			t.Errorf("fetched %v, expires %v", at, expires)
		}
	})
}

func TestShortLivedSets(t *testing.T) {
	for _, life := range []time.Duration{-time.Hour, -1, 0, 1, time.Millisecond, time.Second, 2 * time.Second} {
		t.Run(life.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := &vendor{life: life}
				p.run(t, time.Minute)
				if p.fetches < 59 || p.fetches > 61 {
					t.Errorf("%d fetches in a minute", p.fetches)
				}
			})
		})
	}
}

// A Set that was not given an expiry does not break anything.
func TestSetWithoutExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		fetches := 0
		provider.NewRefresher(func(context.Context, time.Time) (provider.Set, error) {
			fetches++
			return provider.Set{}, nil
		}, func(provider.Set) error { return nil }, func(error, bool, time.Duration) {}).Run(ctx)
		if fetches < 59 || fetches > 61 {
			t.Errorf("%d fetches in a minute", fetches)
		}
	})
}

// A fetch that its context ends is not reported.
func TestRefresherEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		reports, done := 0, make(chan struct{})
		r := provider.NewRefresher(func(ctx context.Context, _ time.Time) (provider.Set, error) {
			<-ctx.Done()
			return provider.Set{}, ctx.Err()
		}, func(provider.Set) error { return nil }, func(error, bool, time.Duration) { reports++ })
		go func() {
			defer close(done)
			r.Run(ctx)
		}()
		synctest.Wait()
		cancel()
		<-done
		if reports != 0 {
			t.Errorf("%d reports", reports)
		}
	})
}
