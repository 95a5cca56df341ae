package turncred

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
)

// cmac is AES-CMAC-PRF-128 (RFC 4615): AES-CMAC (RFC 4493) with a key of any
// length. For messages of two or three blocks, as addresses are, it takes a tenth
// of the time of an HMAC, and it gives away as little. It is for one goroutine at
// a time.
type cmac struct {
	block  cipher.Block
	k1, k2 [aes.BlockSize]byte // for a whole and for a padded last block
	state  [aes.BlockSize]byte
}

func newCMAC(key []byte) *cmac {
	if len(key) != aes.BlockSize { // RFC 4615 §3
		key = newCMAC(make([]byte, aes.BlockSize)).sum(key)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err) // it is about the length of the key only
	}
	c := &cmac{block: block}
	block.Encrypt(c.state[:], c.state[:])
	c.k1 = doubled(c.state)
	c.k2 = doubled(c.k1)
	return c
}

// doubled is the multiplication by x in GF(2^128). RFC 4493 §2.3.
func doubled(b [aes.BlockSize]byte) [aes.BlockSize]byte {
	carry := b[0] >> 7
	for i := range b {
		next := byte(0)
		if i+1 < len(b) {
			next = b[i+1] >> 7
		}
		b[i] = b[i]<<1 | next
	}
	b[len(b)-1] ^= carry * 0x87
	return b
}

// sum returns the 16 bytes for the message, which are good until the next call.
// RFC 4493 §2.4.
func (c *cmac) sum(message []byte) []byte {
	x := &c.state
	clear(x[:])
	for len(message) > aes.BlockSize {
		xor(x, (*[aes.BlockSize]byte)(message))
		c.block.Encrypt(x[:], x[:])
		message = message[aes.BlockSize:]
	}
	key, last := &c.k1, [aes.BlockSize]byte{}
	if n := copy(last[:], message); n < aes.BlockSize {
		key, last[n] = &c.k2, 0x80
	}
	xor(x, &last)
	xor(x, key)
	c.block.Encrypt(x[:], x[:])
	return x[:]
}

// xor is subtle.XORBytes for one block, whose checks would take longer than it.
func xor(x, y *[aes.BlockSize]byte) {
	const half = aes.BlockSize / 2
	low := binary.NativeEndian.Uint64(x[:half]) ^ binary.NativeEndian.Uint64(y[:half])
	high := binary.NativeEndian.Uint64(x[half:]) ^ binary.NativeEndian.Uint64(y[half:])
	binary.NativeEndian.PutUint64(x[:half], low)
	binary.NativeEndian.PutUint64(x[half:], high)
}
