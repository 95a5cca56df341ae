package component_test

import (
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

const (
	pinged = "<ping xmlns='urn:xmpp:ping'/></iq>"
	// pingedSilent is how a host is pinged that has sent nothing.
	pingedSilent = "<query xmlns='http://jabber.org/protocol/disco#info'/></iq>"
)

func TestLinkPingsSilentServer(t *testing.T) {
	inBubble(t, func(r *running) {
		s := r.next()
		defer s.Close()
		s.accept("")
		connected := time.Now()
		for i := range 10 {
			ping := s.expect(pingedSilent)
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
		s.expect(pingedSilent)
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
				s.expect(pingedSilent)
				time.Sleep(24 * time.Second)
				s.send(life)
				s.expect(pingedSilent)
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
				s.expect(pingedSilent)
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
