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

// vendor is what a Refresher asks in a test, and its sink. Its answers live for
// life, unless fail says what is wrong.
type vendor struct {
	life time.Duration
	fail func(n int) error // of the nth fetch, from 0
	use  func(provider.Set) error

	fetches int
	reports []fetched
	started time.Time
}

func (p *vendor) fetch(_ context.Context, _ string, now time.Time) (provider.Set, error) {
	p.fetches++
	if p.fail != nil {
		if err := p.fail(p.fetches - 1); err != nil {
			return provider.Set{}, err
		}
	}
	return provider.Set{Servers: []server{{URLs: []string{stunURL}}}, Expires: now.Add(p.life)}, nil
}

// Use implements [provider.Sink].
func (p *vendor) Use(_ string, set provider.Set) error {
	if p.use != nil {
		return p.use(set)
	}
	return nil
}

// Report implements [provider.Sink].
func (p *vendor) Report(r provider.Result) {
	p.reports = append(p.reports, fetched{time.Since(p.started), r.Err, r.Repeated, r.Next})
}

// run runs a Refresher for a while, inside a bubble.
func (p *vendor) run(t *testing.T, duration time.Duration) *provider.Refresher {
	t.Helper()
	p.started = time.Now()
	r := provider.NewRefresher(p.fetch, p)
	r.Start()
	<-time.After(duration)
	r.Close()
	if got := time.Since(p.started); got != duration {
		t.Errorf("Close returned after %v, want %v", got, duration)
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
		if s := r.Status(); s.OK != uint64(len(p.reports)) || s.Failed != 0 || s.Err != nil {
			t.Errorf("status = %+v of %d fetches", s, len(p.reports))
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
		if s := r.Status(); s.OK != 0 || s.Failed != uint64(len(p.reports)) || !errors.Is(s.Err, errDown) {
			t.Errorf("status = %+v of %d fetches", s, len(p.reports))
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
		if s := r.Status(); s.OK != 1 || s.Failed < 2 || !errors.Is(s.Err, refusal) {
			t.Errorf("status = %+v", s)
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
		fetches := 0
		r := provider.NewRefresher(func(context.Context, string, time.Time) (provider.Set, error) {
			fetches++
			return provider.Set{}, nil
		}, &vendor{})
		r.Start()
		<-time.After(time.Minute)
		r.Close()
		if fetches < 59 || fetches > 61 {
			t.Errorf("%d fetches in a minute", fetches)
		}
	})
}

// A fetch that Close ends is not reported, and nobody waits for it any longer.
func TestRefresherEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sink := &vendor{}
		r := provider.NewRefresher(func(ctx context.Context, _ string, _ time.Time) (provider.Set, error) {
			<-ctx.Done()
			return provider.Set{}, ctx.Err()
		}, sink)
		r.Start()
		synctest.Wait()
		if isClosed(r.First()) {
			t.Error("the first fetch counts as over before its end")
		}
		r.Close()
		if len(sink.reports) != 0 || !isClosed(r.First()) {
			t.Errorf("%d reports, first fetch over: %v", len(sink.reports), isClosed(r.First()))
		}
		r.Close() // does no harm
	})
}

func TestCloseBeforeStart(t *testing.T) {
	r := provider.NewRefresher(nil, nil)
	r.Close()
	if !isClosed(r.First()) {
		t.Error("somebody waits for a Refresher that was never started")
	}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// Nobody waits longer than three seconds for the first fetch, which goes on, and
// whose Set is used.
func TestFirstFetch(t *testing.T) {
	for _, tt := range []struct {
		name       string
		took, wait time.Duration
		err        error
	}{
		{"quick", time.Second, time.Second, nil},
		{"quick failure", time.Second, time.Second, errDown},
		{"slow", 20 * time.Second, provider.MaxWait, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				used := false
				p := &vendor{life: time.Hour, use: func(provider.Set) error { used = true; return nil }, started: time.Now()}
				r := provider.NewRefresher(func(ctx context.Context, user string, now time.Time) (provider.Set, error) {
					<-time.After(tt.took)
					if tt.err != nil {
						return provider.Set{}, tt.err
					}
					return p.fetch(ctx, user, now)
				}, p)
				r.Start()
				defer r.Close()
				<-r.First()
				if waited := time.Since(p.started); waited != tt.wait {
					t.Errorf("waited %v, want %v", waited, tt.wait)
				}
				<-time.After(tt.took)
				synctest.Wait()
				if used != (tt.err == nil) {
					t.Errorf("used = %v", used)
				}
			})
		})
	}
}

// AskNow ends a pause, and does nothing during a fetch.
func TestAskNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &vendor{fail: always(&provider.APIError{Status: 403, Permanent: true}), started: time.Now()}
		r := provider.NewRefresher(func(ctx context.Context, user string, now time.Time) (provider.Set, error) {
			<-time.After(time.Second)
			return p.fetch(ctx, user, now)
		}, p)
		r.Start()
		defer r.Close()
		for range 3 {
			r.AskNow() // during the first fetch
		}
		<-time.After(time.Minute)
		synctest.Wait()
		if p.fetches != 1 {
			t.Errorf("%d fetches before AskNow", p.fetches)
		}
		r.AskNow()
		<-time.After(2 * time.Second)
		synctest.Wait()
		if p.fetches != 2 {
			t.Errorf("%d fetches after AskNow", p.fetches)
		}
	})
}

// A Set is handed out until some of its life is left, and says when it should
// have been refreshed.
func TestSetTimes(t *testing.T) {
	for _, tt := range []struct{ life, rest, until time.Duration }{
		{24 * time.Hour, 10 * time.Minute, 24*time.Hour - 10*time.Minute},
		{40 * time.Minute, 10 * time.Minute, 30 * time.Minute},
		{4 * time.Minute, 10 * time.Minute, 3 * time.Minute},
		{time.Hour, 0, time.Hour},
	} {
		set := provider.Set{Fetched: testTime, Expires: testTime.Add(tt.life)}
		if got := set.Until(tt.rest).Sub(testTime); got != tt.until {
			t.Errorf("life of %v: until %v, want %v", tt.life, got, tt.until)
		}
		if set.IsNearExpiry(testTime.Add(tt.life*3/4)) || !set.IsNearExpiry(testTime.Add(tt.life*3/4+1)) {
			t.Errorf("life of %v: near its expiry at another time than after three quarters", tt.life)
		}
	}
}
