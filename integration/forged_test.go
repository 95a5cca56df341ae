//go:build integration

package integration

import (
	"crypto/sha1"
	"encoding/xml"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"extdisco/integration/lab"
)

// dialComponent connects as an external component that sends whatever it is told to.
func dialComponent(t *testing.T, address, jid, secret string) *rawClient {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	c := &rawClient{t: t, conn: conn, jid: jid, seen: map[string]int{}, dec: xml.NewDecoder(conn)}
	c.send("<stream:stream xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams' to='" + jid + "'>")
	if err := conn.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	for {
		token, err := c.dec.Token()
		if err != nil {
			t.Fatal(err)
		}
		if start, ok := token.(xml.StartElement); ok {
			id := element{Attrs: start.Attr}.attr("id")
			c.send(fmt.Sprintf("<handshake>%x</handshake>", sha1.Sum([]byte(id+secret))))
			break
		}
	}
	if e, err := c.read(); err != nil || e.XMLName.Local != "handshake" {
		t.Fatalf("handshake: %+v, %v", e, err)
	}
	return c
}

// nextRequest returns the next request of a user.
func (c *rawClient) nextRequest(user string) element {
	c.t.Helper()
	for {
		e, err := c.read()
		if err != nil {
			c.t.Fatal(err)
		}
		if e.XMLName.Local == "iq" && e.attr("from") == user {
			return e
		}
	}
}

// TestIntegrationBridgeForgedAnswers: even who knows the id of a request that is under
// way cannot answer it: another component whose addresses Prosody does not check, another
// user, or the component itself with an answer for somebody else.
func TestIntegrationBridgeForgedAnswers(t *testing.T) {
	const evil = "evil.example.net"
	eachProsody(t, func(t *testing.T, program string) {
		s := newBridgeScene(t, bridgeScene{program: program, options: "extdisco_timeout = 25\n", sceneConfig: sceneConfig{noExtdisco: true, xmpp: func(cfg *lab.XMPPConfig) {
			cfg.Components[0].Extra += "validate_from_addresses = false\n"
			cfg.Components = append(cfg.Components, lab.Component{JID: evil, Secret: "s", Extra: "validate_from_addresses = false\n"})
		}}})
		extdisco := dialComponent(t, s.xmpp.ComponentAddr, turnJID, handshakeSecret)
		other := dialComponent(t, s.xmpp.ComponentAddr, evil, "s")
		victim, mallory := dialRaw(t, s.xmpp.C2SAddr, meetHost, ""), dialRaw(t, s.xmpp.C2SAddr, meetHost, "")
		victim.send("<iq type='get' id='a' to='" + meetHost + "'>" + servicesPayload + "</iq>")
		request := extdisco.nextRequest(victim.jid)

		answer := func(to, relay string) string {
			return fmt.Sprintf("<iq type='result' id='%s' from='%s' to='%s'><services xmlns='urn:xmpp:extdisco:2'><service type='turn' host='%s' username='u' password='p'/></services></iq>",
				request.attr("id"), turnJID, to, relay)
		}
		other.send(answer(victim.jid, "forged.example.net"))
		mallory.send(answer(victim.jid, "forged.example.net"))
		extdisco.send(answer(mallory.jid, "misdirected.example.net"))
		// Prosody has seen these once it has answered what came after them.
		other.mustAsk("p", "<iq type='get' id='p' from='"+evil+"' to='"+meetHost+"'><ping xmlns='urn:xmpp:ping'/></iq>")
		mallory.mustAsk("p", "<iq type='get' id='p' to='"+meetHost+"'><ping xmlns='urn:xmpp:ping'/></iq>")
		extdisco.send(answer(victim.jid, "real.example.org"))

		e, err := victim.wait("a")
		if err != nil || e.attr("from") != meetHost || !strings.Contains(e.Inner, "real.example.org") {
			t.Errorf("%+v %v", e, err)
		}
		extdisco.send(answer(victim.jid, "twice.example.org"))
		victim.mustAsk("p", "<iq type='get' id='p' to='"+meetHost+"'><ping xmlns='urn:xmpp:ping'/></iq>")
		for who, c := range map[string]*rawClient{"the user": victim, "another user": mallory} {
			if n := c.seen[request.attr("id")]; n > 0 {
				t.Errorf("%s got %d answers under the id on the way", who, n)
			}
		}
	})
}
