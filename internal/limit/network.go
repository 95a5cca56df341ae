package limit

import "net/netip"

// Network returns whom an address belongs to, as far as can be told: an IPv4 address to
// itself, an IPv6 address to its /64, of which one customer of an Internet provider has
// all. Of what is no address it is the zero Prefix.
func Network(addr netip.Addr) netip.Prefix {
	addr = addr.Unmap().WithZone("")
	bits := 32
	if addr.Is6() {
		bits = 64
	}
	network, _ := addr.Prefix(bits) // fails for what is no address only
	return network
}
