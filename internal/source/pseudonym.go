package source

import (
	"strings"

	"extdisco/component"
	"extdisco/internal/config"
	"extdisco/internal/secret"
	"extdisco/turncred"
)

// LinkPseudonyms are those of requesters in audit lines about credentials that carry
// no pseudonym: fixed accounts, and what all requesters share. They are made with the
// handshake secret of the first component, whichever brings the request.
func LinkPseudonyms(cfg *config.Config) *turncred.Pseudonyms {
	if len(cfg.Components) == 0 {
		return pseudonymsOf(secret.Secret{})
	}
	return pseudonymsOf(cfg.Components[0].Secret)
}

func pseudonymsOf(s secret.Secret) *turncred.Pseudonyms {
	return turncred.NewPseudonyms(turncred.DerivePseudonymKey([]byte(s.Reveal())))
}

// AllPseudonyms returns the pseudonyms of every key that a configuration with these
// servers makes them with, those of previous secrets included, each key once, and
// those that it would make if another component were the first.
func AllPseudonyms(cfg *config.Config, servers []config.ICEServer) []*turncred.Pseudonyms {
	all := []*turncred.Pseudonyms{LinkPseudonyms(cfg)}
	for _, c := range cfg.Components[min(1, len(cfg.Components)):] {
		all = append(all, pseudonymsOf(c.Secret))
	}
	seen := map[string]bool{}
	add := func(s config.ICEServer) {
		key := string(pseudonymKey(s))
		if name := s.UsernameForm + " " + s.Realm + " " + key; key != "" && !seen[name] {
			seen[name] = true
			all = append(all, pseudonyms(s))
		}
	}
	for _, s := range servers {
		add(s)
		if before, ok := withPrevious(s); ok {
			add(before)
		}
		for _, s.SharedSecret = range s.OldSecrets {
			add(s)
		}
	}
	return all
}

// pseudonyms returns what makes the user part of the usernames of a server.
func pseudonyms(cfg config.ICEServer) *turncred.Pseudonyms {
	switch cfg.UsernameForm {
	case config.FormEjabberd:
		return turncred.NewEjabberdPseudonyms(pseudonymKey(cfg), cfg.Realm)
	case config.FormRelay:
		return turncred.NewDomainPseudonyms(pseudonymKey(cfg))
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

// Denied returns a function that reports whether a user part of a username is the
// pseudonym of one of the addresses at a server, or of a user of one that is a domain.
func Denied(cfg config.ICEServer, addresses []string) func(user string) bool {
	of := pseudonyms(cfg)
	users, domains := map[string]bool{}, map[string]bool{}
	for _, address := range component.NewAccess(addresses).Entries() {
		if strings.Contains(address, "@") {
			users[string(of.Append(nil, []byte(address)))] = true
		} else {
			domains[string(of.AppendDomain(nil, []byte(address)))] = true
		}
	}
	return func(user string) bool { return users[user] || domains[turncred.DomainDigits(user)] }
}
