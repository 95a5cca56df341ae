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

// Refresher keeps the Set of one provider fresh: it asks at half of the life of
// what it has, and after a failure with growing pauses.
//
// It lives from [Refresher.Start] to [Refresher.Close], whatever becomes of the
// configuration that it was made from: when a reload leaves the provider's table
// as it was, the daemon puts the running Refresher, its Sink and its first fetch
// into the new offer, and calls [Refresher.AskNow] if there is nothing yet. Those
// who wait on [Refresher.First] then get what the fetch brings, and are not told
// that there is nothing.
type Refresher struct {
	keeper
	wake   chan struct{}
	first  chan struct{} // closed when nobody has to wait for the first fetch
	enough sync.Once     // closes first

	stop context.CancelFunc // nil before Start
	done chan struct{}
}

// NewRefresher returns a Refresher that puts what fetch returns into sink.
func NewRefresher(fetch Fetch, sink Sink) *Refresher {
	return &Refresher{keeper: keeper{fetch: fetch, sink: sink}, wake: make(chan struct{}, 1),
		first: make(chan struct{}), done: make(chan struct{})}
}

// Start begins to fetch, in a goroutine that [Refresher.Close] ends. It is called
// once.
func (r *Refresher) Start() {
	ctx, stop := context.WithCancel(context.Background())
	r.stop = stop
	timer := time.AfterFunc(MaxWait, r.release)
	go func() {
		defer close(r.done)
		defer timer.Stop()
		r.run(ctx)
	}()
}

// Close ends a fetch that is running and waits for its end. Nobody waits for the
// first fetch afterwards.
func (r *Refresher) Close() {
	if r.stop != nil {
		r.stop()
		<-r.done
	}
	r.release()
}

// First returns a channel that is closed when the first fetch has ended, well or
// not, or has taken [MaxWait].
func (r *Refresher) First() <-chan struct{} { return r.first }

func (r *Refresher) release() { r.enough.Do(func() { close(r.first) }) }

// AskNow ends the pause between two fetches. While a fetch is running it does
// nothing.
func (r *Refresher) AskNow() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// run fetches until ctx ends.
func (r *Refresher) run(ctx context.Context) {
	pause := time.Duration(0)
	last := "\x00never asked"
	for {
		now := time.Now()
		set, err := r.ask(ctx, "", now)
		if ctx.Err() != nil {
			return
		}
		result := Result{Err: err, Notes: set.Notes, Next: nextFetch(set, err, now, &pause)}
		result.Repeated = result.text() == last
		last = result.text()
		r.release()
		r.sink.Report(result)
		if !r.pause(ctx, result.Next) {
			return
		}
	}
}

// pause waits, unless it is woken, and reports whether ctx goes on.
func (r *Refresher) pause(ctx context.Context, wait time.Duration) bool {
	select {
	case <-r.wake: // from during the fetch
	default:
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-r.wake:
	case <-timer.C:
	}
	return true
}

// nextFetch returns how long to wait after a fetch at now, and keeps the pause
// that a next failure doubles.
func nextFetch(set Set, err error, now time.Time, pause *time.Duration) time.Duration {
	if err == nil {
		*pause = 0
		half := max(set.Expires.Sub(now)/2, 0)
		return max(half-rand.N(half/10+1), soonestRefresh)
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
	return wait
}
