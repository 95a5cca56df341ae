package component

import (
	"bytes"
	"context"
	"net"
	"slices"
	"strings"
	"testing"
	"time"
)

// sink is a connection that takes whatever is written.
type sink struct {
	net.Conn
	bytes.Buffer
	writes int
}

func (s *sink) Write(p []byte) (int, error) {
	s.writes++
	return s.Buffer.Write(p)
}

func (s *sink) Read([]byte) (int, error)         { panic("nothing to read") }
func (s *sink) SetWriteDeadline(time.Time) error { return nil }

// answersTo returns the replies to what a stream brings, in segments.
func answersTo(t *testing.T, h Handler, data string) []*Node {
	t.Helper()
	var out sink
	l := newLink(newResponder(t, h).c, &out, nil)
	for data != "" {
		n := copy(l.framer.space(), data[:min(len(data), 1460)])
		l.framer.added(n)
		data = data[n:]
		if err := l.answerBuffered(context.Background(), testTime); err != nil {
			t.Fatal(err)
		}
	}
	nodes, err := ParseNodes(out.String())
	if err != nil {
		t.Fatalf("%v in %.500q", err, out.String())
	}
	for _, n := range nodes {
		if n.Attr["from"] == "" || n.Attr["to"] == "" {
			t.Errorf("a reply without from or to: %v", n.Attr)
		}
	}
	return nodes
}

