package relay

import (
	"encoding/binary"
	"net"
	"net/netip"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// batchSize is how many datagrams are read at once. What is ready is read: nothing
// waits for a batch to be full.
const batchSize = 16

// batch reads several datagrams with one system call (recvmmsg(2)), without an
// allocation. One goroutine uses it.
type batch struct {
	raw      syscall.RawConn
	read     func(fd uintptr) bool // kept, so that it is allocated once
	messages [batchSize]mmsghdr
	vectors  [batchSize]unix.Iovec
	names    [batchSize]unix.RawSockaddrInet6 // has room for IPv4 as well
	buffers  [batchSize][]byte
	next     int
	count    int
	errno    syscall.Errno
}

// mmsghdr is that of recvmmsg(2).
type mmsghdr struct {
	header unix.Msghdr
	size   uint32
}

func newBatch(conn *net.UDPConn, size int) (*batch, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	b := &batch{raw: raw}
	b.read = b.receive
	for i := range b.buffers {
		b.buffers[i] = make([]byte, size)
		b.vectors[i].Base = &b.buffers[i][0]
		b.vectors[i].SetLen(size)
	}
	return b, nil
}

// receive is called while fd may be ready, and reports whether it was.
func (b *batch) receive(fd uintptr) bool {
	for i := range b.messages {
		h := &b.messages[i].header
		h.Name = (*byte)(unsafe.Pointer(&b.names[i]))
		h.Namelen = unix.SizeofSockaddrInet6
		h.Iov = &b.vectors[i]
		h.SetIovlen(1)
	}
	for {
		n, _, errno := unix.Syscall6(unix.SYS_RECVMMSG, fd, uintptr(unsafe.Pointer(&b.messages[0])), batchSize, unix.MSG_DONTWAIT, 0, 0)
		switch errno {
		case unix.EINTR:
			continue
		case unix.EAGAIN:
			return false
		}
		b.count, b.errno = int(n), errno
		if errno != 0 {
			b.count = 0
		}
		return true
	}
}

// get returns the next datagram, which is good until get is called again, or waits
// for one. It is nil if the datagram was too long.
func (b *batch) get() ([]byte, netip.AddrPort, error) {
	for b.next >= b.count {
		b.next, b.count, b.errno = 0, 0, 0
		if err := b.raw.Read(b.read); err != nil {
			return nil, netip.AddrPort{}, err
		}
		if b.errno != 0 {
			return nil, netip.AddrPort{}, os.NewSyscallError("recvmmsg", b.errno)
		}
	}
	i := b.next
	b.next++
	m := &b.messages[i]
	if m.header.Flags&unix.MSG_TRUNC != 0 {
		return nil, netip.AddrPort{}, nil
	}
	return b.buffers[i][:m.size], address(&b.names[i]), nil
}

// address returns what the kernel has written.
func address(name *unix.RawSockaddrInet6) netip.AddrPort {
	if name.Family == unix.AF_INET {
		four := (*unix.RawSockaddrInet4)(unsafe.Pointer(name))
		return netip.AddrPortFrom(netip.AddrFrom4(four.Addr), networkOrder(&four.Port))
	}
	return netip.AddrPortFrom(netip.AddrFrom16(name.Addr).Unmap(), networkOrder(&name.Port))
}

func networkOrder(port *uint16) uint16 {
	return binary.BigEndian.Uint16((*[2]byte)(unsafe.Pointer(port))[:])
}
