package turncred

import (
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"extdisco/internal/secret"
)

// SharedSecret issues credentials that a TURN server accepts which has the same
// shared secret (coturn: static-auth-secret). It is safe for concurrent use.
type SharedSecret struct {
	ttl time.Duration

	mu         sync.Mutex // guards all below
	pseudonyms *Pseudonyms
	mac        *passwordMAC
	last       validity
}

// validity is what all credentials that are issued at one instant have in common.
type validity struct {
	now     time.Time
	expires time.Time
	digits  []byte // expires, as usernames have it, and the colon behind it
}

// NewSharedSecret returns an issuer whose credentials live for ttl. Its
// pseudonyms are derived from pseudonymKey, or from the shared secret where
// pseudonymKey is empty.
func NewSharedSecret(sharedSecret, pseudonymKey secret.Secret, ttl time.Duration) *SharedSecret {
	if pseudonymKey.IsEmpty() {
		pseudonymKey = DerivePseudonymKey(sharedSecret)
	}
	return &SharedSecret{
		ttl:        ttl,
		pseudonyms: NewPseudonyms(pseudonymKey),
		mac:        newPasswordMAC([]byte(sharedSecret.Reveal())),
	}
}

// Issue fills c with a credential for the requester, whose bare JID or other
// stable name is given, valid for the issuer's TTL from now. c's slices are
// reused.
func (s *SharedSecret) Issue(c *Credential, requester []byte, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := &s.last
	if v.now != now { // a whole batch of requests is answered at one instant
		expires := ExpiresAfter(now, s.ttl)
		v.now, v.expires = now, time.Unix(expires, 0).UTC()
		v.digits = append(strconv.AppendInt(v.digits[:0], expires, 10), ':')
	}
	c.Username = s.pseudonyms.append(append(c.Username[:0], v.digits...), requester)
	c.Password = s.appendPassword(c.Password[:0], c.Username)
	c.Expires, c.Plain = v.expires, true
}

// IssueTo fills c as [SharedSecret.Issue] does, but with the user part given
// instead of a pseudonym, and with a TTL of its own. It refuses a user part that
// coturn would refuse; see [CheckUser].
func (s *SharedSecret) IssueTo(c *Credential, user string, now time.Time, ttl time.Duration) error {
	if err := CheckUser(user); err != nil {
		return err
	}
	expires := ExpiresAfter(now, ttl)
	c.Username = fmt.Appendf(c.Username[:0], "%d:%s", expires, user)
	c.Password = s.AppendPassword(c.Password[:0], c.Username)
	c.Expires, c.Plain = time.Unix(expires, 0).UTC(), false
	return nil
}

// AppendPassword appends the password that goes with username,
// base64(HMAC-SHA1(shared secret, username)), to dst.
func (s *SharedSecret) AppendPassword(dst, username []byte) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.appendPassword(dst, username)
}

func (s *SharedSecret) appendPassword(dst, username []byte) []byte {
	const size = (sha1.Size + 2) / 3 * 4
	n := len(dst)
	dst = slices.Grow(dst, size)[:n+size]
	base64.StdEncoding.Encode(dst[n:], s.mac.sum(username))
	return dst
}
