package component

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"io"
	"net"
	"os"
	"time"

	"mellium.im/xmpp/stream"
)

const (
	// maxStanza is the largest stanza that is accepted, above the 512 KiB that
	// Prosody lets a component send and receive.
	maxStanza = 1 << 20
	// flushAt is how many bytes of replies are gathered before they are sent even
	// though more requests are waiting. One read rarely brings that many; a write,
	// and waking the reader, costs as much as several answers.
	flushAt      = 256 << 10
	writeTimeout = 10 * time.Second
)

var errServerClosed = errors.New("the server closed the stream")

// link is one connection to the server, after the handshake. A single goroutine
// reads, answers and writes. While a write blocks nothing is read, so a slow server
// slows us down instead of filling our memory.
type link struct {
	c      *Component
	conn   net.Conn
	ack    acknowledger
	framer framer
	responder
	out      []byte
	deferred deferred

	silentAt time.Time // when hosts that have sent nothing are warned of; zero once done

	leaving chan struct{} // closed once ctx has ended and leaveBy is set
	leaveBy time.Time
}

func newLink(c *Component, conn net.Conn, unread []byte) *link {
	l := &link{
		c:       c,
		conn:    conn,
		ack:     newAcknowledger(conn),
		framer:  framer{limit: maxStanza},
		leaving: make(chan struct{}),
		responder: responder{c: c, events: linkEvents{
			log: c.cfg.Log, hosts: c.cfg.Hosts, pingTarget: c.cfg.Hosts[0],
		}},
	}
	l.framer.added(copy(l.framer.space(), unread))
	l.deferred.wake = func() { _ = conn.SetReadDeadline(time.Unix(1, 0)) }
	l.deferred.ended = make(chan struct{})
	return l
}

// serve answers until the link fails or ctx ends. It returns nil only when ctx
// has ended and the stream was closed.
func (l *link) serve(ctx context.Context) error {
	stop := context.AfterFunc(ctx, l.leave)
	defer stop()
	defer l.deferred.end()
	defer l.tellRun()
	now := time.Now() // asked for once each time round
	l.life.quiet = now
	l.c.watch.start(now)
	l.silentAt = now.Add(silentAfter)
	l.answerCarried(now)
	for {
		l.c.pulse.beat(now)
		if err := l.answerDeferred(ctx, now); err != nil {
			return err
		}
		whole := l.framer.whole
		if err := l.answerBuffered(ctx, now); err != nil {
			return err
		}
		if l.lost {
			return errors.Join(errDelegationLost, l.changeOver(ctx))
		}
		if err := l.checkLife(l.framer.whole > whole, now); err != nil {
			return err
		}
		if err := l.doWhatIsDue(ctx, now); err != nil {
			return err
		}
		err := l.read(ctx, earliest(l.lookAt(), l.c.watch.next, l.silentAt))
		now = time.Now()
		switch {
		case ctx.Err() != nil:
			<-l.leaving // or it would cut a deadline of the shutdown short
			return l.shutDown(ctx)
		case err != nil && !errors.Is(err, os.ErrDeadlineExceeded):
			return err
		}
	}
}

// doWhatIsDue does what a link does on its own initiative, and sends what that
// takes.
func (l *link) doWhatIsDue(ctx context.Context, now time.Time) error {
	if !l.silentAt.IsZero() && !now.Before(l.silentAt) {
		l.silentAt = time.Time{}
		l.warnOfSilentHosts()
	}
	l.out = l.c.watch.appendQuestions(l.out, l.c.cfg.JID, now)
	if len(l.out) == 0 {
		return nil
	}
	return l.flush(ctx)
}

// leave wakes the reader and sets the deadline for everything that is left, including
// a write that blocks. It runs concurrently with serve as soon as ctx has ended.
func (l *link) leave() {
	l.leaveBy = time.Now().Add(drainMost + closeWait)
	_ = l.conn.SetReadDeadline(time.Unix(1, 0))
	_ = l.conn.SetWriteDeadline(l.leaveBy)
	close(l.leaving)
}

