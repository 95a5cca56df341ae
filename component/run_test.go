package component_test

import (
	"context"
	"net"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"extdisco/component"
)

func TestLinkReconnects(t *testing.T) {
	tests := []struct {
		name  string
		end   func(s *server)
		level string
		want  string
	}{
		{"after the connection was closed", func(s *server) { s.Close() }, "WARN", "closed the connection"},
		{"after the stream was closed", func(s *server) { s.send(streamEnd); s.closed() }, "WARN", "closed the connection"},
		{"after a stanza that was cut", func(s *server) { s.send("<iq type='get'><a"); s.Close() }, "WARN", "closed the connection"},
		{"after a shutdown of the server", func(s *server) { s.send(streamErrorOf("system-shutdown", "")); s.closed() }, "WARN", "is shutting down"},
		{"after a stream error alone", func(s *server) {
			s.send("<stream:error><reset xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>")
			s.closed()
		}, "WARN", "is shutting down"},
		{"after a stream error of another prefix", func(s *server) {
			s.send("<error xmlns='http://etherx.jabber.org/streams'><internal-server-error xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></error>")
			s.closed()
		}, "WARN", "internal-server-error"},
		{"after a stream error that is cut", func(s *server) { s.send("<stream:error></stream:error>"); s.closed() }, "WARN", "level=WARN"},
		{"after a stream error of 2 MB", func(s *server) {
			_, _ = s.Write([]byte("<stream:error><a>" + strings.Repeat("x", 2<<20)))
			s.closed()
		}, "WARN", "level=WARN"},
		{"after it was replaced", func(s *server) { s.send(streamErrorOf("conflict", "Replaced by a new connection")); s.closed() }, "WARN", "standing by"},
		{"after a DTD", func(s *server) { s.send("<!DOCTYPE a>"); s.closed() }, "WARN", "not XMPP"},
		{"after silence", func(s *server) { s.expect(pingedSilent); s.closed() }, "WARN", "fell silent"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(r *running) {
				first := r.next()
				first.accept("")
				first.ask()
				tt.end(first)
				first.Close()
				second := r.next()
				defer second.Close()
				second.accept("")
				second.ask()
				r.wantLogged(2, "level=INFO", "connected to the XMPP server")
				r.wantLogged(1, "level="+tt.level, tt.want)
				r.wantLogged(1, "retry_in=")
			})
		})
	}
}

func TestLinkBackoff(t *testing.T) {
	inBubble(t, func(r *running) {
		const attempts = 20
		for range attempts {
			r.next().Close()
		}
		connectAndClose := func(after time.Duration) (pause time.Duration) {
			s := r.next()
			s.accept("")
			for end := time.Now().Add(after); time.Now().Before(end); time.Sleep(time.Second) {
				s.send(" ")
			}
			s.ask()
			s.Close()
			closed := time.Now()
			r.next().Close()
			return time.Since(closed)
		}
		for _, held := range []time.Duration{0, time.Second, 31 * time.Second} {
			if pause := connectAndClose(held); pause < 100*time.Millisecond || pause > 200*time.Millisecond {
				t.Errorf("a pause of %v after a link that held for %v", pause, held)
			}
		}
		times := r.dialTimes()
		longest := 200 * time.Millisecond
		for i := range attempts - 1 {
			if pause := times[i+1] - times[i]; pause < longest/2 || pause > longest {
				t.Errorf("pause %d is %v, want one of %v to %v", i, pause, longest/2, longest)
			}
			longest = min(2*longest, 30*time.Second)
		}
	})
}

// Each thing that is wrong is logged once, also when it lasts.
func TestLinkLogsChangesOnce(t *testing.T) {
	inBubble(t, func(r *running) {
		for range 2 {
			for range 5 {
				r.next().Close()
			}
			for range 5 {
				s := r.next()
				s.open()
				s.send(streamErrorOf("not-authorized", ""))
				s.Close()
			}
		}
		s := r.next()
		defer s.Close()
		s.accept("")
		s.ask()
		r.wantLogged(2, "level=WARN", "closed during the handshake")
		r.wantLogged(2, "level=ERROR", "refused the handshake secret")
		r.wantLogged(1, "level=INFO", "connected to the XMPP server")
		r.wantLogged(6, "msg=") // and the first answer
	})
}

// A connection that is lost again is news, also when the cause is the same.
func TestLinkLogsEachLoss(t *testing.T) {
	inBubble(t, func(r *running) {
		for range 3 {
			s := r.next()
			s.accept("")
			s.ask()
			s.Close()
		}
		defer r.next().Close()
		r.wantLogged(3, "level=INFO", "connected to the XMPP server")
		r.wantLogged(3, "level=WARN", "closed the connection")
	})
}

func TestLinkSurvivesDialErrors(t *testing.T) {
	refused := &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
	var attempts atomic.Int64
	inBubble(t, func(r *running) {
		time.Sleep(time.Minute)
		if n := attempts.Swap(0); n < 1200 || n > 2400 {
			t.Errorf("%d attempts in the minute of a restart", n)
		}
		time.Sleep(time.Hour)
		if n := attempts.Load(); n < 100 || n > 300 {
			t.Errorf("%d attempts in the hour after that", n)
		}
		r.wantLogged(1, "level=WARN", "nothing accepts connections", "do=", "component.server", "connection refused")
		r.wantLogged(1, "msg=")
	}, func(_ *running, cfg *component.Config) {
		cfg.Dial = func(context.Context) (net.Conn, error) { attempts.Add(1); return nil, refused }
	})
}
