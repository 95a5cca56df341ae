package source

import (
	"context"
	"sync/atomic"
	"time"

	"extdisco/internal/config"
	"extdisco/turncred/provider"
)

// shared keeps one set of credentials, which all requesters get, fresh. It implements
// [Provider] and [provider.Sink].
type shared struct {
	*vendor
	refresher *provider.Refresher
	current   atomic.Pointer[Set]
}

func startShared(v *vendor) *shared {
	s := &shared{vendor: v}
	s.refresher = provider.NewRefresher(v.cfg.Load().API.Fetcher(v.client), s)
	s.refresher.Start()
	return s
}

// Use implements [provider.Sink]: it offers a set from now on, or returns why it
// cannot.
func (s *shared) Use(_ string, given provider.Set) error {
	next, err := newSet(given, s.cfg.Load())
	if err == nil {
		s.current.Store(next)
	}
	return err
}

// Report implements [provider.Sink].
func (s *shared) Report(r provider.Result) {
	var attrs []any
	if current := s.current.Load(); current != nil {
		attrs = append(attrs, "good_until", current.Expires.Format(time.RFC3339))
	}
	s.report(r, attrs...)
}

// Part implements [Source].
func (s *shared) Part(_ []byte, now time.Time) *Part {
	switch current := s.current.Load(); {
	case current == nil:
		return nil
	case s.isGood(current, now):
		return current.part
	default:
		return current.down
	}
}

// isGood reports whether a set is given out at now.
func (s *shared) isGood(set *Set, now time.Time) bool {
	return set != nil && !now.After(set.Until(s.cfg.Load().MinRemaining))
}

// Prepare implements [Source]: only the first fetch is worth waiting for.
func (s *shared) Prepare([]byte, time.Time) <-chan struct{} {
	select {
	case <-s.refresher.First():
		return nil
	default:
		return s.refresher.First()
	}
}

// Good implements [Source].
func (s *shared) Good(now time.Time) bool { return s.isGood(s.current.Load(), now) }

// ForTrial implements [Source].
func (s *shared) ForTrial() Source { return s }

// Status implements [Source].
func (s *shared) Status(now time.Time) Status {
	out := s.status(s.refresher.Status())
	current := s.current.Load()
	if current == nil {
		return out
	}
	p := out.Provider
	p.Fetched, p.Expires = current.Fetched, current.Expires
	p.Good, p.NearExpiry = s.isGood(current, now), current.IsNearExpiry(now)
	for _, service := range current.Services {
		out.Services = append(out.Services, Service{service.Key(), service.URI(), "from " + p.Name})
	}
	return out
}

// Adopt implements [Provider]. A reload often follows a correction, so a source that has
// nothing fetches again at once. A running fetch continues.
func (s *shared) Adopt(cfg *config.Provider) bool {
	if !s.adopt(cfg) {
		return false
	}
	if s.current.Load() == nil {
		s.refresher.AskNow()
	}
	return true
}

// Close implements [Source].
func (s *shared) Close(exit bool) {
	s.refresher.Close()
	if exit {
		s.revoke()
	}
	s.client.CloseIdleConnections()
}

// revoke revokes the credentials within the time that an exit may take.
func (s *shared) revoke() {
	cfg, current := s.cfg.Load(), s.current.Load()
	if cfg.Revocation == nil || current == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), min(cfg.Timeout, 2*time.Second))
	defer cancel()
	for _, name := range current.names {
		if err := cfg.Revocation(name).Send(ctx, s.client); err != nil {
			s.logger().Warn("a credential was not revoked; it stays valid until it expires", "err", err.Error())
		}
	}
}
