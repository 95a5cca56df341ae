package config

import (
	"slices"
	"strings"
	"unicode"

	"mellium.im/xmpp/jid"
)

// Access is [access]: who is served.
type Access struct {
	Allow []string // domains and bare JIDs; default: the hosts of all components
	Deny  []string // domains and bare JIDs that are never served, whatever Allow says; default: none
}

func readAccess(t *table, components []Component) Access {
	defer t.unknown()
	a := Access{Allow: readAddresses(t, "allow"), Deny: readAddresses(t, "deny")}
	if !t.has("allow") {
		a.Allow = allHosts(components)
	}
	for _, c := range components {
		if c.JID != "" && slices.Contains(a.Allow, c.JID) {
			t.warn("allow", "has %s.jid in it, which has no users; is jid the name of a VirtualHost? A component needs a name of its own, such as \"turn.example.org\"", c.Key)
		}
	}
	denied := map[string]bool{}
	for _, address := range a.Deny {
		denied[address] = true
	}
	nobody := len(a.Allow) > 0
	for _, address := range a.Allow {
		nobody = nobody && denied[address]
	}
	if nobody {
		t.warn("deny", "covers everything in allow, so nobody is served; remove an entry")
	}
	return a
}

// allHosts returns the hosts of all components, each once.
func allHosts(components []Component) []string {
	var all []string
	for _, c := range components {
		for _, host := range c.Hosts {
			if !slices.Contains(all, host) {
				all = append(all, host)
			}
		}
	}
	return all
}

func readAddresses(t *table, name string) []string {
	var addresses []string
	t.eachString(name, func(key, entry string) {
		if normal, ok := readAddress(t, key, entry); ok {
			addresses = append(addresses, normal)
		}
	})
	return addresses
}

// readAddress returns a domain or bare JID; see [normalAddress].
func readAddress(t *table, name, s string) (string, bool) {
	if strings.Contains(s, "/") {
		t.fault(name, "has a resource; write a domain or user@domain, without /")
		return "", false
	}
	if strings.Contains(s, "*") {
		t.fault(name, "has a *, which has no meaning here; list each domain")
		return "", false
	}
	// An underscore, common in container networks, is refused by the library
	// but not by servers.
	parsed, err := jid.Parse(strings.ReplaceAll(s, "_", "-"))
	if err != nil {
		t.fault(name, "is not an address; write a domain or user@domain")
		return "", false
	}
	return normalAddress(s, parsed), true
}

// normalAddress returns an address in lower case. One that is not ASCII is normalized; one that is,
// xn-- or not, keeps its spelling.
func normalAddress(s string, parsed jid.JID) string {
	if strings.ContainsFunc(s, func(r rune) bool { return r > unicode.MaxASCII }) && !strings.Contains(s, "_") {
		s = parsed.String()
	}
	return strings.ToLower(strings.TrimSuffix(s, "."))
}
