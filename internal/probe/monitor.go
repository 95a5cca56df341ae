package probe

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"extdisco/internal/secret"
)

// State is how a server fares, as far as a [Monitor] knows.
type State int

// The states.
const (
	Unknown       State = iota // not tried yet
	Up                         // works
	Down                       // does not answer, or cannot be used
	Misconfigured              // answers, and refuses our credential
)

// String returns a word for logs and metrics.
func (s State) String() string {
	return [...]string{"unknown", "up", "down", "misconfigured"}[s]
}

const (
	// Fall is after how many failures in a row a server is down, Rise after how
	// many successes it is up again: one lost datagram is no news.
	Fall = 3
	Rise = 2
)

// Target is a server that a [Monitor] watches.
type Target struct {
	// ID tells targets apart, and stays the same over a reload.
	ID string
	// Where says where the server stands in the configuration.
	Where  string
	Server Server // without a credential
	// Credential returns a fresh one for an allocation; nil means that the
	// server is asked for a binding only.
	Credential func(now time.Time) (username string, password secret.Secret, err error)
}

// Health is what is known of a target.
type Health struct {
	Target
	State    State
	Failure  *Failure // what went wrong at the last try; nil when all was well
	Failures int      // in a row
	// Impaired says that a server which is up needs somebody to look at it, for the
	// reason in Failure: it has no room, one of the addresses of its name is dead, it
	// is set up wrongly, or its certificate ends soon.
	Impaired  bool
	RoundTrip time.Duration
	NotAfter  time.Time // end of the certificate; zero without TLS
	Checked   time.Time // when it was tried last; zero if never

	successes int   // in a row
	partly    bool  // that the failures in a row are of some addresses only, or no bar to clients
	depth     Depth // of the failure: what is less deep does not disprove it
}

// MonitorConfig says how often a [Monitor] tries.
type MonitorConfig struct {
	Interval         time.Duration // between bindings, give or take a fifth
	AllocateInterval time.Duration // between allocations
	Options          Options       // the Depth is the Monitor's
	// Changed is called when the State or Impaired of a target has changed, one call
	// at a time, with what is known of all targets then. It must not call the Monitor.
	Changed func(changed Health, all []Health)
	// Try is [Try] but in tests.
	Try func(context.Context, Server, Options) Result
}

// Monitor tries servers again and again. Make one with [NewMonitor], and end it
// with [Monitor.Close].
type Monitor struct {
	cfg  MonitorConfig
	stop context.CancelFunc
	wait sync.WaitGroup

	mu     sync.Mutex
	health []Health // in the order of the targets
}

// NewMonitor returns a monitor that has not begun. Of targets that previous had too
// (by their ID) what it knew is kept; previous may be nil.
func NewMonitor(cfg MonitorConfig, targets []Target, previous *Monitor) *Monitor {
	m := &Monitor{cfg: cfg}
	if m.cfg.Try == nil {
		m.cfg.Try = Try
	}
	known := map[string]Health{}
	if previous != nil {
		for _, h := range previous.Snapshot() {
			known[h.ID] = h
		}
	}
	for _, t := range targets {
		h := known[t.ID]
		h.Target = t
		m.health = append(m.health, h)
	}
	return m
}

// Start begins. Each target is tried by a goroutine of its own, so never twice at
// once.
func (m *Monitor) Start() {
	ctx, stop := context.WithCancel(context.Background())
	m.stop = stop
	for i := range m.health {
		m.wait.Go(func() { m.watch(ctx, i) })
	}
}

// Close ends all tries and waits for them.
func (m *Monitor) Close() {
	m.stop()
	m.wait.Wait()
}

// Snapshot returns what is known of all targets, in their order.
func (m *Monitor) Snapshot() []Health {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.health)
}

