package component

import (
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// unreadFor is how long the server may take nothing of what was sent to it before
// the system ends the connection. Without that limit, replies would first have to
// fill the system's buffers, and the requests would be lost that are answered
// meanwhile.
const unreadFor = 20 * time.Second

// boundUnread sets the limit on a new socket, for [net.Dialer.Control]. Should that
// fail, pings still find it out.
func boundUnread(_, _ string, conn syscall.RawConn) error {
	_ = conn.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(unreadFor.Milliseconds()))
	})
	return nil
}
