package daemon

import (
	"bytes"
	"log/slog"
	"time"

	"extdisco/turncred"
	"extdisco/xep0215"
)

// audits write a line for each credential that is issued, as long as log.audit is on.
type audits struct {
	offers *offers
	log    *slog.Logger
}

// of returns the audit of a route. When log.audit is off, it costs one comparison.
func (a audits) of(route string) xep0215.Audit {
	return func(requester []byte, c *turncred.Credential) {
		o := a.offers.now()
		if !o.cfg.Log.Audit {
			return
		}
		expires := "never"
		if !c.Expires.IsZero() {
			expires = c.Expires.UTC().Format(time.RFC3339)
		}
		a.log.Info("issued a credential", "pseudonym", pseudonymIn(c.Username, o.pseudonyms, requester), "route", route, "expires", expires)
	}
}

// pseudonymIn returns the pseudonym in a username, as the log of the TURN server shows
// it. Where the username is not of our making and has none, it is the one of the
// requester under the key of the link.
func pseudonymIn(username []byte, pseudonyms *turncred.Pseudonyms, requester []byte) string {
	if _, user, found := bytes.Cut(username, []byte(":")); found && turncred.IsPseudonym(string(user)) {
		return string(user)
	}
	return string(pseudonyms.Append(nil, requester))
}
