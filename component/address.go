package component

import (
	"bytes"
	"fmt"
	"strings"

	"golang.org/x/net/idna"
	"mellium.im/xmpp/jid"
)

// A domain outside ASCII can be written in two ways: in Unicode (U-labels,
// "münchen.example") and in ASCII (A-labels, "xn--mnchen-3ya.example"); RFC 5890
// §2.3.2.1. Servers write it as their configuration does, and take only that for
// their own. So the administrator's spelling goes on the wire, and whatever is
// compared with what the server sends is looked up under both spellings.

// ParseJID reads the address of a component: a domain, without local part and
// resource. The address keeps the spelling of s, in lower case.
func ParseJID(s string) (jid.JID, error) {
	if strings.ContainsAny(s, "@/") {
		return jid.JID{}, fmt.Errorf("%q is not the address of a component; it is a domain, without @ and /", s)
	}
	if strings.Contains(s, "_") {
		return jid.JID{}, fmt.Errorf("%q has an underscore, which is not allowed in the domain of an address; choose a name without it, here and in the XMPP server's configuration", s)
	}
	if _, err := jid.Parse(s); err != nil {
		return jid.JID{}, fmt.Errorf("%q is not a domain: %w", s, err)
	}
	return jid.NewUnsafe("", NormalAddress(s), "").JID, nil
}

// NormalAddress returns a domain or bare JID in the form in which servers write it,
// which is lower case. It keeps A-labels and U-labels as they are.
func NormalAddress(s string) string {
	user, domain, found := strings.Cut(s, "@")
	if !found {
		user, domain = "", s
	} else if parsed, err := jid.New(user, "example.org", ""); err == nil {
		user = parsed.Localpart() + "@"
	} else {
		user = strings.ToLower(user) + "@"
	}
	labels := strings.Split(domain, ".")
	for i, label := range labels {
		// A label can be valid only as a part of the domain.
		if parsed, err := jid.Parse(label); err == nil && !isASCII(label) {
			labels[i] = parsed.String()
		} else {
			labels[i] = strings.ToLower(label)
		}
	}
	return user + strings.Join(labels, ".")
}

func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(c rune) bool { return c >= 0x80 })
}

// Servers accept some domains that the profiles for registering names do not, such
// as those with an underscore.
var (
	asciiForm   = idna.New(idna.MapForLookup(), idna.StrictDomainName(false), idna.CheckHyphens(false))
	unicodeForm = idna.New(idna.StrictDomainName(false), idna.CheckHyphens(false))
)

// spellings returns the ways in which a server may write a domain or a bare JID
// that an administrator wrote.
func spellings(address string) []string {
	user, domain, found := strings.Cut(address, "@")
	if found {
		user += "@"
	} else {
		user, domain = "", address
	}
	all := []string{address}
	if isASCII(domain) {
		// An A-label that stands for letters of ASCII only is none.
		if other, err := unicodeForm.ToUnicode(domain); err == nil && !isASCII(other) {
			all = append(all, user+other)
		}
		return all
	}
	if other, err := asciiForm.ToASCII(domain); err == nil {
		all = append(all, user+other)
	}
	// Of a domain with labels of both kinds.
	if other, err := unicodeForm.ToUnicode(domain); err == nil && other != domain {
		all = append(all, user+other)
	}
	return all
}

// bareJID returns the address without its resource. It is cut, not parsed: the
// server vouches for its form, and an odd one must not cost the reply.
func bareJID(jid string) string {
	bare, _, _ := strings.Cut(jid, "/")
	return bare
}

// domainOf returns the domain of a bare JID.
func domainOf(bare []byte) []byte {
	return bare[bytes.IndexByte(bare, '@')+1:]
}

// lowerASCII returns s with the letters of ASCII in lower case. It allocates only
// when there are some to change.
func lowerASCII(s string) string {
	for i := range len(s) {
		if 'A' <= s[i] && s[i] <= 'Z' {
			return strings.Map(func(c rune) rune {
				if 'A' <= c && c <= 'Z' {
					c += 'a' - 'A'
				}
				return c
			}, s)
		}
	}
	return s
}
