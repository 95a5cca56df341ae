package xep0215

import (
	"strings"
	"time"

	"extdisco/turncred"
)

// Issuer gives requesters the credential for a group of services. Those of
// package turncred are Issuers.
type Issuer interface {
	// Issue fills c for the requester, who is named by the bare JID. c comes
	// empty, but with slices to append to. If Issue leaves it without username or
	// password, there is no credential at present, and the services that need one
	// are left out of the answer. Issue is called from several goroutines at once.
	Issue(c *turncred.Credential, requester []byte, now time.Time)
}

// Group is services that share one credential. It does not change once made.
type Group struct {
	issuer  Issuer
	all     []groupEntry
	entries []groupEntry // of all, those that are listed; see Hide
	whole   [][]byte     // the same; see joined
	// localized has the group with names in other languages, by language tag in
	// lower case. They have none themselves.
	localized map[string]*Group
}

type groupEntry struct {
	service    Service
	key        Key
	restricted bool
	head, tail []byte // the service element before and after the credential
}

// NewGroup returns a group of services. Services that need credentials, see
// [NeedsCredentials], get them from issuer; if it is nil, they are left out of
// every answer. Of the services, Type, Host, Port, Transport, Name, Names and Info
// are used.
func NewGroup(issuer Issuer, services ...Service) *Group {
	g := newGroup(issuer, services, "")
	for _, s := range services {
		for tag := range s.Names {
			if g.localized == nil {
				g.localized = map[string]*Group{}
			}
			g.localized[strings.ToLower(tag)] = newGroup(issuer, services, tag)
		}
	}
	return g
}

// newGroup returns the group with the names in one language only.
func newGroup(issuer Issuer, services []Service, lang string) *Group {
	g := &Group{issuer: issuer}
	for _, s := range services {
		restricted := NeedsCredentials(s.Type)
		if restricted && issuer == nil {
			continue
		}
		g.all = append(g.all, groupEntry{
			service: s, key: s.Key(), restricted: restricted,
			head: appendHead(nil, s, s.NameIn(lang)), tail: appendTail(nil, s),
		})
	}
	g.entries, g.whole = g.all, joined(g.all)
	return g
}

// Hide returns the group without the services that hidden names, in lists; what was
// hidden before stays hidden. Whoever got such a service before and asks for its credentials is answered as ever:
// clients may take an error for the end of the call that they are about to make.
func (g *Group) Hide(hidden func(Key) bool) *Group {
	h := &Group{issuer: g.issuer, all: g.all}
	for _, e := range g.entries {
		if !hidden(e.key) {
			h.entries = append(h.entries, e)
		}
	}
	h.whole = joined(h.entries)
	for tag, l := range g.localized {
		if h.localized == nil {
			h.localized = map[string]*Group{}
		}
		h.localized[tag] = l.Hide(hidden)
	}
	return h
}

// Keys returns what identifies the listed services.
func (g *Group) Keys() []Key {
	var keys []Key
	for _, e := range g.entries {
		keys = append(keys, e.key)
	}
	return keys
}

// in returns the group with its names in the language that fits the tag best. RFC
// 4647 §3.4.
func (g *Group) in(lang string) *Group {
	if len(g.localized) == 0 {
		return g
	}
	for lang = strings.ToLower(lang); lang != ""; lang = shorterTag(lang) {
		if l := g.localized[lang]; l != nil {
			return l
		}
	}
	return g
}

// Services returns the listed services of the group with a credential of the
// requester, and that credential, which is nil if none of them needs one. Services
// that need one are left out when there is none.
func (g *Group) Services(requester []byte, now time.Time) ([]Service, *turncred.Credential) {
	var services []Service
	var credential *turncred.Credential
	asked := false
	for _, e := range g.entries {
		s := e.service
		if e.restricted && !asked {
			asked, credential = true, issued(g.issuer, requester, now)
		}
		if e.restricted && credential == nil {
			continue
		}
		if e.restricted {
			s.Restricted, s.Username, s.Password, s.Expires = true, string(credential.Username), string(credential.Password), credential.Expires
		}
		services = append(services, s)
	}
	return services, credential
}

// issued returns a new credential, or nil if there is none.
func issued(issuer Issuer, requester []byte, now time.Time) *turncred.Credential {
	c := new(turncred.Credential)
	if issuer.Issue(c, requester, now); len(c.Username) == 0 || len(c.Password) == 0 {
		return nil
	}
	return c
}

// joined returns the service elements in pieces: after each piece but the last one
// goes a credential.
func joined(entries []groupEntry) [][]byte {
	pieces, last := [][]byte(nil), []byte(nil)
	for _, e := range entries {
		last = append(last, e.head...)
		if e.restricted {
			pieces, last = append(pieces, last), nil
		}
		last = append(last, e.tail...)
	}
	return append(pieces, last)
}