// read waits for bytes, at most until the instant or until ctx ends.
func (l *link) read(ctx context.Context, until time.Time) error {
	if err := l.conn.SetReadDeadline(until); err != nil {
		return err
	}
	if ctx.Err() != nil || l.deferred.ready() {
		// The wake-up may have come before the deadline above.
		return os.ErrDeadlineExceeded
	}
	n, err := l.conn.Read(l.framer.space())
	l.framer.added(n)
	switch {
	case n > 0:
		return nil
	case errors.Is(err, io.EOF):
		return errServerClosed
	}
	return err
}

// answerBuffered answers every whole stanza that was read and sends the replies.
func (l *link) answerBuffered(ctx context.Context, now time.Time) error {
	for {
		if !l.answerFast(now) {
			kind, frame, err := l.framer.next()
			if err != nil {
				return err
			}
			switch kind {
			case frameIncomplete:
				return l.flush(ctx)
			case frameStreamEnd:
				return errors.Join(errServerClosed, l.closeInTurn(ctx))
			}
			if err := streamError(frame); err != nil {
				return errors.Join(err, l.closeInTurn(ctx))
			}
			l.respondOrDefer(frame, kind == frameOversize, now)
		}
		if len(l.out) >= flushAt {
			if err := l.flush(ctx); err != nil {
				return err
			}
		}
	}
}

// answerFast answers the next stanza if it is one for the fast path, which then also
// finds its end in the stream.
func (l *link) answerFast(now time.Time) bool {
	reply, n := l.fast(l.out, l.framer.ahead(), now)
	if n == 0 {
		return false
	}
	l.out = reply
	l.deferIfNotReady(l.framer.take(n), now)
	return true
}

// flush sends what was gathered. If there is nothing, it acknowledges what was read
// immediately. A reply would carry the acknowledgement. Without one, the system
// delays it, and a server that uses Nagle's algorithm, as Prosody does, holds back
// its next small stanza until it arrives: 40 ms for the first requests on a new
// connection.
func (l *link) flush(ctx context.Context) error {
	l.tellRun()
	if len(l.out) == 0 {
		l.ack.now()
		return nil
	}
	err := l.write(ctx, l.out)
	if l.life.sent.IsZero() {
		l.life.sent = time.Now()
	}
	if cap(l.out) > 4*flushAt {
		l.out = nil // grown for one odd reply
	}
	l.out = l.out[:0]
	return err
}

// write sends all of b. It gives up when the server has taken nothing for
// writeTimeout, or when we have to leave. A server that is overloaded reads slowly,
// and is waited for: all its requests would be lost otherwise.
func (l *link) write(ctx context.Context, b []byte) error {
	for waited := false; ; {
		if err := l.conn.SetWriteDeadline(time.Now().Add(writeTimeout / 2)); err != nil {
			return err
		}
		if ctx.Err() != nil {
			// leave may have set its deadline before the one above.
			<-l.leaving
			if err := l.conn.SetWriteDeadline(l.leaveBy); err != nil {
				return err
			}
		}
		n, err := l.conn.Write(b)
		l.c.pulse.beat(time.Now())
		if !errors.Is(err, os.ErrDeadlineExceeded) || ctx.Err() != nil {
			return err
		}
		if n == 0 && waited {
			return errNotRead
		}
		waited, b = n == 0, b[n:]
	}
}

// streamError returns the error that the server sends before it ends the stream,
// or nil if the frame is a stanza. RFC 6120 §4.9.
func streamError(frame []byte) error {
	start := frame[:min(len(frame), 64)]
	if !bytes.HasPrefix(start, []byte("<stream:error")) && !bytes.Contains(start, []byte(nsStream)) {
		return nil
	}
	d := xml.NewDecoder(bytes.NewReader(frame))
	d.DefaultSpace = nsAccept
	token, err := d.Token()
	root, ok := token.(xml.StartElement)
	if err != nil || !ok || root.Name.Local != "error" || root.Name.Space != "stream" && root.Name.Space != nsStream {
		return nil
	}
	var e stream.Error
	if err := d.DecodeElement(&e, &root); err != nil {
		return errors.New("the server ended the stream with an error that could not be read")
	}
	return e
}
