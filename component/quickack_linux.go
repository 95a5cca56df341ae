package component

import (
	"net"
	"syscall"
)

// acknowledger acknowledges what was read at once, instead of waiting for
// something to send with it.
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
		// The option does not last: the kernel goes back to waiting by itself.
		_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_QUICKACK, 1)
	}}
}

// now acknowledges. That it fails costs some milliseconds, and the next read tells
// what is wrong with the connection.
func (a acknowledger) now() {
	if a.raw != nil {
		_ = a.raw.Control(a.set)
	}
}
