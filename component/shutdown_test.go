package component_test

import (
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"extdisco/component"
)

// In every phase the end of the context ends Run soon; inBubble measures it.
func TestLeavesInEveryPhase(t *testing.T) {
	tests := []struct {
		name  string
		reach func(r *running) *server
	}{
		{"connecting", func(*running) *server { return nil }},
		{"handshake, before our header was read", func(r *running) *server { return r.next() }},
		{"handshake, behind our header", func(r *running) *server { s := r.next(); s.expect(">"); return s }},
		{"handshake, before the answer", func(r *running) *server { s := r.next(); s.open(); return s }},
		{"pause", func(r *running) *server {
			for range 10 {
				r.next().Close()
			}
			return nil
		}},
		{"writing to a server that does not read", func(r *running) *server {
			s := r.next()
			s.accept("")
			s.send(request)
			return s
		}},
		{"writing a lot to a server that does not read", func(r *running) *server {
			s := r.next()
			s.accept("")
			go func() { _, _ = s.Write([]byte(strings.Repeat(request, 10_000))) }()
			return s
		}},
		{"idle, with a server that does not close", func(r *running) *server {
			s := r.next()
			s.accept("")
			s.ask()
			go func() { _, _ = io.Copy(io.Discard, s) }()
			return s
		}},
		{"idle, with a server that does not read", func(r *running) *server {
			s := r.next()
			s.accept("")
			s.ask()
			return s
		}},
		{"busy, with a server that never stops", func(r *running) *server {
			s := r.next()
			s.accept("")
			go func() { _, _ = io.Copy(io.Discard, s) }()
			go func() {
				for _, err := s.Write([]byte(request)); err == nil; _, err = s.Write([]byte(request)) {
					time.Sleep(time.Millisecond)
				}
			}()
			return s
		}},
		{"busy, with a server that reads slowly", func(r *running) *server {
			s := r.next()
			s.accept("")
			go func() { _, _ = s.Write([]byte(strings.Repeat(request, 10_000))) }()
			go func() {
				buf := make([]byte, 1000)
				for _, err := s.Read(buf); err == nil; _, err = s.Read(buf) {
					time.Sleep(50 * time.Millisecond)
				}
			}()
			return s
		}},
		{"pinging", func(r *running) *server { s := r.next(); s.accept(""); s.expect(pingedSilent); return s }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(r *running) {
				s := tt.reach(r)
				if s != nil {
					defer s.Close()
				}
				synctest.Wait()
				r.leaves()
			})
		})
	}
}

func TestLeavesAtOnceWhenNeverStarted(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	log, lines := component.LogLines(0)
	cfg := component.ConfigFor(new(component.TestHandler), log)
	cfg.Dial = func(context.Context) (net.Conn, error) { t.Error("dialled"); return nil, io.EOF }
	c, err := component.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	c.Run(ctx)
	if got := strings.Join(lines(), "\n"); got != "" {
		t.Errorf("logged %q", got)
	}
}

// On shutdown everything that is under way is answered, the stream is closed once
// and nothing is said after that.
func TestShutdownAnswersWhatIsUnderWay(t *testing.T) {
	const requests = 1000
	inBubble(t, func(r *running) {
		s := r.next()
		defer s.Close()
		s.accept("")
		go s.send(strings.Repeat(request, requests))
		s.expect(reply)
		r.cancel()
		got := s.expect(streamEnd)
		if n := strings.Count(got, reply); n != requests-1 || len(got) != n*len(reply) {
			t.Errorf("%d replies of %d, and %d bytes of something else", n+1, requests, len(got)-n*len(reply))
		}
		s.send(request + "<iq type='result'/>")
		s.send(streamEnd)
		s.Conn.Close()
		<-r.done
		r.wantLogged(1, "level=INFO", "disconnected from the XMPP server")
		r.wantLogged(0, "retry_in=")
	})
}

func TestShutdownSaysNothingBehindTheEndOfTheStream(t *testing.T) {
	inBubble(t, func(r *running) {
		s := r.next()
		defer s.Close()
		s.accept("")
		go func() {
			for _, err := s.Write([]byte(request)); err == nil; _, err = s.Write([]byte(request)) {
				time.Sleep(time.Millisecond)
			}
		}()
		s.expect(reply)
		r.cancel()
		got := s.rest()
		replies, behind, closed := strings.Cut(got, streamEnd)
		if !closed || behind != "" {
			t.Errorf("behind the end of the stream: %v, %.300q", closed, behind)
		}
		if n := strings.Count(replies, reply); n == 0 || len(replies) != n*len(reply) {
			t.Errorf("%d replies in %d bytes", n, len(replies))
		}
	})
}

// A polite server closes too, and then there is nothing to wait for.
func TestShutdownIsQuickWithPoliteServer(t *testing.T) {
	inBubble(t, func(r *running) {
		s := r.next()
		s.accept("")
		s.ask()
		r.cancel()
		began := time.Now()
		if before := s.expect(streamEnd); before != "" {
			t.Errorf("sent %q", before)
		}
		s.send(streamEnd)
		s.Close()
		<-r.done
		if took := time.Since(began); took > 200*time.Millisecond {
			t.Errorf("it took %v", took)
		}
	})
}

// The server may leave at the same moment.
func TestShutdownTogetherWithServer(t *testing.T) {
	for _, last := range []string{"", streamEnd, request + streamEnd, streamErrorOf("system-shutdown", "")} {
		t.Run(last, func(t *testing.T) {
			inBubble(t, func(r *running) {
				s := r.next()
				s.accept("")
				s.ask()
				r.cancel()
				go func() {
					_, _ = s.Write([]byte(last))
					s.Close()
				}()
				<-r.done
				r.wantLogged(0, "retry_in=")
				r.wantLogged(1, "disconnected")
			})
		})
	}
}
