package source

import (
	"strings"

	"extdisco/internal/config"
	"extdisco/turncred"
	"extdisco/xep0215"
)

// Offered says what the own servers of a configuration offer to one requester, so that
// a list can be recognized as made by extdisco.
type Offered struct {
	services  map[xep0215.Key]func(username string) bool
	providers bool
}

// NewOffered returns what servers, in the order of [Servers], offer to the requester with this bare JID. It is empty for
// lists that are fed to the XMPP server, whose credentials are made for nobody known.
func NewOffered(servers []config.ICEServer, requester string) *Offered {
	o := &Offered{services: map[xep0215.Key]func(string) bool{}}
	for _, s := range servers {
		o.providers = o.providers || s.Provider != nil
		for _, service := range s.Services {
			k := service.Key()
			o.services[k] = usernameCheck(s, requester)
			// The bridge fills lists that are too long with relays as STUN servers.
			switch k.Type {
			case xep0215.TypeTURN:
				k.Type, k.Transport = xep0215.TypeSTUN, xep0215.TransportUDP
			case xep0215.TypeTURNS:
				k.Type = xep0215.TypeSTUNS
			}
			if o.services[k] == nil {
				o.services[k] = func(username string) bool { return username == "" }
			}
		}
	}
	return o
}

// usernameCheck returns whether a server would be given a username.
func usernameCheck(s config.ICEServer, requester string) func(string) bool {
	if s.SharedSecret.IsEmpty() {
		return func(username string) bool { return username == s.Username }
	}
	if requester == "" {
		return func(username string) bool {
			_, user, _ := strings.Cut(username, ":") // EXPIRES:USER
			return turncred.IsPseudonym(user)
		}
	}
	want := string(pseudonyms(s).Append(nil, []byte(requester)))
	return func(username string) bool {
		_, user, _ := strings.Cut(username, ":") // EXPIRES:USER
		return user == want
	}
}

// Knows reports whether a service can be an offer of the configuration.
func (o *Offered) Knows(k xep0215.Key) bool { return o.services[k] != nil || o.providers }

// Made reports whether a username can have been made for the requester. Any can where
// providers make them.
func (o *Offered) Made(k xep0215.Key, username string) bool {
	check := o.services[k]
	return check == nil || username == "" || check(username)
}
