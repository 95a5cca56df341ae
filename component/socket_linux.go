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
const unreadFor = 20 * time.Second

// boundUnread sets the limit. Should that fail, pings still find it out.
func boundUnread(conn net.Conn) {
	control(conn, func(fd int) {
		_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(unreadFor.Milliseconds()))
	})
}

// control calls f with the file descriptor of the connection, if it has one.
func control(conn net.Conn, f func(fd int)) {
	c, ok := conn.(syscall.Conn)
	if !ok {
		return
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) { f(int(fd)) })
}