// What of one stanza ends the stream, or the process, with the stream and mux of
// mellium.im/xmpp, and worse. Each costs itself: the request behind it, in the
// same segment, is answered.
func TestStreamSurvives(t *testing.T) {
	iq := func(attributes, payload string) string {
		return "<iq to='turn.meet.test' id='odd' " + attributes + ">" + payload + "</iq>"
	}
	from := func(jid string) string { return iq("type='get' from='"+jid+"'", ask) }
	ping := "<ping xmlns='urn:xmpp:ping'/>"
	const user = "type='get' from='mallory@meet.test/x'"
	nest := strings.Repeat("<a>", 200_000) + strings.Repeat("</a>", 200_000)
	huge := strings.Repeat("x", 10<<20)
	tests := []struct{ name, stanza, want string }{ // want "" is silence
		{"text before the payload", iq(user, "text"+ask), "modify/bad-request"},
		{"text before a ping", iq(user, "text"+ping), "modify/bad-request"},
		{"result with text", iq("type='result' from='mallory@meet.test/x'", "text"), ""},
		{"result nobody waits for", iq("type='result' from='mallory@meet.test/x'", ask), ""},
		{"error with text", iq("type='error' from='mallory@meet.test/x'", "text"), ""},
		{"resource U+3164", from("mallory@meet.test/\u3164"), "result"},
		{"resource U+115F", from("mallory@meet.test/\u115f"), "result"},
		{"ping from resource U+3164", iq("type='get' from='mallory@meet.test/\u3164'", ping), "result"},
		{"message from resource U+3164", "<message to='turn.meet.test' from='a@meet.test/\u3164'><body/></message>", ""},
		{"presence from resource U+115F", "<presence to='turn.meet.test' from='a@meet.test/\u115f'/>", ""},
		{"heart as local part", from("♥@x"), "auth/forbidden"},
		{"fancy letter as local part", from("fancy𝕏@x"), "auth/forbidden"},
		{"underscore in the domain", from("u@my_host"), "auth/forbidden"},
		{"underscore in the domain, ping", iq("type='get' from='u@my_host/x'", ping), "result"},
		{"no address at all", from("@/@/@@//"), "auth/forbidden"},
		{"to a resource U+3164", "<iq type='get' id='odd' from='a@meet.test/x' to='turn.meet.test/\u3164'>" + ask + "</iq>", "cancel/service-unavailable"},
		{"bare get", "<iq type='get'/>", "modify/bad-request"},
		{"bare set", "<iq type='set'/>", "modify/bad-request"},
		{"bare result", "<iq type='result'/>", ""},
		{"bare error", "<iq type='error'/>", ""},
		{"bare iq", "<iq/>", "modify/bad-request"},
		{"newline in the id", "<iq type='get' id='o\nd\td' from='a@meet.test/x' to='turn.meet.test'>" + ask + "</iq>", "result"},
		{"no id", "<iq type='get' from='a@meet.test/x' to='turn.meet.test'>" + ask + "</iq>", "result"},
		{"no from", "<iq type='get' id='odd' to='turn.meet.test'>" + ping + "</iq>", "result"},
		{"no to", "<iq type='get' id='odd' from='a@meet.test/x'>" + ping + "</iq>", "result"},
		{"prefixed attributes", iq(user+" xmlns:x='y' x:from='a@meet.test' x:to='b' x:id='c' x:type='result' xml:lang='en'", ask), "result"},
		{"attribute with a prefix nobody declared", iq(user+" x:y='z'", ask), "result"},
		{"xmlns of a client", iq(user+" xmlns='jabber:client'", ask), "result"},
		{"xmlns of a server", iq(user+" xmlns='jabber:server'", ask), ""},
		{"nesting of 200,000", iq(user, nest), "modify/policy-violation"},
		{"nesting of 100", iq(user, strings.Repeat("<a>", 100)+strings.Repeat("</a>", 100)), "modify/bad-request"},
		{"nested message", "<message>" + nest + "</message>", ""},
		{"attribute of 10 MB", iq(user, "<services xmlns='urn:xmpp:extdisco:2' type='"+huge+"'/>"), "modify/policy-violation"},
		{"id of 10 MB", "<iq type='get' id='" + huge + "' from='a@meet.test/x' to='turn.meet.test'>" + ask + "</iq>", ""},
		{"text of 10 MB", iq(user, huge), "modify/policy-violation"},
		{"comment of 10 MB in a request", iq(user, "<!--"+huge+"-->"+ask), "modify/policy-violation"},
		{"comment of 10 MB at stream level", "<!--" + huge + "-->", ""},
		{"message of 10 MB", "<message><body>" + huge + "</body></message>", ""},
		{"unknown element", "<x><y>z</y></x>", ""},
		{"unknown element of the stream", "<stream:x/>", ""},
		{"element of a namespace of its own", "<x xmlns='y'/>", ""},
		{"another handshake", "<handshake/>", ""},
		{"blank", " ", ""},
		{"text at stream level", "text", ""},
		{"comment at stream level", "<!-- <iq type='get'/> -->", ""},
		{"instruction at stream level", "<?x y?>", ""},
		{"XML declaration", "<?xml version='1.0'?>", ""},
		{"XML declaration of another version", "<?xml version='1.1' encoding='latin1'?>", ""},
		{"CDATA at stream level", "<![CDATA[<iq type='get'/>]]>", ""},
		{"comment in a request", iq(user, "<!-- c -->"+ask+"<!---->"), "result"},
		{"instruction in a request", iq(user, "<?x y?>"+ask), "modify/bad-request"},
		{"unknown entity", iq(user, "<a>&b;</a>"), "modify/bad-request"},
		{"unknown entity in the start tag", iq("type='get' from='&b;'", ask), ""},
		{"not UTF-8", iq(user, "<a>\xff</a>"), "modify/bad-request"},
		{"zero byte", iq(user, "<a>\x00</a>"), "modify/bad-request"},
		{"wrong end tag", "<iq type='get' id='odd' from='a@meet.test/x' to='turn.meet.test'><a></b></iq>", "modify/bad-request"},
		{"attribute twice", iq(user+" from='b@evil.test'", ping), "result"},
		{"attribute without quotes", iq(user, "<a b=c/>"), "modify/bad-request"},
		{"1,025 elements", iq(user, "<a>"+strings.Repeat("<b/>", 1024)+"</a>"), "modify/bad-request"},
		{"100,000 attributes", iq(user, "<a"+strings.Repeat(" b='c'", 100_000)+"/>"), "modify/bad-request"},
		{"100,000 comments in text", iq(user, strings.Repeat("a<!---->", 100_000)), "modify/bad-request"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			after := strings.Replace(directly(ask), "'q1'", "'after'", 1)
			replies := answersTo(t, new(TestHandler), after+tt.stanza+after)
			var got []string
			for _, reply := range replies {
				switch {
				case reply.Attr["id"] == "after":
					got = append(got, "after")
				case reply.Attr["type"] == "error":
					got = append(got, reply.Children[0].Attr["type"]+"/"+reply.Children[0].Children[0].Name.Local)
				default:
					got = append(got, reply.Attr["type"])
				}
			}
			want := []string{"after", tt.want, "after"}
			if tt.want == "" {
				want = []string{"after", "after"}
			}
			if !slices.Equal(got, want) {
				t.Errorf("answered %q, want %q", got, want)
			}
		})
	}
}

// addresses are those that servers pass and libraries stumble over.
var addresses = map[string]string{
	"hangul filler":     "a@meet.test/\u3164",
	"hangul choseong":   "a@meet.test/\u115f",
	"heart":             "♥@x",
	"fancy letter":      "fancy𝕏@x",
	"underscore":        "u@my_host",
	"markup":            `a@meet.test/<iq type="result">&amp;'"</iq>`,
	"blanks":            "a@meet.test/ x\ty\nz\r ",
	"no-break space":    "a@meet.test/x\u00a0y",
	"not composed":      "e\u0301@meet.test/E\u0301",
	"capitals":          "Juliet@Meet.Test/Balcony",
	"right to left":     "א@meet.test/\u202eא",
	"replacement":       "a@meet.test/\ufffd",
	"last of all":       "a@meet.test/\U0010FFFF",
	"zero width":        "a\u200d@meet.test/\ufeff",
	"IPv6":              "a@[2001:db8::1]/x",
	"many ats":          "a@b@c@meet.test/d@e/f",
	"very long":         strings.Repeat("a", 1023) + "@meet.test/" + strings.Repeat("♥", 341),
	"end of a CDATA":    "a@meet.test/]]>",
	"character by name": "a@meet.test/&#39;&lt;",
}

