package xep0215_test

import (
	"reflect"
	"strings"
	"testing"

	"extdisco/xep0215"
)

func TestParseURI(t *testing.T) {
	stun := func(host string, port uint16) xep0215.Service {
		return xep0215.Service{Type: "stun", Host: host, Port: port, Transport: "udp"}
	}
	turn := func(host string, port uint16, transport string) xep0215.Service {
		return xep0215.Service{Type: "turn", Host: host, Port: port, Transport: transport, Restricted: true}
	}
	turns := func(host string, port uint16) xep0215.Service {
		return xep0215.Service{Type: "turns", Host: host, Port: port, Transport: "tcp", Restricted: true}
	}
	label63 := strings.Repeat("a", 63)
	name253 := strings.Repeat(label63+".", 3) + strings.Repeat("a", 61)
	tests := []struct {
		name, uri string
		want      xep0215.Service
		again     string // what URI returns
	}{
		// RFC 7064 Appendix A
		{"RFC 7064 stun", "stun:example.org", stun("example.org", 3478), "stun:example.org:3478"},
		{"RFC 7064 stuns", "stuns:example.org",
			xep0215.Service{Type: "stuns", Host: "example.org", Port: 5349, Transport: "tcp"}, "stuns:example.org:5349"},
		{"RFC 7064 stun with a port", "stun:example.org:8000", stun("example.org", 8000), "stun:example.org:8000"},
		// RFC 7065 Appendix A
		{"RFC 7065 turn", "turn:example.org", turn("example.org", 3478, "udp"), "turn:example.org:3478?transport=udp"},
		{"RFC 7065 turns", "turns:example.org", turns("example.org", 5349), "turns:example.org:5349?transport=tcp"},
		{"RFC 7065 turn with a port", "turn:example.org:8000", turn("example.org", 8000, "udp"), "turn:example.org:8000?transport=udp"},
		{"RFC 7065 turn over udp", "turn:example.org?transport=udp", turn("example.org", 3478, "udp"), "turn:example.org:3478?transport=udp"},
		{"RFC 7065 turn over tcp", "turn:example.org?transport=tcp", turn("example.org", 3478, "tcp"), "turn:example.org:3478?transport=tcp"},
		{"RFC 7065 turns over tcp", "turns:example.org?transport=tcp", turns("example.org", 5349), "turns:example.org:5349?transport=tcp"},

		{"stuns with a port", "stuns:example.org:443",
			xep0215.Service{Type: "stuns", Host: "example.org", Port: 443, Transport: "tcp"}, "stuns:example.org:443"},
		{"port and transport", "turn:turn.example.org:443?transport=tcp", turn("turn.example.org", 443, "tcp"), "turn:turn.example.org:443?transport=tcp"},
		{"turns with a port", "turns:turn.example.org:443", turns("turn.example.org", 443), "turns:turn.example.org:443?transport=tcp"},
		{"turn on the port of TLS", "turn:turn.example.org:5349", turn("turn.example.org", 5349, "udp"), "turn:turn.example.org:5349?transport=udp"},
		{"scheme and query in upper case", "TURN:turn.example.org?TRANSPORT=TCP", turn("turn.example.org", 3478, "tcp"), "turn:turn.example.org:3478?transport=tcp"},
		{"the host stays as it is written", "stun:Turn.Example.ORG", stun("Turn.Example.ORG", 3478), "stun:Turn.Example.ORG:3478"},
		{"trailing dot", "stun:turn.example.org.", stun("turn.example.org", 3478), "stun:turn.example.org:3478"},
		{"trailing dot before a port", "stun:turn.example.org.:80", stun("turn.example.org", 80), "stun:turn.example.org:80"},
		{"host of one label", "stun:localhost", stun("localhost", 3478), "stun:localhost:3478"},
		{"host with underscore, hyphen and digits", "stun:my_turn-1.3com.example", stun("my_turn-1.3com.example", 3478), "stun:my_turn-1.3com.example:3478"},
		{"international name", "stun:xn--mnchen-3ya.example.org", stun("xn--mnchen-3ya.example.org", 3478), "stun:xn--mnchen-3ya.example.org:3478"},
		{"number before a name", "stun:10.0.0.example", stun("10.0.0.example", 3478), "stun:10.0.0.example:3478"},
		{"IPv4", "turn:192.0.2.1:80", turn("192.0.2.1", 80, "udp"), "turn:192.0.2.1:80?transport=udp"},
		{"IPv6", "turn:[2001:db8::1]", turn("2001:db8::1", 3478, "udp"), "turn:[2001:db8::1]:3478?transport=udp"},
		{"IPv6 with a port", "turn:[2001:db8::1]:80?transport=tcp", turn("2001:db8::1", 80, "tcp"), "turn:[2001:db8::1]:80?transport=tcp"},
		{"IPv6 in another form", "stun:[2001:DB8:0::1]", stun("2001:db8::1", 3478), "stun:[2001:db8::1]:3478"},
		{"IPv4 in IPv6", "stun:[::ffff:192.0.2.1]", stun("::ffff:192.0.2.1", 3478), "stun:[::ffff:192.0.2.1]:3478"},
		{"smallest port", "stun:h:1", stun("h", 1), "stun:h:1"},
		{"largest port", "stun:h:65535", stun("h", 65535), "stun:h:65535"},
		{"longest name", "stun:" + name253, stun(name253, 3478), "stun:" + name253 + ":3478"},
		{"longest name with a trailing dot", "stun:" + name253 + ".", stun(name253, 3478), "stun:" + name253 + ":3478"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := xep0215.ParseURI(tt.uri)
			if err != nil {
				t.Fatalf("%q %v", tt.uri, err)
			}
			if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("ParseURI(%q) = %+v, want %+v", tt.uri, got, tt.want)
			}
			if uri := got.URI(); uri != tt.again {
				t.Errorf("URI = %q, want %q", uri, tt.again)
			}
			if again, err := xep0215.ParseURI(got.URI()); err != nil || !reflect.DeepEqual(again, got) {
				t.Errorf("ParseURI(%q) = %+v, %v, want %+v", got.URI(), again, err, got)
			}
		})
	}
}

