package component_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"extdisco/component"
)

const announcement = "<message from='" + component.TestHost + "' to='" + component.TestJID + "'><delegation xmlns='urn:xmpp:delegation:1'>" +
	"<delegated namespace='" + component.TestNS + "'/></delegation></message>"

// asked reads the question of the watch and returns its id.
func (s *server) asked() string {
	s.t.Helper()
	s.expect("id='watch-")
	id := "watch-" + s.expect("'")
	if rest := s.expect("</iq>"); !strings.Contains(rest, "disco#info") || !strings.Contains(rest, "to='"+component.TestHost+"'") || !strings.Contains(rest, "from='"+component.TestJID+"'") {
		s.t.Errorf("asked %s", rest)
	}
	return id
}

// features is an answer to the watch.
func features(id, from string, namespaces ...string) string {
	var list strings.Builder
	for _, ns := range namespaces {
		list.WriteString("<feature var='" + ns + "'/>")
	}
	return "<iq type='result' id='" + id + "' from='" + from + "' to='" + component.TestJID + "'><query xmlns='http://jabber.org/protocol/disco#info'>" +
		list.String() + "</query></iq>"
}

func TestWatchKeepsWhatIsThere(t *testing.T) {
	inBubble(t, func(r *running) {
		s := r.next()
		s.accept(announcement)
		start := time.Now()
		for i := range 5 {
			s.send(features(s.asked(), component.TestHost, "urn:example:other", component.TestNS))
			if asked, want := time.Since(start), 5*time.Second+time.Duration(i)*30*time.Second; asked != want {
				t.Errorf("asked after %v, want %v", asked, want)
			}
		}
		s.ask()
		r.wantLogged(0, "stopped forwarding")
		go s.rest()
		r.leaves()
	})
}

func TestWatchConnectsAgainOnce(t *testing.T) {
	inBubble(t, func(r *running) {
		s := r.next()
		s.accept(announcement)
		s.send(features(s.asked(), component.TestHost, "urn:example:other"))
		s.expect(streamEnd) // politely
		s.Close()
		r.wantLogged(1, "level=WARN", "stopped forwarding")

		s = r.next()
		s.accept("") // and no announcement: the administrator wants it so
		s.send(features(s.asked(), component.TestHost))
		synctest.Wait()
		s.ask()
		// Nothing is asked any more: what comes next is the ping of an idle link.
		if next := s.expect("</iq>"); !strings.Contains(next, "urn:xmpp:ping") {
			t.Errorf("sent %s", next)
		}
		r.wantLogged(1, "stopped forwarding")
		s.Close()
	})
}

// A host that announces a delegation and then does not list it is not worth more
// than one try, however often it announces.
func TestWatchConnectsAgainOnceForEachDelegation(t *testing.T) {
	inBubble(t, func(r *running) {
		s := r.next()
		s.accept(announcement)
		s.send(features(s.asked(), component.TestHost))
		s.expect(streamEnd)
		s.Close()

		s = r.next()
		s.accept(announcement)
		s.send(features(s.asked(), component.TestHost)) // that did not help
		synctest.Wait()
		s.ask()
		s.send(announcement + announcement)
		s.send(features(s.asked(), component.TestHost))
		synctest.Wait()
		s.ask()
		r.wantLogged(1, "stopped forwarding")

		s.send(announcement)
		s.send(features(s.asked(), component.TestHost, component.TestNS)) // somebody mended it
		s.send(features(s.asked(), component.TestHost))                   // so this is news
		s.expect(streamEnd)
		s.Close()
		s = r.next()
		s.accept("")
		r.wantLogged(2, "stopped forwarding")
		go s.rest()
		r.leaves()
	})
}

