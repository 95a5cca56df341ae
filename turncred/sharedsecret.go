package turncred

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"hash"
	"strconv"
	"sync"
	"time"
)

// SharedSecret issues credentials for TURN servers that have the same shared
// secret (coturn: static-auth-secret). It is safe for concurrent use.
type SharedSecret struct {
	redacted
	ttl        time.Duration
	pseudonyms *Pseudonyms

	mu   sync.Mutex // guards all below
	mac  hash.Hash
	sum  []byte
	last validity
}

// validity is what all credentials issued at the same instant have in common.
type validity struct {
	now     time.Time
	expires time.Time
	digits  []byte // expires as usernames have it, and the colon after it
}

// NewSharedSecret returns an issuer whose credentials are valid for ttl. If
// pseudonyms is nil, their key is derived from the shared secret, see
// [DerivePseudonymKey].
func NewSharedSecret(sharedSecret []byte, pseudonyms *Pseudonyms, ttl time.Duration) *SharedSecret {
	if pseudonyms == nil {
		pseudonyms = NewPseudonyms(DerivePseudonymKey(sharedSecret))
	}
	return &SharedSecret{ttl: ttl, pseudonyms: pseudonyms, mac: hmac.New(sha1.New, sharedSecret)}
}

// Issue fills c with a credential for the requester, who is named by the bare JID
// or another name that stays the same. It is valid for the issuer's TTL from now.
// The slices of c are reused.
func (s *SharedSecret) Issue(c *Credential, requester []byte, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := &s.last
	if v.now != now { // a whole batch of requests is answered at one instant
		v.now = now
		v.digits, v.expires = appendExpires(v.digits[:0], now, s.ttl)
	}
	c.Username = s.pseudonyms.Append(append(c.Username[:0], v.digits...), requester)
	c.Password = s.appendPassword(c.Password[:0], c.Username)
	c.Expires, c.Plain = v.expires, true
}

// IssueTo fills c like [SharedSecret.Issue], but with a given user part instead of
// a pseudonym, and with its own TTL. It refuses a user part that coturn would
// refuse; see [CheckUser]. Since ejabberd takes no user part of another form, the
// credential for ejabberd has the pseudonym of user.
func (s *SharedSecret) IssueTo(c *Credential, user string, now time.Time, ttl time.Duration) error {
	if err := CheckUser(user); err != nil {
		return err
	}
	c.Username, c.Expires = appendExpires(c.Username[:0], now, ttl)
	if s.pseudonyms.suffix != nil {
		c.Username = s.pseudonyms.Append(c.Username, []byte(user))
	} else {
		c.Username = append(c.Username, user...)
	}
	c.Password = s.AppendPassword(c.Password[:0], c.Username)
	c.Plain = false
	return nil
}

// appendExpires appends the instant ttl after now, and a colon, to dst.
func appendExpires(dst []byte, now time.Time, ttl time.Duration) ([]byte, time.Time) {
	expires := ExpiresAfter(now, ttl)
	return append(strconv.AppendInt(dst, expires, 10), ':'), time.Unix(expires, 0).UTC()
}

// AppendPassword appends the password that belongs to username to dst:
// base64(HMAC-SHA1(shared secret, username)).
func (s *SharedSecret) AppendPassword(dst, username []byte) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.appendPassword(dst, username)
}

func (s *SharedSecret) appendPassword(dst, username []byte) []byte {
	s.mac.Reset()
	s.mac.Write(username)
	s.sum = s.mac.Sum(s.sum[:0])
	return base64.StdEncoding.AppendEncode(dst, s.sum)
}
