package relay

import (
	"errors"
	"net"
	"net/netip"
	"syscall"

	"github.com/pion/turn/v5"
)

// portTries is how many ports that others have bound are passed over.
const portTries = 64

var (
	errNoTCP    = errors.New("relay: allocations over TCP (RFC 6062) are not supported")
	errNoFamily = errors.New("relay: no relay address of that family")
	errNoPort   = errors.New("relay: no relay port is free")
	errNoRoom   = errors.New("relay: the limit on allocations is reached")
)

// generator makes the relayed addresses for the clients of one listener. It is
// what pion calls a RelayAddressGenerator.
type generator struct{ l *listener }

func (generator) Validate() error { return nil }

// AllocateListener refuses RFC 6062, which browsers do not use.
func (generator) AllocateListener(turn.AllocateListenerConfig) (net.Listener, net.Addr, error) {
	return nil, nil, errNoTCP
}

// AllocateConn refuses RFC 6062.
func (generator) AllocateConn(turn.AllocateConnConfig) (net.Conn, error) { return nil, errNoTCP }

// AllocatePacketConn opens a relayed address, or fails, which the client is told
// as 508 (Insufficient Capacity).
func (g generator) AllocatePacketConn(c turn.AllocateListenerConfig) (net.PacketConn, net.Addr, error) {
	r := g.l.relay
	where := g.l.placeFor(c.Network == "udp6")
	if where == nil {
		return nil, nil, errNoFamily
	}
	if c.UserID == "" { // pion looks for an even port and closes it at once
		return g.evenPort(where)
	}
	if err := r.admit(c.UserID); err != nil {
		return nil, nil, err
	}
	conn, port, err := g.open(where, c)
	if err != nil {
		r.leave(c.UserID)
		return nil, nil, err
	}
	reader, err := newReader(conn, func() { r.refused.add(malformed) })
	if err != nil {
		_ = conn.Close()
		where.ports.release(port, r.now())
		r.leave(c.UserID)
		return nil, nil, err
	}
	a := &allocation{
		relay: r, reader: reader, listener: g.l, conn: conn, place: where, port: port,
		user: c.UserID, started: r.now(), transport: g.l.transport,
		permissions: map[netip.Addr]verdict{}, channels: map[uint16]destination{}, byPeer: map[netip.AddrPort]uint16{},
	}
	r.register(a)
	return a, net.UDPAddrFromAddrPort(a.address()), nil
}

// address is the relayed transport address as peers know it.
func (a *allocation) address() netip.AddrPort { return netip.AddrPortFrom(a.place.public, a.port) }

// open binds a free port, or the one that was asked for.
func (g generator) open(where *place, c turn.AllocateListenerConfig) (*net.UDPConn, uint16, error) {
	r := g.l.relay
	bind := func(port uint16) (*net.UDPConn, error) {
		conn, err := net.ListenUDP(c.Network, net.UDPAddrFromAddrPort(netip.AddrPortFrom(where.local, port)))
		if err != nil {
			where.ports.release(port, r.now())
			return nil, err
		}
		// Where the system allows less, the listeners' buffers have told so.
		_ = conn.SetReadBuffer(relayBuffer)
		_ = conn.SetWriteBuffer(relayBuffer)
		return conn, nil
	}
	if c.RequestedPort != 0 {
		port := uint16(c.RequestedPort)
		if !where.ports.takeThis(port) {
			return nil, 0, errNoPort
		}
		if port%2 == 0 { // the next one may be asked for with RESERVATION-TOKEN
			where.ports.hold(port+1, r.now())
		}
		conn, err := bind(port)
		return conn, port, err
	}
	for range portTries {
		port, ok := where.ports.take(r.now())
		if !ok {
			break
		}
		conn, err := bind(port)
		if err == nil {
			return conn, port, nil
		}
		if !errors.Is(err, syscall.EADDRINUSE) {
			r.say.warn("cannot open a relay port", "err", err)
			return nil, 0, err
		}
	}
	r.refused.add(noPort)
	r.say.reached("ports", "ports", r.cfg.ports())
	return nil, 0, errNoPort
}

// evenPort answers pion's search for an even port, whose relayed address it closes
// and then asks for by number.
func (g generator) evenPort(where *place) (net.PacketConn, net.Addr, error) {
	for range portTries {
		port, ok := where.ports.takeEven(g.l.relay.now())
		if !ok {
			break
		}
		// Another program may have it.
		conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(where.local, port)))
		if err != nil {
			where.ports.release(port, g.l.relay.now())
			continue
		}
		found := &foundPort{PacketConn: conn, generator: g, where: where, port: port}
		return found, net.UDPAddrFromAddrPort(netip.AddrPortFrom(where.public, port)), nil
	}
	g.l.relay.refused.add(noPort)
	return nil, nil, errNoPort
}

// foundPort is a port that is reserved until it is closed. No packet passes.
type foundPort struct {
	net.PacketConn
	generator
	where *place
	port  uint16
}

func (f *foundPort) Close() error {
	f.where.ports.release(f.port, f.l.relay.now())
	return f.PacketConn.Close()
}
