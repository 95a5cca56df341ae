package source

import (
	"time"

	"extdisco/internal/config"
	"extdisco/turncred"
	"extdisco/turncred/provider"
)

// perUser fetches for each requester when it asks. It implements [Provider] and
// [provider.Sink].
type perUser struct {
	*vendor
	fetcher    *provider.PerUser
	pseudonyms *turncred.Pseudonyms
}

func newPerUser(v *vendor, now time.Time) *perUser {
	cfg := v.cfg.Load()
	p := &perUser{vendor: v, pseudonyms: turncred.NewPseudonyms([]byte(cfg.PseudonymKey().Reveal()))}
	p.fetcher = provider.NewPerUser(cfg.API.Fetcher(v.client), p, provider.PerUserConfig{
		Timeout: cfg.Timeout, Rest: cfg.MinRemaining, Fetches: cfg.PerUserRate.Events, Per: cfg.PerUserRate.Per,
	}, now)
	return p
}

// Use implements [provider.Sink]. The set is kept by the fetcher.
func (p *perUser) Use(_ string, given provider.Set) error {
	_, err := newSet(given, p.cfg.Load())
	return err
}

// Report implements [provider.Sink].
func (p *perUser) Report(r provider.Result) { p.report(r) }

// Part implements [Source].
func (p *perUser) Part(requester []byte, now time.Time) *Part {
	given, err := p.fetcher.Get(p.user(requester), now)
	if err != nil || len(given.Servers) == 0 {
		return nil
	}
	set, err := newSet(given, p.cfg.Load())
	if err != nil {
		return nil // which was reported
	}
	return set.part
}

// Prepare implements [Source].
func (p *perUser) Prepare(requester []byte, now time.Time) <-chan struct{} {
	return p.fetcher.Prepare(p.user(requester), now)
}

func (p *perUser) user(requester []byte) string { return string(p.pseudonyms.Append(nil, requester)) }

// Good implements [Source]. Whether this provider has credentials is not known until a user asks.
func (p *perUser) Good(time.Time) bool { return true }

// ForTrial implements [Source].
func (p *perUser) ForTrial() Source { return p }

// Status implements [Source].
func (p *perUser) Status(time.Time) Status { return p.status(p.fetcher.Status()) }

// Adopt implements [Provider].
func (p *perUser) Adopt(cfg *config.Provider) bool { return p.adopt(cfg) }

// Close implements [Source].
func (p *perUser) Close(bool) {
	p.fetcher.Close()
	p.client.CloseIdleConnections()
}
