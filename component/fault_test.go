package component

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"mellium.im/xmpp/stream"
)

func TestBackoff(t *testing.T) {
	far := func() *backoff { b := newBackoff("xmpp.test:5347"); return &b }
	near := func() *backoff { b := newBackoff("127.0.0.1:5347"); return &b }
	t.Run("doubles up to the longest pause", func(t *testing.T) {
		b := far()
		for want := firstPause; want < 4*longestPause; want *= 2 {
			checkPause(t, b.next(fault{}, 0, 0), min(want, longestPause))
		}
	})
	t.Run("is at most a second on this machine", func(t *testing.T) {
		for _, f := range []fault{{}, {refused: true}} {
			b := near()
			for range 10 {
				if got := b.next(f, 0, 0); got > time.Second {
					t.Errorf("a pause of %v after %+v", got, f)
				}
			}
		}
	})
	t.Run("begins higher when refused", func(t *testing.T) {
		b := far()
		checkPause(t, b.next(fault{refused: true}, 0, 0), firstRefusedPause)
		checkPause(t, b.next(fault{refused: true}, 0, 0), 2*firstRefusedPause)
	})
	t.Run("rises when refused later", func(t *testing.T) {
		b := far()
		checkPause(t, b.next(fault{}, 0, 0), firstPause)
		checkPause(t, b.next(fault{refused: true}, 0, 0), firstRefusedPause)
		checkPause(t, b.next(fault{}, 0, 0), 2*firstRefusedPause)
	})
	t.Run("begins again after any link that was accepted", func(t *testing.T) {
		for _, held := range []time.Duration{1, flapTime - 1, flapTime, 8 * time.Second, time.Hour} {
			b := far()
			for range 10 {
				b.next(fault{refused: true}, 0, 0)
			}
			checkPause(t, b.next(fault{}, held, 0), firstPause)
		}
	})
	t.Run("stays short over many restarts", func(t *testing.T) {
		b := far()
		for range 100 {
			checkPause(t, b.next(fault{}, 1, 0), firstPause)
			checkPause(t, b.next(fault{closed: true}, 0, 0), restartPause)
			checkPause(t, b.next(fault{closed: true}, 0, 0), restartPause)
			checkPause(t, b.next(fault{}, 0, 0), 2*firstPause) // closed in the handshake, as while it starts
		}
		for range 100 {
			checkPause(t, b.next(fault{}, flapTime, 0), firstPause)
		}
	})
	t.Run("grows when links are accepted and ended at once", func(t *testing.T) {
		b := far()
		for range maxFlaps {
			checkPause(t, b.next(fault{}, flapTime-1, 0), firstPause)
		}
		for want := 2 * firstPause; want < 4*longestPause; want *= 2 {
			checkPause(t, b.next(fault{}, flapTime-1, 0), min(want, longestPause))
		}
		checkPause(t, b.next(fault{}, flapTime, 0), firstPause)
	})
	t.Run("is long and always the same when replaced", func(t *testing.T) {
		for _, b := range []*backoff{far(), near()} {
			for range 3 {
				if got := b.next(fault{standby: true, replaced: true}, time.Second, 0); got != 30*time.Second {
					t.Errorf("a pause of %v", got)
				}
			}
		}
	})
	t.Run("is short while another instance is connected", func(t *testing.T) {
		for _, b := range []*backoff{far(), near()} {
			for range 100 {
				checkPause(t, b.next(fault{standby: true}, 0, time.Hour), time.Second)
			}
			checkPause(t, b.next(fault{}, 0, time.Hour), firstPause) // nothing has piled up
		}
	})
	t.Run("stays short while the server restarts", func(t *testing.T) {
		b := far()
		for range 10 {
			checkPause(t, b.next(fault{closed: true}, 0, restartFor-1), restartPause)
		}
		checkPause(t, b.next(fault{closed: true}, 0, restartFor), firstPause)
		checkPause(t, b.next(fault{closed: true}, 0, 2*restartFor), 2*firstPause)
	})
	t.Run("is not the same for all", func(t *testing.T) {
		seen := map[time.Duration]bool{}
		for range 100 {
			seen[far().next(fault{}, 0, 0)] = true
		}
		if len(seen) < 50 {
			t.Errorf("%d different pauses of 100", len(seen))
		}
	})
}

