package component

import (
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// unreadFor is how long the server may take nothing of what was sent to it before
// the system ends the connection. Without that limit, replies would first have to
// fill the system's buffers, and the requests would be lost that are answered
// meanwhile.
const unreadFor = 10 * time.Second

// boundUnread sets the limit. Should that fail, a write that blocks still has a
// deadline.
func boundUnread(conn net.Conn) {
	c, ok := conn.(syscall.Conn)
	if !ok {
		return
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(unreadFor.Milliseconds()))
	})
}
