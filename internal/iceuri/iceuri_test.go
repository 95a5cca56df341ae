package iceuri_test

import (
	"strings"
	"testing"

	"extdisco/internal/iceuri"
)

func TestParse(t *testing.T) {
	for uri, want := range map[string]string{
		"stun:stun.example.org":                   "stun:stun.example.org:3478",
		"STUNS:stun.example.org.":                 "stuns:stun.example.org:5349",
		"turn:192.0.2.1:80":                       "turn:192.0.2.1:80?transport=udp",
		"turn:t.example.org?TRANSPORT=TCP":        "turn:t.example.org:3478?transport=tcp",
		"turns:t.example.org:443":                 "turns:t.example.org:443?transport=tcp",
		"turns:t.example.org?transport=tcp":       "turns:t.example.org:5349?transport=tcp",
		"turn:[2001:DB8::1]:65535":                "turn:[2001:db8::1]:65535?transport=udp",
		"turn:my_turn-1:1":                        "turn:my_turn-1:1?transport=udp",
		"turn:" + strings.Repeat("a", 63):         "turn:" + strings.Repeat("a", 63) + ":3478?transport=udp",
		"turn:" + strings.Repeat("a.", 126) + "a": "turn:" + strings.Repeat("a.", 126) + "a:3478?transport=udp",
	} {
		got, err := iceuri.Parse(uri)
		if err != nil || got.String() != want || got.IsTURN() != strings.HasPrefix(want, "turn") {
			t.Errorf("Parse(%s) = %v, %v, want %s", uri, got, err, want)
		}
	}
}

// Whatever is wrong, the error says what and quotes nothing.
func TestParseRefuses(t *testing.T) {
	const hidden = "HIDDENsecret4"
	for uri, want := range map[string]string{
		hidden:                               "is not an ICE URI",
		"":                                   "is not an ICE URI",
		"https://" + hidden + ".example.org": "is not an ICE URI",
		hidden + ":turn.example.org":         "is not an ICE URI",
		"turn:alice@example.org:" + hidden + "@t":  "has a user before an @",
		"turn:bob:" + hidden + ":t.example.org":    "has too many colons",
		"turn:t.example.org:" + hidden:             "has an invalid port",
		"turn:t.example.org:0":                     "has an invalid port",
		"turn:t.example.org:65536":                 "has an invalid port",
		"turn:":                                    "has no host",
		"turn:.":                                   "has no host",
		"turn:" + hidden + "!":                     "a character that is not allowed",
		"turn:" + hidden + "\x1b[31m":              "a character that is not allowed",
		"turn:münchen.example.org":                 "characters beyond ASCII",
		"turn:a..b":                                "a dot too many",
		"turn:" + strings.Repeat("a", 64):          "64 characters between dots",
		"turn:" + strings.Repeat("a.", 126) + "ab": "a host of 254 characters",
		"turn:1.2.3":                               "neither a host name nor an IPv4 address",
		"turn:[" + hidden + "]":                    "brackets without a valid IPv6 address",
		"turn:[2001:db8::1":                        "without a closing bracket",
		"turn:[192.0.2.1]":                         "brackets without a valid IPv6 address",
		"turn:[fe80::1%eth0]":                      "brackets without a valid IPv6 address",
		"turn:[2001:db8::1]" + hidden:              "has text after the IPv6 address",
		"stun:t.example.org?transport=udp":         "which a stun URI cannot have",
		"turn:t.example.org?" + hidden:             "has an unknown query",
		"turn:t.example.org?transport=" + hidden:   "has an unknown transport",
		"turns:t.example.org?transport=udp":        "turns over udp",
	} {
		got, err := iceuri.Parse(uri)
		if err == nil || got != (iceuri.URI{}) || !strings.Contains(err.Error(), want) || strings.Contains(strings.ToLower(err.Error()), strings.ToLower(hidden)) {
			t.Errorf("Parse(%q) = %v, %v, want %s", uri, got, err, want)
		}
	}
}

