package component

import (
	"net"
	"syscall"
)

// acknowledger acknowledges what was read immediately, instead of waiting for data to
// send along with the acknowledgement.
type acknowledger struct {
	raw syscall.RawConn
	set func(fd uintptr)
}

func newAcknowledger(conn net.Conn) acknowledger {
	c, ok := conn.(syscall.Conn)
	if !ok {
		return acknowledger{}
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return acknowledger{}
	}
	return acknowledger{raw: raw, set: func(fd uintptr) {
		// The option is not permanent: the kernel returns to delaying by itself.
		_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_QUICKACK, 1)
	}}
}

// now acknowledges. Failure costs some milliseconds, and the next read reports what
// is wrong with the connection.
func (a acknowledger) now() {
	if a.raw != nil {
		_ = a.raw.Control(a.set)
	}
}
