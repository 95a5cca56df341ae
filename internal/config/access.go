package config

import (
	"strings"

	"mellium.im/xmpp/jid"
)

// Access is [access]: who is served.
type Access struct {
	Allow []string // domains and bare JIDs; default: the hosts of the component
}

func readAccess(t *table, hosts []string) Access {
	defer t.unknown()
	var a Access
	t.eachString("allow", func(key, entry string) {
		if normal, ok := readAddress(t, key, entry); ok {
			a.Allow = append(a.Allow, normal)
		}
	})
	if !t.has("allow") {
		return Access{Allow: hosts}
	}
	return a
}

// readAddress returns a domain or bare JID in the form in which servers write
// it.
func readAddress(t *table, name, s string) (string, bool) {
	if strings.Contains(s, "/") {
		t.fault(name, "%q has a resource; write a domain or user@domain, without /", s)
		return "", false
	}
	if strings.Contains(s, "*") {
		t.fault(name, "%q has a *, which stands for nothing here; list each domain", s)
		return "", false
	}
	// An underscore, common in container networks, is refused by the library
	// but not by servers.
	if parsed, err := jid.Parse(strings.ReplaceAll(s, "_", "-")); err != nil {
		t.fault(name, "%q is not an address (%v); write a domain or user@domain", s, err)
		return "", false
	} else if !strings.Contains(s, "_") {
		s = parsed.String()
	}
	return strings.ToLower(s), true
}
