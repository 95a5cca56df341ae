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
			if asked, want := time.Since(start), time.Second+time.Duration(i)*time.Second/2; asked != want {
				t.Errorf("asked after %v, want %v", asked, want)
			}
		}
		s.ask()
		r.wantLogged(0, "stopped forwarding")
		go s.rest()
		r.leaves()
	})
}

// With several connections to a server, an answer may come over another one. One that
// comes late counts.
func TestWatchAsksAgainWithoutAnswer(t *testing.T) {
	inBubble(t, func(r *running) {
		s := r.next()
		s.accept(announcement)
		first := s.asked()
		start := time.Now()
		for range 10 {
			if s.asked() == first {
				t.Error("two questions have the same id")
			}
		}
		if took := time.Since(start); took != 5*time.Second {
			t.Errorf("10 questions in %v", took)
		}
		s.send(features(first, component.TestHost))
		s.expect(streamEnd)
		s.Close()
		s = r.next()
		go s.rest()
		r.leaves()
	})
}

// Reconnecting may not help, as when another instance ends just then. It is tried again,
// and not for ever: the administrator may want it so.
func TestWatchConnectsAgain(t *testing.T) {
	inBubble(t, func(r *running) {
		s := r.next()
		for i := range 3 {
			s.accept(announcement)
			s.send(features(s.asked(), component.TestHost, "urn:example:other"))
			s.expect(streamEnd) // politely
			s.Close()
			left := time.Since(r.start)
			s = r.next()
			if at := r.dialTimes()[i+1]; at != left {
				t.Errorf("connected again %v after it had left", at-left)
			}
		}
		s.accept(announcement + announcement)
		s.send(features(s.asked(), component.TestHost))
		synctest.Wait()
		s.ask()
		r.wantLogged(3, "level=WARN", "stopped forwarding")

		s.send(features(s.asked(), component.TestHost)) // it was due before the answer above
		gaveUp := time.Now()
		s.expect(pinged)
		id := s.asked()
		if after := time.Since(gaveUp); after != 30*time.Second {
			t.Errorf("asked again after %v", after)
		}
		s.send(features(id, component.TestHost, component.TestNS)) // somebody mended it
		s.send(features(s.asked(), component.TestHost))            // so this is news
		s.expect(streamEnd)
		s.Close()
		s = r.next()
		s.accept("")
		r.wantLogged(4, "level=WARN", "stopped forwarding")
		go s.rest()
		r.leaves()
	})
}

// ejabberd announces a delegation to one of its connections and nothing to the others,
// which must know of it all the same.
func TestWatchKnowsWithoutAnnouncement(t *testing.T) {
	nested := "<iq type='get' id='n1' from='" + component.TestHost + "' to='" + component.TestJID + "'>" +
		"<query xmlns='http://jabber.org/protocol/disco#info' node='urn:xmpp:delegation:1::" + component.TestNS + "'/></iq>"
	forwarded := strings.ReplaceAll(forwardedRequest, "delegation:2", "delegation:1")
	for name, sign := range map[string]string{
		"from its question about our features": nested,
		"from its question about users":        strings.Replace(nested, "delegation:1::", "delegation:1:bare:", 1),
		"from a request":                       forwarded,
		"from a request of an unusual form":    strings.Replace(forwarded, "<forwarded", "<!-- --><forwarded", 1),
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(r *running) {
				s := r.next()
				s.accept(sign)
				s.expect("</iq>")
				start := time.Now()
				s.send(features(s.asked(), component.TestHost))
				if after := time.Since(start); after != time.Second {
					t.Errorf("asked after %v", after)
				}
				s.expect(streamEnd)
				s.Close()
				s = r.next()
				s.accept("")
				go s.rest()
				r.leaves()
			})
		})
	}
	t.Run("from its features", func(t *testing.T) {
		inBubble(t, func(r *running) {
			s := r.next()
			s.accept("")
			id := s.pingOfSilent()
			s.send(features(id, component.TestHost, "urn:xmpp:delegation:1", "urn:example:other", component.TestNS))
			s.send(features(s.asked(), component.TestHost, component.TestNS))
			r.wantLogged(1, "a host forwards requests", "host="+component.TestHost, "route=delegation")
			s.send(features(s.asked(), component.TestHost))
			s.expect(streamEnd)
			s.Close()
			s = r.next()
			s.accept("")
			go s.rest()
			r.leaves()
		})
	})
	for name, listed := range map[string][]string{
		"not from what the server has itself":       {component.TestNS},
		"not from another version of the namespace": {"urn:xmpp:delegation:2", component.TestNS},
		"not from delegation to others":             {"urn:xmpp:delegation:1", "urn:example:other"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(r *running) {
				s := r.next()
				s.accept("")
				s.send(features(s.pingOfSilent(), component.TestHost, listed...))
				s.pingOfSilent() // and no question of the watch before
				r.wantLogged(0, "a host forwards requests")
				go s.rest()
				r.leaves()
			})
		})
	}
}

// pingOfSilent reads the ping of a host that has sent nothing and returns its id.
func (s *server) pingOfSilent() string {
	s.t.Helper()
	ping := s.expect(pingedSilent)
	_, id, isPing := strings.Cut(ping, " id='ping-")
	if !isPing || strings.Contains(ping, "watch-") {
		s.t.Errorf("pinged by %q", ping)
	}
	id, _, _ = strings.Cut(id, "'")
	return "ping-" + id
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
				s.pingOfSilent()
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
