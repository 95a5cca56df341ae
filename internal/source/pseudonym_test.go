package source

import (
	"testing"

	"extdisco/internal/config"
	"extdisco/internal/secret"
)

// TestDenied knows addresses and whole domains by their pseudonyms at the relay.
func TestDenied(t *testing.T) {
	relay := config.ICEServer{SharedSecret: secret.New("shared"), UsernameForm: config.FormRelay}
	denied := Denied(relay, []string{"mallory@example.org", "example.net", "bücher.example"})
	of := pseudonyms(relay)
	for _, tt := range []struct {
		requester string
		want      bool
	}{
		{"mallory@example.org", true},
		{"alice@example.org", false},
		{"alice@example.net", true},
		{"example.net/made for a list", true},
		{"example.org/made for a list", false},
		{"alice@sub.example.net", false},
		{"alice@bücher.example", true},
		{"alice@xn--bcher-kva.example", true},
	} {
		if got := denied(string(of.Append(nil, []byte(tt.requester)))); got != tt.want {
			t.Errorf("%s: denied %t, want %t", tt.requester, got, tt.want)
		}
	}
	for _, user := range []string{"", ProbeUser, "example.net", "0123456789abcdef"} {
		if denied(user) {
			t.Errorf("%q is denied", user)
		}
	}
}
