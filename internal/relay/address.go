package relay

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// PublicIP is an address that peers and clients know this machine by.
type PublicIP struct {
	Public netip.Addr
	// Local is the address of this machine that a NAT maps to Public, one to one.
	// The zero Addr stands for Public itself where the machine has that address,
	// else for the machine's only address of that family.
	Local netip.Addr
}

// ParsePublicIP reads "203.0.113.5", or "203.0.113.5/10.0.0.5" where a NAT maps the
// second to the first.
func ParsePublicIP(s string) (PublicIP, error) {
	fail := fmt.Errorf(`%q is no IP address; write for example "203.0.113.5", or behind NAT "203.0.113.5/10.0.0.5" with this machine's own address behind the slash`, s)
	public, local, mapped := strings.Cut(s, "/")
	p := PublicIP{}
	var err error
	if p.Public, err = netip.ParseAddr(public); err != nil || p.Public.Zone() != "" || isNowhere(p.Public.Unmap()) {
		return PublicIP{}, fail
	}
	p.Public = p.Public.Unmap()
	if !mapped {
		return p, nil
	}
	if p.Local, err = netip.ParseAddr(local); err != nil || p.Local.Zone() != "" || isNowhere(p.Local.Unmap()) {
		return PublicIP{}, fail
	}
	p.Local = p.Local.Unmap()
	if p.Local.Is4() != p.Public.Is4() {
		return PublicIP{}, fmt.Errorf("%q maps an IPv4 address to an IPv6 address; both must be of one family", s)
	}
	return p, nil
}

// InterfaceAddrs returns the addresses of this machine with their networks.
func InterfaceAddrs() ([]netip.Prefix, error) {
	list, err := net.InterfaceAddrs()
	if err != nil {
		return nil, fmt.Errorf("this machine's own addresses: %w", err)
	}
	var prefixes []netip.Prefix
	for _, a := range list {
		if n, ok := a.(*net.IPNet); ok {
			addr, ok := netip.AddrFromSlice(n.IP)
			bits, _ := n.Mask.Size()
			if ok && bits <= addr.Unmap().BitLen() {
				prefixes = append(prefixes, netip.PrefixFrom(addr.Unmap(), bits))
			}
		}
	}
	return prefixes, nil
}

// place is a pair of addresses that allocations live at.
type place struct {
	public, local netip.Addr
	ports         *ports
}

// errNAT is what a machine without a public address is told.
var errNAT = errors.New(`this machine has private addresses only, so peers cannot reach a relay here: set public_ip to the address that the Internet knows it by, and let the NAT forward the relay's ports`)

// places pairs the public addresses with the machine's own.
func places(public []PublicIP, interfaces []netip.Prefix, r portRange) ([]place, error) {
	if len(public) == 0 {
		for _, prefix := range interfaces {
			if addr := prefix.Addr(); !isReserved(addr) && !isNowhere(addr) {
				public = append(public, PublicIP{Public: addr, Local: addr})
			}
		}
		if len(public) == 0 {
			return nil, errNAT
		}
	}
	var list []place
	for _, p := range public {
		local, err := localOf(p, interfaces)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(list, func(other place) bool { return other.public == p.Public || other.local == local }) {
			return nil, fmt.Errorf("public_ip: %s is named twice, or stands for the same address of this machine as another one", p.Public)
		}
		list = append(list, place{public: p.Public, local: local, ports: newPorts(r)})
	}
	return list, nil
}

// Addresses returns the addresses that allocations will have, each with the one of this
// machine that stands for it; or why there are none. The Local of every result is valid.
func Addresses(public []PublicIP, interfaces []netip.Prefix) ([]PublicIP, error) {
	found, err := places(public, interfaces, portRange{DefaultFirstPort, DefaultFirstPort})
	if err != nil {
		return nil, err
	}
	var list []PublicIP
	for _, p := range found {
		list = append(list, PublicIP{Public: p.public, Local: p.local})
	}
	return list, nil
}

