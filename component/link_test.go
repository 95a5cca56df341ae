package component_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
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
		{"after it was replaced", func(s *server) { s.send(streamErrorOf("conflict", "Replaced by a new connection")); s.closed() }, "ERROR", "Replaced by a new connection"},
		{"after a DTD", func(s *server) { s.send("<!DOCTYPE a>"); s.closed() }, "WARN", "not XMPP"},
		{"after silence", func(s *server) { s.expect(pinged); s.closed() }, "WARN", "fell silent"},
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

const pinged = "<ping xmlns='urn:xmpp:ping'/></iq>"

func TestLinkPingsSilentServer(t *testing.T) {
	inBubble(t, func(r *running) {
		s := r.next()
		defer s.Close()
		s.accept("")
		connected := time.Now()
		for i := range 10 {
			ping := s.expect(pinged)
			if at := time.Since(connected); at != time.Duration(i+1)*25*time.Second {
				t.Errorf("pinged after %v", at)
			}
			id, isPing := strings.CutPrefix(ping, "<iq type='get' id='")
			id, rest, _ := strings.Cut(id, "'")
			if !isPing || rest != " from='turn.meet.test' to='meet.test'>" || len(id) < 20 {
				t.Errorf("pinged by %q", ping)
			}
			s.send("<iq type='result' id='" + id + "' from='meet.test' to='turn.meet.test'/>")
		}
		if n := len(r.dialTimes()); n != 1 {
			t.Errorf("%d connections", n)
		}
	})
}

func TestLinkGivesUpSilentServerWithinAMinute(t *testing.T) {
	inBubble(t, func(r *running) {
		s := r.next()
		s.accept("")
		s.expect(pinged)
		s.closed()
		next := r.next()
		defer next.Close()
		if at := r.dialTimes()[1]; at < 50*time.Second || at > time.Minute {
			t.Errorf("connected again after %v", at)
		}
	})
}

func TestLinkTakesAnyBytesForLife(t *testing.T) {
	for _, life := range []string{" ", "<!-- -->", "<?x y?>", "<![CDATA[x]]>", "x", "<message><body/></message>", "<iq type='error'/>"} {
		t.Run(life, func(t *testing.T) {
			inBubble(t, func(r *running) {
				s := r.next()
				defer s.Close()
				s.accept("")
				for range 30 {
					time.Sleep(24 * time.Second)
					s.send(life)
				}
				s.ask() // with no ping before the reply
				s.expect(pinged)
				time.Sleep(24 * time.Second)
				s.send(life)
				s.expect(pinged)
				if n := len(r.dialTimes()); n != 1 {
					t.Errorf("%d connections", n)
				}
			})
		})
	}
}

