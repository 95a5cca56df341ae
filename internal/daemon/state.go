package daemon

import (
	"sync"
	"time"

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
	rotated  *rotators
	refusals refusals
	links    *links

	mu      sync.Mutex
	lost    time.Time // since when there is no TURN server to offer; zero while there is
	reading web.Reading
	hour    hour
}

func newState(version string, offers *offers, links *links, problems *problemLog, own *relayServer, rotated *rotators, now time.Time) *state {
	s := &state{version: version, started: now, problems: problems, offers: offers, links: links, relay: own, rotated: rotated}
	s.metrics = metrics.New(version, []string{xep0215.NS, xep0215.NS1, nsFeed}, func() metrics.State { return s.forMetrics(time.Now()) })
	return s
}

// answered counts requests that were answered alike.
func (s *state) answered(count int, at time.Time, outcome string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hour.add(count, at, outcome)
}

// configRead notes that the configuration was read, at the start or again.
func (s *state) configRead(r web.Reading, reload bool) {
	s.metrics.ConfigRead(r.At, r.OK, reload)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reading = r
}

// lostTURN returns since when there is no TURN server to offer; zero while there is.
func (s *state) lostTURN() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lost
}

// readingAndHour returns how the configuration was read, and the requests of the last
// hour.
func (s *state) readingAndHour(now time.Time) (web.Reading, []web.Minute) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reading, s.hour.list(now)
}
