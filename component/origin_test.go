package component

import (
	"net/netip"
	"strings"
	"testing"

	"extdisco/internal/secret"
)

// testOrigin begins the attribute of a server whose handshake secret is TestSecret:
// printf 'extdisco origin' | openssl dgst -sha256 -hmac hush-hush-42 | cut -c -32
const testOrigin = "8273a70dabc5dbf73bd547020f689ab4-"

// from adds the attribute to the outer IQ.
func from(origin, frame string) string {
	return strings.Replace(frame, "<iq ", "<iq origin='"+origin+"' ", 1)
}

func TestOrigin(t *testing.T) {
	inner := strings.Replace(innerGet(ask), "<iq ", "<iq origin='"+testOrigin+"c0000207' ", 1)
	tests := []struct{ name, frame, want string }{
		{"IPv4", from(testOrigin+"c0000207", directly(ask)), "192.0.2.7"},
		{"IPv6", from(testOrigin+"20010db8000000000000000000000007", directly(ask)), "2001:db8::7"},
		{"capitals", from(testOrigin+"20010DB8000000000000000000000007", directly(ask)), "2001:db8::7"},
		{"IPv4 in IPv6", from(testOrigin+"00000000000000000000ffffc0000207", directly(ask)), "192.0.2.7"},
		{"none", directly(ask), ""},
		{"empty", from("", directly(ask)), ""},
		{"without a key, as any user can write it", from("c0000207", directly(ask)), ""},
		{"with a dash and no key", from("-c0000207", directly(ask)), ""},
		{"with another key", from("9273a70dabc5dbf73bd547020f689ab4-c0000207", directly(ask)), ""},
		{"with the beginning of the key", from(testOrigin[:31]+"-c0000207", directly(ask)), ""},
		{"without an address", from(testOrigin, directly(ask)), ""},
		{"without the dash", from(strings.TrimSuffix(testOrigin, "-"), directly(ask)), ""},
		{"an address of another length", from(testOrigin+"c00002", directly(ask)), ""},
		{"an address that is too long", from(testOrigin+strings.Repeat("0", 40), directly(ask)), ""},
		{"no digits", from(testOrigin+"c00002zz", directly(ask)), ""},
		{"as text", from(testOrigin+"192.0.2.", directly(ask)), ""},
		{"of a forwarded request", from(testOrigin+"c0000207", forwarded(nsDelegation2, innerGet(ask))), ""},
		{"in a forwarded request", forwarded(nsDelegation2, inner), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			want, _ := netip.ParseAddr(tt.want)
			for _, frame := range []string{tt.frame, strings.Replace(tt.frame, "</iq>", "</iq >", 1)} { // for both paths
				c, told := newFastComponent(t)
				reply := respondTo(t, &newLink(c, nil, nil).responder, frame)
				if len(told.admitted) != 1 || !strings.HasSuffix(told.admitted[0], " "+want.String()) || strings.Contains(reply, testOrigin) {
					t.Errorf("%s: admitted %v, want from %v; reply %s", frame, told.admitted, want, reply)
				}
			}
		})
	}
}

func TestOriginAllocatesNothing(t *testing.T) {
	k := newOriginKey(secret.New(TestSecret))
	value := []byte(testOrigin + "20010db8000000000000000000000007")
	if n := testing.AllocsPerRun(100, func() { k.address(value) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
