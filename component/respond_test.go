package component

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"mellium.im/xmpp/stanza"
)

const (
	ask = "<services xmlns='urn:xmpp:extdisco:2'/>"

	resultOpen = "<iq type='result' id='q1' from='turn.meet.test' to='juliet@meet.test/balcony'>"
	errorOpen  = "<iq type='error' id='q1' from='turn.meet.test' to='juliet@meet.test/balcony'>"
	iqClose    = "</iq>"

	features = "<feature var='urn:xmpp:extdisco:2'/><feature var='urn:xmpp:extdisco:1'/>" +
		"<feature var='http://jabber.org/protocol/disco#info'/><feature var='urn:xmpp:ping'/><feature var='jabber:iq:version'/>"
)

// errorIs returns the element of an error without text.
func errorIs(errorType, condition string) string {
	return "<error type='" + errorType + "'><" + condition + " xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"
}

func TestRespondExactly(t *testing.T) {
	const disco, unavailable = "http://jabber.org/protocol/disco#info", "<error type='cancel'><service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"
	query := func(node string) string { return directly("<query xmlns='" + disco + "' node='" + node + "'/>") }
	nested := func(node, feature string) string {
		return resultOpen + "<query xmlns='" + disco + "' node='" + node + "'>" + feature + "</query>" + iqClose
	}
	items := func(node string) string {
		return directly("<query xmlns='http://jabber.org/protocol/disco#items'" + node + "/>")
	}
	toHost := func(payload, to string) string { return strings.Replace(directly(payload), TestJID, to, 1) }
	fromHost := func(open, host string) string { return strings.Replace(open, TestJID, host, 1) }
	tests := []struct{ name, frame, want string }{
		{"services", directly(ask), resultOpen + TestPayload + iqClose},
		{"services in version 1", directly("<services xmlns='urn:xmpp:extdisco:1'/>"), resultOpen + TestPayload + iqClose},
		{"blanks and comments around the payload", directly("\n <!-- c -->" + ask + " "), resultOpen + TestPayload + iqClose},
		{"namespace by prefix", directly("<p:services xmlns:p='urn:xmpp:extdisco:2'/>"), resultOpen + TestPayload + iqClose},
		{"component in capitals", strings.Replace(directly(ask), "to='turn", "to='Turn", 1),
			strings.Replace(resultOpen, "from='turn", "from='Turn", 1) + TestPayload + iqClose},
		{"disco#info", directly("<query xmlns='" + disco + "'/>"),
			resultOpen + "<query xmlns='" + disco + "'><identity category='component' type='generic' name='extdisco'/>" + features + "</query>" + iqClose},
		{"disco#info of an empty node", query(""),
			resultOpen + "<query xmlns='" + disco + "'><identity category='component' type='generic' name='extdisco'/>" + features + "</query>" + iqClose},
		{"disco nesting from Prosody", query("urn:xmpp:delegation:2::urn:xmpp:extdisco:2"),
			nested("urn:xmpp:delegation:2::urn:xmpp:extdisco:2", "<feature var='urn:xmpp:extdisco:2'/>")},
		{"disco nesting from ejabberd", query("urn:xmpp:delegation:1::urn:xmpp:extdisco:1"),
			nested("urn:xmpp:delegation:1::urn:xmpp:extdisco:1", "<feature var='urn:xmpp:extdisco:1'/>")},
		{"disco nesting for bare JIDs from Prosody", query("urn:xmpp:delegation:2:bare:urn:xmpp:extdisco:2"),
			nested("urn:xmpp:delegation:2:bare:urn:xmpp:extdisco:2", "")},
		{"disco nesting for bare JIDs from ejabberd", query("urn:xmpp:delegation:1:bare:urn:xmpp:extdisco:2"),
			nested("urn:xmpp:delegation:1:bare:urn:xmpp:extdisco:2", "")},
		{"disco nesting of another namespace", query("urn:xmpp:delegation:2::urn:xmpp:mam:2"), errorOpen + errorIs("cancel", "item-not-found") + iqClose},
		{"disco nesting for bare JIDs of another namespace", query("urn:xmpp:delegation:2:bare:urn:xmpp:mam:2"), errorOpen + errorIs("cancel", "item-not-found") + iqClose},
		{"another node", query("http://example.org#caps"), errorOpen + errorIs("cancel", "item-not-found") + iqClose},
		{"ping", directly("<ping xmlns='urn:xmpp:ping'/>"), resultOpen + iqClose},
		{"software version", directly("<query xmlns='jabber:iq:version'/>"),
			resultOpen + "<query xmlns='jabber:iq:version'><name>extdisco</name><version>1.0</version></query>" + iqClose},
		{"set", strings.Replace(directly(ask), "'get'", "'set'", 1), errorOpen + unavailable + iqClose},
		{"ping as a set", strings.Replace(directly("<ping xmlns='urn:xmpp:ping'/>"), "'get'", "'set'", 1), errorOpen + unavailable + iqClose},
		{"another namespace", directly("<query xmlns='jabber:iq:roster'/>"), errorOpen + unavailable + iqClose},
		{"disco#items", items(""), resultOpen + "<query xmlns='http://jabber.org/protocol/disco#items'/>" + iqClose},
		{"disco#items of an empty node", items(" node=''"), resultOpen + "<query xmlns='http://jabber.org/protocol/disco#items'/>" + iqClose},
		{"disco#items of a node", items(" node='urn:xmpp:delegation:2::urn:xmpp:extdisco:2'"), errorOpen + errorIs("cancel", "item-not-found") + iqClose},
		{"setting disco#items", strings.Replace(items(""), "'get'", "'set'", 1), errorOpen + unavailable + iqClose},
		{"no namespace", directly("<services/>"), errorOpen + unavailable + iqClose},
		{"delegation in a get", directly("<delegation xmlns='urn:xmpp:delegation:2'/>"), errorOpen + unavailable + iqClose},
		{"to a user of the component", strings.Replace(directly(ask), "'turn.", "'romeo@turn.", 1),
			strings.Replace(errorOpen, "'turn.", "'romeo@turn.", 1) + unavailable + iqClose},
		{"to a resource of the component", strings.Replace(directly(ask), "turn.meet.test", "turn.meet.test/x", 1),
			strings.Replace(errorOpen, "turn.meet.test", "turn.meet.test/x", 1) + unavailable + iqClose},
		{"ping to a user of the component", strings.Replace(directly("<ping xmlns='urn:xmpp:ping'/>"), "'turn.", "'romeo@turn.", 1),
			strings.Replace(errorOpen, "'turn.", "'romeo@turn.", 1) + unavailable + iqClose},
		// Tigase delivers what users ask their server as it is.
		{"to a trusted host", toHost(ask, TestHost), fromHost(resultOpen, TestHost) + TestPayload + iqClose},
		{"to another trusted host", toHost(ask, TestHost2), fromHost(resultOpen, TestHost2) + TestPayload + iqClose},
		{"ping to a trusted host", toHost("<ping xmlns='urn:xmpp:ping'/>", TestHost), fromHost(resultOpen, TestHost) + iqClose},
		{"to a trusted host in capitals", toHost(ask, "MEET.test"), fromHost(resultOpen, "MEET.test") + TestPayload + iqClose},
		{"to a user of a trusted host", toHost(ask, "romeo@meet.test"), fromHost(errorOpen, "romeo@meet.test") + unavailable + iqClose},
		// A server would end the stream for a reply in somebody else's name.
		{"to another component", toHost(ask, "conference.meet.test"), errorOpen + unavailable + iqClose},
		{"to a user elsewhere", toHost(ask, "romeo@evil.test/x"), errorOpen + unavailable + iqClose},
		{"to a host that ends the same", toHost(ask, "evilmeet.test"), errorOpen + unavailable + iqClose},
		{"to a subdomain of a host", toHost(ask, "x.meet.test"), errorOpen + unavailable + iqClose},
		{"to a user with a trusted name", toHost(ask, "meet.test@evil.test"), errorOpen + unavailable + iqClose},
		{"ping to somebody else", toHost("<ping xmlns='urn:xmpp:ping'/>", "evil.test"), errorOpen + unavailable + iqClose},
		{"not well-formed and to somebody else", toHost("<a>&b;</a>", "evil.test"),
			errorOpen + "<error type='modify'><bad-request xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/><text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas' xml:lang='en'>the stanza is not well-formed</text></error>" + iqClose},
		{"result", strings.Replace(directly(ask), "'get'", "'result'", 1), ""},
		{"error", strings.Replace(directly(ask), "'get'", "'error'", 1), ""},
		{"message", "<message from='juliet@meet.test' to='turn.meet.test'><body>hello</body></message>", ""},
		{"presence", "<presence from='juliet@meet.test/x' to='turn.meet.test'/>", ""},
		{"subscription", "<presence type='subscribe' from='juliet@meet.test' to='turn.meet.test'/>", ""},
		{"not-acceptable, as Prosody answers a result with", "<iq type='error' id='d1' from='meet.test' to='turn.meet.test'><error type='modify'><not-acceptable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>", ""},
		{"unknown element of the stream", "<handshake/>", ""},
		{"features of the stream", "<stream:features xmlns:stream='http://etherx.jabber.org/streams'/>", ""},
		{"iq of another namespace", "<iq xmlns='x' type='get' id='q1' from='a@meet.test' to='turn.meet.test'>" + ask + "</iq>", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if reply := respondTo(t, newResponder(t, new(TestHandler)), tt.frame); reply != tt.want {
				t.Errorf("\n got %s\nwant %s", reply, tt.want)
			}
		})
	}
}

