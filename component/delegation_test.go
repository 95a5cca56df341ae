package component

import (
	"log/slog"
	"strings"
	"testing"
)

// innerGet returns the IQ of a user as it is forwarded.
func innerGet(payload string) string {
	return "<iq xmlns='jabber:client' type='get' id='d2' from='juliet@meet.test/balcony' to='meet.test' xml:lang='en'>" + payload + "</iq>"
}

// wrapped returns the exact reply that holds an inner one.
func wrapped(delegation, inner string) string {
	return "<iq type='result' id='d1' from='turn.meet.test' to='meet.test'><delegation xmlns='" + delegation + "'>" +
		"<forwarded xmlns='urn:xmpp:forward:0'>" + inner + "</forwarded></delegation></iq>"
}

func innerReply(iqType, attributes, payload string) string {
	return "<iq type='" + iqType + "' xmlns='jabber:client'" + attributes + ">" + payload + "</iq>"
}

func TestRespondToForwardedExactly(t *testing.T) {
	const addresses = " id='d2' from='meet.test' to='juliet@meet.test/balcony'"
	unavailable := errorIs("cancel", "service-unavailable")
	badRequest := "<error type='modify'><bad-request xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>" +
		"<text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas' xml:lang='en'>an IQ of this type holds exactly one element</text></error>"
	tests := []struct{ name, inner, want string }{
		{"services", innerGet(ask), innerReply("result", addresses, TestPayload)},
		{"without to", strings.Replace(innerGet(ask), " to='meet.test'", "", 1), innerReply("result", " id='d2' to='juliet@meet.test/balcony'", TestPayload)},
		{"to the requester's own account", strings.Replace(innerGet(ask), " to='meet.test'", " to='juliet@meet.test'", 1),
			innerReply("result", " id='d2' from='juliet@meet.test' to='juliet@meet.test/balcony'", TestPayload)},
		{"to another account", strings.Replace(innerGet(ask), " to='meet.test'", " to='romeo@meet.test'", 1),
			innerReply("error", " id='d2' from='romeo@meet.test' to='juliet@meet.test/balcony'", unavailable)},
		{"to another host", strings.Replace(innerGet(ask), " to='meet.test'", " to='guest.meet.test'", 1),
			innerReply("error", " id='d2' from='guest.meet.test' to='juliet@meet.test/balcony'", unavailable)},
		{"to a resource of the host", strings.Replace(innerGet(ask), " to='meet.test'", " to='meet.test/x'", 1),
			innerReply("error", " id='d2' from='meet.test/x' to='juliet@meet.test/balcony'", unavailable)},
		{"to the requester's resource", strings.Replace(innerGet(ask), " to='meet.test'", " to='juliet@meet.test/balcony'", 1),
			innerReply("error", " id='d2' from='juliet@meet.test/balcony' to='juliet@meet.test/balcony'", unavailable)},
		{"without id", strings.Replace(innerGet(ask), " id='d2'", "", 1), innerReply("result", " from='meet.test' to='juliet@meet.test/balcony'", TestPayload)},
		{"in jabber:component:accept", strings.Replace(innerGet(ask), "jabber:client", "jabber:component:accept", 1), innerReply("result", addresses, TestPayload)},
		{"blanks around the payload, as ejabberd keeps them", innerGet("\n" + ask + " "), innerReply("result", addresses, TestPayload)},
		{"a user of another host", strings.Replace(innerGet(ask), "juliet@meet.test", "juliet@guest.meet.test", 1),
			innerReply("result", " id='d2' from='meet.test' to='juliet@guest.meet.test/balcony'", TestPayload)},
		{"a stranger, whom servers forward too", strings.Replace(innerGet(ask), "juliet@meet.test", "mallory@evil.test", 1),
			innerReply("error", " id='d2' from='meet.test' to='mallory@evil.test/balcony'", errorIs("auth", "forbidden"))},
		{"nobody", strings.Replace(innerGet(ask), " from='juliet@meet.test/balcony'", "", 1),
			innerReply("error", " id='d2' from='meet.test'", errorIs("auth", "forbidden"))},
		{"the host itself", strings.Replace(innerGet(ask), "juliet@meet.test/balcony", "meet.test", 1),
			innerReply("result", " id='d2' from='meet.test' to='meet.test'", TestPayload)},
		{"set", strings.Replace(innerGet(ask), "'get'", "'set'", 1), innerReply("error", addresses, unavailable)},
		{"another namespace", innerGet("<query xmlns='jabber:iq:roster'/>"), innerReply("error", addresses, unavailable)},
		{"ping, which is not delegated to us", innerGet("<ping xmlns='urn:xmpp:ping'/>"), innerReply("error", addresses, unavailable)},
		{"disco#info, which is not delegated to us", innerGet("<query xmlns='http://jabber.org/protocol/disco#info'/>"), innerReply("error", addresses, unavailable)},
		{"no payload", innerGet(""), innerReply("error", addresses, badRequest)},
		{"two payloads", innerGet(ask + ask), innerReply("error", addresses, badRequest)},
		{"text beside the payload", innerGet("text" + ask), innerReply("error", addresses, badRequest)},
	}
	for _, tt := range tests {
		for _, ns := range delegationNamespaces {
			t.Run(tt.name+" "+ns, func(t *testing.T) {
				if reply := respondTo(t, newResponder(t, new(TestHandler)), forwarded(ns, tt.inner)); reply != wrapped(ns, tt.want) {
					t.Errorf("\n got %s\nwant %s", reply, wrapped(ns, tt.want))
				}
			})
		}
	}
}

