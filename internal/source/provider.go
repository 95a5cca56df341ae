package source

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"extdisco/internal/config"
	"extdisco/turncred/provider"
)

// Provider is a source whose services and credentials come over HTTP and may have to
// be fetched.
type Provider interface {
	Source
	// Adopt reports whether the source may go on under cfg, which is what a reload
	// found. If so, cfg is in force.
	Adopt(cfg *config.Provider) bool
}

// StartProvider returns the source that cfg describes, and starts to fetch with the
// client. The source has to be closed.
func StartProvider(cfg *config.Provider, client *http.Client, log *slog.Logger, now time.Time) Provider {
	v := &vendor{client: client, log: log}
	v.cfg.Store(cfg)
	if cfg.PerUser {
		return newPerUser(v, now)
	}
	return startShared(v)
}

// NewHTTPClient returns the client that asks a provider.
func NewHTTPClient(cfg *config.Provider) *http.Client {
	return provider.NewHTTPClient(cfg.RootCAs, cfg.Timeout)
}

// FetchOnce asks a provider once and returns what it would be offering.
func FetchOnce(cfg *config.Provider, now time.Time) (*Set, error) {
	client := NewHTTPClient(cfg)
	defer client.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(context.Background(), cfg.Timeout)
	defer cancel()
	user := ""
	if cfg.PerUser {
		user = "extdisco-check"
	}
	given, err := cfg.API.Fetch(ctx, client, user, now)
	if err != nil {
		return nil, err
	}
	return newSet(given, cfg)
}

// vendor is what both kinds of providers have.
type vendor struct {
	cfg    atomic.Pointer[config.Provider] // in force
	client *http.Client
	log    *slog.Logger
}

// adopt applies a configuration that differs only in its place in the file, and reports
// whether it is one.
func (v *vendor) adopt(cfg *config.Provider) bool {
	if v.cfg.Load().Fingerprint != cfg.Fingerprint {
		return false
	}
	v.cfg.Store(cfg)
	return true
}

// logger returns the log with the provider's place in the configuration.
func (v *vendor) logger() *slog.Logger {
	cfg := v.cfg.Load()
	return v.log.With("provider", cfg.Name, "config", cfg.Key)
}

// status returns a snapshot of how requests to the provider went.
func (v *vendor) status(requests provider.Status) Status {
	cfg := v.cfg.Load()
	s := &ProviderStatus{Name: cfg.Name, PerUser: cfg.PerUser, Succeeded: requests.OK, Failed: requests.Failed, Notes: requests.Notes}
	if requests.Err != nil {
		s.Error = requests.Err.Error()
	}
	return Status{Key: cfg.Key, Provider: s}
}

// report logs how a fetch ended, with further attributes.
func (v *vendor) report(r provider.Result, attrs ...any) {
	var refused *provider.APIError
	level, message := slog.LevelWarn, "the provider gives no credentials at present"
	switch {
	case r.Err == nil:
		level, message = slog.LevelInfo, "the provider gave credentials"
	case errors.As(r.Err, &refused) && refused.Permanent:
		level = slog.LevelError
	}
	if r.Repeated {
		level = slog.LevelDebug
	}
	if r.Next > 0 {
		attrs = append(attrs, "next_in", r.Next.Round(time.Second).String())
	}
	if r.Err != nil {
		attrs = append(attrs, "err", r.Err.Error())
	}
	log := v.logger()
	log.Log(context.Background(), level, message, attrs...)
	for _, note := range r.Notes {
		log.Log(context.Background(), level, "the provider's answer needs attention", "note", note)
	}
}
