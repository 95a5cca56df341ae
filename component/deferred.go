package component

import (
	"bytes"
	"context"
	"sync"
	"time"
)

const (
	// maxDeferred is how many requests may wait for their Handler at once; further
	// ones are answered immediately.
	maxDeferred = 256
	// maxDeferredStanza is the largest stanza that is kept until then. A real
	// request has some hundred bytes.
	maxDeferredStanza = 16 << 10
	// deferredFor is the longest wait of a request, well below the half minute after
	// which servers give up.
	deferredFor = 15 * time.Second
)

// deferred keeps the stanzas whose Handler was not ready. Each waits in a goroutine
// of its own and then returns to the link's goroutine, the only one that answers
// and writes.
type deferred struct {
	wake    func()        // interrupts the link's reading
	ended   chan struct{} // closed to end all waiting
	endOnce sync.Once
	waiters sync.WaitGroup

	mu      sync.Mutex
	waiting int
	frames  []deferredFrame // whose wait is over
}

// deferredFrame is a stanza, when it was read, and what is kept with it.
type deferredFrame struct {
	frame []byte
	since time.Time
	value any // Request.Value
}

// add lets a stanza wait for the channel. It reports false if the stanza is too
// large, too many are waiting, or waiting has ended.
func (d *deferred) add(f deferredFrame, wait <-chan struct{}) bool {
	select {
	case <-d.ended:
		return false
	default:
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.waiting >= maxDeferred || len(f.frame) > maxDeferredStanza {
		return false
	}
	d.waiting++
	f.frame = bytes.Clone(f.frame)
	d.waiters.Go(func() {
		timeout := time.NewTimer(deferredFor)
		defer timeout.Stop()
		select {
		case <-wait:
		case <-timeout.C:
		case <-d.ended:
		}
		d.mu.Lock()
		d.frames = append(d.frames, f)
		d.mu.Unlock()
		d.wake()
	})
	return true
}

// ready reports whether a stanza can be answered.
func (d *deferred) ready() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.frames) > 0
}

// take returns the stanzas whose wait is over.
func (d *deferred) take() []deferredFrame {
	d.mu.Lock()
	defer d.mu.Unlock()
	frames := d.frames
	d.frames, d.waiting = nil, d.waiting-len(frames)
	return frames
}

// end ends all waiting and returns when every waiter is done.
func (d *deferred) end() {
	d.endOnce.Do(func() { close(d.ended) })
	d.waiters.Wait()
}

// respondOrDefer answers a stanza now, or later if its Handler is not ready.
func (l *link) respondOrDefer(frame []byte, truncated bool, now time.Time) {
	l.out = l.respond(l.out, frame, truncated, now)
	l.deferIfNotReady(frame, now)
}

// deferIfNotReady keeps the last stanza if its Handler was not ready to answer.
func (l *link) deferIfNotReady(frame []byte, now time.Time) {
	wait, f := l.wait, deferredFrame{frame, now, l.value}
	l.wait, l.value = nil, nil
	if wait != nil && !l.deferred.add(f, wait) {
		l.respondLast(f, now)
	}
}

// answerDeferred answers the stanzas whose wait is over.
func (l *link) answerDeferred(ctx context.Context, now time.Time) error {
	for _, frame := range l.deferred.take() {
		l.respondLast(frame, now)
		if len(l.out) >= flushAt {
			if err := l.flush(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// respondLast answers a stanza whose wait is over, whether or not its Handler is
// ready.
func (l *link) respondLast(f deferredFrame, now time.Time) {
	l.last, l.since, l.value = true, f.since, f.value
	l.out = l.respond(l.out, f.frame, false, now)
	l.last, l.value = false, nil
}
