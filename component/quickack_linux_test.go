package component

import (
	"io"
	"log/slog"
	"net"
	"syscall"
	"testing"
)

// option asks the kernel for an option of the connection.
func option(t *testing.T, conn net.Conn, name int) int {
	t.Helper()
	raw, err := conn.(syscall.Conn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	value := 0
	if err := raw.Control(func(fd uintptr) { value, err = syscall.GetsockoptInt(int(fd), syscall.IPPROTO_TCP, name) }); err != nil {
		t.Fatal(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return value
}

// quickAck reports whether the connection acknowledges at once.
func quickAck(t *testing.T, conn net.Conn) bool {
	t.Helper()
	return option(t, conn, syscall.TCP_QUICKACK) != 0
}

// A connection over which questions and answers go waits with acknowledgements,
// until something is read that has no answer.
func TestUnansweredStanzaIsAcknowledged(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	server, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	c, err := New(ConfigFor(new(TestHandler), slog.New(slog.DiscardHandler)))
	if err != nil {
		t.Fatal(err)
	}
	link := newLink(c, conn, nil)
	deliver := func(stanza string, reply bool) {
		if _, err := server.Write([]byte(stanza)); err != nil {
			t.Fatal(err)
		}
		n, err := io.ReadFull(conn, link.framer.space()[:len(stanza)])
		if err != nil {
			t.Fatal(err)
		}
		link.framer.added(n)
		if err := link.answerBuffered(t.Context(), testTime); err != nil {
			t.Fatal(err)
		}
		if reply {
			if _, err := server.Read(make([]byte, 4096)); err != nil {
				t.Fatal(err)
			}
		}
	}
	for exchanges := 0; quickAck(t, conn); exchanges++ {
		if exchanges == 1000 {
			t.Fatal("the kernel never begins to wait with acknowledgements")
		}
		deliver(directly(ask), true)
	}
	deliver("<message from='meet.test'/>", false)
	if !quickAck(t, conn) {
		t.Error("a stanza without an answer was not acknowledged")
	}
}