func TestRespondToForwardedOddly(t *testing.T) {
	nest := strings.Repeat("<a>", 200_000) + strings.Repeat("</a>", 200_000)
	const noInner, delay = "modify/bad-request", "<delay xmlns='urn:xmpp:delay' stamp='2026-11-21T04:00:00Z'/>"
	tests := []struct{ name, frame, wantOuter, wantInner string }{
		{"inner result", forwarded(nsDelegation2, strings.Replace(innerGet(ask), "'get'", "'result'", 1)), "result", "modify/bad-request"},
		{"inner error", forwarded(nsDelegation2, strings.Replace(innerGet(ask), "'get'", "'error'", 1)), "result", "modify/bad-request"},
		{"inner without type", forwarded(nsDelegation2, strings.Replace(innerGet(ask), " type='get'", "", 1)), "result", "modify/bad-request"},
		{"nested deeply", forwarded(nsDelegation2, innerGet(nest)), "result", "modify/bad-request"},
		{"not well-formed inside", forwarded(nsDelegation2, innerGet("<services xmlns='urn:xmpp:extdisco:2'>&x;</services>")), "result", "modify/bad-request"},
		{"delay beside the inner IQ", forwarded(nsDelegation2, delay+innerGet(ask)), "result", "result"},
		{"delay behind the inner IQ", forwarded(nsDelegation2, innerGet(ask)+delay), "result", "result"},
		{"delay alone", forwarded(nsDelegation2, delay), noInner, ""},
		{"delay and two IQs", forwarded(nsDelegation2, delay+innerGet(ask)+innerGet(ask)), noInner, ""},
		{"delay of another namespace", forwarded(nsDelegation2, "<delay/>"+innerGet(ask)), noInner, ""},
		{"something else beside the inner IQ", forwarded(nsDelegation2, "<x xmlns='urn:xmpp:delay'/>"+innerGet(ask)), noInner, ""},
		{"delay and text", forwarded(nsDelegation2, delay+"text"+innerGet(ask)), noInner, ""},
		{"delay and not well-formed", forwarded(nsDelegation2, delay+innerGet("&x;")), "result", "modify/bad-request"},
		{"blanks in the wrapping", strings.NewReplacer("><", "> <").Replace(forwarded(nsDelegation2, innerGet(ask))), "result", "result"},
		{"delegation inside a delegation", forwarded(nsDelegation2, strings.Replace(innerGet(forwarded(nsDelegation2, innerGet(ask))), "'get'", "'set'", 1)), "result", "cancel/service-unavailable"},
		{"empty delegation", "<iq type='set' id='d1' from='meet.test' to='turn.meet.test'><delegation xmlns='urn:xmpp:delegation:2'/></iq>", noInner, ""},
		{"nothing forwarded", forwarded(nsDelegation2, ""), noInner, ""},
		{"a message forwarded", forwarded(nsDelegation2, "<message xmlns='jabber:client'/>"), noInner, ""},
		{"two forwarded", forwarded(nsDelegation2, innerGet(ask)+innerGet(ask)), noInner, ""},
		{"text beside the inner IQ", forwarded(nsDelegation2, "text"+innerGet(ask)), noInner, ""},
		{"inner of another namespace", forwarded(nsDelegation2, strings.Replace(innerGet(ask), "jabber:client", "jabber:server", 1)), noInner, ""},
		{"forwarded of another namespace", strings.Replace(forwarded(nsDelegation2, innerGet(ask)), "forward:0", "forward:1", 1), noInner, ""},
		{"delegation of a later version", forwarded("urn:xmpp:delegation:3", innerGet(ask)), "cancel/service-unavailable", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := new(TestHandler)
			outer, inner := conditionOf(t, respondTo(t, newResponder(t, h), tt.frame))
			if outer != tt.wantOuter || inner != tt.wantInner {
				t.Errorf("outer %q, inner %q; want %q and %q", outer, inner, tt.wantOuter, tt.wantInner)
			}
			if (h.Calls.Load() > 0) != (tt.wantInner == "result") {
				t.Errorf("%d calls of the handler", h.Calls.Load())
			}
		})
	}
}

