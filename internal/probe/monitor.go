package probe

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"extdisco/internal/secret"
)

// State is the state of a server, as far as a [Monitor] knows.
type State int

// The states.
const (
	Unknown       State = iota // not tried yet
	Undecided                  // has not worked yet and failed fewer than Fall times; Failure says why
	Up                         // works
	Down                       // does not answer, or is of no use to clients
	Misconfigured              // answers, and refuses our credential
)

// String returns a word for logs and metrics.
func (s State) String() string {
	return [...]string{"unknown", "undecided", "up", "down", "misconfigured"}[s]
}

// SecretState says which shared secret a server has, as far as a [Monitor] knows.
type SecretState int

// What is known of the secret.
const (
	SecretUnknown  SecretState = iota // not tried yet
	SecretNew                         // it accepts the one that Target.Secret is
	SecretPrevious                    // it accepts the previous one and not the new one
	SecretNeither                     // it accepted neither, or did not answer
)

// rotationInterval is how often, at least, an allocation is tried while it matters which
// secret a server has.
const rotationInterval = 2 * time.Second

const (
	// A server is down after Fall failures in a row, and up again after Rise
	// successes: one lost datagram is no news.
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
	// Credential returns a fresh one for an allocation; nil means that the server is
	// sent binding requests only. Server.Sign, if it is set, goes with it.
	Credential func(now time.Time) (username string, password secret.Secret, err error)
	// Secret is what Credential makes them with; empty for a fixed account. What is
	// known of a server's secret is kept over a reload while this stays the same.
	Secret secret.Secret
}

// rotates reports whether the server may still have a previous secret.
func (t Target) rotates() bool { return t.Credential != nil && t.Server.SignPrevious != nil }

// Health is what is known of a target.
type Health struct {
	Target
	State    State
	Failure  *Failure // of the last try; nil if there was none
	Failures int      // in a row
	// Impaired says that a server which is up needs attention, for the reason in
	// Failure: it is full, one of the addresses of its name is dead, it is
	// misconfigured, or its certificate expires soon.
	Impaired bool
	// Accepts is which secret the server has.
	Accepts   SecretState
	RoundTrip time.Duration
	NotAfter  time.Time // end of the certificate; zero without TLS
	Checked   time.Time // when it was tried last; zero if never

	successes int   // in a row
	partly    bool  // the failures in a row concern some addresses only, or do not stop clients
	depth     Depth // of the failure: a try that goes less deep does not disprove it
}

// MonitorConfig says how often a [Monitor] tries.
type MonitorConfig struct {
	Interval         time.Duration // between binding requests, plus or minus a fifth
	AllocateInterval time.Duration // between allocations
	Options          Options       // the Depth is the Monitor's
	// Changed is called when the State of a target has become another one than
	// Undecided, or its Impaired, or with a previous secret its Accepts, has changed: one call at a time, with what is
	// known of all targets then. It must not call the Monitor.
	Changed func(changed Health, all []Health)
	// Try is [Try], except in tests.
	Try func(context.Context, Server, Options) Result
}

// Monitor tries servers at regular intervals. Create one with [NewMonitor], and end
// it with [Monitor.Close].
type Monitor struct {
	cfg  MonitorConfig
	stop context.CancelFunc
	wait sync.WaitGroup

	mu     sync.Mutex
	health []Health // in the order of the targets
}

// NewMonitor returns a monitor that has not been started. What previous, which may be
// nil, knows of targets with the same ID is kept.
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
		if !t.Secret.Equal(h.Target.Secret) {
			h.Accepts = SecretUnknown
		}
		h.Target = t
		m.health = append(m.health, h)
	}
	return m
}

// Start starts a goroutine for each target, so that none is tried twice at a time.
func (m *Monitor) Start() {
	ctx, stop := context.WithCancel(context.Background())
	m.stop = stop
	for i := range m.health {
		m.wait.Go(func() { m.watch(ctx, i) })
	}
}

