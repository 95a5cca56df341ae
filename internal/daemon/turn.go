package daemon

import (
	"log/slog"
	"time"

	"extdisco/internal/probe"
	"extdisco/xep0215"
)

// turnLookInterval is how often it is checked whether TURN is still on offer.
const turnLookInterval = 5 * time.Second

// lookAtTURN notes whether a TURN server is available, and logs when that changes:
// without one, calls that need a relay fail, and nothing else would show it.
func (s *state) lookAtTURN(now time.Time, log *slog.Logger) {
	configured, available := s.offers.now().turn(now)
	s.mu.Lock()
	lost := configured && !available
	changed := lost != !s.lost.IsZero()
	switch {
	case changed && lost:
		s.lost = now
	case changed:
		s.lost = time.Time{}
	}
	s.mu.Unlock()
	switch {
	case changed && lost:
		log.Warn("no TURN server is available: calls that need a relay fail", "do", "see the messages about providers and servers above")
	case changed:
		log.Info("a TURN server is available again")
	}
}

// turn reports whether the configuration has TURN servers, or providers that give some,
// and whether one can be offered at now: one that is not known to be down or to refuse its
// credentials.
func (o *offer) turn(now time.Time) (configured, available bool) {
	broken := map[xep0215.Key]bool{}
	for _, h := range o.health.snapshot() {
		if h.State == probe.Down || h.State == probe.Misconfigured {
			broken[keyOf(h.Server)] = true
		}
	}
	for _, src := range o.sources {
		status := src.Status(now)
		if p := status.Provider; p != nil {
			configured = true
			if p.PerUser {
				available = true // not known until a user asks
			} else if !p.Good {
				continue
			}
		}
		for _, service := range status.Services {
			if !xep0215.NeedsCredentials(service.Key.Type) {
				continue
			}
			configured = true
			if status.Provider == nil && !src.Good(now) {
				continue // its secret is not known yet
			}
			available = available || status.Provider != nil || !broken[service.Key]
		}
	}
	return configured, available
}