func TestIsLoopback(t *testing.T) {
	for server, want := range map[string]bool{
		"127.0.0.1:5347": true, "127.8.9.10:1": true, "[::1]:5347": true, "localhost:5347": true, "[::ffff:127.0.0.1]:5347": true,
		"192.0.2.1:5347": false, "[2001:db8::1]:5347": false, "xmpp.test:5347": false, "localhost.test:5347": false, "127.0.0.1": false, "": false,
	} {
		if got := isLoopback(server); got != want {
			t.Errorf("isLoopback(%q) = %v", server, got)
		}
	}
}

func checkPause(t *testing.T, got, longest time.Duration) {
	t.Helper()
	if got < longest/2 || got > longest {
		t.Errorf("a pause of %v, want one of %v to %v", got, longest/2, longest)
	}
}

func TestDiagnose(t *testing.T) {
	inHandshake := func(err error) error { return &handshakeError{err: err, received: true} }
	before := func(err error) error { return &handshakeError{err: err} }
	dial := func(err error) error { return &net.OpError{Op: "dial", Net: "tcp", Err: err} }
	withText := stream.Error{Err: "host-unknown"}
	withText.Text = append(withText.Text, struct{ Lang, Value string }{Value: "no \"such\" host\n" + strings.Repeat("x", 1000)})
	localHost := stream.Error{Err: "conflict"}
	localHost.Text = append(localHost.Text, struct{ Lang, Value string }{Value: "Unable to register route on existing local domain"})
	tests := []struct {
		name    string
		err     error
		refused bool
		problem string
		cure    []string
	}{
		{"connection refused", dial(os.NewSyscallError("connect", syscall.ECONNREFUSED)), false, "nothing accepts connections", []string{"start the XMPP server", "component.server", "component_ports", "ejabberd_service"}},
		{"name not found", dial(&net.DNSError{Err: "no such host", Name: "xmpp.test", IsNotFound: true}), false, "cannot be resolved", []string{"component.server", "resolver"}},
		{"dial time-out", dial(context.DeadlineExceeded), false, "does not respond", []string{"firewall", "component.server"}},
		{"no route", dial(os.NewSyscallError("connect", syscall.EHOSTUNREACH)), false, "no connection", []string{"component.server"}},
		{"something else", errors.New("something else"), false, "no connection", []string{"component.server"}},
		{"write time-out", errNotRead, false, "does not read", []string{"alive"}},
		{"given up by the system", &net.OpError{Op: "read", Net: "tcp", Err: os.NewSyscallError("read", syscall.ETIMEDOUT)}, false, "does not read", []string{"alive"}},
		{"dial given up by the system", dial(os.NewSyscallError("connect", syscall.ETIMEDOUT)), false, "no connection", []string{"component.server"}},
		{"time-out", os.ErrDeadlineExceeded, false, "does not respond", []string{"alive"}},
		{"closed", errServerClosed, false, "closed the connection", []string{"restarting", "log"}},
		{"connection reset", &net.OpError{Op: "read", Err: os.NewSyscallError("read", syscall.ECONNRESET)}, false, "closed the connection", []string{"log"}},
		{"broken pipe", &net.OpError{Op: "write", Err: os.NewSyscallError("write", syscall.EPIPE)}, false, "closed the connection", []string{"log"}},
		{"silent", errSilent, false, "fell silent", []string{"alive", "network"}},
		{"DTD", errDTD, false, "not XMPP", []string{"log"}},
		{"handshake time-out with nothing", before(os.ErrDeadlineExceeded), false, "said nothing", []string{"5347", "component.server"}},
		{"handshake time-out", inHandshake(os.ErrDeadlineExceeded), false, "did not finish the handshake", []string{"log"}},
		{"handshake closed with nothing", before(io.EOF), false, "closed during the handshake", []string{"starting", "5347"}},
		{"handshake closed", inHandshake(errors.New("XML syntax error on line 1: unexpected EOF")), true, "closed during the handshake", []string{"5347"}},
		{"handshake reset", inHandshake(os.NewSyscallError("read", syscall.ECONNRESET)), true, "closed during the handshake", []string{"5347"}},
		{"handshake with garbage", inHandshake(errors.New("XML syntax error")), true, "not an XMPP server", []string{"5347", "5222", "5269"}},
		{"handshake too long", inHandshake(errHandshakeTooLong), true, "not an XMPP server", []string{"5347"}},
		{"not authorized", inHandshake(stream.NotAuthorized), true, "refused the handshake secret of turn.meet.test", []string{"component.secret", "component.secret_file", "component_secret below Component \"turn.meet.test\"", "ejabberd", "does not list"}},
		{"host unknown", inHandshake(stream.HostUnknown), true, "knows no component turn.meet.test", []string{"Component \"turn.meet.test\"", "component.jid"}},
		{"host unknown with text", inHandshake(withText), true, `no \"such\" host\nxxx`, nil},
		{"conflict in the handshake", inHandshake(stream.Conflict), false, "standing by: another connection for turn.meet.test", []string{"stop that one", `component_conflict_resolve = "kick_old"`}},
		{"conflict later", stream.Conflict, false, "standing by: another connection for turn.meet.test", []string{"kick_old"}},
		{"conflict with a host of the server", inHandshake(localHost), true, "turn.meet.test is a host of the XMPP server itself", []string{"component.jid", "ejabberd"}},
		{"system shutdown", stream.SystemShutdown, false, "shutting down", []string{"restarting"}},
		{"reset", fmt.Errorf("read: %w", stream.Reset), false, "shutting down", nil},
		{"closed after the header", &handshakeError{err: io.EOF, received: true, contentNS: nsAccept}, true, "without giving a reason", []string{"handshake secret is wrong", "component_secret below Component \"turn.meet.test\""}},
		{"closed by a port for clients", &handshakeError{err: io.EOF, received: true, contentNS: nsClient}, true, "port for clients", []string{"5347"}},
		{"features of a port for clients", &handshakeError{err: errors.New("unknown start element"), received: true, contentNS: nsClient}, true, "port for clients", []string{"5347"}},
		{"silence of a port for servers", &handshakeError{err: os.ErrDeadlineExceeded, received: true, contentNS: nsServer}, true, "port for other servers", []string{"5347"}},
		{"stream error of a port for servers", &handshakeError{err: stream.HostUnknown, received: true, contentNS: nsServer}, true, "port for other servers: host-unknown", []string{"5347"}},
		{"shutdown in the handshake", inHandshake(stream.SystemShutdown), false, "shutting down", []string{"restarting"}},
		{"conflict in a stream for clients", &handshakeError{err: stream.Conflict, received: true, contentNS: nsClient}, false, "another connection", []string{"kick_old"}},
		{"delegation lost, and closing it failed", errors.Join(errDelegationLost, syscall.EPIPE), false, "stopped forwarding", []string{"reconnecting"}},
		{"invalid namespace", inHandshake(stream.InvalidNamespace), true, "did not understand us", []string{"5347"}},
		{"not well-formed later", stream.NotWellFormed, false, "ended the stream: not-well-formed", []string{"see its log"}},
		{"invalid from later", stream.InvalidFrom, false, "ended the stream: invalid-from", []string{"see its log"}},
		{"policy violation in the handshake", inHandshake(stream.PolicyViolation), true, "ended the stream: policy-violation", []string{"see its log"}},
	}
	c := newResponder(t, new(TestHandler)).c
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := c.diagnose(tt.err)
			if f.refused != tt.refused || !strings.Contains(f.problem, tt.problem) {
				t.Errorf("%+v", f)
			}
			if len(f.problem) > 500 || strings.ContainsAny(f.problem, "\n\r") {
				t.Errorf("problem %q", f.problem)
			}
			for _, part := range append(tt.cure, " ") {
				if !strings.Contains(f.cure, part) {
					t.Errorf("cure %q lacks %q", f.cure, part)
				}
			}
		})
	}
}

func TestNoFaultTellsTheHandshakeSecret(t *testing.T) {
	log, lines := LogLines(slog.LevelDebug)
	c := responderOf(t, ConfigFor(new(TestHandler), log)).c
	for _, err := range []error{stream.NotAuthorized, &handshakeError{err: stream.NotAuthorized}, errServerClosed} {
		c.report(c.diagnose(err), false, err, time.Second)
	}
	if got := strings.Join(lines(), "\n"); strings.Contains(got, TestSecret) || len(lines()) != 3 {
		t.Errorf("logged %s", got)
	}
}
