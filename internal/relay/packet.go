package relay

import (
	"fmt"
	"net"
	"net/netip"
	"time"
)

const (
	// ListenBuffer is what a listener's socket may hold while the relay is busy: a
	// tenth of a second of 300 Mbit/s. The system may grant less.
	ListenBuffer = 4 << 20
	// relayBuffer is the same for one allocation.
	relayBuffer = 256 << 10
	// pause is how long a socket that cannot be read is left alone.
	pause = 10 * time.Millisecond
)

// packetConn is a UDP address that clients come to. It is what pion reads from,
// and it gives pion the requests alone.
type packetConn struct {
	*net.UDPConn
	l      *listener
	reader *reader
	login  login // of the frame that pion got last; pion's one reader uses it
	ended  bool
}

func listenPacket(l *listener) (*packetConn, error) {
	network := "udp4"
	if l.addr.Addr().Is6() {
		network = "udp6"
	}
	conn, err := net.ListenUDP(network, net.UDPAddrFromAddrPort(l.addr))
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	_ = conn.SetReadBuffer(ListenBuffer)
	_ = conn.SetWriteBuffer(ListenBuffer)
	l.relay.noteBuffer(conn)
	l.addr = addrPort(conn.LocalAddr())
	reader, err := newReader(conn, func() { l.relay.refused.add(malformed) })
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	l.reading.Add(1)
	return &packetConn{UDPConn: conn, l: l, reader: reader}, nil
}

// ReadFrom relays data until a request comes, and returns that.
func (c *packetConn) ReadFrom(p []byte) (int, net.Addr, error) {
	size := 0
	var src netip.AddrPort
	for {
		err := c.reader.read(func(buf []byte, n int, from netip.AddrPort) bool {
			frame := buf[headroom : headroom+n]
			if !c.handle(frame, from) || n > len(p) {
				return false
			}
			size, src = copy(p, frame), from
			return true
		})
		if err == nil {
			return size, net.UDPAddrFromAddrPort(src), nil
		}
		if isTransient(err) {
			time.Sleep(pause)
			continue
		}
		if !c.ended {
			c.ended = true
			c.l.reading.Done()
		}
		return 0, nil, err
	}
}

// handle deals with one datagram and reports whether pion is to have it.
func (c *packetConn) handle(frame []byte, client netip.AddrPort) bool {
	got := c.l.handle(frame, client)
	if got.reply != nil {
		_, _ = c.WriteToUDPAddrPort(got.reply, client)
	}
	if got.pass {
		c.login = got.login
	}
	return got.pass
}

// WriteTo sends pion's responses.
func (c *packetConn) WriteTo(p []byte, addr net.Addr) (int, error) {
	return c.WriteToUDPAddrPort(p, addrPort(addr))
}

// sendData implements toClient.
func (c *packetConn) sendData(frame []byte, client netip.AddrPort) {
	if _, err := c.WriteToUDPAddrPort(frame, client); err != nil {
		c.l.relay.refused.add(sendFailed)
	}
}
