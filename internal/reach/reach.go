// Package reach tells from a host, without asking the network, who can reach it:
// everybody, or only this machine or the network it stands in.
package reach

import (
	"net/netip"
	"strconv"
	"strings"
)

// Kind is who can reach a host.
type Kind uint8

// The kinds. Of a name nothing is known but what its last label says, so that
// most names are [Public].
const (
	Public      Kind = iota
	Private          // RFC 1918, RFC 4193, RFC 6598 (carrier-grade NAT), site-local
	Loopback         // 127.0.0.0/8, ::1, localhost
	LinkLocal        // 169.254.0.0/16, fe80::/10
	Unspecified      // 0.0.0.0/8, ::
	Multicast        // 224.0.0.0/4, ff00::/8
	Reserved         // broadcast, 240.0.0.0/4, benchmarking, discard: nobody has these
	LocalName        // a name without a dot, or below .local, .lan, .internal and the like
)

var words = [...]string{
	Public:      "a public address",
	Private:     "a private address",
	Loopback:    "a loopback address",
	LinkLocal:   "a link-local address",
	Unspecified: "the unspecified address",
	Multicast:   "a multicast address",
	Reserved:    "a reserved address",
	LocalName:   "a name of the local network",
}

// String returns the kind with its article, such as "a private address".
func (k Kind) String() string {
	if int(k) < len(words) {
		return words[k]
	}
	return "an address of kind " + strconv.Itoa(int(k))
}

// IsNowhere reports whether no client can connect to such a host, wherever it is.
func (k Kind) IsNowhere() bool { return k == Unspecified || k == Multicast || k == Reserved }

// IsLocal reports whether only clients on this machine or network can connect.
func (k Kind) IsLocal() bool {
	return k == Private || k == Loopback || k == LinkLocal || k == LocalName
}

// Of returns the kind of a host as it stands in an ICE URI or an address: a name,
// an IPv4 address in any spelling that resolvers take (127.1, 0x7f000001), or an
// IPv6 address with or without brackets and zone. A trailing dot is ignored.
func Of(host string) Kind {
	host = strings.ToLower(strings.TrimSpace(host))
	if inside, ok := strings.CutPrefix(host, "["); ok {
		host = strings.TrimSuffix(inside, "]")
	}
	if a, err := netip.ParseAddr(host); err == nil {
		return OfAddr(a)
	}
	host = strings.TrimSuffix(host, ".")
	if a, ok := parseLoosely(host); ok {
		return OfAddr(a)
	}
	return ofName(host)
}

// localDomains are top-level domains that are not in the public DNS: RFC 6762,
// RFC 8375, RFC 9476, ICANN's .internal, and what routers make up.
var localDomains = []string{".local", ".localdomain", ".lan", ".home", ".home.arpa", ".corp", ".intranet", ".internal", ".private"}

func ofName(host string) Kind {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") || host == "localhost.localdomain" ||
		host == "ip6-localhost" || host == "ip6-loopback" { // of Debian's /etc/hosts
		return Loopback
	}
	for _, domain := range localDomains {
		if strings.HasSuffix(host, domain) {
			return LocalName
		}
	}
	if host != "" && !strings.Contains(host, ".") {
		return LocalName
	}
	return Public
}

var (
	sharedSpace = netip.MustParsePrefix("100.64.0.0/10") // RFC 6598
	siteLocal   = netip.MustParsePrefix("fec0::/10")     // RFC 3879
	thisNetwork = netip.MustParsePrefix("0.0.0.0/8")
	localNAT64  = netip.MustParsePrefix("64:ff9b:1::/48") // RFC 8215
	reserved    = []netip.Prefix{
		netip.MustParsePrefix("240.0.0.0/4"), // with broadcast
		netip.MustParsePrefix("198.18.0.0/15"),
		netip.MustParsePrefix("100::/64"),
	}
)

// OfAddr returns the kind of an address. An IPv6 address that wraps an IPv4
// address has the kind of that one.
func OfAddr(a netip.Addr) Kind {
	a = inner(a.WithZone(""))
	switch {
	case !a.IsValid():
		return Unspecified
	case a.IsUnspecified(), thisNetwork.Contains(a):
		return Unspecified
	case a.IsLoopback():
		return Loopback
	case a.IsPrivate(), sharedSpace.Contains(a), siteLocal.Contains(a), localNAT64.Contains(a):
		return Private
	case a.IsLinkLocalUnicast():
		return LinkLocal
	case a.IsMulticast():
		return Multicast
	}
	for _, p := range reserved {
		if p.Contains(a) {
			return Reserved
		}
	}
	return Public
}

// wrapping are prefixes of addresses that hold an IPv4 address, and the byte at
// which it begins.
var wrapping = []struct {
	prefix netip.Prefix
	at     int
}{
	{netip.MustParsePrefix("::ffff:0:0:0/96"), 12}, // IPv4-translated, RFC 2765
	{netip.MustParsePrefix("64:ff9b::/96"), 12},    // NAT64, RFC 6052
	{netip.MustParsePrefix("2002::/16"), 2},        // 6to4, RFC 3056
}

var (
	compatible = netip.MustParsePrefix("::/96")     // RFC 4291 §2.5.5.1
	teredo     = netip.MustParsePrefix("2001::/32") // RFC 4380 §4
)

// inner returns the IPv4 address that an IPv6 address wraps, or the address.
func inner(a netip.Addr) netip.Addr {
	a = a.Unmap()
	if !a.Is6() {
		return a
	}
	b := a.As16()
	for _, w := range wrapping {
		if w.prefix.Contains(a) {
			return netip.AddrFrom4([4]byte(b[w.at : w.at+4]))
		}
	}
	switch v4 := [4]byte(b[12:]); {
	case compatible.Contains(a) && !a.IsUnspecified() && !a.IsLoopback():
		return netip.AddrFrom4(v4)
	case teredo.Contains(a):
		for i := range v4 {
			v4[i] ^= 0xff
		}
		return netip.AddrFrom4(v4)
	}
	return a
}

// parseLoosely reads an IPv4 address as inet_aton and browsers do: one to four
// numbers, decimal, octal or hexadecimal, the last of which fills the rest.
func parseLoosely(host string) (netip.Addr, bool) {
	parts := strings.Split(host, ".")
	if len(parts) > 4 {
		return netip.Addr{}, false
	}
	var value uint64
	for i, part := range parts {
		if part == "" || strings.ContainsAny(part, "_+-") {
			return netip.Addr{}, false
		}
		base := 10
		if digits, isHex := strings.CutPrefix(part, "0x"); isHex {
			part, base = digits, 16
		} else if len(part) > 1 && part[0] == '0' {
			base = 8
		}
		n, err := strconv.ParseUint(part, base, 32)
		last := i == len(parts)-1
		if err != nil || !last && n > 255 || last && n >= 1<<(8*(5-len(parts))) {
			return netip.Addr{}, false
		}
		if !last {
			value = value<<8 | n
			continue
		}
		value = value<<(8*(5-len(parts))) | n
	}
	return netip.AddrFrom4([4]byte{byte(value >> 24), byte(value >> 16), byte(value >> 8), byte(value)}), true
}
