package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"extdisco/internal/secret"
	"extdisco/turncred"
	vendorapi "extdisco/turncred/provider"
	"extdisco/xep0215"
)

// provider keeps what one provider gives ready to be offered. Its goroutine
// fetches; see [vendorapi.Refresher]. With per_user there is none, and each
// requester's credentials are fetched when it asks.
type provider struct {
	cfg    *providerConfig
	client *http.Client
	log    *slog.Logger

	current    atomic.Pointer[providerSet]
	refresher  *vendorapi.Refresher // nil with per_user
	perUser    *vendorapi.PerUser   // nil unless per_user
	pseudonyms *turncred.Pseudonyms
}

// providerSet is a set of credentials as it is offered.
type providerSet struct {
	groups   []*xep0215.Group
	down     []*xep0215.Group  // the same TURN servers without a credential, for when it has expired
	services []xep0215.Service // of all groups, with their credentials
	names    []string          // usernames, for revocation
	vendorapi.Set
}

// startProvider starts to fetch.
func startProvider(cfg *providerConfig, log *slog.Logger, now time.Time) *provider {
	p := newProvider(cfg, log)
	p.start(now)
	return p
}

func (p *provider) start(now time.Time) {
	fetch := p.cfg.api.Fetcher(p.client)
	if p.cfg.perUser {
		p.pseudonyms = turncred.NewPseudonyms(p.cfg.pseudonymKey())
		p.perUser = vendorapi.NewPerUser(fetch, p, vendorapi.PerUserConfig{Timeout: p.cfg.timeout, Rest: p.cfg.minRemaining,
			Fetches: p.cfg.perUserRate.Events, Per: p.cfg.perUserRate.Per}, now)
		return
	}
	p.refresher = vendorapi.NewRefresher(fetch, p)
	p.refresher.Start()
}

// status returns how the fetches went so far.
func (p *provider) status() vendorapi.Status {
	if p.perUser != nil {
		return p.perUser.Status()
	}
	return p.refresher.Status()
}

// pseudonymKey keys the pseudonyms by what is configured, secrets included, as the
// shared secret keys those of a TURN server of one's own.
func (c *providerConfig) pseudonymKey() secret.Secret { return secret.New(string(c.fingerprint[:])) }

func newProvider(cfg *providerConfig, log *slog.Logger) *provider {
	return &provider{cfg: cfg, client: vendorapi.NewHTTPClient(cfg.rootCAs, cfg.timeout),
		log: log.With("provider", cfg.name, "config", cfg.key)}
}

// Use implements [vendorapi.Sink]: it puts a set in force, or says why it cannot
// be offered.
func (p *provider) Use(user string, set vendorapi.Set) error {
	next, err := newProviderSet(set)
	if err == nil && user == "" {
		p.current.Store(next)
	}
	return err
}

// Report implements [vendorapi.Sink].
func (p *provider) Report(r vendorapi.Result) {
	var apiErr *vendorapi.APIError
	level, message := slog.LevelWarn, "the provider gives no credentials at present"
	switch {
	case r.Err == nil:
		level, message = slog.LevelInfo, "the provider gave credentials"
	case errors.As(r.Err, &apiErr) && apiErr.Permanent:
		level = slog.LevelError
	}
	if r.Repeated {
		level = slog.LevelDebug
	}
	var attrs []any
	if r.Next > 0 {
		attrs = append(attrs, "next_in", r.Next.Round(time.Second).String())
	}
	if current := p.current.Load(); current != nil {
		attrs = append(attrs, "good_until", current.Expires.Format(time.RFC3339))
	}
	if r.Err != nil {
		attrs = append(attrs, "err", r.Err.Error())
	}
	p.log.Log(context.Background(), level, message, attrs...)
	for _, note := range r.Notes {
		p.log.Log(context.Background(), max(level, slog.LevelDebug), "the provider's answer needs attention", "note", note)
	}
}

