package xep0215

import "unicode"

// isNCName reports whether s is a name without a colon, as the schema of XEP-0215
// requires of types and transports (xs:NCName).
func isNCName(s string) bool {
	for i, r := range s {
		starts := r == '_' || unicode.IsLetter(r)
		if !starts && (i == 0 || !continuesName(r)) {
			return false
		}
	}
	return s != ""
}

// continuesName reports whether r may be in a name, but not begin it.
func continuesName(r rune) bool {
	return r == '-' || r == '.' || r == '·' || unicode.IsDigit(r) || unicode.Is(unicode.Mn, r) || unicode.Is(unicode.Mc, r)
}
