package turncred

import (
	"encoding/hex"
	"testing"
)

// The examples of RFC 4493 §4 and RFC 4615 §4.
func TestCMACKnownAnswers(t *testing.T) {
	const message = "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e5130c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710"
	const upTo19 = "000102030405060708090a0b0c0d0e0f10111213"
	tests := []struct{ name, key, message, want string }{
		{"empty message", "2b7e151628aed2a6abf7158809cf4f3c", "", "bb1d6929e95937287fa37d129b756746"},
		{"one block", "2b7e151628aed2a6abf7158809cf4f3c", message[:32], "070a16b46b4d4144f79bdd9dd04a287c"},
		{"two and a half blocks", "2b7e151628aed2a6abf7158809cf4f3c", message[:80], "dfa66747de9ae63030ca32611497c827"},
		{"four blocks", "2b7e151628aed2a6abf7158809cf4f3c", message, "51f0bebf7e3b9d92fc49741779363cfe"},
		{"longer key", "000102030405060708090a0b0c0d0e0fedcb", upTo19, "84a348a4a45d235babfffc0d2b4da09a"},
		{"key of a block", "000102030405060708090a0b0c0d0e0f", upTo19, "980ae87b5f4c9c5214f5b6a8455e4c2d"},
		{"shorter key", "00010203040506070809", upTo19, "290d9e112edb09ee141fcf64c0b72f3d"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := newCMAC(unhex(t, tt.key))
			for range 2 { // the first leaves nothing behind for the second
				if got := hex.EncodeToString(c.sum(unhex(t, tt.message))); got != tt.want {
					t.Errorf("%s, want %s", got, tt.want)
				}
			}
		})
	}
}

func unhex(t *testing.T, s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
