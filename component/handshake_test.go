package component_test

import (
	"strings"
	"testing"
	"time"
)

func TestHandshakeKeepsWhatComesBehind(t *testing.T) {
	for _, n := range []int{1, 5, 200} { // more than the handshake's buffer holds
		inBubble(t, func(r *running) {
			s := r.next()
			defer s.Close()
			s.open()
			go s.send("<handshake/>" + strings.Repeat(request, n)) // beside the replies, as a socket buffers
			for range n {
				s.expect(reply)
			}
			if calls := r.handler.Calls.Load(); calls != int64(n) {
				t.Errorf("%d calls of the handler, want %d", calls, n)
			}
		})
	}
}

func TestHandshakeAcceptsWhatServersSend(t *testing.T) {
	tests := []struct{ name, header, answer string }{
		{"Prosody's", header, "<handshake/>"},
		{"no XML declaration", strings.TrimPrefix(header, "<?xml version='1.0'?>"), "<handshake/>"},
		{"end tag", header, "<handshake></handshake>"},
		{"text in the answer", header, "<handshake>fine</handshake>"},
		{"explicit namespace", header, "<handshake xmlns='jabber:component:accept'/>"},
		{"no from", strings.Replace(header, " from='turn.meet.test'", "", 1), "<handshake/>"},
		{"white space before the header", " \r\n\t" + strings.TrimPrefix(header, "<?xml version='1.0'?>"), "<handshake/>"},
		{"white space behind the declaration", strings.Replace(header, "?>", "?>\n", 1), "<handshake/>"},
		{"comment before the header", strings.Replace(header, "?>", "?><!-- <stream:stream> -->", 1), "<handshake/>"},
		{"byte order mark", "\ufeff" + header, "<handshake/>"},
		{"byte order mark without a declaration", "\ufeff" + strings.TrimPrefix(header, "<?xml version='1.0'?>"), "<handshake/>"},
		{"declaration with an encoding", strings.Replace(header, "?>", " encoding='utf-8' standalone='yes' ?>", 1), "<handshake/>"},
		{"another instruction", strings.Replace(header, "?>", "?>\n<?x y?>", 1), "<handshake/>"},
		{"white space before the answer", header, "\n <handshake/>"},
		{"comment before the answer", header, "<!-- c --><handshake/>"},
		{"comment and white space everywhere", "\n<!----> " + strings.TrimPrefix(header, "<?xml version='1.0'?>") + "\n<!-- a -->\n", " <!---->\n<handshake>\n<!-- -->\n</handshake>"},
		{"white space in the tags", strings.Replace(header, " id=", "\n  id=", 1), "<handshake ></handshake >"},
		{"another prefix", strings.NewReplacer("stream:stream", "s:stream", "xmlns:stream", "xmlns:s").Replace(header), "<handshake/>"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(r *running) {
				s := r.next()
				defer s.Close()
				s.expect(">")
				s.send(tt.header)
				s.expect("</handshake>")
				s.send(tt.answer)
				s.ask()
				r.wantLogged(1, "level=INFO", "connected to the XMPP server")
			})
		})
	}
}