// A host that delegates is on this server for sure, so it is the one to ping.
func TestLinkPingsHostThatDelegates(t *testing.T) {
	inBubble(t, func(r *running) {
		s := r.next()
		defer s.Close()
		s.accept("<message from='guest.meet.test' to='turn.meet.test'><delegation xmlns='urn:xmpp:delegation:2'>" +
			"<delegated namespace='urn:xmpp:extdisco:2'/></delegation></message>")
		if ping := s.expect(pinged); !strings.Contains(ping, " to='guest.meet.test'") {
			t.Errorf("pinged by %q", ping)
		}
	})
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

// A server that does not read is left, and holds us back meanwhile.
func TestLinkLeavesServerThatDoesNotRead(t *testing.T) {
	inBubble(t, func(r *running) {
		s := r.next()
		s.accept("")
		began := time.Now()
		taken, err := s.Write([]byte(strings.Repeat(request, 10_000)))
		if err == nil || taken > 128<<10 {
			t.Errorf("%d bytes were taken, %v", taken, err)
		}
		if after := time.Since(began); after != 10*time.Second {
			t.Errorf("left after %v", after)
		}
		next := r.next()
		defer next.Close()
		next.accept("")
		next.ask()
		r.wantLogged(1, "level=WARN", "does not read")
	})
}

// A server that asks and does not read is found out by pings, also when the system
// takes all that is sent to it. Only a host that is on this server must answer.
func TestLinkLeavesServerThatOnlyAsks(t *testing.T) {
	tests := []struct {
		name    string
		request string
		answers bool // the pings
		left    bool
	}{
		{"a host that forwards", forwardedRequest, false, true},
		{"a host that forwards and answers pings", forwardedRequest, true, false},
		{"no host that is known", request, false, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(r *running) {
				s := r.next()
				defer s.Close()
				s.accept("")
				began := time.Now()
				var left atomic.Int64 // after so long
				var pings atomic.Int64
				read := make(chan struct{})
				go func() {
					defer close(read)
					buf := make([]byte, 64<<10)
					for {
						n, err := s.Read(buf)
						if err != nil {
							left.Store(int64(time.Since(began)))
							return
						}
						_, after, isPing := strings.Cut(string(buf[:n]), "id='ping-")
						if isPing {
							pings.Add(1)
						}
						if id, _, _ := strings.Cut(after, "'"); isPing && tt.answers {
							go func() {
								_, _ = io.WriteString(s, "<iq type='error' id='ping-"+id+"' from='meet.test' to='turn.meet.test'/>")
							}()
						}
					}
				}()
				for time.Since(began) < 5*time.Minute && left.Load() == 0 {
					_, _ = io.WriteString(s, tt.request)
					time.Sleep(time.Second)
				}
				took := time.Duration(left.Load())
				if tt.left != (took > 0) || tt.left && (took < 34*time.Second || took > 37*time.Second) {
					t.Errorf("left after %v", took)
				}
				if want := map[bool]int64{true: 25}[tt.answers]; pings.Load() < want || pings.Load() > want+5 {
					t.Errorf("%d pings", pings.Load())
				}
				n := 0
				if tt.left {
					n = 1
				}
				r.wantLogged(n, "level=WARN", "does not read what it is sent")
				s.Close()
				<-read
			})
		})
	}
}

// An element that is never closed makes us deaf for everything behind it, so that
// the bytes of it are no sign of life.
func TestLinkGivesUpAnElementThatIsNeverClosed(t *testing.T) {
	for name, inside := range map[string]string{
		"elements": "<a>b</a>", "white space": " ", "comments": "<!-- -->", "text": "x", "requests": request, "instructions": "<?x y?>", "CDATA": "<![CDATA[ ]]>",
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(r *running) {
				s := r.next()
				s.accept("<message>")
				began := time.Now()
				go func() {
					for _, err := io.WriteString(s, inside); err == nil; _, err = io.WriteString(s, inside) {
						time.Sleep(5 * time.Second)
					}
				}()
				s.expect(pinged)
				s.closed()
				if took := time.Since(began); took < 49*time.Second || took > time.Minute {
					t.Errorf("given up after %v", took)
				}
				second := r.next() // the first is still written to
				defer second.Close()
				second.accept("")
				second.ask()
				r.wantLogged(1, "level=WARN", "fell silent")
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

func TestNewRefuses(t *testing.T) {
	tests := []struct {
		name   string
		change func(*component.Config)
		want   string
	}{
		{"no JID", func(c *component.Config) { c.JID = "" }, "domain"},
		{"user", func(c *component.Config) { c.JID = "turn@meet.test" }, "without @ and /"},
		{"resource", func(c *component.Config) { c.JID = "turn.meet.test/x" }, "without @ and /"},
		{"underscore", func(c *component.Config) { c.JID = "turn_1.meet.test" }, "underscore"},
		{"blank", func(c *component.Config) { c.JID = "turn meet.test" }, "domain"},
		{"no hosts", func(c *component.Config) { c.Hosts = nil }, "trusted"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cfg := component.ConfigFor(new(component.TestHandler), nil)
			tt.change(&cfg)
			if _, err := component.New(cfg); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("New: %v, want %q", err, tt.want)
			}
		})
	}
}

// A server compares the address of a ping with its own spelling.
func TestNewWritesTheJIDAsServersDo(t *testing.T) {
	inBubble(t, func(r *running) {
		s := r.next()
		defer s.Close()
		s.accept("")
		if ping := s.expect(pinged); !strings.Contains(ping, " from='turn.meet.test'") {
			t.Errorf("pinged by %q", ping)
		}
		synctest.Wait()
	}, func(_ *running, cfg *component.Config) { cfg.JID = "Turn.MEET.test" })
}
