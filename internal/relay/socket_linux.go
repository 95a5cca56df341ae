package relay

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// setLowWater bounds what a connection's socket takes that it cannot send yet
// (tcp(7), TCP_NOTSENT_LOWAT), so that the rest waits where it can be dropped.
func setLowWater(conn net.Conn, bytes int) {
	control(conn, func(fd int) { _ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, bytes) })
}

// receiveBuffer returns how many bytes a socket's receive buffer has room for, or
// 0 if that is not known.
func receiveBuffer(conn net.Conn) int {
	size := 0
	control(conn, func(fd int) {
		if n, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF); err == nil {
			size = n / 2 // socket(7): the kernel doubles it for itself
		}
	})
	return size
}

func control(conn net.Conn, f func(fd int)) {
	if c, ok := conn.(syscall.Conn); ok {
		if raw, err := c.SyscallConn(); err == nil {
			_ = raw.Control(func(fd uintptr) { f(int(fd)) })
		}
	}
}
