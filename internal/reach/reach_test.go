package reach_test

import (
	"net/netip"
	"testing"

	"extdisco/internal/reach"
)

func TestOf(t *testing.T) {
	for kind, hosts := range map[reach.Kind][]string{
		reach.Public: {
			"turn.example.org", "turn.example.org.", "192.0.2.1", "203.0.113.5", "2001:db8::1", "[2001:db8::1]", "8.8.8.8",
			"100.63.255.255", "100.128.0.1", "172.15.0.1", "172.32.0.1", "11.0.0.1", "128.0.0.1", "223.255.255.255", "198.17.0.1", "198.20.0.1", "1.0.0.0",
			"::ffff:203.0.113.5", "64:ff9b::203.0.113.5", "2002:cb00:7105::1", "::203.0.113.5", "2001:0:4136:e378:8000:63bf:34ff:8efa",
			"localhost.example.org", "locale.example", "mylocal.example", "1.2.3.4.5", "10.example", "0x.example", "-1.example", "256.1.1.1", "1.256.1.1", "10.0.0.x.y",
			"4294967296.example", "",
		},
		reach.Private: {
			"10.0.0.5", "10.255.255.255", "172.16.0.1", "172.31.255.255", "192.168.1.5", "100.64.0.1", "100.127.255.255",
			"fd00::1", "fc00::1", "fec0::1", "[fd00::1]", "::ffff:10.0.0.5", "64:ff9b::10.0.0.5", "64:ff9b:1::1", "2002:a00:5::1", "::ffff:0:10.0.0.5", "::10.0.0.5",
			"2001:0:4136:e378:8000:63bf:f5ff:fffa", "10.5", "0x0a000005", "012.0.0.5", "167772165", "10.0.5", " 10.0.0.5 ", "10.0.0.5.",
		},
		reach.Loopback: {
			"127.0.0.1", "127.255.255.254", "::1", "[::1]", "localhost", "LOCALHOST.", "turn.localhost", "localhost.localdomain", "ip6-localhost", "ip6-loopback",
			"::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "127.1", "0x7f000001", "0x7F.1", "2130706433", "0177.0.0.1",
		},
		reach.LinkLocal:   {"169.254.1.1", "fe80::1", "fe80::1%eth0", "[fe80::1%eth0]", "::ffff:169.254.1.1"},
		reach.Unspecified: {"0.0.0.0", "::", "[::]", "0", "0.1.2.3", "::ffff:0.0.0.0", "64:ff9b::", "2002::1", "0x0", "10." /* 0.0.0.10 */},
		reach.Multicast:   {"224.0.0.1", "239.1.2.3", "ff02::1"},
		reach.Reserved:    {"255.255.255.255", "240.0.0.1", "198.18.0.1", "198.19.255.255", "100::1", "4294967295"},
		reach.LocalName:   {"turn", "server.local", "SERVER.LOCAL.", "nas.lan", "router.home.arpa", "x.internal", "a.corp", "10x", "4294967296", "1_0", "0x", "+1"},
	} {
		for _, host := range hosts {
			t.Run(host, func(t *testing.T) {
				if got := reach.Of(host); got != kind {
					t.Errorf("Of(%q) = %v, want %v", host, got, kind)
				}
			})
		}
	}
}

func TestKind(t *testing.T) {
	for kind, want := range map[reach.Kind]struct {
		text           string
		nowhere, local bool
	}{
		reach.Public:      {"a public address", false, false},
		reach.Private:     {"a private address", false, true},
		reach.Loopback:    {"a loopback address", false, true},
		reach.LinkLocal:   {"a link-local address", false, true},
		reach.Unspecified: {"the unspecified address", true, false},
		reach.Multicast:   {"a multicast address", true, false},
		reach.Reserved:    {"a reserved address", true, false},
		reach.LocalName:   {"a name of the local network", false, true},
		8:                 {"an address of kind 8", false, false},
		99:                {"an address of kind 99", false, false},
	} {
		if kind.String() != want.text || kind.IsNowhere() != want.nowhere || kind.IsLocal() != want.local {
			t.Errorf("%d: %v, %v, %v", kind, kind, kind.IsNowhere(), kind.IsLocal())
		}
	}
	if got := reach.OfAddr(netip.Addr{}); got != reach.Unspecified {
		t.Errorf("the zero address is %v", got)
	}
}

func FuzzOf(f *testing.F) {
	for _, seed := range []string{"turn.example.org", "127.1", "[::1]", "0x", "", "[", "fe80::1%", "2002::"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, host string) {
		kind := reach.Of(host)
		if a, err := netip.ParseAddr(host); err == nil && kind != reach.OfAddr(a) {
			t.Errorf("Of(%q) = %v, OfAddr = %v", host, kind, reach.OfAddr(a))
		}
	})
}
