//go:build !linux

package relay

import (
	"net"
	"net/netip"
)

// batch reads one datagram at a time where several cannot be read at once.
type batch struct {
	conn   *net.UDPConn
	buffer []byte
}

func newBatch(conn *net.UDPConn, size int) (*batch, error) {
	return &batch{conn, make([]byte, size+1)}, nil
}

func (b *batch) get() ([]byte, netip.AddrPort, error) {
	n, from, err := b.conn.ReadFromUDPAddrPort(b.buffer)
	if err != nil || n == len(b.buffer) {
		return nil, netip.AddrPort{}, err
	}
	return b.buffer[:n], netip.AddrPortFrom(from.Addr().Unmap(), from.Port()), nil
}
