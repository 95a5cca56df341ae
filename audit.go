package main

import (
	"bytes"
	"time"

	"extdisco/turncred"
	"extdisco/xep0215"
)

// audit returns what writes a line for each credential that is issued by a route,
// as long as log.audit is on. When it is off, the cost is one comparison.
func (d *daemon) audit(route string) xep0215.Audit {
	return func(requester []byte, c *turncred.Credential) {
		o := d.offer.Load()
		if !o.cfg.log.audit {
			return
		}
		expires := "never"
		if !c.Expires.IsZero() {
			expires = c.Expires.UTC().Format(time.RFC3339)
		}
		d.log.Info("issued a credential", "pseudonym", pseudonymIn(c.Username, o.pseudonyms, requester), "route", route, "expires", expires)
	}
}

// pseudonymIn returns the pseudonym that stands in a username, as the log of the
// TURN server shows it. Where the username is not of our making and has none, it is
// the one of the requester under the key of the link.
func pseudonymIn(username []byte, pseudonyms *turncred.Pseudonyms, requester []byte) string {
	if _, user, found := bytes.Cut(username, []byte(":")); found && turncred.IsPseudonym(string(user)) {
		return string(user)
	}
	return string(pseudonyms.Append(nil, requester))
}

// linkPseudonyms are those of requesters in audit lines about credentials that
// carry no pseudonym: fixed accounts, and what all requesters share.
func linkPseudonyms(cfg *config) *turncred.Pseudonyms {
	return turncred.NewPseudonyms(turncred.DerivePseudonymKey([]byte(cfg.component.secret.Reveal())))
}
