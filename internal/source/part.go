package source

import (
	"sync"

	"extdisco/xep0215"
)

// MaxSTUN is how many services without credentials an answer has when servers are chosen for it: a
// client needs one, and a second for when that one is down.
const MaxSTUN = 2

// Part is what a source adds to an answer. It does not change once made.
type Part struct {
	Groups []*xep0215.Group // all services
	TURN   bool             // whether there are some with credentials
	Good   bool             // whether those have credentials at present

	once    sync.Once // fills in the rest, which only those need who choose
	limited [MaxSTUN + 1][]*xep0215.Group
	stun    int // how many services need no credentials
	hidden  []*xep0215.Group
}

// newPart returns what groups add.
func newPart(groups []*xep0215.Group, good bool) *Part {
	p := &Part{Groups: groups, Good: good}
	p.TURN = p.Relays() > 0
	return p
}

// divide makes what there is for those who are given less than all.
func (p *Part) divide() {
	for most := range p.limited {
		seen := 0
		for _, g := range p.Groups {
			p.limited[most] = append(p.limited[most], g.Hide(func(k xep0215.Key) bool {
				if xep0215.NeedsCredentials(k.Type) {
					return false
				}
				seen++
				return seen > most
			}))
		}
		p.stun = seen
	}
	for _, g := range p.Groups {
		p.hidden = append(p.hidden, g.Hide(func(xep0215.Key) bool { return true }))
	}
}

// Limited returns the services, with at most so many that need no credentials, and how many those
// are.
func (p *Part) Limited(most int) ([]*xep0215.Group, int) {
	p.once.Do(p.divide)
	most = min(most, p.stun, MaxSTUN)
	return p.limited[most], most
}

// Hidden returns the services for those for whom the source is not chosen: they are not listed, and
// whoever was given one before gets its credentials.
func (p *Part) Hidden() []*xep0215.Group {
	p.once.Do(p.divide)
	return p.hidden
}

// Relays returns how many listed services have credentials.
func (p *Part) Relays() int {
	n := 0
	for _, g := range p.Groups {
		for _, k := range g.Keys() {
			if xep0215.NeedsCredentials(k.Type) {
				n++
			}
		}
	}
	return n
}