// What else a host delegates to us is none of our business.
func TestWatchLooksAtOurNamespacesOnly(t *testing.T) {
	delegate := func(namespaces ...string) string {
		all := ""
		for _, ns := range namespaces {
			all += "<delegated namespace='" + ns + "'/>"
		}
		return strings.Replace(announcement, "<delegated namespace='"+component.TestNS+"'/>", all, 1)
	}
	t.Run("beside ours", func(t *testing.T) {
		inBubble(t, func(r *running) {
			s := r.next()
			s.accept(delegate("urn:xmpp:mam:2", component.TestNS) + delegate("urn:xmpp:mam:2"))
			for range 10 { // five minutes
				s.send(features(s.asked(), component.TestHost, component.TestNS))
			}
			s.ask()
			if n := len(r.dialTimes()); n != 1 {
				t.Errorf("%d connections", n)
			}
			r.wantLogged(0, "stopped forwarding")
			go s.rest()
			r.leaves()
		})
	})
	for name, ns := range map[string]string{"alone": "urn:xmpp:mam:2", "a namespace for hosts only": "for:hosts"} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(r *running) {
				s := r.next()
				s.accept(delegate(ns))
				if next := s.expect("</iq>"); !strings.Contains(next, "urn:xmpp:ping") {
					t.Errorf("sent %s", next)
				}
				go s.rest()
				r.leaves()
			}, func(_ *running, cfg *component.Config) {
				cfg.Namespaces = append(cfg.Namespaces, component.Namespace{NS: "for:hosts", Handler: new(component.TestHandler), HostsOnly: true})
			})
		})
	}
}

// To reconnect loses no request: not one that waits for its Handler, not one that is
// under way, and not one that the server sends before it has read our closing tag.
func TestWatchLosesNoRequest(t *testing.T) {
	h := new(slowHandler)
	inBubble(t, func(r *running) {
		withID := func(stanza, id string) string { return strings.Replace(stanza, "id='q1'", "id='"+id+"'", 1) }
		s := r.next()
		s.accept(announcement)
		id := s.asked()
		s.send(withID(request, "waits"))
		s.send(features(id, component.TestHost) + withID(request, "behind"))
		go func() { // beside the replies, as a socket buffers
			time.Sleep(10 * time.Millisecond)
			s.send(withID(request, "under-way"))
		}()
		answers := s.expect(streamEnd)
		for _, id := range []string{"waits", "behind", "under-way"} { // in any order
			one := withID(reply, id)
			if strings.Count(answers, one) != 1 {
				t.Errorf("before the end of the stream\n%s\nwant once\n%s", answers, one)
			}
			answers = strings.Replace(answers, one, "", 1)
		}
		if answers != "" {
			t.Errorf("before the end of the stream came also %s", answers)
		}
		s.send(withID(request, "late") + "<message/><iq type='result' id='x' from='meet.test' to='turn.meet.test'/>" + withID(request, "later")[:50])
		s.send(withID(request, "later")[50:] + streamEnd)
		s = r.next() // at once, since the server has closed too
		s.accept("")
		close(h.channel)
		got := s.expect("</iq>") + s.expect("</iq>") // in any order
		if !strings.Contains(got, "id='late'") || !strings.Contains(got, "id='later'") || strings.Count(got, "type='result'") != 2 {
			t.Errorf("over the next link came %s", got)
		}
		go s.rest()
		r.leaves()
	}, slowly(h))
}

func TestWatchBelievesOnlyTheHost(t *testing.T) {
	tests := []struct {
		name   string
		answer func(id string) string
	}{
		{"another sender", func(id string) string { return features(id, "mallory@"+component.TestHost+"/x") }},
		{"another id", func(string) string { return features("watch-GUESSED", component.TestHost) }},
		{"an error", func(id string) string {
			return "<iq type='error' id='" + id + "' from='" + component.TestHost + "' to='" + component.TestJID + "'><error type='cancel'/></iq>"
		}},
		{"an error that echoes the question", func(id string) string {
			return strings.Replace(features(id, component.TestHost), "type='result'", "type='error'", 1)
		}},
		{"no query", func(id string) string {
			return "<iq type='result' id='" + id + "' from='" + component.TestHost + "' to='" + component.TestJID + "'/>"
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(r *running) {
				s := r.next()
				s.accept(announcement)
				s.send(tt.answer(s.asked()))
				s.ask()
				r.wantLogged(0, "stopped forwarding")
				go s.rest()
				r.leaves()
			})
		})
	}
}

func TestWatchLeavesProsodyAlone(t *testing.T) {
	inBubble(t, func(r *running) {
		s := r.next()
		s.accept(strings.Replace(announcement, "delegation:1", "delegation:2", 1))
		if ping := s.expect("</iq>"); strings.Contains(ping, "disco#info") {
			t.Errorf("asked %s", ping)
		}
		go s.rest()
		r.leaves()
	})
}
