package web

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// finding is something that needs attention.
type finding struct {
	Bad  bool   // users notice
	What string // a sentence
	More string // another one, or nothing
}

// verdict is what the page begins with: everything that needs attention, the worst
// first.
type verdict struct {
	Class    string // of page.css: "good", "warn" or "bad"
	Title    string
	Findings []finding
}

func newVerdict(s Status) verdict {
	var all []finding
	for _, f := range []*finding{linkFinding(s), forwardFinding(s), turnFinding(s), relayFinding(s.Relays), ownRelayFinding(s), providerFinding(s.Providers), configFinding(s.Config)} {
		if f != nil {
			all = append(all, *f)
		}
	}
	isBad := func(f finding) bool { return f.Bad }
	if s.Unready != "" && !slices.ContainsFunc(all, isBad) {
		all = append(all, finding{true, "Not ready.", sentence(s.Unready)})
	}
	slices.SortStableFunc(all, func(a, b finding) int {
		switch {
		case a.Bad == b.Bad:
			return 0
		case a.Bad:
			return -1
		}
		return 1
	})
	switch {
	case len(all) == 0:
		ready := finding{What: "Ready.", More: "Requests are answered."}
		if len(s.Links) == 0 {
			ready.More = "The relay runs."
		}
		return verdict{"good", "Ready", []finding{ready}}
	case all[0].Bad:
		return verdict{"bad", strings.TrimSuffix(all[0].What, "."), all}
	}
	return verdict{"warn", strings.TrimSuffix(all[0].What, "."), all}
}

// linkFinding reports links that are down or stand by. As long as one is up, its users
// notice nothing.
func linkFinding(s Status) *finding {
	var down, waiting []string
	for _, l := range s.Links {
		switch {
		case l.Standby:
			waiting = append(waiting, l.Name)
		case !l.Up:
			down = append(down, l.Name)
		}
	}
	switch n := len(s.Links); {
	case len(waiting) == n && n > 0:
		return &finding{What: "Standing by.", More: "The XMPP server has another connection for " + s.Links[0].JID + ". This instance takes over when that one ends."}
	case len(down) == 0 && len(waiting) > 0:
		return &finding{What: fmt.Sprintf("Standing by at %d of %d XMPP servers.", len(waiting), n), More: "They have another connection for us: " + strings.Join(waiting, ", ") + "."}
	case len(down) == 0:
		return nil
	case n == 1:
		return &finding{Bad: true, What: "Not connected to the XMPP server."}
	case len(down) == n:
		return &finding{Bad: true, What: "Not connected to any XMPP server."}
	default:
		return &finding{What: fmt.Sprintf("Not connected to %d of %d XMPP servers.", len(down), n), More: "Without a connection: " + strings.Join(down, ", ") + "."}
	}
}

// forwardFinding reports hosts that do not forward, of links that are up and whose hosts are
// all known.
func forwardFinding(s Status) *finding {
	idle, all := 0, 0
	for _, l := range s.Links {
		if !l.Up || slices.ContainsFunc(l.Hosts, func(h Host) bool { return h.Since.IsZero() }) {
			continue
		}
		for _, h := range l.Hosts {
			if all++; !h.Forwards {
				idle++
			}
		}
	}
	switch {
	case idle == 0:
		return nil
	case idle == all:
		return &finding{true, "Connected, but nobody asks us.", "No host forwards the requests of its users."}
	}
	return &finding{What: fmt.Sprintf("%d of %d hosts %s requests.", idle, all, plural(idle, "does not forward", "do not forward"))}
}

func turnFinding(s Status) *finding {
	if s.LostTURN.IsZero() {
		return nil
	}
	return &finding{true, "No TURN server is offered.", "The last one was lost " + ago(s.LostTURN, s.Now) + "; calls that need a relay fail."}
}

