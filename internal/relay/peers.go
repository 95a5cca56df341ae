package relay

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// Peer is an address, or a network, that is relayed to although it is not
// public: a video bridge at a private address, for example.
//
// A whole network never opens loopback, link-local and cloud-metadata addresses,
// nor this machine's own: those must be named one by one, best with a port.
type Peer struct {
	Prefix netip.Prefix
	Port   uint16 // 0: every port
}

// ParsePeer reads "10.0.0.0/8", "10.0.0.5", "10.0.0.5:10000", "2001:db8::5" or
// "[2001:db8::5]:10000".
func ParsePeer(s string) (Peer, error) {
	if prefix, err := netip.ParsePrefix(s); err == nil {
		if prefix.Addr().Is4In6() {
			return Peer{}, fmt.Errorf("%q is an IPv4 network in IPv6 form; write it as IPv4", s)
		}
		return Peer{Prefix: prefix.Masked()}, nil
	}
	if addr, err := netip.ParseAddr(s); err == nil && addr.Zone() == "" {
		addr = addr.Unmap()
		return Peer{Prefix: netip.PrefixFrom(addr, addr.BitLen())}, nil
	}
	if ap, err := netip.ParseAddrPort(s); err == nil && ap.Addr().Zone() == "" && ap.Port() != 0 {
		addr := ap.Addr().Unmap()
		return Peer{Prefix: netip.PrefixFrom(addr, addr.BitLen()), Port: ap.Port()}, nil
	}
	return Peer{}, fmt.Errorf(`%q is no address or network; write for example "10.0.0.5", "10.0.0.5:10000" or "10.0.0.0/8"`, s)
}

// String returns the form that [ParsePeer] reads.
func (p Peer) String() string {
	switch {
	case p.Port != 0:
		return netip.AddrPortFrom(p.Prefix.Addr(), p.Port).String()
	case p.Prefix.IsSingleIP():
		return p.Prefix.Addr().String()
	}
	return p.Prefix.String()
}

// verdict is what the policy says of an address before a port is known.
type verdict uint8

const (
	denied  verdict = iota
	open            // every port
	askPort         // some ports: ask permitsPort for each
)

// policy decides where packets may go. It does not change once it is made.
type policy struct {
	allow    []Peer
	own      map[netip.Addr]bool // addresses of this machine, and those it is known by
	known    map[netip.Addr]bool // addresses that allocations of ours have for peers
	isolated map[netip.Addr]bool // broadcast addresses of its networks
	relayed  func(netip.AddrPort) bool
}

// judge returns what is allowed at addr, in whatever form it is written.
func (p *policy) judge(addr netip.Addr) verdict {
	addr = addr.WithZone("").Unmap()
	if isNowhere(addr) || p.isolated[addr] {
		return denied
	}
	if inner, ok := embedded(addr); ok && p.judge(inner) != open {
		return denied
	}
	named, all, part := p.allowed(addr)
	switch {
	case named && all:
		return open
	case p.known[addr], named && part:
		return askPort // relayed users of ours, or what the administrator has named
	case p.own[addr], isNeverByNetwork(addr):
		return denied
	case isReserved(addr):
		if all {
			return open
		}
		if part {
			return askPort
		}
		return denied
	}
	return open
}

// permits reports whether a packet may leave for ap, whose address was judged.
func (p *policy) permits(v verdict, ap netip.AddrPort) bool {
	switch v {
	case open:
		return ap.Port() != 0
	case askPort:
		return p.permitsPort(ap)
	}
	return false
}

func (p *policy) permitsPort(ap netip.AddrPort) bool {
	addr := ap.Addr()
	if p.known[addr] && p.relayed(ap) {
		return true
	}
	for _, peer := range p.allow {
		if peer.Prefix.IsSingleIP() && peer.Prefix.Contains(addr) && (peer.Port == 0 || peer.Port == ap.Port()) {
			return true
		}
	}
	return !p.own[addr] && !isNeverByNetwork(addr) && !isReserved(addr)
}

// allowed reports whether allow names addr itself, and whether it opens all of
// its ports or some.
func (p *policy) allowed(addr netip.Addr) (named, all, part bool) {
	for _, peer := range p.allow {
		if !peer.Prefix.Contains(addr) {
			continue
		}
		named = named || peer.Prefix.IsSingleIP()
		// A network does not open what must be named.
		if peer.Prefix.IsSingleIP() || !p.own[addr] && !isNeverByNetwork(addr) {
			all = all || peer.Port == 0
			part = true
		}
	}
	return named, all, part
}

