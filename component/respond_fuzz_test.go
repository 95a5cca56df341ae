package component

import (
	"strings"
	"testing"

	"extdisco/internal/xmltext"
)

// FuzzRespond: whatever a frame holds, the answer is nothing or one IQ that a
// server takes.
func FuzzRespond(f *testing.F) {
	for _, s := range []string{
		directly(ask), directly(""), directly("text"), directly("<a><b/>&c;</a>"), forwarded(nsDelegation2, innerGet(ask)), forwarded(nsDelegation1, ""),
		"<iq/>", "<iq type='get'/>", "<iq type='set' from='meet.test'><delegation xmlns='urn:xmpp:delegation:2'/></iq>", "<message/>", "", "<",
		"<message from='meet.test'><delegation xmlns='urn:xmpp:delegation:2'><delegated namespace='a'/></delegation></message>",
		"<iq type='get' id='&#39;&lt;' from='a&amp;b' to='\"'><ping xmlns='urn:xmpp:ping'/></iq>", "<iq type='get' from='\xff'/>", "<x:iq type='get' xmlns:x='jabber:client' to=''/>",
		directly("<query xmlns='http://jabber.org/protocol/disco#info' node='urn:xmpp:delegation:2::urn:xmpp:extdisco:2'/>"),
	} {
		f.Add([]byte(s), false)
		f.Add([]byte(s), true)
	}
	f.Fuzz(func(t *testing.T, frame []byte, truncated bool) {
		reply := string(newResponder(t, new(TestHandler)).respond(nil, frame, truncated, testTime))
		if reply == "" {
			return
		}
		if err := checkReply(reply); err != nil {
			t.Fatalf("%v in the reply %q", err, reply)
		}
		if len(reply) > maxReply {
			t.Fatalf("a reply of %d bytes", len(reply))
		}
	})
}

// FuzzDelegation: whatever a trusted host forwards, the answer is one outer IQ,
// a result with the server's addresses unless there is no inner IQ, and the
// inner one goes to who asked.
func FuzzDelegation(f *testing.F) {
	f.Add("juliet@meet.test/x", "meet.test", "d2", "get", "jabber:client", ask, true)
	f.Add("", "", "", "", "", "", false)
	f.Add("a'b&c<d>", "\n", "\t\"", "set", "jabber:component:accept", "text", true)
	f.Add("a@b", "a@b", "x", "result", "jabber:server", ask+ask, false)
	f.Add("♥", "meet.test", "x", "error", "jabber:client", "<a>&b;</a>", false)
	f.Add("a@meet.test", "meet.test", "x", "get", "jabber:client", "</iq><iq>", true)
	f.Fuzz(func(t *testing.T, from, to, id, iqType, ns, payload string, second bool) {
		attribute := func(name, value string) string {
			return " " + name + "='" + string(xmltext.AppendAttr(nil, value)) + "'"
		}
		delegation := delegationNamespaces[0]
		if second {
			delegation = delegationNamespaces[1]
		}
		inner := "<iq" + attribute("xmlns", ns) + attribute("type", iqType) + attribute("from", from) + attribute("to", to) + attribute("id", id) + ">" + payload + "</iq>"
		reply := respondTo(t, newResponder(t, new(TestHandler)), forwarded(delegation, inner))
		nodes, err := ParseNodes(reply)
		if err != nil || len(nodes) != 1 {
			t.Fatalf("%v in the reply %q", err, reply)
		}
		outer := nodes[0]
		if outer.Attr["id"] != "d1" || outer.Attr["from"] != TestJID || outer.Attr["to"] != TestHost {
			t.Fatalf("outer addresses in %q", reply)
		}
		in := innerIQ(outer)
		if in == nil {
			if outer.Attr["type"] != "error" || (ns == nsClient || ns == nsAccept) && !strings.ContainsAny(payload, "<&") && xmltext.IsValid(payload) && !strings.Contains(payload, "]]>") && len(reply) < maxReply/8 {
				t.Fatalf("no inner iq in %q to %q", reply, inner)
			}
			return
		}
		if outer.Children[0].Name.Space != delegation {
			t.Fatalf("in the wrong namespace: %q", reply)
		}
		if !xmltext.IsValid(from) || !xmltext.IsValid(to) || !xmltext.IsValid(id) {
			return
		}
		if in.Attr["to"] != from || in.Attr["from"] != to || in.Attr["id"] != id {
			t.Fatalf("inner addresses in %q", reply)
		}
	})
}
