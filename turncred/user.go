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
// username, or nil. coturn answers 400 (Bad Request) to blanks, quotes, backslashes
// and control characters, and to names that contain both "union" and "select";
// servers disagree about what a second colon means.
func CheckUser(user string) error {
	if user == "" {
		return errors.New("the user part is empty")
	}
	if len(user) > maxUserLen {
		return fmt.Errorf("the user part is %d bytes long; the limit for a TURN username is %d", len(user), maxUserLen)
	}
	for _, r := range user {
		if !isUserRune(r) {
			return fmt.Errorf("the user part contains %q; use only letters, digits and . _ ~ @ -", r)
		}
	}
	lower := strings.ToLower(user)
	if strings.Contains(lower, "union") && strings.Contains(lower, "select") {
		return errors.New(`the user part contains both "union" and "select", which coturn refuses`)
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