// localOf returns the address of this machine that stands for p.
func localOf(p PublicIP, interfaces []netip.Prefix) (netip.Addr, error) {
	has := func(addr netip.Addr) bool {
		return slices.ContainsFunc(interfaces, func(prefix netip.Prefix) bool { return prefix.Addr() == addr })
	}
	switch {
	case p.Local.IsValid() && !has(p.Local):
		return netip.Addr{}, fmt.Errorf("public_ip: this machine has no address %s", p.Local)
	case p.Local.IsValid():
		return p.Local, nil
	case has(p.Public):
		return p.Public, nil
	}
	if local := preferredSource(p.Public); local.IsValid() && has(local) {
		return local, nil
	}
	for _, prefix := range interfaces {
		addr := prefix.Addr()
		if addr.Is4() == p.Public.Is4() && !addr.IsLoopback() && !addr.IsLinkLocalUnicast() {
			return addr, nil
		}
	}
	return netip.Addr{}, fmt.Errorf(`public_ip: this machine has no address that a NAT could map to %[1]s; write "%[1]s/LOCAL" with its own address for LOCAL`, p.Public)
}

// preferredSource returns the address that packets to addr leave from. Nothing is
// sent to find it.
func preferredSource(addr netip.Addr) netip.Addr {
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(addr, 9)))
	if err != nil {
		return netip.Addr{}
	}
	defer conn.Close()
	return conn.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap()
}

// listenAddrs returns every address that one entry of listen means. A port alone
// means all addresses of this machine but link-local ones, each bound by itself:
// a socket for all of them may answer from another one than it was asked at.
func listenAddrs(entry string, interfaces []netip.Prefix) ([]netip.AddrPort, error) {
	fail := fmt.Errorf(`%q is no address to listen at; write for example ":3478" for all of this machine's addresses, or "192.0.2.10:3478"`, entry)
	host, portText, err := net.SplitHostPort(entry)
	port, portErr := strconv.ParseUint(portText, 10, 16)
	if err != nil || portErr != nil {
		return nil, fail
	}
	if host != "" {
		addr, err := netip.ParseAddr(host)
		if err != nil || addr.Zone() != "" {
			return nil, fail
		}
		addr = addr.Unmap()
		if !addr.IsUnspecified() {
			return []netip.AddrPort{netip.AddrPortFrom(addr, uint16(port))}, nil
		}
		return allAddrs(interfaces, uint16(port), addr.Is4()), nil
	}
	return append(allAddrs(interfaces, uint16(port), true), allAddrs(interfaces, uint16(port), false)...), nil
}

func allAddrs(interfaces []netip.Prefix, port uint16, is4 bool) []netip.AddrPort {
	var list []netip.AddrPort
	for _, prefix := range interfaces {
		addr := prefix.Addr()
		if ap := netip.AddrPortFrom(addr, port); addr.Is4() == is4 && !addr.IsLinkLocalUnicast() && !slices.Contains(list, ap) {
			list = append(list, ap)
		}
	}
	return list
}

// ownAddrs returns the addresses of this machine and those it is known by, and
// what would reach all machines of its networks.
func ownAddrs(interfaces []netip.Prefix, known []place) (own, broadcast map[netip.Addr]bool) {
	own, broadcast = map[netip.Addr]bool{}, map[netip.Addr]bool{}
	for _, p := range known {
		own[p.public], own[p.local] = true, true
	}
	for _, prefix := range interfaces {
		addr := prefix.Addr()
		own[addr] = true
		if !addr.Is4() || prefix.Bits() >= 31 || addr.IsLoopback() {
			continue
		}
		first := prefix.Masked().Addr()
		last := first.As4()
		for bit := prefix.Bits(); bit < 32; bit++ {
			last[bit/8] |= 0x80 >> (bit % 8)
		}
		for _, all := range []netip.Addr{first, netip.AddrFrom4(last)} {
			if all != addr {
				broadcast[all] = true
			}
		}
	}
	return own, broadcast
}