// The messages stand behind the configuration's key and the URI, such as:
//
//	ice_server[0].urls[1]: "turn:" has no host; write turn:HOST or turn:HOST:PORT
//
// so each says what is wrong and what to write.
func TestParseURIRefuses(t *testing.T) {
	const (
		notURI   = `is not an ICE URI; write stun:, stuns:, turn: or turns: and then the host, such as turn:turn.example.org:3478`
		tooMany  = `has too many colons; write turn:HOST:PORT, and an IPv6 address in brackets: turn:[2001:db8::1]:3478`
		noHost   = `has no host; write turn:HOST or turn:HOST:PORT`
		userInfo = `has a user before an @; username and password do not belong in the URI, give them separately`
		plain    = `has a host with a character that is not allowed; use letters, digits, hyphens and dots`
		foreign  = `has a host with characters beyond ASCII; write international names in their xn-- form`
		badPort  = `has an invalid port; write a number from 1 to 65535, or leave :PORT out`
		brackets = `has brackets without a valid IPv6 address in them; write an address such as [2001:db8::1]`
		unclosed = `has an IPv6 address without a closing bracket; write turn:[2001:db8::1]:3478`
		neither  = `has a host that is neither a host name nor an IPv4 address`
		query    = `has an unknown query; only ?transport=udp and ?transport=tcp are allowed`
		protocol = `has an unknown transport; write udp or tcp; for TLS write a turns: URI`
	)
	long := strings.Repeat("a", 64)
	tests := []struct{ name, uri, want string }{
		{"nothing", "", notURI},
		{"host alone", "turn.example.org", notURI},
		{"host and port alone", "turn.example.org:3478", notURI},
		{"colon alone", ":", notURI},
		{"other scheme", "https://turn.example.org", notURI},
		{"scheme in another alphabet", "tуrn:turn.example.org", notURI},
		{"blank in front", " turn:turn.example.org", notURI},
		{"several in one string", "stun,turn:turn.example.org", notURI},

		{"slashes", "turns://turn.example.org", `has // after the scheme; write turns:HOST, without slashes`},
		{"no host", "turn:", noHost},
		{"no host but a port", "turn::3478", noHost},
		{"no host but a query", "turn:?transport=udp", noHost},
		{"no host of stun", "stun:", `has no host; write stun:HOST or stun:HOST:PORT`},
		{"port in place of the host", "turn:3478", neither},
		{"scheme twice", "turn:turn:turn.example.org", badPort},
		{"scheme twice and a port", "turn:turn:turn.example.org:3478", tooMany},
		{"IPv6 without brackets", "turn:2001:db8::1", tooMany},
		{"shortest IPv6 without brackets", "turn:::1", tooMany},
		{"user", "turn:juliet@turn.example.org", userInfo},
		{"user and password", "turn:juliet:capulet@turn.example.org:3478", userInfo},
		{"blank in the host", "turn:turn example.org", plain},
		{"blank behind the host", "turn:turn.example.org ", plain},
		{"line break in the host", "turn:turn\nexample.org", plain},
		{"path", "turn:turn.example.org/path", plain},
		{"fragment", "turn:turn.example.org#a", plain},
		{"percent-encoded host", "turn:turn%2eexample.org", plain},
		{"placeholder", "turn:<host>", plain},
		{"list of hosts", "turn:a,b", plain},
		{"international name", "turn:münchen.example.org", foreign},
		{"not UTF-8", "turn:\xff", foreign},
		{"two dots", "turn:turn..example.org", `has a host with a dot too many`},
		{"two trailing dots", "turn:turn.example.org..", `has a host with a dot too many`},
		{"dot in front", "turn:.example.org", `has a host with a dot too many`},
		{"dot alone", "turn:.", noHost},
		{"IPv4 out of range", "turn:192.0.2.256", neither},
		{"IPv4 of three numbers", "turn:10.0.1", neither},
		{"IPv4 of five numbers", "turn:10.0.0.0.1", neither},
		{"huge number", "turn:99999999999999999999999", neither},
		{"label too long", "turn:" + long + ".example.org", `has a host with 64 characters between dots; the limit is 63`},
		{"host too long", "turn:" + strings.Repeat("abc.", 63) + "ab", `has a host of 254 characters; a host name has at most 253`},

		{"bracket not closed", "turn:[2001:db8::1", unclosed},
		{"bracket not closed before a port", "turn:[2001:db8::1:3478", unclosed},
		{"bracket not opened", "turn:2001:db8::1]:3478", tooMany},
		{"empty brackets", "turn:[]", brackets},
		{"name in brackets", "turn:[turn.example.org]", brackets},
		{"IPv4 in brackets", "turn:[192.0.2.1]", brackets},
		{"IPv6 with a zone", "turn:[fe80::1%eth0]", brackets},
		{"text behind the brackets", "turn:[2001:db8::1]x:80", `has text after the IPv6 address; only :PORT may follow`},
		{"two ports behind the brackets", "turn:[2001:db8::1]:80:81", badPort},
		{"path behind the brackets", "turn:[2001:db8::1]/path", `has text after the IPv6 address; only :PORT may follow`},

		{"port empty", "turn:turn.example.org:", badPort},
		{"port empty before a query", "turn:turn.example.org:?transport=udp", badPort},
		{"port empty behind brackets", "turn:[2001:db8::1]:", badPort},
		{"port zero", "turn:turn.example.org:0", badPort},
		{"port too large", "turn:turn.example.org:65536", badPort},
		{"port below zero", "turn:turn.example.org:-1", badPort},
		{"port with a plus sign", "turn:turn.example.org:+80", badPort},
		{"port that is no number", "turn:turn.example.org:https", badPort},
		{"port with a path", "turn:turn.example.org:3478/path", badPort},

		{"stun with a transport", "stun:stun.example.org?transport=udp", `has a query, which a stun URI cannot have; leave out everything from the ?`},
		{"stuns with a transport", "stuns:stun.example.org?transport=tcp", `has a query, which a stuns URI cannot have; leave out everything from the ?`},
		{"stun with an empty query", "stun:stun.example.org?", `has a query, which a stun URI cannot have; leave out everything from the ?`},
		{"empty query", "turn:turn.example.org?", query},
		{"another query", "turn:turn.example.org?ttl=1", query},
		{"transport without a value", "turn:turn.example.org?transport", protocol},
		{"empty transport", "turn:turn.example.org?transport=", protocol},
		{"transport tls", "turn:turn.example.org?transport=tls", protocol},
		{"two transports", "turn:turn.example.org?transport=udp&transport=tcp", protocol},
		{"second question mark", "turn:turn.example.org?transport=udp?", protocol},
		{"query behind a blank", "turn:turn.example.org? transport=udp", query},
		{"turns over udp", "turns:turn.example.org?transport=udp", `asks for turns over udp, which clients cannot use; write ?transport=tcp or leave it out`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := xep0215.ParseURI(tt.uri)
			if err == nil {
				t.Fatalf("ParseURI(%q) = %+v, want an error", tt.uri, got)
			}
			if err.Error() != tt.want {
				t.Errorf("%q %v\nwant: %s", tt.uri, err, tt.want)
			}
			if !reflect.DeepEqual(got, xep0215.Service{}) {
				t.Errorf("a service beside the error: %+v", got)
			}
		})
	}
}

