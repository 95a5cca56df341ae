// Package logqueue keeps a log that nobody reads from stopping the program. Whoever
// logs puts a line into a queue, and one goroutine writes the lines. When the queue is
// full, lines are dropped and counted, and the log says how many once it moves again.
package logqueue

import (
	"bytes"
	"io"
	"sync"
	"time"
)

// Size is how many bytes of lines may wait. It is a few seconds of a busy log.
const Size = 256 << 10

// Queue is a log that never blocks. It implements [io.Writer]; each Write is a line.
type Queue struct {
	out io.Writer
	say func(dropped int) []byte

	mu      sync.Mutex
	waiting [][]byte
	bytes   int
	dropped int
	closed  bool
	wake    chan struct{} // has room for one
	done    chan struct{}
}

// New returns a queue in front of out. say returns the line that tells how many lines
// were dropped. The goroutine that writes runs until [Queue.Close].
func New(out io.Writer, say func(dropped int) []byte) *Queue {
	q := &Queue{out: out, say: say, wake: make(chan struct{}, 1), done: make(chan struct{})}
	go q.run()
	return q
}

// Write queues a copy of the line, or drops it when too much waits. It never fails.
func (q *Queue) Write(line []byte) (int, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed || q.bytes+len(line) > Size {
		q.dropped++
		return len(line), nil
	}
	q.waiting, q.bytes = append(q.waiting, bytes.Clone(line)), q.bytes+len(line)
	select {
	case q.wake <- struct{}{}:
	default:
	}
	return len(line), nil
}

// run writes what waits until the queue is closed and empty.
func (q *Queue) run() {
	defer close(q.done)
	for range q.wake {
		for lines := q.take(); len(lines) > 0; lines = q.take() {
			for _, line := range lines {
				_, _ = q.out.Write(line) // there is nowhere to tell
			}
		}
	}
}

// take returns what waits, and behind it what to say of lines that were dropped.
func (q *Queue) take() [][]byte {
	q.mu.Lock()
	defer q.mu.Unlock()
	lines := q.waiting
	if q.dropped > 0 {
		lines = append(lines, q.say(q.dropped))
	}
	q.waiting, q.bytes, q.dropped = nil, 0, 0
	return lines
}

// Close writes what waits and ends the goroutine, but waits for no longer than patience:
// a reader that is stuck must not keep the program from ending.
func (q *Queue) Close(patience time.Duration) {
	q.mu.Lock()
	if q.closed {
		q.mu.Unlock()
		return
	}
	q.closed = true
	close(q.wake)
	q.mu.Unlock()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-q.done:
	case <-timer.C:
	}
}