func TestRespondToOddIQs(t *testing.T) {
	tests := []struct{ name, frame, want string }{
		{"no type", "<iq id='q1' from='a@meet.test' to='turn.meet.test'>" + ask + "</iq>", "modify/bad-request"},
		{"unknown type", "<iq type='push' id='q1' from='a@meet.test' to='turn.meet.test'>" + ask + "</iq>", "modify/bad-request"},
		{"no payload", directly(""), "modify/bad-request"},
		{"two payloads", directly(ask + ask), "modify/bad-request"},
		{"text behind the payload", directly(ask + "text"), "modify/bad-request"},
		{"in jabber:client", strings.Replace(directly(ask), "<iq", "<iq xmlns='jabber:client'", 1), "result"},
		{"in jabber:component:accept", strings.Replace(directly(ask), "<iq", "<iq xmlns='jabber:component:accept'", 1), "result"},
		{"with prefixed attributes", strings.Replace(directly(ask), "<iq", "<iq xmlns:x='y' x:type='result' x:from='a@evil.test' xml:lang='en' x:id='w' x:to='z'", 1), "result"},
		{"from nobody at a served host", strings.Replace(directly(ask), "juliet@", "", 1), "result"},
		{"from elsewhere", strings.Replace(directly(ask), "meet.test/balcony", "evil.test/balcony", 1), "auth/forbidden"},
		{"from a look-alike resource", strings.Replace(directly(ask), "juliet@meet.test/balcony", "evil.test/juliet@meet.test", 1), "auth/forbidden"},
		{"from a subdomain", strings.Replace(directly(ask), "juliet@", "juliet@x.", 1), "auth/forbidden"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got, _ := conditionOf(t, respondTo(t, newResponder(t, new(TestHandler)), tt.frame)); got != tt.want {
				t.Errorf("answered %s, want %s", got, tt.want)
			}
		})
	}
}

