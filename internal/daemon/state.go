package daemon

import (
	"sync"
	"sync/atomic"
	"time"

	"extdisco/component"
	"extdisco/internal/metrics"
	"extdisco/internal/web"
	"extdisco/xep0215"
)

// state keeps what happened, for the metrics and the status page. It is written by
// those to whom it happens, and read by those who show it.
type state struct {
	version  string
	started  time.Time
	metrics  *metrics.Metrics
	problems *problemLog
	offers   *offers
	relay    *relayServer
	refusals refusals
	hosts    atomic.Pointer[component.Component] // the link whose hosts are shown; nil before the first

	mu      sync.Mutex
	link    linkState
	asked   bool      // whether a request was answered since the link is up
	lost    time.Time // since when there is no TURN server to offer; zero while there is
	reading web.Reading
	hour    hour
}

// linkState is how the link is at present.
type linkState struct {
	up    bool
	since time.Time // zero before the first connection
	why   component.Fault
}

func newState(version string, offers *offers, problems *problemLog, own *relayServer, now time.Time) *state {
	s := &state{version: version, started: now, problems: problems, offers: offers, relay: own}
	s.metrics = metrics.New(version, []string{xep0215.NS, xep0215.NS1, nsFeed}, func() metrics.State { return s.forMetrics(time.Now()) })
	return s
}

// answered counts requests that were answered alike.
func (s *state) answered(count int, at time.Time, outcome string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hour.add(count, at, outcome)
	s.asked = true
}

func (s *state) setLink(l linkState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.link, s.asked = l, false
}

// linkFailed notes why there is no link.
func (s *state) linkFailed(why component.Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.link.why = why
}

// configRead notes that the configuration was read, at the start or again.
func (s *state) configRead(r web.Reading, reload bool) {
	s.metrics.ConfigRead(r.At, r.OK, reload)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reading = r
}

// hostsNow returns what is known about the hosts that should forward requests.
func (s *state) hostsNow() []component.HostState {
	if c := s.hosts.Load(); c != nil {
		return c.Hosts()
	}
	return nil
}

// wasAsked reports whether a request was answered since the link is up.
func (s *state) wasAsked() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

// lostTURN returns since when there is no TURN server to offer; zero while there is.
func (s *state) lostTURN() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lost
}

// linkNow returns how the link is.
func (s *state) linkNow() linkState {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.link
}

// readingAndHour returns how the configuration was read, and the requests of the last
// hour.
func (s *state) readingAndHour(now time.Time) (web.Reading, []web.Minute) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reading, s.hour.list(now)
}
