package turncred

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/hex"
	"strings"
	"testing"
)

// The vectors of RFC 2202 §3.
func TestPasswordMACVectors(t *testing.T) {
	tests := []struct{ name, key, message, want string }{
		{"1", strings.Repeat("\x0b", 20), "Hi There", "b617318655057264e28bc0b6fb378c8ef146be00"},
		{"2", "Jefe", "what do ya want for nothing?", "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"},
		{"3", strings.Repeat("\xaa", 20), strings.Repeat("\xdd", 50), "125d7342b9ac11cd91a39af48aa17b4f63f175d3"},
		{"6, a key longer than a block", strings.Repeat("\xaa", 80), "Test Using Larger Than Block-Size Key - Hash Key First", "aa4ae5e15272d00e95705637ce8a3b55ed402112"},
		{"7, a message longer than a block too", strings.Repeat("\xaa", 80), "Test Using Larger Than Block-Size Key and Larger Than One Block-Size Data", "e8e99d0f45237d786d6bbaa7965c7808bbff1a91"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := hex.EncodeToString(newPasswordMAC([]byte(tt.key)).sum([]byte(tt.message))); got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
		})
	}
}

// What is hashed by itself must be what crypto/hmac says, and must not be what is
// used only in case it cannot be.
func TestPasswordMACTakesTheShortWay(t *testing.T) {
	m := newPasswordMAC([]byte("north"))
	if m.hash == nil {
		t.Fatal("crypto/sha1 marshals its state in another form")
	}
	whole := hmac.New(sha1.New, []byte("north"))
	for n := range 2 * sha1.BlockSize {
		message := bytes.Repeat([]byte{'a'}, n)
		whole.Reset()
		whole.Write(message)
		if got, want := m.sum(message), whole.Sum(nil); !bytes.Equal(got, want) {
			t.Errorf("%d bytes: %x, want %x", n, got, want)
		}
	}
	m.hash = nil
	if got := hex.EncodeToString(m.sum([]byte("1800000000:juliet"))); got == "" || got != hex.EncodeToString(newPasswordMAC([]byte("north")).sum([]byte("1800000000:juliet"))) {
		t.Errorf("without the short way: %s", got)
	}
}

func FuzzPasswordMAC(f *testing.F) {
	f.Add([]byte("north"), []byte("1800000000:0123456789abcdef"))
	f.Add([]byte{}, []byte{})
	f.Add(make([]byte, 65), make([]byte, 55))
	f.Add(make([]byte, 64), make([]byte, 56))
	f.Fuzz(func(t *testing.T, key, message []byte) {
		whole := hmac.New(sha1.New, key)
		whole.Write(message)
		if got, want := newPasswordMAC(key).sum(message), whole.Sum(nil); !bytes.Equal(got, want) {
			t.Fatalf("%x, want %x", got, want)
		}
	})
}