// Any user can send a component what looks forwarded. Believing it would hand
// out credentials in the name of others.
func TestRespondRefusesForgedDelegation(t *testing.T) {
	for _, from := range []string{
		"mallory@meet.test/x", "mallory@meet.test", "evil.test", "meet.test/x", "meet.test/", "@meet.test", "Meet.test", "MEET.TEST", "meet.test.",
		" meet.test", "meet.test ", "xmeet.test", "meet.testx", "x.meet.test", "meet.test.evil.test", "meet.test@evil.test", "test", "turn.meet.test", "", "\u200bmeet.test", "ｍeet.test",
	} {
		for _, ns := range delegationNamespaces {
			t.Run(from+" "+ns, func(t *testing.T) {
				h := new(TestHandler)
				frame := strings.Replace(forwarded(ns, innerGet(ask)), "from='meet.test'", "from='"+from+"'", 1)
				reply := respondTo(t, newResponder(t, h), frame)
				if outer, inner := conditionOf(t, reply); outer != "auth/forbidden" || inner != "" {
					t.Errorf("answered %s", reply)
				}
				if h.Calls.Load() != 0 {
					t.Error("the handler was called")
				}
			})
		}
	}
	t.Run("without from", func(t *testing.T) {
		h := new(TestHandler)
		frame := strings.Replace(forwarded(nsDelegation2, innerGet(ask)), " from='meet.test'", "", 1)
		if outer, _ := conditionOf(t, respondTo(t, newResponder(t, h), frame)); outer != "auth/forbidden" || h.Calls.Load() != 0 {
			t.Errorf("answered %s after %d calls", outer, h.Calls.Load())
		}
	})
	t.Run("by a prefixed attribute", func(t *testing.T) {
		h := new(TestHandler)
		frame := strings.Replace(forwarded(nsDelegation2, innerGet(ask)), "from='meet.test'", "xmlns:x='y' x:from='meet.test' from='mallory@meet.test/x'", 1)
		if outer, _ := conditionOf(t, respondTo(t, newResponder(t, h), frame)); outer != "auth/forbidden" || h.Calls.Load() != 0 {
			t.Errorf("answered %s after %d calls", outer, h.Calls.Load())
		}
	})
}