// isNowhere reports whether addr is no address of one machine.
func isNowhere(addr netip.Addr) bool {
	return !addr.IsValid() || addr.IsUnspecified() || addr.IsMulticast() || nowhere.contains(addr)
}

// isNeverByNetwork reports whether addr is so delicate that it must be named.
func isNeverByNetwork(addr netip.Addr) bool {
	return addr.IsLoopback() || addr.IsLinkLocalUnicast() || metadata.contains(addr)
}

// isReserved reports whether addr is not on the public Internet.
func isReserved(addr netip.Addr) bool {
	if addr.Is6() && !globalUnicast.Contains(addr) {
		return true
	}
	return reserved.contains(addr)
}

type prefixes []netip.Prefix

func (list prefixes) contains(addr netip.Addr) bool {
	return slices.ContainsFunc(list, func(p netip.Prefix) bool { return p.Contains(addr) })
}

func parsePrefixes(text string) prefixes {
	var list prefixes
	for _, field := range strings.Fields(text) {
		list = append(list, netip.MustParsePrefix(field))
	}
	return list
}

// globalUnicast is all that IANA has assigned for global unicast (RFC 4291 §2.4).
var globalUnicast = netip.MustParsePrefix("2000::/3")

// nowhere is what no setting opens.
var nowhere = parsePrefixes("0.0.0.0/8 240.0.0.0/4")

// metadata are the addresses at which clouds tell their machines who they are,
// with passwords: AWS and most others, Azure, Alibaba, Oracle; AWS and Google over IPv6.
var metadata = parsePrefixes(`169.254.0.0/16 168.63.129.16/32 100.100.100.200/32 192.0.0.192/32
	fd00:ec2::/32 fd20:ce::254/128`)

// reserved are the IANA registries of special-purpose addresses (RFC 6890 and
// later). What lies outside globalUnicast needs no line.
var reserved = parsePrefixes(`10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12
	192.0.0.0/24 192.0.2.0/24 192.31.196.0/24 192.52.193.0/24 192.88.99.0/24 192.168.0.0/16
	192.175.48.0/24 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24
	2001::/23 2001:db8::/32 2002::/16 2620:4f:8000::/48 3ffe::/16 3fff::/20`)

var (
	nat64      = netip.MustParsePrefix("64:ff9b::/96") // RFC 6052 §2.1
	sixToFour  = netip.MustParsePrefix("2002::/16")    // RFC 3056
	compatible = netip.MustParsePrefix("::/96")        // RFC 4291 §2.5.5.1
	translated = netip.MustParsePrefix("::ffff:0:0:0/96")
	localNAT64 = netip.MustParsePrefix("64:ff9b:1::/48") // RFC 8215, here with a /96 of it
	teredo     = netip.MustParsePrefix("2001::/32")      // RFC 4380
)

// embedded returns the IPv4 address that a packet to addr reaches in the end.
func embedded(addr netip.Addr) (netip.Addr, bool) {
	if !addr.Is6() {
		return netip.Addr{}, false
	}
	b := addr.As16()
	last := netip.AddrFrom4([4]byte(b[12:16]))
	switch {
	case nat64.Contains(addr), translated.Contains(addr), localNAT64.Contains(addr):
		return last, true
	case compatible.Contains(addr):
		return last, !addr.IsLoopback()
	case sixToFour.Contains(addr):
		return netip.AddrFrom4([4]byte(b[2:6])), true
	case teredo.Contains(addr): // the client's address is stored inverted
		return netip.AddrFrom4([4]byte{^b[12], ^b[13], ^b[14], ^b[15]}), true
	case b[8]&^2 == 0 && b[9] == 0 && b[10] == 0x5e && b[11] == 0xfe: // ISATAP, RFC 5214 §6.1
		return last, true
	}
	return netip.Addr{}, false
}

// portRange is a range of ports, both ends included.
type portRange struct{ first, last uint16 }

func (r portRange) contains(port uint16) bool { return r.first <= port && port <= r.last }

func (r portRange) String() string {
	return strconv.Itoa(int(r.first)) + "-" + strconv.Itoa(int(r.last))
}
