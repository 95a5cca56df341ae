package source

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"extdisco/internal/config"
	"extdisco/turncred/provider"
	"extdisco/xep0215"
)

// shared keeps one set of credentials, which all requesters get, fresh.
type shared struct {
	*api
	current atomic.Pointer[Set]
	first   chan struct{} // closed when the first fetch has ended, well or not
	stop    context.CancelFunc
	done    chan struct{}
}

func startShared(a *api) *shared {
	ctx, stop := context.WithCancel(context.Background())
	s := &shared{api: a, first: make(chan struct{}), stop: stop, done: make(chan struct{})}
	refresher := provider.NewRefresher(func(ctx context.Context, now time.Time) (provider.Set, error) { return a.fetch(ctx, "", now) },
		s.use, s.report)
	go func() {
		defer close(s.done)
		refresher.Run(ctx)
	}()
	return s
}

// Groups implements [Source].
func (s *shared) Groups(_ []byte, now time.Time) []*xep0215.Group {
	switch current := s.current.Load(); {
	case current == nil:
		return nil
	case current.isGood(now):
		return current.groups
	default:
		return current.down
	}
}

// Prepare implements [Source]: only the first fetch is worth waiting for.
func (s *shared) Prepare([]byte, time.Time) <-chan struct{} {
	if s.isFetchingFirst() {
		return s.first
	}
	return nil
}

func (s *shared) isFetchingFirst() bool {
	select {
	case <-s.first:
		return false
	default:
		return true
	}
}

// Good implements [Source].
func (s *shared) Good(now time.Time) bool { return s.current.Load().isGood(now) }

// ForTrial implements [Source].
func (s *shared) ForTrial() Source { return s }

// Status implements [Source].
func (s *shared) Status(now time.Time) Status {
	key, status := s.api.status()
	out := Status{Key: key, Provider: status}
	current := s.current.Load()
	if current == nil {
		return out
	}
	status.Fetched, status.Expires = current.fetched, current.Expires
	status.Good, status.NearExpiry = current.isGood(now), current.isNearExpiry(now)
	for _, service := range current.Services {
		out.Services = append(out.Services, Service{service.Key(), service.URI(), "from " + status.Name})
	}
	return out
}

// Adopt implements [Provider]. A source that has nothing starts anew, since who
// reloads has often just mended what was wrong; a first fetch that is under way goes on.
func (s *shared) Adopt(cfg *config.Provider) bool {
	return (s.current.Load() != nil || s.isFetchingFirst()) && s.adopt(cfg)
}

// use puts a set in force, or says why it cannot be offered.
func (s *shared) use(given provider.Set) error {
	next, err := newSet(given)
	if err != nil {
		s.unusable(err)
		return err
	}
	// Of a short life a quarter is kept back: it is refreshed at half, and what lives
	// for minutes only would never be given out otherwise.
	rest := min(s.cfg.Load().MinRemaining, time.Until(given.Expires)/4)
	next.until = given.Expires.Add(-rest)
	next.fetched = time.Now()
	s.current.Store(next)
	return nil
}

// report logs how a fetch ended.
func (s *shared) report(err error, alike bool, next time.Duration) {
	s.fetchedOnce()
	level, message := slog.LevelWarn, "the provider gives no credentials at present"
	switch {
	case err == nil:
		level, message = slog.LevelInfo, "the provider gave credentials"
	case isPermanent(err):
		level = slog.LevelError
	}
	if alike {
		level = slog.LevelDebug
	}
	attrs := []any{"next_in", next.Round(time.Second).String()}
	if current := s.current.Load(); current != nil {
		attrs = append(attrs, "good_until", current.Expires.Format(time.RFC3339))
	}
	if err != nil {
		attrs = append(attrs, "err", err.Error())
	}
	s.logger().Log(context.Background(), level, message, attrs...)
}

// fetchedOnce notes that the first fetch has ended. It is called by the goroutine
// that fetches, or after its end.
func (s *shared) fetchedOnce() {
	if s.isFetchingFirst() {
		close(s.first)
	}
}

// Close implements [Source].
func (s *shared) Close(exit bool) {
	s.stop()
	<-s.done
	s.fetchedOnce() // whoever waits for it waits no longer
	if exit {
		s.revoke()
	}
	s.client.CloseIdleConnections()
}

// revoke takes back what was given, in less time than an exit may take.
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
