package source

import (
	"log/slog"
	"net/http"
	"time"

	"extdisco/internal/config"
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
	a := newAPI(cfg, client, log)
	if cfg.PerUser {
		return newPerUser(a, now)
	}
	return startShared(a)
}
