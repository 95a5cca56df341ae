package component

import (
	"context"
	"errors"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// faultyConn is a connection that brings some bytes and then nothing, and on which
// something fails.
type faultyConn struct {
	net.Conn
	unread     string
	writeAfter int // writes that succeed
	writeErr   error
	deadlines  error // of setting a deadline for reading
	writes     error // of setting one for writing

	mu    sync.Mutex
	until time.Time
	wrote strings.Builder
}

func (c *faultyConn) Read(p []byte) (int, error) {
	if c.unread == "" {
		c.mu.Lock()
		wait := time.Until(c.until)
		c.mu.Unlock()
		time.Sleep(max(wait, 1))
		return 0, os.ErrDeadlineExceeded
	}
	n := copy(p, c.unread)
	c.unread = c.unread[n:]
	return n, nil
}

func (c *faultyConn) Write(p []byte) (int, error) {
	if c.writeAfter == 0 && c.writeErr != nil {
		return 0, c.writeErr
	}
	c.writeAfter--
	return c.wrote.Write(p)
}

func (c *faultyConn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.until = t
	return c.deadlines
}

func (c *faultyConn) SetWriteDeadline(time.Time) error { return c.writes }

// preparing is a TestHandler that is ready after a second.
type preparing struct{ TestHandler }

func (*preparing) Prepare(*Request) <-chan struct{} {
	ready := make(chan struct{})
	time.AfterFunc(time.Second, func() { close(ready) })
	return ready
}

// Whatever fails on a connection ends the link with the reason.
func TestLinkEndsWithWhatFails(t *testing.T) {
	broken := errors.New("broken")
	large := func(dst []byte, _ *Request) ([]byte, error) {
		return append(dst, strings.Repeat("<a/>", 60<<10)...), nil
	}
	delegated := "<message from='meet.test'><delegation xmlns='" + nsDelegation1 + "'><delegated namespace='" + TestNS + "'/></delegation></message>"
	tests := []struct {
		name    string
		conn    *faultyConn
		handler Handler
		want    error
		after   time.Duration
	}{
		{"a write of replies", &faultyConn{unread: directly(ask), writeErr: broken}, new(TestHandler), broken, 0},
		{"a write that times out", &faultyConn{unread: directly(ask), writeErr: os.ErrDeadlineExceeded}, new(TestHandler), errNotRead, 0},
		{"a write before all is answered", &faultyConn{unread: strings.Repeat(directly(ask), 5), writeErr: broken}, &TestHandler{Reply: large}, broken, 0},
		{"a write behind the end of the stream", &faultyConn{unread: directly(ask) + streamEnd, writeErr: broken}, new(TestHandler), broken, 0},
		{"a write of deferred replies", &faultyConn{unread: directly(ask) + directly(ask), writeErr: broken}, &preparing{TestHandler{Reply: large}}, broken, silentAfter}, // the read is not woken before
		{"a write of a ping", &faultyConn{writeErr: broken}, new(TestHandler), broken, silence},
		{"a write of a question", &faultyConn{unread: delegated, writeErr: broken}, new(TestHandler), broken, firstWatch},
		{"the deadline of a read", &faultyConn{deadlines: broken}, new(TestHandler), broken, 0},
		{"the deadline of a write", &faultyConn{unread: directly(ask), writes: broken}, new(TestHandler), broken, 0},
		{"nothing but silence", &faultyConn{}, new(TestHandler), errSilent, 2 * silence},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, err := New(ConfigFor(tt.handler, discardLog))
				if err != nil {
					t.Fatal(err)
				}
				began := time.Now()
				err = newLink(c, tt.conn, nil).serve(context.Background())
				if took := time.Since(began); !errors.Is(err, tt.want) || took < tt.after || took > tt.after+time.Millisecond {
					t.Errorf("after %v: %v; want %v after %v", took, err, tt.want, tt.after)
				}
			})
		})
	}
}

// What fails while a link is left does not hide why it is.
func TestLinkIsLeftWhateverFails(t *testing.T) {
	broken := errors.New("broken")
	tests := []struct {
		name string
		conn *faultyConn
	}{
		{"the last replies", &faultyConn{unread: directly(ask), writeErr: broken}},
		{"our closing tag", &faultyConn{writeErr: broken}},
		{"the server, which closes at the same time", &faultyConn{unread: streamEnd}},
		{"nothing", &faultyConn{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, err := New(ConfigFor(new(TestHandler), discardLog))
				if err != nil {
					t.Fatal(err)
				}
				l := newLink(c, tt.conn, nil)
				l.lost = true
				began := time.Now()
				if err := l.serve(context.Background()); !errors.Is(err, errDelegationLost) {
					t.Errorf("left with %v", err)
				}
				if took := time.Since(began); took > drainMost+closeWait {
					t.Errorf("it took %v", took)
				}
			})
		})
	}
}

func TestCarriedRequestsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, err := New(ConfigFor(new(TestHandler), discardLog))
		if err != nil {
			t.Fatal(err)
		}
		l := newLink(c, &faultyConn{}, nil)
		large := directly("<!--" + strings.Repeat("x", maxDeferredStanza) + "-->" + ask)
		carry := l.carry
		l.framer.added(copy(l.framer.space(), large))
		if l.nextRequests(carry) || len(c.carried) != 0 {
			t.Errorf("%d carried", len(c.carried))
		}
		for range maxCarried + 10 {
			l.framer.added(copy(l.framer.space(), directly(ask)))
			l.nextRequests(carry)
		}
		if len(c.carried) != maxCarried {
			t.Errorf("%d carried", len(c.carried))
		}
		l.framer.added(copy(l.framer.space(), streamEnd))
		if !l.nextRequests(carry) {
			t.Error("the end of the stream is not noticed")
		}
	})
}

func TestNewRefusesWhatIsMissing(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"no gate": func(c *Config) { c.Gate = nil },
		"no log":  func(c *Config) { c.Log = nil },
	} {
		t.Run(name, func(t *testing.T) {
			cfg := ConfigFor(new(TestHandler), discardLog)
			change(&cfg)
			if _, err := New(cfg); err == nil {
				t.Error("accepted")
			}
		})
	}
}

func TestHostsInTwoSpellingsAreOne(t *testing.T) {
	cfg := ConfigFor(new(TestHandler), discardLog)
	cfg.Hosts = []string{uDomain, aDomain, "meet.test", "meet.test"}
	r := responderOf(t, cfg)
	if states := r.c.Hosts(); len(states) != 2 || states[0].Host != uDomain || states[1].Host != "meet.test" {
		t.Errorf("%+v", states)
	}
}

// A component that answers trusted hosts only cannot name a namespace to delegate.
func TestCureForSilenceWithoutANamespace(t *testing.T) {
	cfg := ConfigFor(new(TestHandler), discardLog)
	cfg.Namespaces = []Namespace{{NS: hostsNS, Handler: new(TestHandler), HostsOnly: true}}
	if cure := responderOf(t, cfg).c.cureForSilence(); strings.Contains(cure, hostsNS) || !strings.Contains(cure, "component.hosts") {
		t.Errorf("cure %q", cure)
	}
}
