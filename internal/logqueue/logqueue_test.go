package logqueue_test

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"extdisco/internal/logqueue"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func say(n int) []byte { return fmt.Appendf(nil, "dropped %d lines\n", n) }

func TestLinesArriveInOrder(t *testing.T) {
	var out bytes.Buffer
	q := logqueue.New(&out, say)
	var want strings.Builder
	for i := range 1000 {
		line := fmt.Sprintf("line %d\n", i)
		want.WriteString(line)
		if n, err := io.WriteString(q, line); n != len(line) || err != nil {
			t.Fatal(n, err)
		}
	}
	q.Close(time.Minute)
	q.Close(time.Minute) // again does nothing
	if out.String() != want.String() {
		t.Errorf("%d bytes arrived, want %d", out.Len(), want.Len())
	}
	if n, err := io.WriteString(q, "too late\n"); n != 9 || err != nil || strings.Contains(out.String(), "too late") {
		t.Errorf("after the end: %d, %v", n, err)
	}
}

// A line that was written may be changed by the caller at once.
func TestLinesAreCopied(t *testing.T) {
	var out bytes.Buffer
	q := logqueue.New(&out, say)
	line := []byte("one\n")
	_, _ = q.Write(line)
	copy(line, "two\n")
	q.Close(time.Minute)
	if out.String() != "one\n" {
		t.Errorf("%q", out.String())
	}
}

// stuck is a pipe that nobody reads until it is opened.
type stuck struct {
	open chan struct{}
	mu   sync.Mutex
	got  bytes.Buffer
}

func (s *stuck) Write(p []byte) (int, error) {
	<-s.open
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.got.Write(p)
}

// TestNobodyReads fills the queue. Nothing blocks, what is too much is counted, and that
// is told once somebody reads again.
func TestNobodyReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := &stuck{open: make(chan struct{})}
		q := logqueue.New(out, say)
		line := strings.Repeat("x", 1023) + "\n"
		written := 4 * logqueue.Size / len(line)
		for i := range written {
			if _, err := io.WriteString(q, line); err != nil {
				t.Fatal(err)
			}
			if i == 0 {
				synctest.Wait() // the first line is being written, and the rest has to wait
			}
		}
		close(out.open)
		synctest.Wait()
		text := out.got.String()
		arrived := strings.Count(text, line)
		if arrived < logqueue.Size/len(line) || arrived > 2*logqueue.Size/len(line) {
			t.Errorf("%d lines of %d arrived", arrived, written)
		}
		if want := string(say(written - arrived)); !strings.HasSuffix(text, want) {
			t.Errorf("the log ends with %q, want %q", text[max(0, len(text)-40):], want)
		}
		_, _ = io.WriteString(q, "afterwards\n")
		q.Close(time.Minute)
		if !strings.HasSuffix(out.got.String(), "\nafterwards\n") {
			t.Error("the log does not go on")
		}
	})
}

func TestCloseIsNotHeldUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := &stuck{open: make(chan struct{})}
		q := logqueue.New(out, say)
		_, _ = io.WriteString(q, "line\n")
		start := time.Now()
		q.Close(time.Second)
		if took := time.Since(start); took != time.Second {
			t.Errorf("took %v", took)
		}
		close(out.open)
	})
}
