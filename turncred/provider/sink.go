package provider

import (
	"context"
	"strings"
	"sync"
	"time"
)

// MaxWait is how long a request of a client waits for a provider at most: for the
// first fetch of a [Refresher], or for its own of [PerUser]. It is less than the
// clients and servers wait that ask us, so that what other sources have is still
// of use to them.
const MaxWait = 3 * time.Second

// Sink is where a [Refresher] or a [PerUser] puts what it fetches. A Refresher
// calls it from one goroutine, PerUser from several at once.
type Sink interface {
	// Use takes a Set that was fetched in the name of user ("" with a Refresher),
	// or says why it cannot be offered. Then the fetch counts as failed, and
	// what was there before stays in use.
	Use(user string, set Set) error
	// Report tells how a fetch ended, after Use.
	Report(Result)
}

// Result is how a fetch ended.
type Result struct {
	User  string // "" with a Refresher
	Err   error  // nil when it went well; often an [*APIError]
	Notes []string
	// Repeated says that the same was reported last time: enough for a log to
	// have it once. With PerUser it says so again after ten minutes.
	Repeated bool
	Next     time.Duration // until the next fetch; 0 with PerUser
}

// text is equal for results that say the same.
func (r Result) text() string {
	text := strings.Join(r.Notes, "\n")
	if r.Err != nil {
		text += "\x00" + r.Err.Error()
	}
	return text
}

// Status is how the fetches went so far.
type Status struct {
	OK, Failed uint64
	Err        error    // why the last fetch failed, if it did
	Notes      []string // of the last one that went well
}

// keeper asks, hands on what it gets and counts.
type keeper struct {
	fetch Fetch
	sink  Sink

	mu     sync.Mutex
	status Status
}

// ask fetches once. now is the time before.
func (k *keeper) ask(ctx context.Context, user string, now time.Time) (Set, error) {
	set, err := k.fetch(ctx, user, now)
	if err == nil {
		err = k.sink.Use(user, set)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.status.Err = err
	if err != nil {
		k.status.Failed++
		return Set{}, err
	}
	k.status.OK++
	k.status.Notes = set.Notes
	return set, nil
}

// Status returns how the fetches went so far.
func (k *keeper) Status() Status {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.status
}
