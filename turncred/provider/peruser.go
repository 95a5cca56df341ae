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
	maxWaiting     = 512    // users for whom one is running or has to wait for its turn
	failureCounts  = 10 * time.Second
	fetchesPerUser = 6                // a minute
	reportAgain    = 10 * time.Minute // after which the same failure is no repetition
)

// Reasons why there is no credential that are not the provider's.
var (
	errBusy   = errors.New("too many credentials are being fetched already; raise per_user_rate if the provider allows more")
	errOften  = errors.New("the credentials of this user were fetched too often in the last minute")
	errSlow   = errors.New("the provider has not answered yet")
	errClosed = errors.New("the provider is no longer asked")
)

// PerUser keeps a Set for each of the requesters who asked last, fetched when one
// asks. Memory and the number of requests at once are bounded: who comes when
// there are too many waits for a turn, together with the request no longer than
// [MaxWait].
type PerUser struct {
	keeper
	cfg     PerUserConfig
	users   *limit.Limiter // how often each user's credentials are fetched
	total   *limit.Limiter
	ctx     context.Context
	stop    context.CancelFunc
	flights sync.WaitGroup
	turns   chan struct{} // holds a token for each request to the provider

	mu      sync.Mutex
	entries map[string]*list.Element // of *userEntry
	recent  *list.List               // the one that was used last is in front
	flying  int

	last   string // what was reported last
	lastAt time.Time
}

// PerUserConfig is what a [PerUser] keeps to.
type PerUserConfig struct {
	Timeout time.Duration // of one fetch
	Rest    time.Duration // life that a Set must have left to be handed out
	// At most Fetches fetches in a time of Per; 0 means no limit. All of them may
	// come at once.
	Fetches int
	Per     time.Duration
}

type userEntry struct {
	user   string
	set    Set
	err    error
	at     time.Time     // when it was asked for, or when that failed
	flying bool          // it is fetched, or waits for its turn
	ready  chan struct{} // closed when nobody has to wait for that any longer; nil then
}

// NewPerUser returns a PerUser that asks with fetch. sink may refuse what it
// gets, and is told of all fetches.
func NewPerUser(fetch Fetch, sink Sink, cfg PerUserConfig, now time.Time) *PerUser {
	ctx, stop := context.WithCancel(context.Background())
	return &PerUser{
		keeper: keeper{fetch: fetch, sink: sink}, cfg: cfg,
		users: limit.New(limit.Rates{Key: limit.Rate{Events: fetchesPerUser, Per: time.Minute}}, now),
		total: limit.New(limit.Rates{Total: limit.Rate{Events: cfg.Fetches, Per: cfg.Per}}, now),
		ctx:   ctx, stop: stop, turns: make(chan struct{}, maxFlights),
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
	switch e := p.find(user); {
	case e == nil:
		return Set{}, nil
	case p.fresh(e, now):
		return e.set, nil
	case e.flying && e.ready == nil:
		return Set{}, errSlow
	default:
		return Set{}, e.err
	}
}

// Prepare sees to it that there is a Set for the user. It returns nil when Get
// will answer at once, and otherwise a channel that is closed when it will, after
// [MaxWait] at the latest.
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
	case e.flying:
		if e.ready == nil {
			return nil
		}
		return e.ready
	case p.fresh(e, now), e.err != nil && now.Sub(e.at) < failureCounts:
		return nil
	case p.ctx.Err() != nil:
		e.err = errClosed
		return nil
	case p.flying >= maxWaiting:
		e.err = errBusy
		return nil
	case p.users.Over([]byte(user), nil, now) != limit.None:
		e.err = errOften
		return nil
	}
	e.flying, e.ready = true, make(chan struct{})
	p.flying++
	ready := e.ready
	p.flights.Go(func() { p.fly(e, ready, now) })
	return ready
}

// fly fetches for one user, when it is its turn.
func (p *PerUser) fly(e *userEntry, ready chan struct{}, now time.Time) {
	patience := time.AfterFunc(MaxWait, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.release(e, ready)
	})
	defer patience.Stop()
	start := time.Now()
	clock := func() time.Time { return now.Add(time.Since(start)) }
	if !p.takeTurn(clock) {
		err := errBusy
		if p.ctx.Err() != nil {
			err = errClosed
		} else {
			p.report(Result{User: e.user, Err: err}, clock())
		}
		p.land(e, Set{}, err, time.Time{}) // which the next request may try again
		return
	}
	ctx, cancel := context.WithTimeout(p.ctx, p.cfg.Timeout)
	at := clock()
	set, err := p.ask(ctx, e.user, at)
	cancel()
	<-p.turns
	if err != nil {
		at = clock() // a failure counts from its end
	}
	if p.ctx.Err() == nil {
		p.report(Result{User: e.user, Err: err, Notes: set.Notes}, at)
	}
	p.land(e, set, err, at)
}

// takeTurn waits until a request may be sent to the provider. It reports false
// when that takes too long.
func (p *PerUser) takeTurn(clock func() time.Time) bool {
	ctx, cancel := context.WithTimeout(p.ctx, MaxWait)
	defer cancel()
	select {
	case p.turns <- struct{}{}:
	case <-ctx.Done():
		return false
	}
	if p.cfg.Fetches == 0 {
		return true
	}
	pause := min(max(p.cfg.Per/time.Duration(p.cfg.Fetches), time.Millisecond), 100*time.Millisecond)
	for p.total.OverTotal(clock()) {
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			<-p.turns
			return false
		}
	}
	return true
}

// land notes how the fetch of a user ended.
func (p *PerUser) land(e *userEntry, set Set, err error, at time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	e.set, e.err, e.at = set, err, at
	e.flying = false
	p.flying--
	p.release(e, e.ready)
}

// release lets those go on who wait for one flight of the entry.
func (p *PerUser) release(e *userEntry, ready chan struct{}) {
	if ready != nil && e.ready == ready {
		close(ready)
		e.ready = nil
	}
}

// report tells the sink. Of many users the same failure is told anew only after a
// while, and a success only when there is something to say of it.
func (p *PerUser) report(result Result, now time.Time) {
	p.mu.Lock()
	text := result.text()
	result.Repeated = text == p.last && now.Sub(p.lastAt) < reportAgain || text == "" && p.lastAt != (time.Time{})
	if !result.Repeated {
		p.last, p.lastAt = text, now
	}
	p.mu.Unlock()
	p.sink.Report(result)
}

// fresh reports whether the Set of the entry may be handed out. One that was
// fetched with little life is handed out for half of it.
func (p *PerUser) fresh(e *userEntry, now time.Time) bool {
	left, whole := e.set.Expires.Sub(now), e.set.Expires.Sub(e.at)
	return len(e.set.Servers) > 0 && e.err == nil && left >= min(p.cfg.Rest, whole/2)
}

func (p *PerUser) find(user string) *userEntry {
	element := p.entries[user]
	if element == nil {
		return nil
	}
	p.recent.MoveToFront(element)
	return element.Value.(*userEntry)
}

// evict makes room: the entry that was used longest ago goes, unless it is being
// fetched.
func (p *PerUser) evict() {
	for element := p.recent.Back(); element != nil && len(p.entries) > maxUsers; {
		e, previous := element.Value.(*userEntry), element.Prev()
		if !e.flying {
			p.recent.Remove(element)
			delete(p.entries, e.user)
		}
		element = previous
	}
}
