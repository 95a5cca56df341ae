package component_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"extdisco/component"
)

func TestLinkAnswersWhatCameBeforeTheEnd(t *testing.T) {
	inBubble(t, func(r *running) {
		s := r.next()
		defer s.Close()
		s.accept(request + streamEnd + request)
		if rest := s.rest(); rest != reply+streamEnd {
			t.Errorf("sent %q", rest)
		}
	})
}

// Who closes the stream is answered in kind before the connection is closed
// (RFC 6120 §4.4), and a server that is gone already holds nothing up.
func TestLinkClosesTheStreamInTurn(t *testing.T) {
	for name, end := range map[string]string{
		"end of the stream":  streamEnd,
		"stream error":       streamErrorOf("system-shutdown", ""),
		"stream error alone": "<stream:error><reset xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>",
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(r *running) {
				s := r.next()
				s.accept("")
				go s.send(request + end)
				if rest := s.rest(); rest != reply+streamEnd {
					t.Errorf("sent %q", rest)
				}
				s = r.next()
				s.accept("")
				s.send(end) // and reads nothing
				began := time.Now()
				defer r.next().Close()
				if took := time.Since(began); took > 2*time.Second {
					t.Errorf("connected again after %v", took)
				}
				s.Close()
			})
		})
	}
}

// A server that sends one request at a time gets its answer at once; many
// requests in one segment are answered in one.
func TestLinkCoalescesReplies(t *testing.T) {
	for _, n := range []int{1, 10, 100} {
		t.Run(fmt.Sprintf("%d requests", n), func(t *testing.T) {
			inBubble(t, func(r *running) {
				s := r.next()
				defer s.Close()
				s.accept("")
				s.send(strings.Repeat(request, n))
				buf := make([]byte, 1<<20)
				got, err := s.Read(buf) // one write of the component
				if err != nil || string(buf[:got]) != strings.Repeat(reply, n) {
					t.Errorf("%v, %.300q", err, buf[:got])
				}
			})
		})
	}
}

func TestLinkSurvivesHandlerThatPanics(t *testing.T) {
	inBubble(t, func(r *running) {
		r.handler.Reply = func([]byte, *component.Request) ([]byte, error) { panic(errors.New("boom")) }
		s := r.next()
		defer s.Close()
		s.accept("")
		for range 3 {
			s.send(request)
			s.expect("internal-server-error")
			s.expect("</iq>")
		}
		r.wantLogged(1, "level=INFO", "connected")
		r.wantLogged(1, "level=ERROR", "panic=boom", "link_test.go") // who can cause one can cause many
	})
}

// The same over TCP, as it is in earnest.
func TestLinkOverTCP(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	log, _ := component.LogLines(0)
	cfg := component.ConfigFor(new(component.TestHandler), log)
	cfg.Server = listener.Addr().String()
	c, err := component.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.Run(ctx)
	}()
	conn, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	s := &server{Conn: conn, t: t}
	s.accept(strings.Repeat(request, 20))
	for range 20 {
		s.expect(reply)
	}
	s.send(strings.Repeat(request, 1000)) // TCP holds them
	for range 1000 {
		s.expect(reply)
	}
	cancel()
	if before := s.expect(streamEnd); before != "" {
		t.Errorf("%q before the end of the stream", before)
	}
	s.Close()
	<-done
}
