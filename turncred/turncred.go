// Package turncred makes credentials for TURN servers: the time-limited form of
// the TURN REST API (draft-uberti-behave-turn-rest-00), which coturn, eturnal
// and others check with a shared secret, and fixed accounts.
//
// A TURN server that knows the shared secret accepts any username of the form
// "<expires>:<user>" until that instant, if the password is the base64 form of
// the HMAC-SHA1 of the username under the shared secret. Nothing is stored and
// nothing is asked over the network. The user part made here is a pseudonym of
// the requester, so that quotas and logs of the TURN server work per user
// without naming anybody.
//
// The package knows nothing of XMPP. What mints reads no clock and does no I/O:
// the time is an argument.
package turncred

import "time"

// MaxExpires is the last instant a credential may expire at. coturn stores the
// instant in 32 bits and refuses every username beyond it.
const MaxExpires = 1<<31 - 1

// Credential is what a TURN client presents to a TURN server. The slices belong
// to whoever keeps the Credential: filling it again overwrites them.
type Credential struct {
	Username []byte
	Password []byte
	Expires  time.Time // whole seconds, UTC; zero when the credential does not expire
	// Plain says that Username and Password are made of ASCII letters, digits
	// and ":+/=" only, so that nobody has to look for what needs escaping.
	Plain bool
}

// ExpiresAfter returns the Unix time in seconds that lies ttl after now, at most
// [MaxExpires].
func ExpiresAfter(now time.Time, ttl time.Duration) int64 {
	return min(now.Add(ttl).Unix(), MaxExpires)
}