// groups returns what can be offered to the requester at now.
func (p *provider) groups(requester []byte, now time.Time) []*xep0215.Group {
	if p.perUser != nil {
		set, err := p.perUser.Get(p.user(requester), now)
		if err != nil || len(set.Servers) == 0 {
			return nil
		}
		own, err := newProviderSet(set)
		if err != nil {
			p.log.Debug("the provider gave a requester what cannot be offered", "err", err.Error())
			return nil
		}
		return own.groups
	}
	current := p.current.Load()
	switch {
	case current == nil:
		return nil
	case now.After(current.Until(p.cfg.minRemaining)):
		return current.down
	}
	return current.groups
}

// hasAnything reports whether there is something to offer, or will be when it is asked for.
func (p *provider) hasAnything() bool { return p.perUser != nil || p.current.Load() != nil }

// prepare returns a channel that is closed when groups has something to say for
// the requester, or nil when it has already.
func (p *provider) prepare(requester []byte, now time.Time) <-chan struct{} {
	if p.perUser != nil {
		return p.perUser.Prepare(p.user(requester), now)
	}
	select {
	case <-p.refresher.First():
		return nil
	default:
		return p.refresher.First()
	}
}

func (p *provider) user(requester []byte) string { return string(p.pseudonyms.Append(nil, requester)) }

// close stops fetching. At the exit of the program the credentials are taken back
// if the configuration says so; after a reload, calls that use them go on.
func (p *provider) close(atExit bool) {
	if p.perUser != nil {
		p.perUser.Close()
	} else {
		p.refresher.Close()
	}
	if atExit {
		p.revoke()
	}
	p.client.CloseIdleConnections()
}

// revoke takes back what was given, in less time than an exit may take.
func (p *provider) revoke() {
	current := p.current.Load()
	if p.cfg.revocation == nil || current == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), min(p.cfg.timeout, 2*time.Second))
	defer cancel()
	for _, name := range current.names {
		if err := p.cfg.revocation(name).Send(ctx, p.client); err != nil {
			p.log.Warn("a credential was not taken back; it stays good until it expires", "err", err.Error())
		}
	}
}

// newProviderSet checks what a provider gave. URLs that clients cannot use are
// left out; a credential that XML cannot carry, or nothing usable, is an error.
func newProviderSet(set vendorapi.Set) (*providerSet, error) {
	out := &providerSet{Set: set}
	seen := map[xep0215.Key]bool{}
	var refused []string
	for _, server := range set.Servers {
		var services []xep0215.Service
		for _, url := range server.URLs {
			s, err := xep0215.ParseURI(url)
			if err != nil {
				refused = append(refused, "a URL that clients cannot use")
				continue
			}
			if !seen[s.Key()] {
				seen[s.Key()] = true
				services = append(services, s)
			}
		}
		if len(services) == 0 {
			continue
		}
		for _, s := range services {
			if s.Restricted {
				s.Username, s.Password, s.Expires = server.Username, string(server.Password.Reveal()), set.Expires
			}
			out.services = append(out.services, s)
		}
		out.groups = append(out.groups, xep0215.NewGroup(fetchedCredential{server, set.Expires}, services...))
		if server.Username != "" {
			out.down = append(out.down, xep0215.NewGroup(expiredCredential{}, restricted(services)...))
			out.names = append(out.names, server.Username)
		}
	}
	if len(out.groups) == 0 {
		return nil, fmt.Errorf("the answer names no server that clients can use: %s", strings.Join(refused, "; "))
	}
	return out, nil
}

func restricted(services []xep0215.Service) []xep0215.Service {
	return xep0215.Select(services, xep0215.Request{Credentials: []xep0215.Filter{{}}})
}

// expiredCredential stands for a credential that the provider has not renewed.
// Its services count as being there, so that who asks for them is told to come
// back and not that there are none.
type expiredCredential struct{}

var errExpired = errors.New("the provider has given nothing new")

// Issue implements [xep0215.Issuer].
func (expiredCredential) Issue(*xep0215.Credential, []byte, time.Time) error { return errExpired }

// fetchedCredential issues what a provider gave.
type fetchedCredential struct {
	server  vendorapi.Server
	expires time.Time
}

// Issue implements [xep0215.Issuer].
func (f fetchedCredential) Issue(c *xep0215.Credential, _ []byte, _ time.Time) error {
	c.Username = append(c.Username[:0], f.server.Username...)
	c.Password = append(c.Password[:0], f.server.Password.Reveal()...)
	c.Expires = f.expires
	return nil
}
