// Package turncred makes credentials for TURN servers: fixed accounts, and the
// time-limited credentials of the TURN REST API
// (draft-uberti-behave-turn-rest-00), which coturn, eturnal and others check with
// a shared secret.
//
// Until the instant expires, a TURN server accepts any username of the form
// "<expires>:<user>" whose password is the HMAC-SHA1 of the username under the
// shared secret, in base64. Nothing is stored and nothing is asked over the
// network. The user part is a pseudonym of the requester here, so that the TURN
// server's quotas and logs work per user and name nobody.
//
// The package knows nothing of XMPP. It reads no clock and does no I/O: the time
// is an argument. Types that hold a secret redact it when they are printed.
package turncred

import (
	"fmt"
	"log/slog"
	"time"

	"extdisco/internal/secret"
)

// MaxExpires is the latest instant at which a credential may expire, in Unix
// seconds. coturn stores the instant in 32 bits and refuses usernames beyond it.
const MaxExpires = 1<<31 - 1

// Credential is what a TURN client presents to a TURN server. Its slices belong
// to whoever keeps the Credential: filling it again overwrites them. When it is
// printed, the password is redacted.
type Credential struct {
	Username []byte
	Password []byte
	Expires  time.Time // whole seconds, UTC; zero if the credential does not expire
	// Plain says that Username and Password consist of ASCII letters, digits and
	// ":+/=", so that nobody has to look for characters to escape in XML.
	Plain bool
}

// String returns the credential without its password.
func (c Credential) String() string {
	expires := "never"
	if !c.Expires.IsZero() {
		expires = c.Expires.UTC().Format(time.RFC3339)
	}
	return fmt.Sprintf("{username %s, password %s, expires %s}", c.Username, secret.Redacted, expires)
}

// Format implements [fmt.Formatter] for every verb.
func (c Credential) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(c.String())) }

// LogValue implements [slog.LogValuer].
func (c Credential) LogValue() slog.Value { return slog.StringValue(c.String()) }

// MarshalText implements [encoding.TextMarshaler], which JSON, XML and TOML
// encoders use.
func (c Credential) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// ExpiresAfter returns the Unix time in seconds that is ttl after now, at most
// [MaxExpires].
func ExpiresAfter(now time.Time, ttl time.Duration) int64 {
	return min(now.Add(ttl).Unix(), MaxExpires)
}