func TestAddressesAndIDsAreEchoed(t *testing.T) {
	const head, between, rest = "<iq type='get' from='", "' id='", "' to='"
	escape := strings.NewReplacer("&", "&amp;", "<", "&lt;", "'", "&apos;", "\t", "&#x9;", "\n", "&#xA;", "\r", "&#13;")
	for name, odd := range addresses {
		escaped := escape.Replace(odd)
		t.Run(name, func(t *testing.T) {
			for _, payload := range []string{ask, "<ping xmlns='urn:xmpp:ping'/>", "<x/>", ""} {
				for _, to := range []string{TestJID, escaped} {
					reply := respondTo(t, newResponder(t, new(TestHandler)), head+escaped+between+escaped+rest+to+"'>"+payload+"</iq>")
					nodes, err := ParseNodes(reply)
					if err != nil || len(nodes) != 1 {
						t.Fatal(err, reply)
					}
					wantFrom := TestJID
					if bare := bareJID(odd); to == escaped && newResponder(t, new(TestHandler)).c.mayAnswerAs(bare) {
						wantFrom = odd
					}
					if a := nodes[0].Attr; a["to"] != odd || a["id"] != odd || a["from"] != wantFrom {
						t.Errorf("reply %s", reply)
					}
				}
			}
		})
		t.Run(name+" forwarded", func(t *testing.T) {
			inner := "<iq xmlns='jabber:client' type='get' from='" + escaped + "' to='" + escaped + "' id='" + escaped + "'>" + ask + "</iq>"
			frame := strings.Replace(forwarded(nsDelegation2, inner), "'d1'", "'"+escaped+"'", 1)
			nodes, err := ParseNodes(respondTo(t, newResponder(t, new(TestHandler)), frame))
			if err != nil || len(nodes) != 1 {
				t.Fatal(err)
			}
			if a := nodes[0].Attr; a["to"] != TestHost || a["from"] != TestJID || a["id"] != odd {
				t.Errorf("outer addresses %q", a)
			}
			if a := innerIQ(nodes[0]).Attr; a["to"] != odd || a["from"] != odd || a["id"] != odd {
				t.Errorf("inner addresses %q", a)
			}
		})
	}
}

func TestHandlerPanicCostsOneRequest(t *testing.T) {
	var refuse bool
	h := &TestHandler{Reply: func(dst []byte, _ *Request) ([]byte, error) {
		if refuse = !refuse; refuse {
			_ = append(dst, "<services><half"...)
			panic("handler")
		}
		return append(dst, TestPayload...), nil
	}}
	replies := answersTo(t, h, directly(ask)+directly(ask)+forwarded(nsDelegation2, innerGet(ask))+forwarded(nsDelegation1, innerGet(ask)))
	if len(replies) != 4 {
		t.Fatalf("%d replies", len(replies))
	}
	for i, wantError := range []bool{true, false, true, false} {
		iq := replies[i]
		if inner := innerIQ(iq); inner != nil {
			if iq.Attr["type"] != "result" {
				t.Errorf("reply %d: outer %s", i, iq.Attr["type"])
			}
			iq = inner
		}
		if isError := iq.Attr["type"] == "error"; isError != wantError {
			t.Errorf("reply %d: %s", i, iq.Attr["type"])
		} else if isError && iq.Children[0].Children[0].Name.Local != "internal-server-error" {
			t.Errorf("reply %d: %s", i, iq.Children[0].Children[0].Name.Local)
		}
	}
}

func TestRepliesAreFlushedInTime(t *testing.T) {
	var out sink
	l := newLink(newResponder(t, new(TestHandler)).c, &out, nil)
	const requests = 100
	l.framer.added(copy(l.framer.space(), strings.Repeat(directly(ask), requests)))
	if err := l.answerBuffered(context.Background(), testTime); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(out.String(), "</iq>"); n != requests || out.writes != 1 {
		t.Errorf("%d replies in %d writes", n, out.writes)
	}
	// One reply that is very large must not keep its memory.
	l.responder.c.namespaces[0].Handler = &TestHandler{Reply: func(dst []byte, _ *Request) ([]byte, error) {
		return append(dst, "<a>"+strings.Repeat("x", maxReply/2)+"</a>"...), nil
	}}
	l.framer.added(copy(l.framer.space(), directly(ask)))
	if err := l.answerBuffered(context.Background(), testTime); err != nil {
		t.Fatal(err)
	}
	if out.Len() < maxReply/2 || cap(l.out) > 4*flushAt {
		t.Errorf("%d bytes were sent, %d are kept", out.Len(), cap(l.out))
	}
}
