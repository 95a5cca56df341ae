package source

import (
	"extdisco/internal/config"
	"extdisco/turncred"
)

// LinkPseudonyms are those of requesters in audit lines about credentials that carry
// no pseudonym: fixed accounts, and what all requesters share.
func LinkPseudonyms(cfg *config.Config) *turncred.Pseudonyms {
	return turncred.NewPseudonyms(turncred.DerivePseudonymKey([]byte(cfg.Component.Secret.Reveal())))
}

// AllPseudonyms returns the pseudonyms of every key that a configuration makes them
// with, each key once.
func AllPseudonyms(cfg *config.Config) []*turncred.Pseudonyms {
	all := []*turncred.Pseudonyms{LinkPseudonyms(cfg)}
	seen := map[string]bool{}
	add := func(key []byte) {
		if !seen[string(key)] {
			seen[string(key)] = true
			all = append(all, turncred.NewPseudonyms(key))
		}
	}
	for _, s := range cfg.ICEServers {
		switch {
		case s.Provider != nil:
			add([]byte(s.Provider.PseudonymKey().Reveal()))
		case !s.PseudonymKey.IsEmpty():
			add([]byte(s.PseudonymKey.Reveal()))
		case !s.SharedSecret.IsEmpty():
			add(turncred.DerivePseudonymKey([]byte(s.SharedSecret.Reveal())))
		}
	}
	return all
}
