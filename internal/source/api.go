package source

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"extdisco/internal/config"
	"extdisco/turncred/provider"
)

// api asks one provider, and counts how that goes.
type api struct {
	cfg    atomic.Pointer[config.Provider]
	client *http.Client
	log    *slog.Logger

	mu                sync.Mutex
	succeeded, failed uint64
	err               string // why the last request failed, if it did
}

func newAPI(cfg *config.Provider, client *http.Client, log *slog.Logger) *api {
	a := &api{client: client, log: log}
	a.cfg.Store(cfg)
	return a
}

// NewHTTPClient returns the client that asks a provider.
func NewHTTPClient(cfg *config.Provider) *http.Client {
	return provider.NewHTTPClient(cfg.RootCAs, cfg.Timeout)
}

// logger returns the log with where the provider stands in the configuration.
func (a *api) logger() *slog.Logger {
	cfg := a.cfg.Load()
	return a.log.With("provider", cfg.Name, "config", cfg.Key)
}

// fetch asks the provider once.
func (a *api) fetch(ctx context.Context, user string, now time.Time) (provider.Set, error) {
	set, err := a.cfg.Load().API.Fetch(ctx, a.client, user, now)
	a.count(err)
	return set, err
}

func (a *api) count(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err == nil {
		a.succeeded, a.err = a.succeeded+1, ""
		return
	}
	a.failed, a.err = a.failed+1, err.Error()
}

// unusable turns the last request, which succeeded, into one that failed: its answer
// cannot be offered.
func (a *api) unusable(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.succeeded, a.failed, a.err = a.succeeded-1, a.failed+1, err.Error()
}

func (a *api) status() (string, *ProviderStatus) {
	cfg := a.cfg.Load()
	a.mu.Lock()
	defer a.mu.Unlock()
	return cfg.Key, &ProviderStatus{Name: cfg.Name, Succeeded: a.succeeded, Failed: a.failed, Error: a.err}
}

// adopt puts a configuration in force that differs in nothing but where it stands, and
// reports whether it is one.
func (a *api) adopt(cfg *config.Provider) bool {
	if a.cfg.Load().Fingerprint != cfg.Fingerprint {
		return false
	}
	a.cfg.Store(cfg)
	return true
}

// FetchOnce asks a provider once and returns what it would be offering.
func FetchOnce(cfg *config.Provider, now time.Time) (*Set, error) {
	a := newAPI(cfg, NewHTTPClient(cfg), slog.New(slog.DiscardHandler))
	defer a.client.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(context.Background(), cfg.Timeout)
	defer cancel()
	user := ""
	if cfg.PerUser {
		user = "extdisco-check"
	}
	given, err := a.fetch(ctx, user, now)
	if err != nil {
		return nil, err
	}
	return newSet(given)
}

// isPermanent reports whether asking again cannot help.
func isPermanent(err error) bool {
	var refused *provider.APIError
	return errors.As(err, &refused) && refused.Permanent
}
