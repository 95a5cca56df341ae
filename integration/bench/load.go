package main

import (
	"bytes"
	"fmt"
	"slices"
	"sync"
	"syscall"
	"time"
)

// load is what a run under load gave.
type load struct {
	answers uint64
	took    time.Duration
	cpu     time.Duration // of the program that answered
}

func (l load) cpuPerAnswer() float64 {
	return float64(l.cpu.Nanoseconds()) / 1000 / float64(l.answers)
}
func (l load) perSecond() float64 { return float64(l.answers) / l.took.Seconds() }

// closedLoop keeps so many requests outstanding until the time is over or most
// requests were sent, and checks every answer. Answers come in order. New
// requests are sent before the answers are checked, so that checking holds up
// nobody.
func (s *stream) closedLoop(t *traffic, first uint64, outstanding int, for_ time.Duration, most uint64) (load, error) {
	var out []byte
	sent, answered := first, first
	send := func(n int) error {
		out = out[:0]
		for range n {
			out = t.append(out, sent)
			sent++
		}
		_, err := s.conn.Write(out)
		return err
	}
	start := time.Now()
	if err := s.conn.SetReadDeadline(start.Add(for_ + 20*time.Second)); err != nil {
		return load{}, err
	}
	if err := send(outstanding); err != nil {
		return load{}, err
	}
	end := t.end()
	for answered < sent {
		if err := s.read(); err != nil {
			return load{}, fmt.Errorf("after %d answers: %w", answered-first, err)
		}
		now := time.Now()
		came := bytes.Count(s.buf, end)
		if now.Sub(start) < for_ && sent-first < most && came > 0 {
			if err := send(came); err != nil {
				return load{}, err
			}
		}
		done := 0
		for range came {
			reply := s.buf[done:]
			reply = reply[:bytes.Index(reply, end)+len(end)]
			if err := t.check(reply, answered, now); err != nil {
				return load{}, err
			}
			answered++
			done += len(reply)
		}
		s.drop(done)
	}
	return load{answers: answered - first, took: time.Since(start)}, nil
}

// openLoop sends at a steady rate, whether answers come or not, and returns how
// long after it was due each request had its answer. A request that is sent late
// since the one before was slow counts from when it was due, so that a pause is
// seen by all who would have waited (no coordinated omission).
func (s *stream) openLoop(t *traffic, first uint64, rate int, for_ time.Duration) ([]time.Duration, error) {
	n := int(for_.Seconds() * float64(rate))
	interval := time.Second / time.Duration(rate)
	start := time.Now().Add(5 * time.Millisecond)
	due := func(i int) time.Time { return start.Add(time.Duration(i) * interval) }
	if err := s.conn.SetReadDeadline(start.Add(for_ + 5*time.Second)); err != nil {
		return nil, err
	}
	var sendErr error
	var sender sync.WaitGroup
	sender.Go(func() {
		t := *t // with scratch of its own
		t.id, t.user, t.request = nil, nil, nil
		var out []byte
		for i := range n {
			out = t.append(out[:0], first+uint64(i))
			waitUntil(due(i))
			if _, sendErr = s.conn.Write(out); sendErr != nil {
				return
			}
		}
	})
	defer sender.Wait()
	took := make([]time.Duration, 0, n)
	end := t.end()
	for len(took) < n {
		if err := s.read(); err != nil {
			return nil, err
		}
		now := time.Now()
		for {
			i := bytes.Index(s.buf, end)
			if i < 0 {
				break
			}
			if err := t.check(s.buf[:i+len(end)], first+uint64(len(took)), now); err != nil {
				return nil, err
			}
			took = append(took, now.Sub(due(len(took))))
			s.drop(i + len(end))
		}
	}
	return took, sendErr
}

// waitUntil waits more exactly than Go's timers do, which know milliseconds.
func waitUntil(t time.Time) {
	const spin = 150 * time.Microsecond
	if d := time.Until(t) - spin; d > 0 {
		rest := syscall.NsecToTimespec(d.Nanoseconds())
		_ = syscall.Nanosleep(&rest, nil) // early by a signal, it spins for longer
	}
	for time.Now().Before(t) {
	}
}

// percentile of values that may be in any order.
func percentile(values []time.Duration, p float64) time.Duration {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[min(len(sorted)-1, int(p/100*float64(len(sorted))))]
}

// median of values that may be in any order.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return (sorted[(len(sorted)-1)/2] + sorted[len(sorted)/2]) / 2
}