// Close stops all tries and waits for them to end.
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
	if t.rotates() {
		pause = 0 // until then it is not known which secret is right
	}
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
		again, interval := m.note(index, result, options.Depth, now)
		if again {
			allocated = time.Time{} // make one with the next try
		}
		pause = jitter(interval)
	}
}

// jitter returns d plus or minus up to a fifth.
func jitter(d time.Duration) time.Duration { return d - d/5 + rand.N(2*d/5+1) }

// note records a result. It reports whether the next try should make an allocation,
// however recent the last one is, and how long to wait until then.
func (m *Monitor) note(index int, r Result, depth Depth, now time.Time) (again bool, interval time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	h := &m.health[index]
	m.record(h, r, depth, now)
	if h.rotates() && h.Accepts != SecretNew && (h.Failure == nil || !isMisconfiguration(h.Failure)) {
		return true, min(m.cfg.Interval, rotationInterval)
	}
	return h.needsAllocation(), m.cfg.Interval
}

func (m *Monitor) record(h *Health, r Result, depth Depth, now time.Time) {
	h.Checked = now
	failure := h.measure(r, now)
	if failure == nil && depth < h.depth {
		return // an answer to a binding says nothing about the credential
	}
	before, impaired, accepts := h.State, h.Impaired, h.Accepts
	h.count(failure, failure != nil && (r.works() || isNoOutage(failure)))
	h.State = h.next()
	h.Impaired = h.isImpaired()
	if h.Credential != nil {
		h.Accepts = h.accepted(r, failure, depth)
	}
	rotated := h.rotates() && h.Accepts != accepts
	if (h.State != before && h.State != Undecided || h.Impaired != impaired || rotated) && m.cfg.Changed != nil {
		m.cfg.Changed(*h, slices.Clone(m.health))
	}
}

// accepted returns what Accepts becomes. A server that is restarted in the middle of a
// change most likely comes back with the new secret: so a failure ends the time of the
// previous one, and does not end that of the new one.
func (h *Health) accepted(r Result, failure *Failure, depth Depth) SecretState {
	switch {
	case failure != nil && failure.Kind == KindPrevious && !r.works():
		return SecretPrevious
	case depth >= Allocate && (failure == nil || r.works() || isNoOutage(failure) || isEnding(failure)):
		return SecretNew
	case h.Accepts == SecretNew || failure == nil:
		return h.Accepts
	}
	return SecretNeither
}

// count counts a success or a failure. A failure that is partly leaves clients a way.
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

// isImpaired returns what Impaired becomes. A first failure changes nothing.
func (h *Health) isImpaired() bool {
	switch f := h.Failure; {
	case h.State != Up || f == nil:
		return false
	case isNoOutage(f) || isEnding(f) || h.Failures >= Fall:
		return true
	}
	return h.Impaired
}

// needsAllocation reports whether only another allocation can show that a failure is
// over, and it should be made soon: for a server that is down, or may be. One that
// refuses the credential, or is full, is not bothered more often.
func (h *Health) needsAllocation() bool {
	return h.depth >= Allocate && !h.partly && !isMisconfiguration(h.Failure)
}

// measure keeps the times in a result. It returns the failure that counts, which may be
// that the certificate expires soon.
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
			h.Server.cure(failure)
		}
	}
	return failure
}

// next returns the state that follows from the counts.
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
	case h.State == Unknown:
		return Undecided
	}
	return h.State
}

// isMisconfiguration reports whether the server is there and refuses the credentials
// that clients get.
func isMisconfiguration(f *Failure) bool {
	switch f.Kind {
	case KindUnauthorized, KindClock, KindUsernameForm:
		return true
	}
	return false
}

// isNoOutage reports whether clients can use the server all the same, or others than
// the user of the checks can: it is full, redirects them to another server, still has the
// previous secret, or is misconfigured in a way that does not stop them.
func isNoOutage(f *Failure) bool {
	switch f.Kind {
	case KindQuota, KindCapacity, KindOpenRelay, KindPrivateRelay, KindFingerprint, KindPrevious:
		return true
	case KindRedirect:
		return redirection(f.Err) != ""
	}
	return false
}

func isEnding(f *Failure) bool { return f.Kind == KindCertSoon }
