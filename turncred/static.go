package turncred

import (
	"time"

	"extdisco/internal/secret"
)

// Static issues one fixed account to everybody. It does not expire: whoever has
// seen it can use the relay until the account is changed on the TURN server.
type Static struct {
	redacted
	username string
	password secret.Secret
}

// NewStatic returns an issuer of the account username with password.
func NewStatic(username string, password []byte) *Static {
	return &Static{username: username, password: secret.New(string(password))}
}

// Issue fills c with the account. The slices of c are reused.
func (s *Static) Issue(c *Credential, _ []byte, _ time.Time) {
	c.Username = append(c.Username[:0], s.username...)
	c.Password = append(c.Password[:0], s.password.Reveal()...)
	c.Expires, c.Plain = time.Time{}, false
}
