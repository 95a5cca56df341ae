package daemon

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"extdisco/internal/config"
)

// links are the links in force, in the order of the configuration. The goroutine of
// [Run] replaces them; everybody may read them.
type links struct{ list atomic.Pointer[[]*link] }

// all returns the links.
func (l *links) all() []*link {
	if list := l.list.Load(); list != nil {
		return *list
	}
	return nil
}

// linkPlan is how to get from the present links to those of a configuration.
type linkPlan struct {
	components []config.Component
	next       []*link // one for each of components
	fresh      []*link // those of next that do not run yet
	gone       []*link // those that run and are not in next
}

// planLinks plans the links of the components. One whose settings did not change goes on.
func (d *daemon) planLinks(components []config.Component) (*linkPlan, error) {
	p := &linkPlan{components: components, gone: slices.Clone(d.links.all())}
	for _, c := range components {
		if l := p.keep(c); l != nil {
			p.next = append(p.next, l)
			continue
		}
		l, err := d.newLink(c)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", c.Key, err)
		}
		p.next, p.fresh = append(p.next, l), append(p.fresh, l)
	}
	for _, fresh := range p.fresh { // what has the name of one that ends goes on counting
		for _, gone := range p.gone {
			if gone.name() == fresh.name() {
				fresh.counts = gone.counts
			}
		}
	}
	return p, nil
}

// keep takes the link with the settings of c out of those that end; nil if there is none.
func (p *linkPlan) keep(c config.Component) *link {
	for i, l := range p.gone {
		if cfg, _, _ := l.now(); cfg.SameLink(c) {
			p.gone = slices.Delete(p.gone, i, i+1)
			return l
		}
	}
	return nil
}

// changes reports whether a link begins or ends.
func (p *linkPlan) changes() bool { return len(p.fresh)+len(p.gone) > 0 }

// changed returns the names of the links that begin or end.
func (p *linkPlan) changed() []string {
	var names []string
	for _, l := range slices.Concat(p.gone, p.fresh) {
		if name := l.name(); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// follow carries out a plan. Links end before others begin: the server may know both by
// one address.
func (d *daemon) follow(p *linkPlan) {
	closeAll(p.gone)
	for i, l := range p.next {
		l.call(p.components[i], len(p.next) == 1)
	}
	d.links.list.Store(&p.next)
	for _, l := range p.fresh {
		l.start()
	}
}

// closeAll ends links politely, all at once, and waits for them.
func closeAll(list []*link) {
	var ends sync.WaitGroup
	for _, l := range list {
		ends.Go(l.close)
	}
	ends.Wait()
}

// close ends the component politely and waits for it.
func (l *link) close() {
	if l.stop != nil {
		l.stop()
		<-l.done
	}
}

func (l *link) name() string {
	cfg, _, _ := l.now()
	return cfg.Name
}

// lastTurn returns when that link was last seen to go round its loop for which it is
// longest ago; now without links.
func (l *links) lastTurn(now time.Time) time.Time {
	oldest := now
	for _, one := range l.all() {
		if last := one.component.LastTurn(); last.Before(oldest) {
			oldest = last
		}
	}
	return oldest
}

// unready returns why no link brings requests that can be answered, and what to do, a line
// each; or nothing when one does.
func (l *links) unready() string {
	all := l.all()
	var why []string
	for _, one := range all {
		reason := one.unready()
		if reason == "" {
			return ""
		}
		if len(all) > 1 {
			reason = one.name() + ": " + reason
		}
		why = append(why, reason)
	}
	return strings.Join(why, "\n")
}

// statusNamed is how many links a status line is explicit about.
const statusNamed = 3

// status returns a line for the service manager.
func (l *links) status() string {
	all := l.all()
	if len(all) == 1 {
		return all[0].status()
	}
	up, troubles := 0, []string{}
	for _, one := range all {
		cfg, state, _ := one.now()
		if state.up {
			up++
		}
		if !state.up || silence(one.hosts()) != "" {
			troubles = append(troubles, cfg.Name+": "+one.status())
		}
	}
	if more := len(troubles) - statusNamed; more > 0 {
		troubles = append(troubles[:statusNamed], fmt.Sprintf("and %d more", more))
	}
	line := fmt.Sprintf("connected to %d of %d XMPP servers", up, len(all))
	return strings.Join(append([]string{line}, troubles...), "; ")
}
