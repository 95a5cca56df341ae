package provider

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"
)

const (
	// The pauses after a fetch that failed double from the first to the longest,
	// or are always the longest when only a change of somebody's configuration
	// can help.
	firstFetchPause   = time.Second
	longestFetchPause = 5 * time.Minute
	// soonestRefresh keeps a provider whose credentials live for seconds from
	// being asked all the time.
	soonestRefresh = time.Second
)

// Report tells of a fetch: the error, or nil; whether the one before ended
// alike; and when the next one comes.
type Report func(err error, alike bool, next time.Duration)

// Refresher keeps the Set of one provider fresh: it asks at half of the life of
// what it has, and after a failure with growing pauses. Make one with
// [NewRefresher] and run it with [Refresher.Run].
type Refresher struct {
	fetch  func(ctx context.Context, now time.Time) (Set, error)
	use    func(Set) error
	report Report

	mu      sync.Mutex
	expires time.Time
	fetched time.Time
}

// NewRefresher returns a Refresher that gives what fetch returns to use, which
// may refuse it. Both are called by Run's goroutine only.
func NewRefresher(fetch func(context.Context, time.Time) (Set, error), use func(Set) error, report Report) *Refresher {
	return &Refresher{fetch: fetch, use: use, report: report}
}

// Run fetches until ctx ends.
func (r *Refresher) Run(ctx context.Context) {
	pause := time.Duration(0)
	last := "never asked"
	for {
		wait, err := r.once(ctx, &pause)
		if ctx.Err() != nil {
			return
		}
		now := ""
		if err != nil {
			now = err.Error()
		}
		r.report(err, now == last, wait)
		last = now
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}

// once fetches and returns how long to wait for the next time.
func (r *Refresher) once(ctx context.Context, pause *time.Duration) (time.Duration, error) {
	now := time.Now()
	set, err := r.fetch(ctx, now)
	if err == nil {
		err = r.use(set)
	}
	if err == nil {
		*pause = 0
		r.mu.Lock()
		r.expires, r.fetched = set.Expires, now
		r.mu.Unlock()
		half := max(set.Expires.Sub(now)/2, 0)
		return max(half-rand.N(half/10+1), soonestRefresh), nil
	}
	*pause = min(max(2**pause, firstFetchPause), longestFetchPause)
	wait := *pause/2 + rand.N(*pause/2)
	var apiErr *APIError
	if errors.As(err, &apiErr) {
		if apiErr.Permanent {
			wait = longestFetchPause
		}
		wait = max(wait, apiErr.RetryAfter)
	}
	return wait, err
}

// Fetched returns when the Set in use was fetched and when it expires, or zero
// instants before there is one.
func (r *Refresher) Fetched() (at, expires time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.fetched, r.expires
}
