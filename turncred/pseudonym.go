package turncred

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"sync"

	"extdisco/internal/secret"
)

// pseudonymBytes of the keyed hash are kept: 64 bits, so that two users of one
// server practically never share a pseudonym, and with it a quota.
const pseudonymBytes = 8

// Pseudonyms turns requesters into pseudonyms: stable for a requester as long as
// the key stays, and telling nothing of the requester to those without the key.
// It is safe for concurrent use.
type Pseudonyms struct {
	mu  sync.Mutex
	mac *cmac
}

// NewPseudonyms returns the pseudonyms under key.
func NewPseudonyms(key secret.Secret) *Pseudonyms {
	return &Pseudonyms{mac: newCMAC([]byte(key.Reveal()))}
}

// DerivePseudonymKey returns the key that is used where none is configured. It
// does not let anybody who knows it compute the shared secret.
func DerivePseudonymKey(sharedSecret secret.Secret) secret.Secret {
	mac := hmac.New(sha256.New, []byte(sharedSecret.Reveal()))
	mac.Write([]byte("extdisco pseudonym key"))
	return secret.New(string(mac.Sum(nil)))
}

// Append appends the pseudonym of requester to dst: 16 lower-case hexadecimal
// digits, the first 64 bits of AES-CMAC-PRF-128(key, requester) of RFC 4615.
func (p *Pseudonyms) Append(dst, requester []byte) []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.append(dst, requester)
}

// append is Append for one goroutine at a time.
func (p *Pseudonyms) append(dst, requester []byte) []byte {
	return hex.AppendEncode(dst, p.mac.sum(requester)[:pseudonymBytes])
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