// What cannot be understood may be a password, so nothing of it is quoted.
func TestParseURIErrorsQuoteNothing(t *testing.T) {
	for _, uri := range []string{
		"hidden", "hidden:h", "turn:user:hidden@h", "turn:hidden@h:80", "turn:h@hidden", "turn:h:hidden", "turn:h:80:hidden", "turn:h/hidden", "turn:h|hidden", "turn:hidden|h",
		"turn:h?hidden", "turn:h?transport=hidden", "turn:h?transport=udp&password=hidden", "turns:h?password=hidden", "stun:h?hidden", "turn:[hidden]", "turn:[hidden",
		"turn:[::1]hidden", "turn:[::1]:hidden", "turn:hidden..h", "turn:hiddenü", "turn:" + strings.Repeat("hidden", 11), "turn:" + strings.Repeat("hidden.", 40) + "h",
		"turn://hidden", "turn:hidden.1", "turn:hidden h", "turn:h#hidden", "turn:h hidden",
	} {
		if _, err := xep0215.ParseURI(uri); err == nil || strings.Contains(err.Error(), "hidden") || len(err.Error()) > 200 {
			t.Errorf("%q: %v", uri, err)
		}
	}
}

// A service that comes from a server need not have been made of a URI.
func TestURIOfAnyService(t *testing.T) {
	tests := []struct {
		name    string
		service xep0215.Service
		want    string
	}{
		{"nothing", xep0215.Service{}, ""},
		{"a type that has no URI", xep0215.Service{Type: "xmpp", Host: "example.org", Port: 5222, Transport: "tcp"}, ""},
		{"type in upper case", xep0215.Service{Type: "TURN", Host: "example.org"}, ""},
		{"no port", xep0215.Service{Type: "turn", Host: "example.org", Transport: "tcp"}, "turn:example.org?transport=tcp"},
		{"no transport", xep0215.Service{Type: "turns", Host: "example.org", Port: 443}, "turns:example.org:443"},
		{"stun with a transport", xep0215.Service{Type: "stun", Host: "example.org", Transport: "udp"}, "stun:example.org"},
		{"stuns with a transport", xep0215.Service{Type: "stuns", Host: "example.org", Transport: "tcp"}, "stuns:example.org"},
		{"IPv6", xep0215.Service{Type: "turn", Host: "2001:db8::1", Port: 3478}, "turn:[2001:db8::1]:3478"},
		{"IPv6 that comes in brackets", xep0215.Service{Type: "turn", Host: "[2001:db8::1]", Port: 3478}, "turn:[2001:db8::1]:3478"},
		{"credentials do not show", xep0215.Service{Type: "turn", Host: "h", Username: "u", Password: "p", Name: "n"}, "turn:h"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.service.URI(); got != tt.want {
				t.Errorf("URI = %q, want %q", got, tt.want)
			}
		})
	}
}