// watch tries one target until ctx ends.
func (m *Monitor) watch(ctx context.Context, index int) {
	t := m.health[index].Target
	pause := rand.N(min(m.cfg.Interval, time.Second)) // not all at once
	var allocated time.Time
	for {
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
		now := time.Now()
		options := m.cfg.Options
		options.Depth = Binding
		server := t.Server
		if t.Credential != nil && now.Sub(allocated) >= m.cfg.AllocateInterval {
			if username, password, err := t.Credential(now); err == nil {
				server.Username, server.Password, options.Depth, allocated = username, password, Allocate, now
			}
		}
		result := m.cfg.Try(ctx, server, options)
		if ctx.Err() != nil {
			return
		}
		if m.note(index, result, options.Depth, now) {
			allocated = time.Time{} // look again with the next try
		}
		pause = jitter(m.cfg.Interval)
	}
}

// jitter returns d give or take a fifth.
func jitter(d time.Duration) time.Duration { return d - d/5 + rand.N(2*d/5+1) }

// note takes a result in, and reports whether the next try should make an
// allocation too, whenever the last one was.
func (m *Monitor) note(index int, r Result, depth Depth, now time.Time) (again bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	h := &m.health[index]
	h.Checked = now
	failure := h.measure(r, now)
	if failure == nil && depth < h.depth {
		return h.isUndecided() // an answer to a binding says nothing about the credential
	}
	before, impaired := h.State, h.Impaired
	h.count(failure, failure != nil && (r.works() || isNoOutage(failure)))
	h.State = h.next()
	h.Impaired = h.isImpaired()
	if (h.State != before || h.Impaired != impaired) && m.cfg.Changed != nil {
		m.cfg.Changed(*h, slices.Clone(m.health))
	}
	return h.isUndecided()
}

// count counts a success or failure. One that is partly leaves clients a way.
func (h *Health) count(failure *Failure, partly bool) {
	if failure == nil || partly {
		h.successes++
	} else {
		h.successes = 0
	}
	if failure == nil || partly != h.partly {
		h.Failures = 0
	}
	h.Failure, h.partly = failure, partly
	if failure == nil {
		h.depth = Binding
		return
	}
	h.Failures++
	h.depth = max(h.depth, failure.depth())
}

// isImpaired returns what Impaired becomes. What fails for the first time changes
// nothing.
func (h *Health) isImpaired() bool {
	switch f := h.Failure; {
	case h.State != Up || f == nil:
		return false
	case isNoOutage(f) || isEnding(f) || h.Failures >= Fall:
		return true
	}
	return h.Impaired
}

// isUndecided reports whether it takes an allocation to learn more about a failure,
// and soon: of a server that is down, or may be. One that refuses the credential, or
// has no room, is not bothered more often for it.
func (h *Health) isUndecided() bool {
	return h.depth >= Allocate && !h.partly && !isMisconfiguration(h.Failure)
}

// measure keeps what a result says besides success and failure. It returns the
// failure that counts, which may be that the certificate ends soon.
func (h *Health) measure(r Result, now time.Time) *Failure {
	failure := r.Worst()
	for _, a := range r.Addresses {
		if rtt := a.RoundTrip(); rtt > 0 {
			h.RoundTrip = rtt
		}
		if a.Certificate == nil {
			continue
		}
		h.NotAfter = a.Certificate.NotAfter
		if failure == nil && a.Certificate.EndsSoon(now) {
			failure = &Failure{Step: StepTLS, Kind: KindCertSoon, Err: errEndsSoon}
		}
	}
	return failure
}

// next returns the state that follows from what was counted.
func (h *Health) next() State {
	good := h.Failure == nil || h.partly
	switch {
	case h.Failure != nil && isMisconfiguration(h.Failure):
		return Misconfigured
	case good && (h.State != Down || h.successes >= Rise):
		return Up
	case good:
		return Down
	case h.Failures >= Fall:
		return Down
	}
	return h.State
}

// isMisconfiguration reports whether a server is there and does not take what we
// give out.
func isMisconfiguration(f *Failure) bool { return f.Kind == KindUnauthorized }

// isNoOutage reports whether a server is there for clients all the same: it has no
// room, or sends them elsewhere, or an administrator has set it up wrongly.
func isNoOutage(f *Failure) bool {
	switch f.Kind {
	case KindQuota, KindCapacity, KindRedirect, KindOpenRelay, KindPrivateRelay:
		return true
	}
	return false
}

func isEnding(f *Failure) bool { return f.Kind == KindCertSoon }