// A reply without from or to ends the stream, so they are there also when the
// request had none. But nothing is handed out to who is not named.
func TestRespondFillsInAddresses(t *testing.T) {
	tests := []struct{ name, attributes, wantFrom, wantTo, want string }{
		{"no id", "from='a@meet.test/b' to='turn.meet.test'", TestJID, "a@meet.test/b", "result"},
		{"no to", "from='a@meet.test/b' id='1'", TestJID, "a@meet.test/b", "result"},
		{"empty to", "from='a@meet.test/b' to='' id='1'", TestJID, "a@meet.test/b", "result"},
		{"no from", "to='turn.meet.test' id='1'", TestJID, TestHost, "auth/forbidden"},
		{"empty from", "from='' to='turn.meet.test' id='1'", TestJID, TestHost, "auth/forbidden"},
		{"neither", "", TestJID, TestHost, "auth/forbidden"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := new(TestHandler)
			reply := respondTo(t, newResponder(t, h), "<iq type='get' "+tt.attributes+">"+ask+"</iq>")
			if got, _ := conditionOf(t, reply); got != tt.want {
				t.Errorf("answered %s, want %s", got, tt.want)
			}
			if (h.Calls.Load() == 1) != (tt.want == "result") {
				t.Errorf("%d calls of the handler", h.Calls.Load())
			}
			if nodes, _ := ParseNodes(reply); nodes[0].Attr["from"] != tt.wantFrom || nodes[0].Attr["to"] != tt.wantTo {
				t.Errorf("reply %s", reply)
			}
		})
	}
}

