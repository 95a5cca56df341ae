package daemon

import (
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"extdisco/component"
	"extdisco/internal/config"
	"extdisco/internal/limit"
	"extdisco/internal/source"
	"extdisco/turncred"
	"extdisco/xep0215"
)

// offer is what a configuration offers to whom: who is served, how often, and with
// what. A reload puts another offer in its place.
type offer struct {
	cfg     *config.Config
	servers []config.ICEServer // of the answer, in order: the relay of our own, then each [[ice_server]]
	access  *component.Access
	denied  *component.Access // never served, whatever access says
	limiter *limit.Limiter
	sources []source.Source // one for each of servers
	own     []*source.Own   // those of them that can hide services
	health  *health         // nil without [probe]
	choice  *choice         // nil when everybody is offered everything

	fixed      atomic.Pointer[[]*xep0215.Group] // all groups, when every source is one of own
	pseudonyms *turncred.Pseudonyms             // for the choice, and for audit lines of credentials that have none
	selections sync.Pool                        // of *selection
}

// newOffer returns the offer of a configuration with these servers. What previous has counted goes on
// counting where the limits are the same, and its providers go on where they are the
// same; previous may be nil.
func newOffer(cfg *config.Config, servers []config.ICEServer, previous *offer, log *slog.Logger, now time.Time) *offer {
	o := &offer{cfg: cfg, servers: servers, access: component.NewAccess(cfg.Access.Allow), denied: component.NewAccess(cfg.Access.Deny), pseudonyms: source.LinkPseudonyms(cfg)}
	if previous != nil && previous.cfg.Limits == cfg.Limits {
		o.limiter = previous.limiter
	} else {
		o.limiter = limit.New(limit.Rates{Key: cfg.Limits.PerJID, Group: cfg.Limits.PerDomain, Total: cfg.Limits.Total}, now)
	}
	for _, s := range servers {
		if s.Provider != nil {
			o.sources = append(o.sources, previous.provider(s.Provider, log, now))
			continue
		}
		own := source.NewOwn(s)
		o.sources, o.own = append(o.sources, own), append(o.own, own)
	}
	o.choice = newChoice(cfg, servers, o.pseudonyms)
	o.hide(nil)
	if cfg.Probe.On {
		o.health = startHealth(o, previous, log)
	}
	return o
}

// provider returns the source of a provider: the one that o has, if it may go on, or
// a new one.
func (o *offer) provider(cfg *config.Provider, log *slog.Logger, now time.Time) source.Provider {
	if o != nil {
		for _, s := range o.sources {
			if p, ok := s.(source.Provider); ok && p.Adopt(cfg) {
				return p
			}
		}
	}
	return source.StartProvider(cfg, source.NewHTTPClient(cfg), log, now)
}

// hide leaves services out of lists from now on.
func (o *offer) hide(hidden map[xep0215.Key]bool) {
	for _, own := range o.own {
		own.Hide(hidden)
	}
	o.fix()
}

// fix puts together what is on offer, where that is the same for all requesters.
func (o *offer) fix() {
	if len(o.own) != len(o.sources) || o.choice != nil {
		return
	}
	var fixed []*xep0215.Group
	for _, own := range o.own {
		fixed = append(fixed, own.Part(nil, time.Time{}).Groups...)
	}
	o.fixed.Store(&fixed)
}

// selection returns room for a choice; done gives it back.
func (o *offer) selection() *selection {
	if s, ok := o.selections.Get().(*selection); ok {
		return s
	}
	return new(selection)
}

func (o *offer) done(s *selection) { o.selections.Put(s) }

// groups returns what is on offer for the requester at now. It stays valid until the
// selection is used again.
func (o *offer) groups(s *selection, who requester, now time.Time) []*xep0215.Group {
	if fixed := o.fixed.Load(); fixed != nil {
		return *fixed
	}
	if o.choice != nil {
		return o.choice.groups(s, o.sources, who, now)
	}
	s.groups = s.groups[:0]
	for _, src := range o.sources {
		if part := src.Part(who.fetcher, now); part != nil {
			s.groups = append(s.groups, part.Groups...)
		}
	}
	return s.groups
}

// forTrial returns what is on offer with credentials that live for minutes where that
// can be chosen.
func (o *offer) forTrial(requester []byte, now time.Time) []*xep0215.Group {
	var groups []*xep0215.Group
	for _, s := range o.sources {
		if part := s.ForTrial().Part(requester, now); part != nil {
			groups = append(groups, part.Groups...)
		}
	}
	return groups
}

// prepare returns the channels that are closed once the sources that the requester is
// answered from are ready or have given up; none when groups can be asked at once.
func (o *offer) prepare(who requester, now time.Time) []<-chan struct{} {
	switch {
	case len(o.own) == len(o.sources):
		return nil
	case o.choice == nil:
		return o.prepareAll(who.fetcher, now)
	}
	s := o.selection()
	defer o.done(s)
	return o.choice.prepare(s, o.sources, who, now)
}

// prepareAll is prepare for an answer from all sources.
func (o *offer) prepareAll(requester []byte, now time.Time) []<-chan struct{} {
	var open []<-chan struct{}
	for _, s := range o.sources {
		if c := s.Prepare(requester, now); c != nil {
			open = append(open, c)
		}
	}
	return open
}

// hasSomething reports whether there is something to offer at now.
func (o *offer) hasSomething(now time.Time) bool {
	for _, s := range o.sources {
		if s.Good(now) {
			return true
		}
	}
	return false
}

// close ends the checks, and the sources that next does not use; all of them when
// there is no next.
func (o *offer) close(next *offer) {
	if o.health != nil {
		o.health.monitor.Close()
	}
	for _, s := range o.sources {
		if !next.uses(s) {
			s.Close(next == nil)
		}
	}
}

func (o *offer) uses(wanted source.Source) bool {
	if o == nil {
		return false
	}
	for _, s := range o.sources {
		if s == wanted {
			return true
		}
	}
	return false
}

// offers holds the offer in force.
type offers struct {
	current atomic.Pointer[offer]
	waits   sync.WaitGroup // for several sources at once
}

func newOffers(first *offer) *offers {
	o := new(offers)
	o.current.Store(first)
	return o
}

// now returns the offer in force.
func (o *offers) now() *offer { return o.current.Load() }

// replace replaces the offer. Requests that are being answered are answered from the
// previous one.
func (o *offers) replace(make func(previous *offer) *offer) {
	previous := o.now()
	next := make(previous)
	o.current.Store(next)
	previous.close(next)
}

// join returns a channel that is closed when all others are; nil for none.
func (o *offers) join(open []<-chan struct{}) <-chan struct{} {
	switch len(open) {
	case 0:
		return nil
	case 1:
		return open[0]
	}
	all := make(chan struct{})
	o.waits.Go(func() { // ends soon: the sources have timeouts
		for _, c := range open {
			<-c
		}
		close(all)
	})
	return all
}

// close ends what the offer keeps running. The link must be closed before.
func (o *offers) close() {
	o.now().close(nil)
	o.waits.Wait()
}
