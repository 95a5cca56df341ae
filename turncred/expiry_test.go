package turncred_test

import (
	"testing"
	"time"

	"extdisco/turncred"
)

func TestExpiryOf(t *testing.T) {
	const at = 1800000000
	tests := []struct {
		name, username string
		want           int64 // 0 when it states none
	}{
		{"time and user", "1800000000:abc", at},
		{"user and time", "abc:1800000000", at},
		{"time alone", "1800000000", at},
		{"nothing before the colon", ":1800000000", at},
		{"nothing behind the colon", "1800000000:", at},
		{"user with colons", "1800000000:a:b", at},
		{"time in the middle", "a:1800000000:b", at},
		{"user with a host", "1800000000:user@example.org/phone", at},
		{"fraction", "1800000000.987:abc", at},
		{"fraction without digits", "1800000000.:abc", at},
		{"user, and a fraction", "abc:1800000000.5", at},
		{"exponent", "1.8e+09:abc", at},
		{"exponent without sign", "1.8E9:abc", at},
		{"milliseconds", "1800000000123:abc", at},
		{"user, and milliseconds", "abc:1800000000123", at},
		{"milliseconds with a fraction", "1800000000123.9:abc", at},
		{"microseconds", "1800000000123456:abc", at},
		{"nanoseconds", "1800000000123456789", at},
		{"two times, the first counts", "1800000000:1900000000", at},
		{"telephone number and time", "15551234567:1800000000", at},
		{"white space", " 1800000000 :abc", at},
		{"expired long ago", "abc:1582164948", 1582164948},
		{"first plausible", "1262304000:x", 1262304000},
		{"too early", "1262303999:x", 0},
		{"last plausible", "4102444800:x", 4102444800},
		{"between seconds and milliseconds", "4102444801:x", 0},
		{"milliseconds of 2001", "1000000000000:x", 0},
		{"1234567890", "1234567890", 0},
		{"example of the draft", "12334939:mbzrxpgjys", 0},
		{"telephone number", "15551234567", 0},
		{"name", "alice", 0},
		{"empty", "", 0},
		{"colons", ":::", 0},
		{"hexadecimal", "18000000000f:abc", 0},
		{"sign", "-1800000000:abc", 0},
		{"plus sign", "+1800000000:abc", 0},
		{"digits and letters", "1800000000alice", 0},
		{"digits of another script", "١٨٠٠٠٠٠٠٠٠:abc", 0},
		{"underscore", "1_800_000_000:x", 0},
		{"more digits than a time has", "180000000000000000000:x", 0},
		{"huge exponent", "1e99:x", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := turncred.ExpiryOf(tt.username)
			if ok != (tt.want != 0) || ok && (got.Unix() != tt.want || got.Location() != time.UTC) {
				t.Errorf("ExpiryOf(%q) = %v, %v; want %d", tt.username, got, ok, tt.want)
			}
		})
	}
}

func TestUnixSeconds(t *testing.T) {
	for n, want := range map[float64]float64{
		0: 0, 3600.9: 3600, 1.8e9: 1.8e9, 1.8e12: 1.8e9, 1.8e15: 1.8e9, 1.8e18: 1.8e9,
		4102444800: 4102444800, 5e9: 5e9, 253402300799: 253402300799, 1e12: 1e9,
	} {
		if got := turncred.UnixSeconds(n); got != want {
			t.Errorf("UnixSeconds(%v) = %v, want %v", n, got, want)
		}
	}
}

func FuzzExpiryOf(f *testing.F) {
	for _, seed := range []string{"1800000000:a", "a:1800000000", "1.8e9", "", ":", "99999999999999999999:x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, username string) {
		got, ok := turncred.ExpiryOf(username)
		if ok && (got.Year() < 2010 || got.Year() > 2100) || !ok && !got.IsZero() {
			t.Errorf("ExpiryOf(%q) = %v, %v", username, got, ok)
		}
	})
}