// Discovery, ping and version are for everybody; the handlers are for those whom
// the gate admits.
func TestRespondAsksTheGate(t *testing.T) {
	stranger := func(payload string) string {
		return strings.Replace(directly(payload), "juliet@meet.test", "mallory@evil.test", 1)
	}
	tests := []struct{ name, payload, want string }{
		{"services", ask, "auth/forbidden"},
		{"ping", "<ping xmlns='urn:xmpp:ping'/>", "result"},
		{"disco#info", "<query xmlns='http://jabber.org/protocol/disco#info'/>", "result"},
		{"version", "<query xmlns='jabber:iq:version'/>", "result"},
		{"another namespace", "<query xmlns='jabber:iq:roster'/>", "cancel/service-unavailable"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := new(TestHandler)
			if got, _ := conditionOf(t, respondTo(t, newResponder(t, h), stranger(tt.payload))); got != tt.want {
				t.Errorf("answered %s, want %s", got, tt.want)
			}
			if h.Calls.Load() != 0 {
				t.Error("the handler was called")
			}
		})
	}
}

type gateFunc func(requester []byte, now time.Time) error

func (f gateFunc) Admit(r *Request) error { return f(r.Requester, r.Now) }

func TestRespondTellsGateAndHandlerWhoAsks(t *testing.T) {
	var admitted string
	var at, read time.Time
	h := &TestHandler{Reply: func(dst []byte, r *Request) ([]byte, error) {
		read = r.Now
		return append(dst, TestPayload...), nil
	}}
	cfg := ConfigFor(h, slog.New(slog.DiscardHandler))
	cfg.Gate = gateFunc(func(requester []byte, now time.Time) error {
		admitted, at = string(requester), now
		return nil
	})
	for _, frame := range []string{directly(ask), forwarded(nsDelegation2, innerGet(ask))} {
		admitted, h.requester = "", ""
		respondTo(t, responderOf(t, cfg), frame)
		if admitted != "juliet@meet.test" || h.requester != "juliet@meet.test" {
			t.Errorf("the gate saw %q, the handler %q", admitted, h.requester)
		}
		if !at.Equal(testTime) || !read.Equal(testTime) {
			t.Errorf("at %v and %v", at, read)
		}
	}
}

