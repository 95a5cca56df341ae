package query

import (
	"fmt"
	"strings"

	"extdisco/xep0215"
)

// answersItself names what makes XMPP servers answer in place of the component.
const answersItself = "in Prosody, remove external_services, turn_external and turncredentials from modules_enabled and their settings;" +
	" in ejabberd, remove mod_stun_disco; then restart it"

// Expected is what a configuration offers to one requester.
type Expected struct {
	File   string               // the configuration
	Keys   map[xep0215.Key]bool // the services that are known beforehand; true: a username of Users goes with it
	Users  func(user string) bool
	Others bool // whether there may be others: those of providers
}

// Compare returns an error when services were not made by extdisco, but by the XMPP
// server itself.
func (e *Expected) Compare(who string, services []xep0215.Service) error {
	for _, s := range services {
		minted, known := e.Keys[s.Key()]
		if !known && e.Others {
			continue
		}
		_, user, _ := strings.Cut(s.Username, ":") // EXPIRES:USER
		switch {
		case !known:
			return fmt.Errorf("%s lists %s, which %s does not offer: the XMPP server answers itself; %s", who, s.URI(), e.File, answersItself)
		case minted && !e.Users(user):
			return fmt.Errorf("the credential of %s from %s was not made by extdisco for this requester: the XMPP server answers itself; %s", s.URI(), who, answersItself)
		}
	}
	return nil
}
