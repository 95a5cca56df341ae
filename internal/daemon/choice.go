package daemon

import (
	"bytes"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"extdisco/component"
	"extdisco/internal/config"
	"extdisco/internal/geoip"
	"extdisco/internal/probe"
	"extdisco/internal/rendezvous"
	"extdisco/internal/source"
	"extdisco/turncred"
	"extdisco/xep0215"
)

// requester is who is to be answered.
type requester struct {
	name    []byte     // bare JID, or another name that stays the same
	fetcher []byte     // for whom providers are asked, which is mostly the same
	address netip.Addr // that the requester comes from; the zero value where that is not known
}

// domain returns the domain of a requester: of a bare JID, and of names that begin with a host or
// the name of a [[rest_client]].
func (r requester) domain() []byte {
	name := r.name
	if i := bytes.IndexByte(name, '/'); i >= 0 {
		name = name[:i]
	}
	return domainOf(name)
}

// choice decides which servers of an offer a requester is given. It depends on nothing but the
// configuration, the requester, and which servers work: nothing is kept by user, and a reload or
// a restart changes nothing.
type choice struct {
	most      int  // offer.servers, or more than there are
	limited   bool // whether offer.servers is set
	hides     bool // probe.hide_unhealthy
	servers   []candidate
	classes   []class // by domain; the last one is of all others
	countries *geoip.Database
	users     *turncred.Pseudonyms        // in place of names, which users choose themselves
	fitness   atomic.Pointer[[]fitnessOf] // by server
}

// candidate is a server in a choice.
type candidate struct {
	id       uint64 // stays the same wherever it stands in the configuration
	relays   bool   // has TURN, or is a provider
	provider bool
	config.Choice
}

// class is the requesters who may be given the same servers.
type class struct {
	domain  *component.Access // nil for all others
	allowed []bool            // by server
	rates   []float64
}

// fitnessOf says how well the TURN services of a server do. Worse is more.
type fitnessOf uint8

const (
	works   fitnessOf = iota // one of them, or nothing is known
	refuses                  // they refuse our credentials, or are down
	isDown                   // all of them
)

// newChoice returns the choice among servers; nil where everybody is given all of them.
func newChoice(cfg *config.Config, servers []config.ICEServer, users *turncred.Pseudonyms) *choice {
	c := &choice{most: math.MaxInt, hides: cfg.Probe.HideUnhealthy, countries: cfg.Offer.Countries, users: users}
	if cfg.Offer.Servers > 0 {
		c.most, c.limited = cfg.Offer.Servers, true
	}
	var domains []string
	seen := map[string]int{}
	for _, s := range servers {
		domains = append(domains, s.Choice.Domains...)
		name := identity(s)
		if seen[name]++; seen[name] > 1 {
			name += "#" + strconv.Itoa(seen[name])
		}
		relays := s.Provider != nil || slices.ContainsFunc(s.Services, func(v xep0215.Service) bool { return v.Restricted })
		c.servers = append(c.servers, candidate{rendezvous.Hash([]byte(name)), relays, s.Provider != nil, s.Choice})
	}
	if !c.limited && len(domains) == 0 {
		return nil
	}
	slices.Sort(domains)
	for _, domain := range slices.Compact(domains) {
		c.classes = append(c.classes, c.class(domain))
	}
	c.classes = append(c.classes, c.class(""))
	fitness := make([]fitnessOf, len(servers))
	c.fitness.Store(&fitness)
	return c
}

// identity returns what a server is called in scores: where its first TURN service is, so that
// other changes move nobody.
func identity(s config.ICEServer) string {
	if s.Provider != nil {
		return "provider " + s.Provider.Name
	}
	for _, v := range s.Services {
		if v.Restricted {
			k := v.Key()
			return k.Host + ":" + strconv.Itoa(int(k.Port))
		}
	}
	return ""
}

// class returns the requesters of a domain; "" stands for none that is named.
func (c *choice) class(domain string) class {
	out := class{}
	if domain != "" {
		out.domain = component.NewAccess([]string{domain})
	}
	var weights []float64
	for _, s := range c.servers {
		allowed := len(s.Domains) == 0 || domain != "" && component.NewAccess(s.Domains).Allows([]byte(domain))
		out.allowed = append(out.allowed, allowed)
		weight := 0.0
		if allowed && s.relays {
			weight = float64(s.Weight)
		}
		weights = append(weights, weight)
	}
	out.rates = weights
	if c.limited {
		out.rates = rendezvous.Rates(weights, c.most)
	}
	return out
}

// of returns the class of a requester.
func (c *choice) of(domain []byte) *class {
	last := len(c.classes) - 1
	for i := range c.classes[:last] {
		if c.classes[i].domain.Allows(domain) {
			return &c.classes[i]
		}
	}
	return &c.classes[last]
}

// follow takes note of which servers work.
func (c *choice) follow(servers []config.ICEServer, all []probe.Health) {
	state := map[xep0215.Key]probe.State{}
	for _, h := range all {
		state[keyOf(h.Server)] = h.State
	}
	fitness := make([]fitnessOf, len(servers))
	for i, s := range servers {
		best := isDown
		for _, v := range s.Services {
			switch is := state[v.Key()]; {
			case !v.Restricted:
			case is == probe.Down:
			case is == probe.Misconfigured:
				best = min(best, refuses)
			default:
				best = works
			}
		}
		if c.servers[i].relays && !c.servers[i].provider {
			fitness[i] = best
		}
	}
	c.fitness.Store(&fitness)
}

// isDown reports whether the whole server is down that a service is one of. Then the choice leaves it
// out, for those who are given another.
func (c *choice) isDown(servers []config.ICEServer, k xep0215.Key) bool {
	for i, s := range servers {
		if c != nil && (*c.fitness.Load())[i] == isDown && slices.ContainsFunc(s.Services, func(v xep0215.Service) bool { return v.Key() == k }) {
			return true
		}
	}
	return false
}

