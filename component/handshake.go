package component

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	xmppcomponent "mellium.im/xmpp/component"
	"mellium.im/xmpp/jid"

	"extdisco/internal/secret"
)

const (
	handshakeTimeout = 10 * time.Second
	// maxHandshake is how many bytes a server may send before it has accepted
	// us; a real one sends some hundred.
	maxHandshake = 64 << 10
)

// handshake proves to the server that we know the handshake secret. XEP-0114 §3.
// It returns what was read behind the server's answer: servers send their first
// stanzas in the same segment.
func handshake(ctx context.Context, conn net.Conn, address jid.JID, handshakeSecret secret.Secret) ([]byte, error) {
	if err := conn.SetDeadline(time.Now().Add(handshakeTimeout)); err != nil {
		return nil, err
	}
	// mellium is not given our context: it does not heed it while it reads, and
	// clears the deadline that is set here.
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	r := &handshakeConn{Conn: conn}
	_, err := xmppcomponent.NewSession(context.Background(), address, []byte(handshakeSecret.Reveal()), r)
	if !stop() { // or its deadline could still come, and hit the link
		return nil, ctx.Err()
	}
	if err != nil {
		return nil, &handshakeError{err: err, received: r.total > 0}
	}
	return r.unread(), conn.SetDeadline(time.Time{})
}

// handshakeError is any failure between connecting and being accepted.
type handshakeError struct {
	err      error
	received bool // the server said something
}

func (e *handshakeError) Error() string { return "handshake: " + e.err.Error() }
func (e *handshakeError) Unwrap() error { return e.err }

// handshakeConn is the connection as mellium sees it. It is an [io.ByteReader],
// of which an XML decoder reads no byte more than it needs, so that what follows
// the handshake can be taken over.
type handshakeConn struct {
	net.Conn
	buf   [4096]byte
	r, w  int
	total int
}

// Read implements [io.Reader].
func (c *handshakeConn) Read(p []byte) (int, error) {
	if c.r == c.w {
		if err := c.fill(); err != nil {
			return 0, err
		}
	}
	n := copy(p, c.buf[c.r:c.w])
	c.r += n
	return n, nil
}

// ReadByte implements [io.ByteReader].
func (c *handshakeConn) ReadByte() (byte, error) {
	if c.r == c.w {
		if err := c.fill(); err != nil {
			return 0, err
		}
	}
	b := c.buf[c.r]
	c.r++
	return b, nil
}

// Write implements [io.Writer]. It never fails: a server that refuses us says why
// and closes, and the reason is there to read although nothing can be written.
func (c *handshakeConn) Write(p []byte) (int, error) {
	_, _ = c.Conn.Write(p)
	return len(p), nil
}

var errHandshakeTooLong = fmt.Errorf("the server sent more than %d bytes without accepting or refusing us", maxHandshake)

func (c *handshakeConn) fill() error {
	if c.total > maxHandshake {
		return errHandshakeTooLong
	}
	n, err := c.Conn.Read(c.buf[:])
	c.r, c.w = 0, n
	c.total += n
	if n > 0 {
		return nil
	}
	if err == nil {
		err = errors.New("read of nothing")
	}
	return err
}

func (c *handshakeConn) unread() []byte { return c.buf[c.r:c.w] }
