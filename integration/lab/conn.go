package lab

import "net"

// connected is a packet connection to one peer, as pion/turn wants it.
type connected interface {
	net.PacketConn
	RemoteAddr() net.Addr
}

// streamConn is TURN over TCP or TLS (RFC 8656 §3.1): the PacketConn knows
// where in the stream each message ends.
type streamConn struct {
	net.PacketConn
	stream net.Conn
}

func (c streamConn) RemoteAddr() net.Addr { return c.stream.RemoteAddr() }

// datagramConn is a connected UDP socket: unlike an unconnected one it has the
// address family of the server and learns when nobody listens there.
type datagramConn struct{ net.Conn }

func (c datagramConn) ReadFrom(p []byte) (int, net.Addr, error) {
	n, err := c.Read(p)
	return n, c.RemoteAddr(), err
}

func (c datagramConn) WriteTo(p []byte, _ net.Addr) (int, error) { return c.Write(p) }
