//go:build integration

package integration

import (
	"bufio"
	"crypto/sha1"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// fakeServer is the server's side of XEP-0114, written by hand: it sends a
// component what a real server would filter, and as fast as it likes.
type fakeServer struct {
	listener net.Listener
}

func newFakeServer(t *testing.T) *fakeServer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return &fakeServer{l}
}

func (s *fakeServer) addr() string { return s.listener.Addr().String() }

// componentStream is a component that is connected.
type componentStream struct {
	net.Conn
	dec *xml.Decoder
}

// accept waits for the component and checks its handshake.
func (s *fakeServer) accept(t *testing.T) *componentStream {
	t.Helper()
	conn, err := s.listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(5 * time.Minute)); err != nil {
		t.Fatal(err)
	}
	c := &componentStream{Conn: conn, dec: xml.NewDecoder(bufio.NewReaderSize(conn, 64<<10))}
	if err := c.handshake(); err != nil {
		t.Fatal(err)
	}
	return c
}

func (c *componentStream) handshake() error {
	if _, err := c.dec.Token(); err != nil {
		return err
	}
	const id = "stream-id"
	if _, err := io.WriteString(c, "<?xml version='1.0'?><stream:stream xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams' id='"+id+"' from='"+turnJID+"'>"); err != nil {
		return err
	}
	var digest string
	if err := c.dec.Decode(&digest); err != nil {
		return err
	}
	if want := fmt.Sprintf("%x", sha1.Sum([]byte(id+handshakeSecret))); digest != want {
		return errors.New("wrong handshake digest " + digest)
	}
	_, err := io.WriteString(c, "<handshake/>")
	return err
}

// reply is an IQ that the component sent. The inner one is set when it answers a
// forwarded request.
type reply struct {
	XMLName xml.Name
	Type    string `xml:"type,attr"`
	ID      string `xml:"id,attr"`
	From    string `xml:"from,attr"`
	To      string `xml:"to,attr"`
	Inner   *struct {
		Type string `xml:"type,attr"`
		ID   string `xml:"id,attr"`
	} `xml:"delegation>forwarded>iq"`
	Body string `xml:",innerxml"`
}

// read returns the next stanza, or io.EOF at the end tag of the stream.
func (c *componentStream) read() (reply, error) {
	for {
		token, err := c.dec.Token()
		if err != nil {
			return reply{}, err
		}
		switch t := token.(type) {
		case xml.StartElement:
			var r reply
			if err := c.dec.DecodeElement(&r, &t); err != nil || r.Type != "get" || !strings.HasPrefix(r.ID, "ping-") {
				return r, err
			}
			if _, err := fmt.Fprintf(c, "<iq type='result' id='%s' from='%s' to='%s'/>", r.ID, r.To, r.From); err != nil {
				return reply{}, err
			}
		case xml.EndElement:
			return reply{}, io.EOF
		}
	}
}

// fakeServerConfig is a config.toml for an extdisco behind the fake server.
func fakeServerConfig(address string) string {
	return fmt.Sprintf(`
[component]
jid = %q
server = %q
secret = %q
[[ice_server]]
urls = ["stun:turn.example.org", "turn:turn.example.org", "turns:turn.example.org"]
secret = %q
[limits]
per_jid = "none"
`, turnJID, address, handshakeSecret, sharedSecret)
}

// forwarded returns a request as Prosody forwards it.
func forwarded(outerID, innerID, from, payload string) string {
	var b strings.Builder
	b.WriteString("<iq type='set' from='" + meetHost + "' to='" + turnJID + "' id='" + outerID + "'><delegation xmlns='urn:xmpp:delegation:2'>" +
		"<forwarded xmlns='urn:xmpp:forward:0'><iq xmlns='jabber:client' type='get' id='" + innerID + "' from='" + from + "' to='" + meetHost + "'>" +
		payload + "</iq></forwarded></delegation></iq>")
	return b.String()
}
