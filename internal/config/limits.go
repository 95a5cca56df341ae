package config

import (
	"time"

	"extdisco/internal/limit"
)

// Limits is [limits]: how many answers are given. The zero rate is no limit.
type Limits struct {
	PerJID    limit.Rate // to the bare JID of a requester; default: 60 a minute
	PerDomain limit.Rate // to all requesters of a domain; default: none
	Total     limit.Rate // to everybody; default: none
}

var defaultPerJID = limit.Rate{Events: 60, Per: time.Minute}

func readLimits(t *table) Limits {
	defer t.unknown()
	return Limits{
		PerJID:    t.rate("per_jid", defaultPerJID),
		PerDomain: t.rate("per_domain", limit.Rate{}),
		Total:     t.rate("total", limit.Rate{}),
	}
}
