package source

import (
	"time"

	"extdisco/internal/config"
	"extdisco/turncred"
	"extdisco/turncred/provider"
	"extdisco/xep0215"
)

// perUser fetches for each requester when it asks.
type perUser struct {
	*api
	fetcher    *provider.PerUser
	pseudonyms *turncred.Pseudonyms
}

func newPerUser(a *api, now time.Time) *perUser {
	cfg := a.cfg.Load()
	return &perUser{
		api: a, pseudonyms: turncred.NewPseudonyms([]byte(cfg.PseudonymKey().Reveal())),
		fetcher: provider.NewPerUser(a.fetch, cfg.Timeout, cfg.MinRemaining, cfg.PerUserRate, now),
	}
}

// Groups implements [Source].
func (p *perUser) Groups(requester []byte, now time.Time) []*xep0215.Group {
	given, err := p.fetcher.Get(p.user(requester), now)
	if err != nil || len(given.Servers) == 0 {
		return nil
	}
	set, err := newSet(given)
	if err != nil {
		p.logger().Debug("the provider gave a requester what cannot be offered", "err", err.Error())
		return nil
	}
	return set.groups
}

// Prepare implements [Source].
func (p *perUser) Prepare(requester []byte, now time.Time) <-chan struct{} {
	return p.fetcher.Prepare(p.user(requester), now)
}

func (p *perUser) user(requester []byte) string { return string(p.pseudonyms.Append(nil, requester)) }

// Good implements [Source]. Of a provider that is asked for each requester it is hoped.
func (p *perUser) Good(time.Time) bool { return true }

// ForTrial implements [Source].
func (p *perUser) ForTrial() Source { return p }

// Status implements [Source].
func (p *perUser) Status(time.Time) Status {
	key, status := p.api.status()
	status.PerUser = true
	return Status{Key: key, Provider: status}
}

// Adopt implements [Provider].
func (p *perUser) Adopt(cfg *config.Provider) bool { return p.adopt(cfg) }

// Close implements [Source].
func (p *perUser) Close(bool) {
	p.fetcher.Close()
	p.client.CloseIdleConnections()
}
