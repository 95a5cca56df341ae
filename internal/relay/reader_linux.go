package relay

import (
	"encoding/binary"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// batchSize is how many datagrams are read at once. What is ready is read: nothing
// waits for a batch to be full.
const batchSize = 16

// batch is what recvmmsg(2) fills. It points to itself and must not be copied.
type batch struct {
	messages [batchSize]mmsghdr
	vectors  [batchSize]unix.Iovec
	names    [batchSize]unix.RawSockaddrInet6 // has room for IPv4 as well
	buffers  [batchSize][]byte
	next     int
	count    int
}

// mmsghdr is that of recvmmsg(2).
type mmsghdr struct {
	header unix.Msghdr
	size   uint32
}

// batches are shared by all sockets: one is needed only while there is something to
// read.
var batches = sync.Pool{New: func() any {
	b := &batch{}
	for i := range b.messages {
		b.buffers[i] = make([]byte, headroom+maxDatagram)
		b.vectors[i].Base = &b.buffers[i][headroom]
		b.vectors[i].SetLen(maxDatagram)
		h := &b.messages[i].header
		h.Name = (*byte)(unsafe.Pointer(&b.names[i]))
		h.Iov = &b.vectors[i]
		h.SetIovlen(1)
		h.Namelen = unix.SizeofSockaddrInet6
	}
	return b
}}

// fill reads what is ready.
func (b *batch) fill(fd uintptr) syscall.Errno {
	for i := range b.count { // the last ones
		b.messages[i].header.Namelen = unix.SizeofSockaddrInet6
	}
	b.next, b.count = 0, 0
	for {
		n, _, errno := unix.Syscall6(unix.SYS_RECVMMSG, fd, uintptr(unsafe.Pointer(&b.messages[0])), batchSize, unix.MSG_DONTWAIT, 0, 0)
		if errno == unix.EINTR {
			continue
		}
		if errno == 0 {
			b.count = int(n)
		}
		return errno
	}
}

// take returns the next datagram.
func (b *batch) take() (buf []byte, n int, from netip.AddrPort, cut bool) {
	i := b.next
	b.next++
	m := &b.messages[i]
	return b.buffers[i], int(m.size), address(&b.names[i]), m.header.Flags&unix.MSG_TRUNC != 0
}

// reader reads datagrams from one socket, several with one system call, and without
// an allocation for each. One goroutine uses it.
type reader struct {
	raw     syscall.RawConn
	tooLong func()
	got     gotDatagram
	ready   func(fd uintptr) bool // kept, so that it is allocated once
	rest    *batch                // of which not everything was told
	err     error
}

func newReader(conn *net.UDPConn, tooLong func()) (*reader, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	r := &reader{raw: raw, tooLong: tooLong}
	r.ready = r.drain
	return r, nil
}

// read tells of datagrams until got stops it, which is nil, or the socket is closed.
func (r *reader) read(got gotDatagram) error {
	r.got, r.err = got, nil
	if err := r.raw.Read(r.ready); err != nil {
		return err
	}
	return r.err
}

// drain is called when there may be something to read, and returns false to wait for
// more. It need not ask again after a batch that was not full: what has come since
// ends the wait at once.
func (r *reader) drain(fd uintptr) (done bool) {
	b := r.rest
	if b == nil {
		b = batches.Get().(*batch)
	}
	for asked := false; ; {
		for b.next < b.count {
			buf, n, from, cut := b.take()
			if cut {
				r.tooLong()
			} else if r.got(buf, n, from) {
				r.rest = b
				return true
			}
		}
		if asked && b.count < batchSize {
			break
		}
		asked = true
		if errno := b.fill(fd); errno == unix.EAGAIN {
			break
		} else if errno != 0 {
			r.err = os.NewSyscallError("recvmmsg", errno)
			done = true
			break
		}
	}
	r.rest = nil
	batches.Put(b)
	return done
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
