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

// newPseudonyms returns those in usernames for a server that has a shared secret.
func newPseudonyms(cfg config.ICEServer) *turncred.Pseudonyms {
	key := pseudonymKey(cfg)
	if cfg.UsernameForm == config.FormEjabberd {
		return turncred.NewEjabberdPseudonyms(key, cfg.Realm)
	}
	return turncred.NewPseudonyms(key)
}

// pseudonymKey returns the key of the pseudonyms of a server that has a shared secret.
func pseudonymKey(cfg config.ICEServer) []byte {
	if !cfg.PseudonymKey.IsEmpty() {
		return []byte(cfg.PseudonymKey.Reveal())
	}
	return turncred.DerivePseudonymKey([]byte(cfg.SharedSecret.Reveal()))
}

// AllPseudonyms returns the pseudonyms that a configuration makes: with each of its keys,
// in each form, once.
func AllPseudonyms(cfg *config.Config) []*turncred.Pseudonyms {
	all := []*turncred.Pseudonyms{LinkPseudonyms(cfg)}
	seen := map[string]bool{}
	add := func(id string, pseudonyms *turncred.Pseudonyms) {
		if !seen[id] {
			seen[id] = true
			all = append(all, pseudonyms)
		}
	}
	for _, s := range cfg.ICEServers {
		switch {
		case s.Provider != nil:
			key := s.Provider.PseudonymKey().Reveal()
			add(key+"\x00", turncred.NewPseudonyms([]byte(key)))
		case !s.SharedSecret.IsEmpty():
			add(string(pseudonymKey(s))+"\x00"+s.Realm, newPseudonyms(s))
		}
	}
	return all
}
