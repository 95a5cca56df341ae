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
	for _, s := range cfg.ICEServers {
		key := string(pseudonymKey(s))
		if name := s.UsernameForm + " " + s.Realm + " " + key; key != "" && !seen[name] {
			seen[name] = true
			all = append(all, pseudonyms(s))
		}
	}
	return all
}

// pseudonyms returns what makes the user part of the usernames of a server.
func pseudonyms(cfg config.ICEServer) *turncred.Pseudonyms {
	if cfg.UsernameForm == config.FormEjabberd {
		return turncred.NewEjabberdPseudonyms(pseudonymKey(cfg), cfg.Realm)
	}
	return turncred.NewPseudonyms(pseudonymKey(cfg))
}

// pseudonymKey returns what keys the pseudonyms of a server; nothing for one that needs
// none.
func pseudonymKey(cfg config.ICEServer) []byte {
	switch {
	case cfg.Provider != nil:
		return []byte(cfg.Provider.PseudonymKey().Reveal())
	case !cfg.PseudonymKey.IsEmpty():
		return []byte(cfg.PseudonymKey.Reveal())
	case !cfg.SharedSecret.IsEmpty():
		return turncred.DerivePseudonymKey([]byte(cfg.SharedSecret.Reveal()))
	}
	return nil
}
