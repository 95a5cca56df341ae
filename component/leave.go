package component

import (
	"bytes"
	"context"
	"errors"
	"os"
	"time"
)

const (
	// Before we close a stream, what arrives is answered until nothing came for
	// drainQuiet, at most for drainMost. Then our closing tag is sent, and the
	// server has closeWait to close too.
	drainQuiet = 50 * time.Millisecond
	drainMost  = 500 * time.Millisecond
	closeWait  = 2 * time.Second
	// closeInTurnWait is how long our closing tag may take when the server has
	// closed the stream first.
	closeInTurnWait = time.Second

	// maxCarried bounds the stanzas that wait for the next link.
	maxCarried = 1000

	streamEnd = "</stream:stream>"
)

// shutDown answers what is still arriving, closes the stream and waits for the
// server to do the same.
func (l *link) shutDown(ctx context.Context) error {
	if err := l.drain(ctx, l.leaveBy.Add(-closeWait)); err != nil {
		return ignoreClosed(err)
	}
	if err := l.closeStream(ctx); err != nil {
		return err
	}
	for l.read(context.Background(), l.leaveBy) == nil && !l.nextRequests(func([]byte) {}) {
	}
	return nil
}

// changeOver leaves this link for another one. What the server sends before it has
// read that we leave cannot be answered here any more; the next link answers it.
func (l *link) changeOver(ctx context.Context) error {
	if err := l.drain(ctx, time.Now().Add(drainMost)); err != nil {
		return ignoreClosed(err)
	}
	if err := l.closeStream(ctx); err != nil {
		return err
	}
	for until := time.Now().Add(closeWait); l.read(ctx, until) == nil && !l.nextRequests(l.carry); {
	}
	return nil
}

// carry keeps a request for the next link.
func (l *link) carry(frame []byte) {
	if len(l.c.carried) < maxCarried && len(frame) <= maxDeferredStanza {
		l.c.carried = append(l.c.carried, bytes.Clone(frame))
	}
}

// answerCarried answers what the link before could not.
func (l *link) answerCarried(now time.Time) {
	for _, frame := range l.c.carried {
		l.respondOrDefer(frame, false, now)
	}
	l.c.carried = nil
}

// drain answers what waits, and what is still arriving, until nothing comes or
// the instant has come.
func (l *link) drain(ctx context.Context, end time.Time) error {
	l.deferred.end()
	if err := l.answerDeferred(ctx, time.Now()); err != nil {
		return err
	}
	for {
		if err := l.answerBuffered(ctx, time.Now()); err != nil {
			return err
		}
		now := time.Now()
		if !now.Before(end) {
			return nil
		}
		err := l.read(context.Background(), now.Add(drainQuiet))
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// closeStream sends our closing tag. Nothing may be sent after it.
func (l *link) closeStream(ctx context.Context) error {
	l.out = append(l.out, streamEnd...)
	return l.flush(ctx)
}

// closeInTurn sends the last replies and our closing tag when the server has closed
// the stream. RFC 6120 §4.4. The server may be gone already, which is no fault.
func (l *link) closeInTurn(ctx context.Context) error {
	if err := l.flush(ctx); err != nil {
		return err
	}
	if err := l.conn.SetWriteDeadline(time.Now().Add(closeInTurnWait)); err == nil {
		_, _ = l.conn.Write([]byte(streamEnd))
	}
	return nil
}

// nextRequests calls f with each IQ that was read, and reports whether the server
// has closed the stream.
func (l *link) nextRequests(f func(frame []byte)) (closed bool) {
	for {
		kind, frame, err := l.framer.next()
		switch {
		case err != nil || kind == frameStreamEnd:
			return true
		case kind == frameIncomplete:
			return false
		case kind == frameStanza && hasPrefix(frame, "<iq"):
			f(frame)
		}
	}
}

func ignoreClosed(err error) error {
	if errors.Is(err, errServerClosed) {
		return nil
	}
	return err
}
