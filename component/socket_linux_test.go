package component

import (
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestDialedConnectionBoundsWhatIsUnread(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	conn, err := dialer(l.Addr().String())(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if got := time.Duration(option(t, conn, unix.TCP_USER_TIMEOUT)) * time.Millisecond; got != unreadFor {
		t.Errorf("what is sent may stay unread for %v, want %v", got, unreadFor)
	}
}
