package component

import (
	"maps"
	"slices"
	"strings"
)

// Access lists who is served: domains, for all of their users, and bare JIDs. It is
// immutable.
type Access struct {
	domains map[string]bool
	bare    map[string]bool
}

// NewAccess returns the list of the entries, each a domain or a bare JID in lower
// case. A domain outside ASCII matches in either spelling, with A-labels or
// U-labels.
func NewAccess(entries []string) *Access {
	a := &Access{domains: map[string]bool{}, bare: map[string]bool{}}
	for _, entry := range entries {
		for _, e := range spellings(entry) {
			if strings.Contains(e, "@") {
				a.bare[e] = true
			} else {
				a.domains[e] = true
			}
		}
	}
	return a
}

// Entries returns the entries, each in all of its spellings.
func (a *Access) Entries() []string {
	return slices.Concat(slices.Sorted(maps.Keys(a.domains)), slices.Sorted(maps.Keys(a.bare)))
}

// Allows reports whether the requester, named by its bare JID, is on the list.
func (a *Access) Allows(requester []byte) bool {
	return a.domains[string(domainOf(requester))] || a.bare[string(requester)]
}