// wantsAddresses reports whether it matters where requesters come from.
func (c *choice) wantsAddresses() bool {
	return c != nil && c.limited && slices.ContainsFunc(c.servers, func(s candidate) bool { return len(s.Networks)+len(s.Countries) > 0 })
}

// selection is the room that a choice needs.
type selection struct {
	groups []*xep0215.Group
	parts  []*source.Part // by server; nil for those that the requester cannot be given at present
	order  []place
	chosen []bool // by server
	user   []byte
}

// place is a server in the order of preference.
type place struct {
	server int
	rank   uint8
	score  float64
}

// rank puts the servers that a requester may be given in order of preference: those that work and
// are to be used, those that are near, and then by score.
func (c *choice) rank(s *selection, cl *class, who requester) {
	s.user = c.users.Append(s.user[:0], who.name)
	user, fitness := rendezvous.Hash(s.user), *c.fitness.Load()
	country := geoip.Country{}
	if c.countries != nil {
		country = c.countries.Country(who.address)
	}
	s.order = s.order[:0]
	for i := range c.servers {
		server := &c.servers[i]
		if !cl.allowed[i] || !server.relays {
			continue
		}
		p := place{server: i, rank: server.distance(who.address, country), score: rendezvous.Score(user, server.id, cl.rates[i])}
		if fitness[i] != works || server.Weight == 0 {
			p.rank += farthest + 1
		}
		at := len(s.order)
		s.order = append(s.order, p)
		for ; at > 0 && p.before(s.order[at-1]); at-- {
			s.order[at] = s.order[at-1]
		}
		s.order[at] = p
	}
}

func (p place) before(other place) bool {
	return p.rank < other.rank || p.rank == other.rank && p.score < other.score
}

// Distances of a server: somebody is in its region, it has none, somebody is elsewhere.
const (
	near uint8 = iota
	neutral
	farthest
)

func (s *candidate) distance(a netip.Addr, country geoip.Country) uint8 {
	if !a.IsValid() || len(s.Networks)+len(s.Countries) == 0 {
		return neutral
	}
	for _, network := range s.Networks {
		if network.Contains(a) {
			return near
		}
	}
	if country != (geoip.Country{}) && slices.Contains(s.Countries, country) {
		return near
	}
	return farthest
}

// groups returns what is on offer for the requester at now. It stays valid until the selection is
// used again.
func (c *choice) groups(s *selection, sources []source.Source, who requester, now time.Time) []*xep0215.Group {
	cl := c.of(who.domain())
	s.parts, s.chosen = s.parts[:0], s.chosen[:0]
	for i, src := range sources {
		var part *source.Part
		if cl.allowed[i] {
			part = src.Part(who.fetcher, now)
		}
		s.parts, s.chosen = append(s.parts, part), append(s.chosen, false)
	}
	c.rank(s, cl, who)
	left := c.choose(s, c.most, true)
	c.choose(s, left, false) // rather than none: clients are told to ask again
	c.leaveOutDown(s)
	s.groups = s.groups[:0]
	stun := source.MaxSTUN
	for i, part := range s.parts {
		switch {
		case part == nil:
		case c.servers[i].relays && part.TURN && !s.chosen[i], c.servers[i].relays && !c.servers[i].provider && !s.chosen[i]:
			s.groups = append(s.groups, part.Hidden()...)
		case c.limited:
			groups, n := part.Limited(stun)
			stun -= n
			s.groups = append(s.groups, groups...)
		default:
			s.groups = append(s.groups, part.Groups...)
		}
	}
	return s.groups
}

// choose marks the first servers of the order, at most so many, of those that have credentials at
// present or have none. It returns how many are still to be chosen.
func (c *choice) choose(s *selection, left int, good bool) int {
	for _, p := range s.order {
		if left == 0 {
			break
		}
		if part := s.parts[p.server]; part != nil && part.TURN && part.Good == good {
			s.chosen[p.server] = true
			left--
		}
	}
	return left
}

// leaveOutDown takes back the servers that are down, where that is wanted and one that is not was
// chosen too.
func (c *choice) leaveOutDown(s *selection) {
	fitness := *c.fitness.Load()
	someWork := false
	for i, chosen := range s.chosen {
		someWork = someWork || chosen && fitness[i] != isDown && s.parts[i].Good
	}
	for i := range s.chosen {
		if c.hides && someWork && fitness[i] == isDown {
			s.chosen[i] = false
		}
	}
}

// prepare returns the channels that are closed once the sources that are chosen are ready or have
// given up. Providers that are not chosen are not asked.
func (c *choice) prepare(s *selection, sources []source.Source, who requester, now time.Time) []<-chan struct{} {
	c.rank(s, c.of(who.domain()), who)
	var open []<-chan struct{}
	left := c.most
	for _, p := range s.order {
		if left == 0 {
			break
		}
		src := sources[p.server]
		if wait := src.Prepare(who.fetcher, now); wait != nil {
			open = append(open, wait)
			left--
		} else if part := src.Part(who.fetcher, now); part != nil && part.TURN && part.Good {
			left--
		}
	}
	return open
}

// relays returns how many TURN services an answer can have at most.
func (c *choice) relays(sources []source.Source, fetcher []byte, now time.Time) int {
	var counts []int
	for _, src := range sources {
		if part := src.Part(fetcher, now); part != nil {
			counts = append(counts, part.Relays())
		}
	}
	slices.Sort(counts)
	slices.Reverse(counts)
	sum := 0
	for _, n := range counts[:min(len(counts), c.most)] {
		sum += n
	}
	return sum
}
