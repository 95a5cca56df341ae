package turncred

import (
	"errors"
	"fmt"
	"strings"
)

// maxUserLen keeps "<expires>:<user>" below the 513 bytes of a STUN USERNAME
// (RFC 8489 §14.3).
const maxUserLen = 480

// CheckUser reports why a TURN server might refuse user as the user part of a
// username. coturn answers 400 to blanks, quotes, backslashes and control
// characters, and to names that hold both "union" and "select"; a second colon
// is read differently by different servers.
func CheckUser(user string) error {
	if user == "" {
		return errors.New("the user part is empty")
	}
	if len(user) > maxUserLen {
		return fmt.Errorf("the user part has %d bytes; at most %d fit into a TURN username", len(user), maxUserLen)
	}
	for _, r := range user {
		if !isUserRune(r) {
			return fmt.Errorf("the user part holds %q; use letters, digits and . _ ~ @ - only", r)
		}
	}
	lower := strings.ToLower(user)
	if strings.Contains(lower, "union") && strings.Contains(lower, "select") {
		return errors.New(`the user part holds both "union" and "select", which coturn refuses`)
	}
	return nil
}

func isUserRune(r rune) bool {
	switch {
	case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9':
		return true
	}
	return strings.ContainsRune("._~@-", r)
}