// relayFinding reports how many of the checked servers work.
func relayFinding(relays []Relay) *finding {
	checked, broken, attention, trying := 0, 0, 0, 0
	for _, r := range relays {
		if r.Health != Unknown {
			checked++
		}
		switch r.Health {
		case Sick, Refusing:
			broken++
		case Impaired:
			attention++
		case Undecided:
			trying++
		}
	}
	switch {
	case broken > 0 && broken+trying == checked:
		return &finding{true, "No server works.", fmt.Sprintf("%d %s checked.", checked, plural(checked, "was", "were"))}
	case broken > 0:
		return &finding{What: fmt.Sprintf("%d of %d servers %s.", checked-broken-trying, checked, plural(checked-broken-trying, "works", "work"))}
	case trying > 0 && trying == checked:
		return &finding{What: "No server has answered yet.", More: "They are being tried again."}
	case attention > 0:
		return &finding{What: fmt.Sprintf("%d of %d servers %s attention.", attention, checked, plural(attention, "needs", "need"))}
	}
	return nil
}

// shortCertificate is how long before its end a certificate needs attention.
const shortCertificate = 14 * 24 * time.Hour

// ownRelayFinding reports the relay of this process.
func ownRelayFinding(s Status) *finding {
	r := s.Relay
	switch {
	case r == nil:
		return nil
	case r.Off:
		return &finding{true, "The relay is off.", "Calls that need it fail; the log says why."}
	case !r.CertificateExpires.IsZero() && !s.Now.Before(r.CertificateExpires):
		return &finding{true, "The relay's certificate has expired.", "Nobody can connect over TLS."}
	case r.CertificateError != "":
		return &finding{What: "The relay's certificate cannot be read again.", More: "The one before stays in use."}
	case !r.CertificateExpires.IsZero() && r.CertificateExpires.Sub(s.Now) < shortCertificate:
		return &finding{What: "The relay's certificate expires " + ago(r.CertificateExpires, s.Now) + "."}
	case r.Draining:
		return &finding{What: "The relay is about to end.", More: "It makes no new allocations."}
	}
	return nil
}

func providerFinding(providers []Provider) *finding {
	empty := 0
	for _, p := range providers {
		if !p.OK && !p.PerUser && p.Asked {
			empty++
		}
	}
	if empty == 0 {
		return nil
	}
	return &finding{What: fmt.Sprintf("%d of %d providers %s no credential.", empty, len(providers), plural(empty, "has given", "have given"))}
}

func configFinding(c Reading) *finding {
	if c.OK {
		return nil
	}
	return &finding{What: "The configuration has faults.", More: "The previous one stays in force."}
}

func plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

// sentence makes a sentence of a clause.
func sentence(clause string) string {
	if clause == "" {
		return ""
	}
	return strings.ToUpper(clause[:1]) + strings.TrimSuffix(clause[1:], ".") + "."
}

// unsaidProblems returns the problems that the page does not show as the present
// state of a link, a server or a provider already.
func unsaidProblems(s Status) []Problem {
	return slices.DeleteFunc(slices.Clone(s.Problems), func(p Problem) bool {
		return slices.ContainsFunc(s.Links, func(l Link) bool {
			return !l.Up && p.Cure != "" && p.Cure == l.Cure && (p.Link == "" || p.Link == l.Name)
		}) || slices.ContainsFunc(s.Relays, func(r Relay) bool {
			return r.Cure != "" && p.Cure == r.Cure && strings.Contains(p.Details, r.URL)
		}) || slices.ContainsFunc(s.Providers, func(v Provider) bool {
			return v.Error != "" && strings.Contains(p.Details, v.Error)
		})
	})
}

// hostCures returns what to do about the hosts that do not forward, each once.
func hostCures(links []Link) (cures []string) {
	for _, l := range links {
		for _, h := range l.Hosts {
			if !h.Forwards && h.Cure != "" && !slices.Contains(cures, h.Cure) {
				cures = append(cures, h.Cure)
			}
		}
	}
	return cures
}

// linksUp returns how many links are up.
func linksUp(links []Link) int {
	up := 0
	for _, l := range links {
		if l.Up {
			up++
		}
	}
	return up
}

// healthLabel describes the state of a relay.
func healthLabel(r Relay) string {
	if r.Health != Undecided || r.Failures == 0 {
		return string(r.Health)
	}
	times := fmt.Sprintf("%d times", r.Failures)
	switch r.Failures {
	case 1:
		times = "once"
	case 2:
		times = "twice"
	}
	return "failed " + times + ", " + string(Undecided)
}
