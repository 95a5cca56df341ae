package query

import (
	"fmt"

	"extdisco/xep0215"
)

// answersItself names what makes XMPP servers answer in place of the component.
const answersItself = "in Prosody, remove external_services, turn_external and turncredentials from modules_enabled, and their settings;" +
	" in ejabberd, remove mod_stun_disco; then restart it"

// Offer is what a configuration offers to the requester.
type Offer interface {
	// Knows reports whether a service can be among what is offered.
	Knows(xep0215.Key) bool
	// Made reports whether the username of a service can have been made by extdisco.
	Made(k xep0215.Key, username string) bool
}

// Compare returns an error when who gave services that extdisco does not offer: the XMPP
// server answers itself. file is the configuration.
func Compare(who, file string, offer Offer, services []xep0215.Service) error {
	for _, s := range services {
		switch {
		case !offer.Knows(s.Key()):
			return fmt.Errorf("%s lists %s, which %s does not offer: the XMPP server answers itself; %s", who, s.URI(), file, answersItself)
		case !offer.Made(s.Key(), s.Username):
			return fmt.Errorf("%s gives a credential for %s that was not made with %s: the XMPP server answers itself; %s", who, s.URI(), file, answersItself)
		}
	}
	return nil
}
