package component_test

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"extdisco/component"
)

const (
	streamID = "stream&id"
	header   = "<?xml version='1.0'?><stream:stream xmlns='jabber:component:accept'" +
		" xmlns:stream='http://etherx.jabber.org/streams' from='turn.meet.test' id='stream&amp;id'>"
	streamEnd = "</stream:stream>"

	request = "<iq type='get' id='q1' from='juliet@meet.test/balcony' to='turn.meet.test'><services xmlns='urn:xmpp:extdisco:2'/></iq>"
	reply   = "<iq type='result' id='q1' from='turn.meet.test' to='juliet@meet.test/balcony'>" + component.TestPayload + "</iq>"
)

// server is an XMPP server as a component sees it: XEP-0114 by hand. Its methods
// fail the test when the component does something else.
type server struct {
	net.Conn
	t      *testing.T
	unread string // behind what expect was asked for
}

// expect reads up to and with what, and returns what came before it.
func (s *server) expect(what string) string {
	s.t.Helper()
	for buf := make([]byte, 64<<10); !strings.Contains(s.unread, what); {
		n, err := s.Read(buf)
		s.unread += string(buf[:n])
		if err != nil && !strings.Contains(s.unread, what) {
			s.t.Errorf("read %.300q, then %v; want %q", s.unread, err, what)
			return ""
		}
	}
	before, after, _ := strings.Cut(s.unread, what)
	s.unread = after
	return before
}

func (s *server) send(data string) {
	s.t.Helper()
	if _, err := io.WriteString(s, data); err != nil {
		s.t.Errorf("write: %v", err)
	}
}

// open reads the component's header, answers it and checks the proof that the
// component knows the handshake secret.
func (s *server) open() {
	s.t.Helper()
	if open := s.expect(">"); !strings.HasPrefix(open, "<stream:stream ") ||
		!strings.Contains(open, "xmlns='jabber:component:accept'") || !strings.Contains(open, "to='turn.meet.test'") {
		s.t.Errorf("the component opens with %q", open)
	}
	s.send(header)
	s.expect("<handshake>")
	digest := sha1.Sum([]byte(streamID + component.TestSecret))
	if got := s.expect("</handshake>"); got != hex.EncodeToString(digest[:]) {
		s.t.Errorf("digest %q", got)
	}
}

// accept does the whole handshake; what comes behind it is in the same segment.
func (s *server) accept(behind string) {
	s.t.Helper()
	s.open()
	s.send("<handshake/>" + behind)
}

// ask sends a request and waits for the reply.
func (s *server) ask() {
	s.t.Helper()
	s.send(request)
	if before := s.expect(reply); before != "" {
		s.t.Errorf("%q before the reply", before)
	}
}

// rest returns everything that is still sent until the connection is closed.
func (s *server) rest() string {
	rest, _ := io.ReadAll(s)
	return s.unread + string(rest)
}

// closed waits until the component has closed the connection.
func (s *server) closed() {
	s.t.Helper()
	if _, err := io.Copy(io.Discard, s); err != nil && !errors.Is(err, io.ErrClosedPipe) {
		s.t.Errorf("not closed: %v", err)
	}
}

// running is a component in a bubble of testing/synctest, its dials and its log.
type running struct {
	t         *testing.T
	ctx       context.Context
	cancel    context.CancelFunc
	dials     chan net.Conn
	done      chan struct{}
	component *component.Component
	handler   *component.TestHandler
	start     time.Time

	mu    sync.Mutex
	times []time.Duration // of the dials, since start
	lines func() []string // logged at info and above
}

// inBubble runs a component in a bubble, until test returns. Its configuration is
// changed by those given.
func inBubble(t *testing.T, test func(r *running), change ...func(*running, *component.Config)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := &running{t: t, dials: make(chan net.Conn), done: make(chan struct{}), handler: new(component.TestHandler), start: time.Now()}
		r.ctx, r.cancel = context.WithCancel(context.Background())
		log, lines := component.LogLines(slog.LevelInfo)
		r.lines = lines
		cfg := component.ConfigFor(r.handler, log)
		cfg.Dial = r.dial
		for _, c := range change {
			c(r, &cfg)
		}
		c, err := component.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		r.component = c
		go func() {
			defer close(r.done)
			c.Run(r.ctx)
		}()
		test(r)
		r.leaves()
		<-time.After(time.Minute) // for the goroutines of a server to notice
	})
}

func (r *running) dial(ctx context.Context) (net.Conn, error) {
	r.mu.Lock()
	r.times = append(r.times, time.Since(r.start))
	r.mu.Unlock()
	ours, theirs := net.Pipe()
	select {
	case r.dials <- theirs:
		return pipe{ours}, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// pipe is an end of a [net.Pipe] that tells like TCP that the other has gone.
type pipe struct{ net.Conn }

func (p pipe) SetReadDeadline(t time.Time) error  { _ = p.Conn.SetReadDeadline(t); return nil }
func (p pipe) SetWriteDeadline(t time.Time) error { _ = p.Conn.SetWriteDeadline(t); return nil }
func (p pipe) SetDeadline(t time.Time) error      { _ = p.Conn.SetDeadline(t); return nil }

func (p pipe) Write(b []byte) (int, error) {
	n, err := p.Conn.Write(b)
	if errors.Is(err, io.ErrClosedPipe) {
		err = syscall.EPIPE
	}
	return n, err
}

// next takes the next connection of the component.
func (r *running) next() *server {
	conn := <-r.dials
	return &server{Conn: conn, t: r.t}
}

// leaves ends the component and fails the test if that takes longer than three
// seconds.
func (r *running) leaves() {
	r.t.Helper()
	r.cancel()
	began := time.Now()
	<-r.done
	if took := time.Since(began); took > 3*time.Second {
		r.t.Errorf("it took %v to leave", took)
	}
}

// dialTimes returns when the component dialled, since it was started.
func (r *running) dialTimes() []time.Duration {
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]time.Duration(nil), r.times...)
}

// logged returns how many lines have all parts.
func (r *running) logged(parts ...string) (n int) {
	synctest.Wait()
	for _, line := range r.lines() {
		has := true
		for _, p := range parts {
			has = has && strings.Contains(line, p)
		}
		if has {
			n++
		}
	}
	return n
}

func (r *running) wantLogged(n int, parts ...string) {
	r.t.Helper()
	if got := r.logged(parts...); got != n {
		r.t.Errorf("%d lines with %q, want %d, in\n%s", got, parts, n, strings.Join(r.lines(), "\n"))
	}
}

func streamErrorOf(condition, text string) string {
	return fmt.Sprintf("<stream:error><%s xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>"+
		"<text xmlns='urn:ietf:params:xml:ns:xmpp-streams'>%s</text></stream:error></stream:stream>", condition, text)
}