func TestRespondSendsErrorsOfHandlerAndGate(t *testing.T) {
	tests := []struct {
		name string
		err  error
		want string
	}{
		{"stanza error", stanza.Error{Type: stanza.Wait, Condition: stanza.ResourceConstraint}, errorIs("wait", "resource-constraint")},
		{"stanza error with text", stanzaError(stanza.Modify, stanza.BadRequest, "<no> & 'yes'"),
			"<error type='modify'><bad-request xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>" +
				"<text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas' xml:lang='en'>&lt;no&gt; &amp; &#39;yes&#39;</text></error>"},
		{"wrapped stanza error", fmt.Errorf("in a wrapping: %w", stanza.Error{Type: stanza.Cancel, Condition: stanza.ItemNotFound}), errorIs("cancel", "item-not-found")},
		{"another error", errors.New("password of the database is wrong"), errorIs("wait", "internal-server-error")},
		{"empty stanza error", stanza.Error{}, errorIs("wait", "internal-server-error")},
		{"stanza error without condition", stanza.Error{Type: stanza.Cancel}, errorIs("wait", "internal-server-error")},
		{"stanza error without type", stanza.Error{Condition: stanza.Forbidden}, errorIs("wait", "internal-server-error")},
	}
	// A parser reads the same from both.
	same := strings.NewReplacer("&gt;", ">")
	for _, tt := range tests {
		h := &TestHandler{}
		handlers := map[string]func(dst []byte, r *Request) ([]byte, error){
			"and dst untouched":   func(dst []byte, _ *Request) ([]byte, error) { return dst, tt.err },
			"and nil":             func([]byte, *Request) ([]byte, error) { return nil, tt.err },
			"and half an element": func(dst []byte, _ *Request) ([]byte, error) { return append(dst, "<services><half"...), tt.err },
		}
		for name, reply := range handlers {
			t.Run("handler returns "+tt.name+" "+name, func(t *testing.T) {
				h.Reply = reply
				if got := respondTo(t, newResponder(t, h), directly(ask)); same.Replace(got) != same.Replace(errorOpen+tt.want+iqClose) {
					t.Errorf("\n got %s\nwant %s", got, errorOpen+tt.want+iqClose)
				}
				outer, inner := conditionOf(t, respondTo(t, newResponder(t, h), forwarded(nsDelegation1, innerGet(ask))))
				if outer != "result" || inner == "result" {
					t.Errorf("forwarded: outer %s, inner %s", outer, inner)
				}
			})
		}
		t.Run("gate returns "+tt.name, func(t *testing.T) {
			h.Calls.Store(0)
			cfg := ConfigFor(h, slog.New(slog.DiscardHandler))
			cfg.Gate = gateFunc(func([]byte, time.Time) error { return tt.err })
			if got := respondTo(t, responderOf(t, cfg), directly(ask)); same.Replace(got) != same.Replace(errorOpen+tt.want+iqClose) {
				t.Errorf("\n got %s\nwant %s", got, errorOpen+tt.want+iqClose)
			}
			if h.Calls.Load() != 0 {
				t.Error("the handler was called")
			}
		})
	}
}

// Service browsers show the name of the service, software version that of the program.
func TestRespondNamesTheService(t *testing.T) {
	cfg := ConfigFor(new(TestHandler), discardLog)
	cfg.ServiceName = "Relays & more"
	r := responderOf(t, cfg)
	if reply := respondTo(t, r, directly("<query xmlns='"+nsInfo+"'/>")); !strings.Contains(reply, "type='generic' name='Relays &amp; more'/>") {
		t.Error(reply)
	}
	if reply := respondTo(t, r, directly("<query xmlns='"+nsVersion+"'/>")); !strings.Contains(reply, "<name>extdisco</name>") {
		t.Error(reply)
	}
}

func TestRespondEscapesNameAndVersion(t *testing.T) {
	cfg := ConfigFor(new(TestHandler), slog.New(slog.DiscardHandler))
	cfg.Name, cfg.Version = `<a> & 'b'`, `"1"<2`
	for _, payload := range []string{"<query xmlns='http://jabber.org/protocol/disco#info'/>", "<query xmlns='jabber:iq:version'/>"} {
		nodes, err := ParseNodes(respondTo(t, responderOf(t, cfg), directly(payload)))
		if err != nil {
			t.Fatal(err)
		}
		query := nodes[0].Children[0]
		if name := query.Children[0].Attr["name"] + query.Children[0].Text; name != cfg.Name {
			t.Errorf("name %q", name)
		}
	}
}
