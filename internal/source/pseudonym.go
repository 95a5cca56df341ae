package source

import (
	"extdisco/internal/config"
	"extdisco/internal/secret"
	"extdisco/turncred"
)

// LinkPseudonyms are those of requesters in audit lines about credentials that carry
// no pseudonym: fixed accounts, and what all requesters share.
func LinkPseudonyms(cfg *config.Config) *turncred.Pseudonyms {
	return turncred.NewPseudonyms(turncred.DerivePseudonymKey(cfg.Component.Secret))
}

// AllPseudonyms returns the pseudonyms of every key that a configuration makes them
// with, each key once.
func AllPseudonyms(cfg *config.Config) []*turncred.Pseudonyms {
	all := []*turncred.Pseudonyms{LinkPseudonyms(cfg)}
	seen := map[string]bool{}
	add := func(key secret.Secret) {
		if !seen[key.Reveal()] {
			seen[key.Reveal()] = true
			all = append(all, turncred.NewPseudonyms(key))
		}
	}
	for _, s := range cfg.ICEServers {
		switch {
		case s.Provider != nil:
			add(s.Provider.PseudonymKey())
		case !s.PseudonymKey.IsEmpty():
			add(s.PseudonymKey)
		case !s.SharedSecret.IsEmpty():
			add(turncred.DerivePseudonymKey(s.SharedSecret))
		}
	}
	return all
}
