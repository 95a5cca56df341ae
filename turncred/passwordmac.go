package turncred

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1"
	"encoding"
	"encoding/binary"
	"hash"
)

// passwordMAC is HMAC-SHA1 (RFC 2104) under one key, for one goroutine at a time.
//
// For a username, which is short, more than half of the time that crypto/hmac takes
// goes into what stands around the two blocks that are hashed. Here each of them
// is padded beforehand (FIPS 180-4 §5.1.1) and hashed with the state that the key
// leaves behind. That state comes and goes in the form in which a hash is
// marshalled, which crypto/sha1 does not describe: so it is tried first, and
// crypto/hmac does what does not fit, and everything should the form be another.
type passwordMAC struct {
	whole hash.Hash // keyed: for messages that do not fit into one block

	hash         marshalledHash // nil if its form is another
	inner, outer []byte         // the state of hash behind the key
	block        [sha1.BlockSize]byte
	state        []byte // of hash, at the end
}

type marshalledHash interface {
	hash.Hash
	encoding.BinaryAppender
	encoding.BinaryUnmarshaler
}

const (
	// padding is a bit that is set, and the length of the message in bits.
	paddingSize = 1 + 8
	// The digest stands in the marshalled form behind "sha\x01".
	sumBegin = 4
	sumEnd   = sumBegin + sha1.Size
)

func newPasswordMAC(key []byte) *passwordMAC {
	m := &passwordMAC{whole: hmac.New(sha1.New, key)}
	m.hash, _ = sha1.New().(marshalledHash)
	if m.hash == nil {
		return m
	}
	if len(key) > sha1.BlockSize { // RFC 2104 §3
		sum := sha1.Sum(key)
		key = sum[:]
	}
	m.inner, m.outer = m.stateBehind(key, 0x36), m.stateBehind(key, 0x5c)
	for _, message := range [...]string{"", "1800000000:0123456789abcdef"} {
		want := bytes.Clone(m.wholeSum([]byte(message)))
		if !bytes.Equal(m.sum([]byte(message)), want) {
			m.hash = nil
			break
		}
	}
	return m
}

// stateBehind returns the state of the hash behind a block with the padded key.
func (m *passwordMAC) stateBehind(key []byte, pad byte) []byte {
	block := [sha1.BlockSize]byte{}
	copy(block[:], key)
	for i := range block {
		block[i] ^= pad
	}
	m.hash.Reset()
	m.hash.Write(block[:])
	state, _ := m.hash.AppendBinary(nil) // should it be nil, sum cannot use it
	return state
}

// sum returns the 20 bytes for the message, which are good until the next call.
func (m *passwordMAC) sum(message []byte) []byte {
	if m.hash == nil || len(message) > len(m.block)-paddingSize {
		return m.wholeSum(message)
	}
	if !m.hashBlock(m.inner, message) || !m.hashBlock(m.outer, m.state[sumBegin:sumEnd]) {
		return m.wholeSum(message)
	}
	return m.state[sumBegin:sumEnd]
}

// hashBlock hashes a message that fits into one block behind the block that has
// led to the state.
func (m *passwordMAC) hashBlock(state, message []byte) bool {
	clear(m.block[:])
	n := copy(m.block[:], message)
	m.block[n] = 0x80
	binary.BigEndian.PutUint64(m.block[len(m.block)-8:], uint64(len(m.block)+n)*8)
	if err := m.hash.UnmarshalBinary(state); err != nil {
		return false
	}
	m.hash.Write(m.block[:])
	var err error
	m.state, err = m.hash.AppendBinary(m.state[:0])
	return err == nil && len(m.state) >= sumEnd
}

func (m *passwordMAC) wholeSum(message []byte) []byte {
	m.whole.Reset()
	m.whole.Write(message)
	m.state = m.whole.Sum(m.state[:0])
	return m.state
}
