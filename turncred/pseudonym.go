package turncred

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"sync"
)

// pseudonymBytes is the length of a pseudonym before it is written as
// hexadecimal digits: 64 bits, so that two users of one server practically never
// share a pseudonym and the quota that goes with it.
const pseudonymBytes = 8

// realmBytes is how many bytes of an ejabberd pseudonym name the realm.
const realmBytes = 4

// Pseudonyms turns requesters into pseudonyms. A requester keeps its pseudonym
// as long as the key stays the same, and without the key nobody can tell whose
// it is. Pseudonyms is safe for concurrent use.
type Pseudonyms struct {
	redacted
	suffix []byte // of ejabberd pseudonyms

	mu  sync.Mutex // guards all below
	mac hash.Hash
	sum []byte
}

// NewPseudonyms returns the pseudonyms under key.
func NewPseudonyms(key []byte) *Pseudonyms {
	return &Pseudonyms{mac: hmac.New(sha256.New, key)}
}

// NewEjabberdPseudonyms returns pseudonyms in the only form that ejabberd's own
// TURN server accepts in usernames: 8 digits for the requester and 8 for the
// realm, which is the virtual host whose mod_stun_disco has the shared secret.
// With 32 bits left for the requester, two of 10,000 users share a pseudonym, and
// with it ejabberd's quota, with a probability of 1 %.
func NewEjabberdPseudonyms(key []byte, realm string) *Pseudonyms {
	p := NewPseudonyms(key)
	sum := sha1.Sum([]byte(realm))
	p.suffix = hex.AppendEncode(nil, sum[:realmBytes])
	return p
}

// DerivePseudonymKey returns the key for pseudonyms that is used where none is
// configured. The shared secret cannot be computed from it.
func DerivePseudonymKey(sharedSecret []byte) []byte {
	mac := hmac.New(sha256.New, sharedSecret)
	mac.Write([]byte("extdisco pseudonym key"))
	return mac.Sum(nil)
}

// Append appends the pseudonym of requester to dst: 16 lower-case hexadecimal
// digits, the first 64 bits of HMAC-SHA256(key, requester). For ejabberd, see
// [NewEjabberdPseudonyms], it is the first 32 bits of that and the first 32 bits
// of SHA-1(realm).
func (p *Pseudonyms) Append(dst, requester []byte) []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mac.Reset()
	p.mac.Write(requester)
	p.sum = p.mac.Sum(p.sum[:0])
	dst = hex.AppendEncode(dst, p.sum[:pseudonymBytes-len(p.suffix)/2])
	return append(dst, p.suffix...)
}

// IsPseudonym reports whether s has the form of a pseudonym.
func IsPseudonym(s string) bool {
	if len(s) != 2*pseudonymBytes {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}
