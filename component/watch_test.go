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

func TestWatchConnectsAgainWheneverItHelps(t *testing.T) {
	inBubble(t, func(r *running) {
		for range 3 {
			s := r.next()
			s.accept(announcement)
			s.send(features(s.asked(), component.TestHost))
			s.expect(streamEnd)
			s.Close()
		}
		s := r.next()
		s.accept("")
		go s.rest()
		r.leaves()
	})
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
