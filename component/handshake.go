package component

import (
	"bytes"
	"cmp"
	"context"
	"encoding/xml"
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

// handshake authenticates us with the handshake secret. XEP-0114 §3. It returns what
// was read after the server's answer: servers send their first stanzas in the same
// segment.
func handshake(ctx context.Context, conn net.Conn, address jid.JID, handshakeSecret secret.Secret) ([]byte, error) {
	if err := conn.SetDeadline(time.Now().Add(handshakeTimeout)); err != nil {
		return nil, err
	}
	// Mellium does not get our context: it ignores it while reading, and would clear
	// the deadline that is set here.
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	r := newHandshakeConn(conn)
	_, err := xmppcomponent.NewSession(context.Background(), address, []byte(handshakeSecret.Reveal()), r)
	if !stop() { // or its deadline could still come, and hit the link
		return nil, ctx.Err()
	}
	if err != nil {
		return nil, &handshakeError{err: cmp.Or(r.streamError, err), received: r.total > 0, contentNS: r.contentNS}
	}
	return r.unread(), conn.SetDeadline(time.Time{})
}

// handshakeError is any failure between connecting and being accepted.
type handshakeError struct {
	err       error
	received  bool   // the server said something
	contentNS string // of the stream that the server opened; empty before it has
}

func (e *handshakeError) Error() string { return "handshake: " + e.err.Error() }
func (e *handshakeError) Unwrap() error { return e.err }

// handshakeConn is the connection as mellium sees it. Mellium refuses some of what
// XML allows around the stream header and the handshake, and servers send: white
// space, comments, instructions, a byte order mark. So it is given the elements
// only. It reads nothing after the handshake, where the link takes over.
type handshakeConn struct {
	net.Conn
	buf   [4096]byte
	r, w  int
	total int

	tokens      *xml.Decoder // of what was read
	seen        []byte       // what tokens has read
	ready       bytes.Buffer // elements that mellium has not read yet
	contentNS   string
	opened      bool
	streamError error // what the server sent instead of opening a stream
}

func newHandshakeConn(conn net.Conn) *handshakeConn {
	c := &handshakeConn{Conn: conn}
	c.tokens = xml.NewDecoder(tokenReader{c})
	return c
}

// Read implements [io.Reader].
func (c *handshakeConn) Read(p []byte) (int, error) {
	for c.ready.Len() == 0 {
		if err := c.readToken(); err != nil {
			return 0, err
		}
	}
	return c.ready.Read(p)
}

// ReadByte implements [io.ByteReader], of which an XML decoder reads no byte more
// than it needs.
func (c *handshakeConn) ReadByte() (byte, error) {
	var b [1]byte
	_, err := c.Read(b[:])
	return b[0], err
}

// readToken reads one token and makes it ready if it is one for mellium.
func (c *handshakeConn) readToken() error {
	begin := c.tokens.InputOffset()
	token, err := c.tokens.RawToken()
	if err != nil {
		return err
	}
	switch t := token.(type) {
	case xml.Comment, xml.ProcInst:
		return nil
	case xml.CharData:
		if len(bytes.Trim(t, "\ufeff \t\r\n")) == 0 {
			return nil
		}
	case xml.StartElement:
		if !c.opened && t.Name.Local == "error" { // MongooseIM opens no stream to refuse us
			return c.readStreamError(begin)
		}
		if !c.opened {
			c.opened = true
			c.contentNS = text(attr(t, "xmlns"))
		}
	}
	c.ready.Write(c.seen[begin:c.tokens.InputOffset()])
	return nil
}

// readStreamError reads the rest of an error element that began at the offset, and
// fails with what it says.
func (c *handshakeConn) readStreamError(begin int64) error {
	for depth := 1; depth > 0; {
		token, err := c.tokens.RawToken()
		if err != nil {
			return err
		}
		switch token.(type) {
		case xml.StartElement:
			depth++
		case xml.EndElement:
			depth--
		}
	}
	c.streamError = streamError(c.seen[begin:c.tokens.InputOffset()])
	return cmp.Or(c.streamError, errors.New("the server sent an error that is none of a stream"))
}

// tokenReader reads the connection for the decoder of tokens, and keeps what it
// has read.
type tokenReader struct{ c *handshakeConn }

// Read implements [io.Reader]; the decoder calls ReadByte.
func (r tokenReader) Read(p []byte) (int, error) {
	b, err := r.ReadByte()
	if err != nil || len(p) == 0 {
		return 0, err
	}
	p[0] = b
	return 1, nil
}

// ReadByte implements [io.ByteReader].
func (r tokenReader) ReadByte() (byte, error) {
	c := r.c
	if c.r == c.w {
		if err := c.fill(); err != nil {
			return 0, err
		}
	}
	b := c.buf[c.r]
	c.r++
	c.seen = append(c.seen, b)
	return b, nil
}

// Write implements [io.Writer]. It never fails: a server that refuses us gives a
// reason and closes, and the reason can still be read when nothing can be written.
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
