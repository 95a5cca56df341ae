package turncred

import (
	"bytes"
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

// domainBytes is how many bytes of a pseudonym with a domain name the domain.
const domainBytes = 4

// Pseudonyms turns requesters into pseudonyms. A requester keeps its pseudonym
// as long as the key stays the same, and without the key nobody can tell whose
// it is. Pseudonyms is safe for concurrent use.
type Pseudonyms struct {
	redacted
	suffix      []byte // of ejabberd pseudonyms
	withDomains bool

	mu     sync.Mutex // guards all below
	mac    hash.Hash
	sum    []byte
	domain []byte // the last one, since most requesters are of one
	digits []byte // of it
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

// NewDomainPseudonyms returns pseudonyms whose last 8 digits are the same for all
// requesters of a domain, so that a TURN server that knows the key can refuse a whole
// domain; see [Pseudonyms.AppendDomain]. Without the key nobody can tell which domain it
// is, but that two requesters are of the same one.
func NewDomainPseudonyms(key []byte) *Pseudonyms {
	p := NewPseudonyms(key)
	p.withDomains = true
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
// of SHA-1(realm). With [NewDomainPseudonyms], 8 digits for the domain follow.
func (p *Pseudonyms) Append(dst, requester []byte) []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mac.Reset()
	p.mac.Write(requester)
	p.sum = p.mac.Sum(p.sum[:0])
	dst = hex.AppendEncode(dst, p.sum[:pseudonymBytes-len(p.suffix)/2])
	if p.withDomains {
		return p.appendDomain(dst, domainOf(requester))
	}
	return append(dst, p.suffix...)
}

// AppendDomain appends the 8 digits that end the pseudonyms of all requesters of a
// domain, where they come from [NewDomainPseudonyms] with the same key: the first 32
// bits of HMAC-SHA256(key, "@" domain), which is no requester.
func (p *Pseudonyms) AppendDomain(dst, domain []byte) []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.appendDomain(dst, domain)
}

func (p *Pseudonyms) appendDomain(dst, domain []byte) []byte {
	if p.digits == nil || !bytes.Equal(domain, p.domain) {
		p.domain = append(p.domain[:0], domain...)
		p.mac.Reset()
		p.mac.Write([]byte{'@'})
		p.mac.Write(domain)
		p.sum = p.mac.Sum(p.sum[:0])
		p.digits = hex.AppendEncode(p.digits[:0], p.sum[:domainBytes])
	}
	return append(dst, p.digits...)
}

// domainOf returns the domain of a bare JID, or what stands before the slash of a
// requester that is no user.
func domainOf(requester []byte) []byte {
	if before, _, found := bytes.Cut(requester, []byte{'/'}); found {
		return before
	}
	return requester[bytes.IndexByte(requester, '@')+1:]
}

// DomainDigits returns the digits of a pseudonym that name the domain; "" for one that
// names none.
func DomainDigits(pseudonym string) string {
	if len(pseudonym) != 2*(pseudonymBytes+domainBytes) || !IsPseudonym(pseudonym) {
		return ""
	}
	return pseudonym[2*pseudonymBytes:]
}

// IsPseudonym reports whether s has the form of a pseudonym, with or without a domain.
func IsPseudonym(s string) bool {
	if len(s) != 2*pseudonymBytes && len(s) != 2*(pseudonymBytes+domainBytes) {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}
