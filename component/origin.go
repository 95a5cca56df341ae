package component

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"net/netip"

	"extdisco/internal/secret"
)

// A server can say from which network address the session of a requester comes, in the attribute
// origin of the IQ that it sends on: a key, a dash, and the address in hexadecimal digits, 8 for
// IPv4 and 32 for IPv6. This is an extension of ours, which mod_extdisco_bridge uses (docs/bridge.md).
// Users write the IQs that they send to a component themselves, attributes included. So the key
// is one that only those can compute who know the handshake secret.

// originKey is the key in the attribute origin: the first 128 bits of
// HMAC-SHA256(handshake secret, "extdisco origin"), in hexadecimal digits.
type originKey [32]byte

func newOriginKey(handshakeSecret secret.Secret) originKey {
	mac := hmac.New(sha256.New, []byte(handshakeSecret.Reveal()))
	mac.Write([]byte("extdisco origin"))
	var k originKey
	hex.Encode(k[:], mac.Sum(nil)[:len(k)/2])
	return k
}

// address returns the address in the value of an attribute; the zero value for one that nobody who
// knows the handshake secret has written.
func (k *originKey) address(value []byte) netip.Addr {
	if len(value) <= len(k) || subtle.ConstantTimeCompare(value[:len(k)], k[:]) != 1 || value[len(k)] != '-' {
		return netip.Addr{}
	}
	var bytes [16]byte
	digits := value[len(k)+1:]
	if len(digits) != 8 && len(digits) != 32 {
		return netip.Addr{}
	}
	n, err := hex.Decode(bytes[:], digits)
	if err != nil {
		return netip.Addr{}
	}
	if n == 4 {
		return netip.AddrFrom4([4]byte(bytes[:4]))
	}
	return netip.AddrFrom16(bytes).Unmap()
}