// A forged request that is refused before it was looked at gets no inner reply
// either: that would make the component vouch for somebody else.
func TestRespondRefusesForgedDelegationWithFault(t *testing.T) {
	frame := strings.Replace(forwarded(nsDelegation2, innerGet("<a>&x;</a>")), "from='meet.test'", "from='mallory@meet.test/x'", 1)
	outer, inner := conditionOf(t, respondTo(t, newResponder(t, new(TestHandler)), frame))
	if outer != "modify/bad-request" || inner != "" {
		t.Errorf("outer %q, inner %q", outer, inner)
	}
}

func TestRespondNotesAdverts(t *testing.T) {
	advert := func(from string) string {
		return "<message from='" + from + "' to='turn.meet.test'><delegation xmlns='urn:xmpp:delegation:2'>" +
			"<delegated namespace='urn:xmpp:extdisco:2'/><delegated namespace='urn:xmpp:extdisco:1'><attribute name='x'/></delegated></delegation></message>"
	}
	tests := []struct {
		name, from string
		want       []string // parts of the one line
	}{
		{"trusted host", TestHost2, []string{"level=INFO", "a host forwards requests", "host=guest.meet.test", "route=delegation"}},
		{"host that is not trusted", "other.test", []string{"level=WARN", "other.test", "component.hosts", "meet.test guest.meet.test"}},
		{"user", "mallory@meet.test/x", nil}, // or anybody could fill the log
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			log, lines := LogLines(slog.LevelInfo)
			r := responderOf(t, ConfigFor(new(TestHandler), log))
			for range 3 {
				if reply := respondTo(t, r, advert(tt.from)); reply != "" {
					t.Errorf("answered %s", reply)
				}
			}
			if len(lines()) != 1 {
				t.Fatalf("logged %q", lines())
			}
			if tt.want == nil && lines()[0] != "" {
				t.Errorf("logged %q", lines())
			}
			for _, part := range tt.want {
				if !strings.Contains(lines()[0], part) {
					t.Errorf("%q lacks %q", lines()[0], part)
				}
			}
			if wantTarget := map[bool]string{true: tt.from, false: TestHost}[tt.from == TestHost2]; r.events.pingTarget != wantTarget {
				t.Errorf("pings go to %s, want %s", r.events.pingTarget, wantTarget)
			}
		})
	}
}

// Many different adverts of a trusted host do not fill log and memory.
func TestRespondForgetsAdverts(t *testing.T) {
	log, lines := LogLines(slog.LevelInfo)
	r := responderOf(t, ConfigFor(new(TestHandler), log))
	for i := range 1000 {
		respondTo(t, r, "<message from='meet.test'><delegation xmlns='urn:xmpp:delegation:2'><delegated namespace='"+strings.Repeat("x", i+1)+"'/></delegation></message>")
	}
	if n := len(lines()); n != maxUnknown {
		t.Errorf("%d lines", n)
	}
	if n := len(r.events.toldUnknown); n != maxUnknown {
		t.Errorf("%d namespaces kept", n)
	}
}

func TestRespondTellsFirstAnswerOnEachRoute(t *testing.T) {
	log, lines := LogLines(slog.LevelInfo)
	r := responderOf(t, ConfigFor(new(TestHandler), log))
	for range 3 {
		respondTo(t, r, directly("<ping xmlns='urn:xmpp:ping'/>"))
		respondTo(t, r, directly(ask))
		respondTo(t, r, forwarded(nsDelegation2, innerGet(ask)))
	}
	if got := lines(); len(got) != 3 || !strings.Contains(got[0], "first direct request") || !strings.Contains(got[1], "a host forwards requests") || !strings.Contains(got[2], "first forwarded request") {
		t.Errorf("logged %q", got)
	}
}
