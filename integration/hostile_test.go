//go:build integration

package integration

import (
	"encoding/xml"
	"fmt"
	"strings"
	"testing"
)

const servicesPayload = "<services xmlns='urn:xmpp:extdisco:2'/>"

// TestIntegrationForgedDelegation sends the component what only its server may
// send. Nobody must get credentials in the name of somebody else by that.
func TestIntegrationForgedDelegation(t *testing.T) {
	t.Parallel()
	eachServer(t, func(t *testing.T, kind string) {
		s := newScene(t, kind, sceneConfig{})
		c := dialRaw(t, s.xmpp.C2SAddr, meetHost, "")
		for _, ns := range []string{"urn:xmpp:delegation:2", "urn:xmpp:delegation:1"} {
			e := c.mustAsk("forged", "<iq type='set' id='forged' to='"+turnJID+"'><delegation xmlns='"+ns+"'><forwarded xmlns='urn:xmpp:forward:0'>"+
				"<iq xmlns='jabber:client' type='get' id='i' from='victim@"+meetHost+"/phone' to='"+meetHost+"'>"+servicesPayload+"</iq></forwarded></delegation></iq>")
			if e.attr("type") != "error" || !strings.Contains(e.Inner, "<forbidden") || strings.Contains(e.Inner, "password") {
				t.Errorf("%s: %+v, want forbidden", ns, e)
			}
		}
	})
}

// TestIntegrationOddStanzas sends, through real servers, what has taken down
// components: afterwards the stream must be the one from the beginning, and
// every request answered.
func TestIntegrationOddStanzas(t *testing.T) {
	t.Parallel()
	for _, to := range []string{turnJID, meetHost} {
		eachServer(t, func(t *testing.T, kind string) {
			t.Run("to "+to, func(t *testing.T) {
				s := newScene(t, kind, sceneConfig{})
				for name, resource := range map[string]string{"plain": "", "hangul filler": "\u3164", "hangul choseong filler": "\u115F", "markup": "&lt;a&gt;&amp;&apos;&quot;", "blank": "a b"} {
					t.Run("resource "+name, func(t *testing.T) { sendOddStanzas(t, s, to, resource) })
				}
				if _, err := s.query(meetHost); err != nil {
					t.Errorf("afterwards: %v", err)
				}
				if n := strings.Count(s.extdisco.Log(), "connected to the XMPP server"); n != 1 {
					t.Errorf("connected %d times", n)
				}
			})
		})
	}
}

func sendOddStanzas(t *testing.T, s *scene, to, resource string) {
	c := dialRaw(t, s.xmpp.C2SAddr, meetHost, resource)
	long := strings.Repeat("x", 70_000)
	requests := []struct{ name, id, open, payload string }{
		{"usual", "1", "type='get'", servicesPayload},
		{"set", "1", "type='set'", servicesPayload},
		{"other payload", "1", "type='get'", "<foo xmlns='urn:example:bar'/>"},
		{"wrong element", "1", "type='get'", "<foo xmlns='urn:xmpp:extdisco:2'/>"},
		{"newline in the id", "a\nb\tc", "type='get'", servicesPayload},
		{"markup in the id", `<&>"'`, "type='get'", servicesPayload},
		{"long id", long, "type='get'", servicesPayload},
		{"deep payload", "1", "type='get'", "<services xmlns='urn:xmpp:extdisco:2'>" + strings.Repeat("<a>", 200) + strings.Repeat("</a>", 200) + "</services>"},
		{"many services", "1", "type='get'", "<credentials xmlns='urn:xmpp:extdisco:2'>" + strings.Repeat("<service type='turn' host='127.0.0.1'/>", 2000) + "</credentials>"},
		{"empty type", "1", "type='get'", "<services xmlns='urn:xmpp:extdisco:2' type=''/>"},
		{"fraction as port", "1", "type='get'", "<credentials xmlns='urn:xmpp:extdisco:2'><service type='turn' host='127.0.0.1' port='1.5'/></credentials>"},
	}
	for _, r := range requests {
		t.Run(r.name, func(t *testing.T) {
			var id strings.Builder
			if err := xml.EscapeText(&id, []byte(r.id)); err != nil {
				t.Fatal(err)
			}
			e, err := c.ask(r.id, fmt.Sprintf("<iq %s id='%s' to='%s'>%s</iq>", r.open, &id, to, r.payload))
			if err != nil {
				t.Fatal(err)
			}
			if r.name == "usual" && e.attr("type") != "result" {
				t.Errorf("%+v", e)
			}
		})
	}
	// These are not requests, or the server answers them by itself; they must
	// not harm.
	c.send("<iq type='get' id='t' to='" + to + "'>text" + servicesPayload + "</iq>")
	c.send("<iq type='result' id='r' to='" + to + "'>text</iq><iq type='error' id='e' to='" + to + "'/>")
	c.send("<message to='" + to + "'><body>hello</body></message><presence to='" + to + "'/>")
	if e := c.mustAsk("last", "<iq type='get' id='last' to='"+to+"'>"+servicesPayload+"</iq>"); e.attr("type") != "result" {
		t.Errorf("afterwards: %+v", e)
	}
}

// TestIntegrationReplyTooLargeForServer asks with an id that makes the reply
// larger than Prosody lets a component send. Prosody would end the stream for it.
func TestIntegrationReplyTooLargeForServer(t *testing.T) {
	for _, to := range []string{turnJID, meetHost} {
		t.Run("to "+to, func(t *testing.T) {
			s := newScene(t, "prosody", sceneConfig{})
			c := dialRaw(t, s.xmpp.C2SAddr, meetHost, "")
			// Raw quotes of one kind between those of the other: a byte each
			// here, six in the server's own escaping, five in ours.
			for _, quotes := range []int{200_000, 110_000, 90_000} {
				c.send(`<iq type="get" to="` + to + `" id="` + strings.Repeat("'", quotes) + `">` + servicesPayload + `</iq>`)
			}
			if e := c.mustAsk("last", "<iq type='get' id='last' to='"+to+"'>"+servicesPayload+"</iq>"); e.attr("type") != "result" {
				t.Errorf("afterwards: %+v", e)
			}
			if n := strings.Count(s.extdisco.Log(), "connected to the XMPP server"); n != 1 {
				t.Errorf("connected %d times", n)
			}
		})
	}
}
