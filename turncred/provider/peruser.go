package provider

import (
	"container/list"
	"context"
	"errors"
	"sync"
	"time"

	"extdisco/internal/limit"
)

// Limits of credentials that are fetched for each requester.
const (
	maxUsers       = 10_000 // whose credentials are kept
	maxFlights     = 32     // requests to the provider at once
	failureCounts  = 10 * time.Second
	fetchesPerUser = 6 // a minute
)

// errBusy is why a credential is not fetched now.
var errBusy = errors.New("too many credentials are being fetched already")

// PerUser keeps a Set for each of the requesters who asked last, fetched when one
// asks. Memory and the number of requests at once are bounded.
type PerUser struct {
	fetch   func(ctx context.Context, user string, now time.Time) (Set, error)
	timeout time.Duration
	rest    time.Duration // life that a Set must have left to be given out
	limiter *limit.Limiter
	ctx     context.Context
	stop    context.CancelFunc
	flights sync.WaitGroup

	mu      sync.Mutex
	entries map[string]*list.Element // of *userEntry
	recent  *list.List               // the one that was used last is in front
	flying  int
}

type userEntry struct {
	user   string
	set    Set
	err    error
	at     time.Time     // when it was asked for, or when that failed
	flight chan struct{} // closed when the fetch ends; nil when there is none
}

// NewPerUser returns a PerUser that asks at most rate in total. A Set is given
// out while it lives for rest longer.
func NewPerUser(fetch func(context.Context, string, time.Time) (Set, error), timeout, rest time.Duration, rate limit.Rate, now time.Time) *PerUser {
	ctx, stop := context.WithCancel(context.Background())
	return &PerUser{
		fetch: fetch, timeout: timeout, rest: rest,
		limiter: limit.New(limit.Rates{Key: limit.Rate{Events: fetchesPerUser, Per: time.Minute}, Total: rate}, now),
		ctx:     ctx, stop: stop,
		entries: map[string]*list.Element{}, recent: list.New(),
	}
}

// Close ends the fetches and waits for them. There are no new ones afterwards.
func (p *PerUser) Close() {
	p.mu.Lock()
	p.stop()
	p.mu.Unlock()
	p.flights.Wait()
}

// Get returns what is there for the user at now: a Set, or why there is none.
// Both are missing when nobody has asked for it yet.
func (p *PerUser) Get(user string, now time.Time) (Set, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	e := p.find(user)
	if e == nil {
		return Set{}, nil
	}
	if p.fresh(e, now) {
		return e.set, nil
	}
	return Set{}, e.err
}

// Prepare sees to it that there is a Set for the user. It returns nil when Get
// will answer at once, and otherwise a channel that is closed when it will.
func (p *PerUser) Prepare(user string, now time.Time) <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	e := p.find(user)
	if e == nil {
		e = &userEntry{user: user}
		p.entries[user] = p.recent.PushFront(e)
		p.evict()
	}
	switch {
	case e.flight != nil:
		return e.flight
	case p.ctx.Err() != nil:
		return nil
	case p.fresh(e, now), e.err != nil && now.Sub(e.at) < failureCounts:
		return nil
	case p.flying >= maxFlights, p.limiter.Over([]byte(user), nil, now) != limit.None:
		e.err, e.at = errBusy, now
		return nil
	}
	e.flight = make(chan struct{})
	p.flying++
	p.flights.Go(func() { p.fly(e, now) })
	return e.flight
}

// fly fetches for one user.
func (p *PerUser) fly(e *userEntry, now time.Time) {
	ctx, cancel := context.WithTimeout(p.ctx, p.timeout)
	defer cancel()
	start := time.Now()
	set, err := p.fetch(ctx, e.user, now)
	if err != nil {
		now = now.Add(time.Since(start)) // a failure counts from its end
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	e.set, e.err, e.at = set, err, now
	close(e.flight)
	e.flight = nil
	p.flying--
}

// fresh reports whether the Set of the entry may be given out. One that was
// fetched with little life is given out for half of it.
func (p *PerUser) fresh(e *userEntry, now time.Time) bool {
	left, whole := e.set.Expires.Sub(now), e.set.Expires.Sub(e.at)
	return len(e.set.Servers) > 0 && e.err == nil && left >= min(p.rest, whole/2)
}

func (p *PerUser) find(user string) *userEntry {
	element := p.entries[user]
	if element == nil {
		return nil
	}
	p.recent.MoveToFront(element)
	return element.Value.(*userEntry)
}

// evict makes room: the entry that was used longest ago goes, unless somebody
// waits for it.
func (p *PerUser) evict() {
	for element := p.recent.Back(); element != nil && len(p.entries) > maxUsers; {
		e, previous := element.Value.(*userEntry), element.Prev()
		if e.flight == nil {
			p.recent.Remove(element)
			delete(p.entries, e.user)
		}
		element = previous
	}
}