func TestRepair(t *testing.T) {
	const slashes, noTransport = "the // behind the scheme is gone", "the ?transport is gone, a stun URI takes none"
	tests := []struct{ name, in, want, change string }{
		{"nothing to repair", "turn:t.example.org:3478?transport=udp", "turn:t.example.org:3478?transport=udp", ""},
		{"STUN with its transport", "stun:s.example.org:3478?transport=udp", "stun:s.example.org:3478", noTransport},
		{"stuns with its transport", "stuns:s.example.org?transport=TCP", "stuns:s.example.org", "the ?transport is gone, a stuns URI takes none"},
		{"slashes", "turn://t.example.org", "turn:t.example.org", slashes},
		{"slashes, and STUN with its transport", "stun://s.example.org?transport=udp", "stun:s.example.org", slashes + ", " + noTransport},
		{"scheme in upper case", "TURN:t.example.org", "turn:t.example.org", ""},
		{"white space", " turn:t.example.org\n", "turn:t.example.org", ""},
		{"quotes", "\"turn:t.example.org\",", "turn:t.example.org", ""},
		{"angle brackets", "<turn:t.example.org>", "turn:t.example.org", ""},
		{"transport in upper case", "turn:t.example.org?transport=TCP", "turn:t.example.org?transport=tcp", ""},
		{"transport of TLS", "turn:t.example.org:443?transport=tls", "turns:t.example.org:443", "its transport, tls, is turned into the scheme turns"},
		{"turns with the transport of TLS", "turns:t.example.org?transport=tls", "turns:t.example.org", "its transport, tls, is turned into the scheme turns"},
		{"question mark alone", "turn:t.example.org?", "turn:t.example.org", "the ? is gone"},
		{"question mark alone, STUN", "stun:t.example.org?", "stun:t.example.org", "the ? is gone"},
		{"more in the query", "turn:t.example.org?ttl=5&transport=udp", "turn:t.example.org?transport=udp", "the query is gone but for the transport"},
		{"unknown query", "turn:t.example.org?ttl=5", "turn:t.example.org?ttl=5", ""},
		{"slash at the end", "turn:t.example.org/", "turn:t.example.org", "its address is written as in RFC 7065"},
		{"empty port", "turn:t.example.org:", "turn:t.example.org", "its address is written as in RFC 7065"},
		{"IPv6 without brackets", "turn:2001:db8::1?transport=udp", "turn:[2001:db8::1]?transport=udp", "its address is written as in RFC 7065"},
		{"another scheme", "https://t.example.org/", "https://t.example.org/", ""},
		{"no scheme", "t.example.org", "t.example.org", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, change, err := iceuri.Repair(tt.in)
			if err != nil || got != tt.want || change != tt.change {
				t.Errorf("Repair(%q) = %q, %q, %v; want %q, %q", tt.in, got, change, err, tt.want, tt.change)
			}
			if again, change, _ := iceuri.Repair(got); again != got || change != "" {
				t.Errorf("repaired again: %q, %q", again, change)
			}
		})
	}
	for uri, want := range map[string]string{
		"stun:s.example.org?transport=tcp":  "stun is offered over udp only",
		"stuns:s.example.org?transport=udp": "stuns is offered over tcp only",
	} {
		if _, _, err := iceuri.Repair(uri); err == nil || err.Error() != want {
			t.Errorf("%s: %v", uri, err)
		}
	}
}

func TestAddScheme(t *testing.T) {
	tests := []struct {
		text       string
		credential bool
		want       string // "" when it is left alone
	}{
		{"t.example.org", true, "turn:t.example.org"},
		{" t.example.org:3478 ", true, "turn:t.example.org:3478"},
		{"t.example.org?transport=tcp", true, "turn:t.example.org?transport=tcp"},
		{"t.example.org:5349", true, "turns:t.example.org:5349"},
		{"192.0.2.1", true, "turn:192.0.2.1"},
		{"[2001:db8::1]:3478", true, "turn:[2001:db8::1]:3478"},
		{"t.example.org", false, "stun:t.example.org"},
		{"t.example.org:443", true, ""},
		{"t.example.org:5349", false, ""},
		{"t.example.org?transport=tcp", false, ""},
		{"ok", true, ""},
		{"turn:t.example.org", true, ""},
		{"https://t.example.org", true, ""},
		{"user@t.example.org", true, ""},
		{"", true, ""},
	}
	for _, tt := range tests {
		got, did := iceuri.AddScheme(tt.text, tt.credential)
		if did != (tt.want != "") || did && got != tt.want {
			t.Errorf("AddScheme(%q, %v) = %q, %v, want %q", tt.text, tt.credential, got, did, tt.want)
		}
	}
}

func FuzzRepair(f *testing.F) {
	for _, seed := range []string{"turn://[::1]/?transport=tls&x", "stun:a?transport=udp", "turn:a:", "turn:2001:db8::1", "", "turn:user:HIDDENsecret4@a"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		repaired, _, err := iceuri.Repair(text)
		if err != nil {
			return
		}
		u, err := iceuri.Parse(repaired)
		if err != nil {
			if len(err.Error()) > 200 {
				t.Errorf("%q: %v", text, err)
			}
			return
		}
		if again, err := iceuri.Parse(u.String()); err != nil || again != u {
			t.Errorf("Parse(%s) = %v, %v, want %v", u, again, err, u)
		}
	})
}