// A server that does not want us is told about once, with what to change. It is
// asked again, but not at once.
func TestHandshakeRefused(t *testing.T) {
	tests := []struct {
		name   string
		refuse func(s *server)
		want   []string
	}{
		{"wrong secret", func(s *server) { s.open(); s.send(streamErrorOf("not-authorized", "Given token does not match")) },
			[]string{"handshake secret", "Given token does not match", "component.secret", "component_secret", "turn.meet.test"}},
		{"wrong secret, without text", func(s *server) {
			s.open()
			s.send("<stream:error><not-authorized xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>")
		}, []string{"handshake secret", "component.secret"}},
		{"unknown host", func(s *server) {
			s.expect(">")
			s.send(strings.Replace(header, "stream&amp;id", "", 1) + streamErrorOf("host-unknown", "turn.meet.test does not match any configured external components"))
		}, []string{"knows no component turn.meet.test", "does not match any configured", "component.jid"}},
		{"conflict with a host of the server", func(s *server) {
			s.open()
			s.send(streamErrorOf("conflict", "Unable to register route on existing local domain"))
		}, []string{"turn.meet.test is a host of the XMPP server itself", "component.jid", "ejabberd"}},
		{"port for clients", func(s *server) { s.expect(">"); s.send(header + streamErrorOf("invalid-namespace", "")) },
			[]string{"did not understand us", "component.server", "5347"}},
		{"error that nobody knows", func(s *server) { s.open(); s.send(streamErrorOf("out-of-cheese", "redo from start")) },
			[]string{"out-of-cheese", "redo from start", "see its log"}},
		{"garbage", func(s *server) { s.expect(">"); s.send("\x16\x03\x01\x00 garbage") },
			[]string{"not an XMPP server", "5347"}},
		{"HTTP server", func(s *server) {
			s.expect(">")
			s.send("HTTP/1.1 400 Bad Request\r\nContent-Type: text/html\r\n\r\n<html><body>no</body></html>")
		}, []string{"not an XMPP server", "component.server"}},
		{"HTML", func(s *server) { s.expect(">"); s.send("<html><body>no</body></html>") }, []string{"not an XMPP server"}},
		{"no stream ID", func(s *server) {
			s.expect(">")
			s.send(strings.Replace(header, " id='stream&amp;id'", "", 1))
			s.expect("</handshake>")
			s.send("<handshake/>")
		}, []string{"not an XMPP server"}},
		{"another element", func(s *server) { s.open(); s.send("<features/>") }, []string{"not an XMPP server"}},
		{"endless answer", func(s *server) { s.open(); flood(s, "<handshake>", "x") }, []string{"not an XMPP server"}},
		{"endless header", func(s *server) { s.expect(">"); flood(s, "<stream:stream id='", "x") }, []string{"not an XMPP server"}},
		{"endless stream error", func(s *server) { s.open(); flood(s, "<stream:error>", "<a>") }, []string{"not an XMPP server"}},
		{"closed behind the header", func(s *server) { s.expect(">"); s.send(header); s.expect("</handshake>") },
			[]string{"closed the connection after our handshake", "component.secret"}},
		{"error without a header", func(s *server) { s.expect(">"); s.send(streamErrorOf("not-authorized", "no")) },
			[]string{"refused the handshake secret", "component.secret"}},
		{"error without a header, with its namespace", func(s *server) {
			s.expect(">")
			s.send("<?xml version='1.0'?>\n<stream:error xmlns:stream='http://etherx.jabber.org/streams'><host-unknown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>")
		}, []string{"knows no component turn.meet.test"}},
		{"error of something else without a header", func(s *server) { s.expect(">"); s.send("<error>no</error>") }, []string{"not an XMPP server"}},
		{"half an error without a header", func(s *server) { s.expect(">"); s.send("<stream:error><host-unknown>") }, []string{"closed during the handshake"}},
		{"client port of Prosody", func(s *server) {
			s.expect(">")
			s.send("<stream:stream xmlns:stream='http://etherx.jabber.org/streams' xmlns='jabber:client' id='' version='1.0'>" +
				streamErrorOf("host-unknown", "This server does not serve turn.meet.test"))
		}, []string{"port for clients", "component.server", "5347"}},
		{"port for servers", func(s *server) {
			s.open()
			s.send(streamErrorOf("unsupported-stanza-type", ""))
		}, []string{"port for other servers", "component.server", "5347"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(r *running) {
				for range 3 {
					s := r.next()
					tt.refuse(s)
					s.Close()
				}
				defer r.next().Close()
				r.wantLogged(1, append(tt.want, "level=ERROR", "retry_in=", "err=")...)
				r.wantLogged(1, "msg=") // and not again
				times := r.dialTimes()
				if first := times[1] - times[0]; first < time.Second || first > 2*time.Second {
					t.Errorf("the first pause is %v", first)
				}
				if second := times[2] - times[1]; second < 2*time.Second || second > 4*time.Second {
					t.Errorf("the second pause is %v", second)
				}
			})
		})
	}
}

// flood sends without end until the component has enough of it, which must be
// soon.
func flood(s *server, begin, more string) {
	s.t.Helper()
	sent := len(begin)
	_, err := s.Write([]byte(begin))
	for segment := []byte(strings.Repeat(more, 1000)); err == nil; sent += len(segment) {
		_, err = s.Write(segment)
	}
	if sent > 200<<10 {
		s.t.Errorf("%d bytes were taken", sent)
	}
}

func TestHandshakeTimesOut(t *testing.T) {
	tests := []struct {
		name  string
		begin func(s *server)
		want  string
	}{
		{"nothing", func(*server) {}, "accepted the connection and said nothing"},
		{"nothing behind our header", func(s *server) { s.expect(">") }, "accepted the connection and said nothing"},
		{"half a header", func(s *server) { s.expect(">"); s.send(header[:60]) }, "did not finish the handshake in time"},
		{"no answer to the handshake", func(s *server) { s.open() }, "did not finish the handshake in time"},
		{"half an answer", func(s *server) { s.open(); s.send("<handshake>") }, "did not finish the handshake in time"},
		{"drop by drop", func(s *server) {
			s.open()
			_, err := s.Write([]byte("<handshake>"))
			for err == nil {
				time.Sleep(time.Second)
				_, err = s.Write([]byte(" "))
			}
		}, "did not finish the handshake in time"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(r *running) {
				first := r.next()
				defer first.Close()
				tt.begin(first)
				second := r.next()
				defer second.Close()
				second.accept("")
				second.ask()
				if times := r.dialTimes(); times[1] < 10*time.Second || times[1] > 11*time.Second {
					t.Errorf("tried again after %v", times[1])
				}
				r.wantLogged(1, "level=WARN", tt.want)
			})
		})
	}
}
