// Package web serves over HTTP: health, readiness, metrics, a status page from
// which an administrator can try the relays in the browser, and credentials for
// services that are not XMPP clients (draft-uberti-behave-turn-rest-00).
//
// It knows nothing of XMPP, of TURN or of how metrics are kept; it asks a
// [Backend]. It refuses what a browser could be tricked into: the page answers to
// its own names only, and gives credentials only to who has its token, never to
// pages of other origins.
package web

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"extdisco/internal/limit"
	"extdisco/internal/secret"
)

// Backend is what a [Site] shows and gives out.
type Backend interface {
	// Unready returns why requests cannot be answered now and what to do, or ""
	// when they can.
	Unready(now time.Time) (why string)
	// Status returns what the page shows.
	Status(now time.Time) Status
	// Credentials returns what is on offer for a user of the named client. The
	// user may be empty.
	Credentials(ctx context.Context, client, user string, now time.Time) ([]ICEServer, error)
	// Trial returns everything that is configured, with credentials that live for
	// minutes where possible.
	Trial(ctx context.Context, now time.Time) ([]ICEServer, error)
	// Gave counts a request for credentials, by endpoint and outcome.
	Gave(endpoint, outcome string)
}

// Errors of a [Backend].
var (
	ErrLimited     = errors.New("too many requests; ask again later")
	ErrUnavailable = errors.New("no TURN server can be offered at present")
)

// ICEServer is servers that share a credential.
type ICEServer struct {
	URLs       []string
	Username   string // empty where none is needed
	Credential string
	Expires    time.Time // zero when the credential does not expire
}

// Client is a service that may ask for credentials.
type Client struct {
	Name string
	Key  secret.Secret
}

// Config says what a [Site] serves.
type Config struct {
	Hosts   []string      // names that the page is called by, besides localhost and IP addresses
	Token   secret.Secret // of the page's form; without one the page has no form
	Clients []Client      // without one there are no /turn and /ice
	Metrics http.Handler
	Backend Backend
	Log     *slog.Logger
}

// Site answers HTTP requests. Make one with [New].
type Site struct {
	cfg     Config
	mux     *http.ServeMux
	origins *http.CrossOriginProtection

	trials *limit.Limiter // of the button
	wrong  *limit.Limiter // keys and tokens, by network
	told   *limit.Limiter // lines in the log, by what they say
}

// Limits that are not configured.
var (
	trialRate = limit.Rates{Total: limit.Rate{Events: 10, Per: time.Minute}}
	wrongRate = limit.Rates{Key: limit.Rate{Events: 10, Per: time.Minute}}
	toldRate  = limit.Rates{Key: limit.Rate{Events: 1, Per: time.Minute}}
)

// Paths of the health checks, which are answered however busy the server is.
const (
	healthPath = "/healthz"
	readyPath  = "/readyz"
)

// New returns a site. Rates are counted from now.
func New(cfg Config, now time.Time) *Site {
	s := &Site{
		cfg: cfg, mux: http.NewServeMux(), origins: newOrigins(cfg.Hosts),
		trials: limit.New(trialRate, now), wrong: limit.New(wrongRate, now), told: limit.New(toldRate, now),
	}
	s.mux.HandleFunc("GET "+healthPath, s.healthz)
	s.mux.HandleFunc("GET "+readyPath, s.ownName(s.readyz))
	s.mux.HandleFunc("GET /metrics", s.ownName(cfg.Metrics.ServeHTTP))
	s.mux.HandleFunc("GET /{$}", s.ownName(s.page))
	s.mux.HandleFunc("GET /page.css", s.ownName(asset("page.css", "text/css; charset=utf-8")))
	s.mux.HandleFunc("GET /page.js", s.ownName(asset("page.js", "text/javascript; charset=utf-8")))
	s.mux.HandleFunc("POST /try", s.ownName(s.try))
	if len(cfg.Clients) > 0 {
		for path, endpoint := range map[string]endpoint{"/turn": turnEndpoint, "/ice": iceEndpoint} {
			s.mux.HandleFunc("GET "+path, s.rest(endpoint))
			s.mux.HandleFunc("POST "+path, s.rest(endpoint))
		}
	}
	return s
}

// healthz says that the process is alive. It tells nothing else, so anybody may ask.
func (s *Site) healthz(w http.ResponseWriter, _ *http.Request) {
	plain(w, http.StatusOK, "ok")
}

// readyz says whether requests can be answered, and if not why. What does not keep
// them from being answered follows, a line each.
func (s *Site) readyz(w http.ResponseWriter, _ *http.Request) {
	now := time.Now()
	if why := s.cfg.Backend.Unready(now); why != "" {
		plain(w, http.StatusServiceUnavailable, "not ready: "+why)
		return
	}
	text := "ready"
	if v := newVerdict(s.cfg.Backend.Status(now)); v.Class != "good" {
		for _, f := range v.Findings {
			text += "\n" + strings.TrimSpace(f.What+" "+f.More)
		}
	}
	plain(w, http.StatusOK, text)
}

func plain(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text + "\n"))
}
