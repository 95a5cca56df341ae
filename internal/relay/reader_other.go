//go:build !linux

package relay

import (
	"net"
	"net/netip"
)

// reader reads datagrams from one socket, one at a time.
type reader struct {
	conn    *net.UDPConn
	tooLong func()
	buffer  []byte
}

func newReader(conn *net.UDPConn, tooLong func()) (*reader, error) {
	return &reader{conn, tooLong, make([]byte, headroom+maxDatagram+1)}, nil
}

// read tells of datagrams until got stops it, which is nil, or the socket is closed.
func (r *reader) read(got gotDatagram) error {
	for {
		n, from, err := r.conn.ReadFromUDPAddrPort(r.buffer[headroom:])
		if err != nil {
			return err
		}
		if n > maxDatagram {
			r.tooLong()
			continue
		}
		if got(r.buffer[:headroom+maxDatagram], n, netip.AddrPortFrom(from.Addr().Unmap(), from.Port())) {
			return nil
		}
	}
}
