package main

import (
	"crypto/sha1"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// fakeServer is as much of an XMPP server as a component sees. It accepts one
// connection at a time, when asked to.
type fakeServer struct {
	t        testing.TB
	listener net.Listener

	mu     sync.Mutex
	proofs []string // that components have sent
}

func startServer(t testing.TB) *fakeServer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return &fakeServer{t: t, listener: l}
}

func (s *fakeServer) address() string { return s.listener.Addr().String() }

// fakeStream is the server's end of a component's stream.
type fakeStream struct {
	t    testing.TB
	conn net.Conn
	in   *xml.Decoder
	to   string // whom the component asked for
}

// accept waits for a component and takes its handshake, or refuses it when the
// secret is another. XEP-0114 §3.
func (s *fakeServer) accept(wantSecret string) (stream *fakeStream, accepted bool) {
	s.t.Helper()
	if err := s.listener.(*net.TCPListener).SetDeadline(time.Now().Add(testkit.Patience)); err != nil {
		s.t.Fatal(err)
	}
	conn, err := s.listener.Accept()
	if err != nil {
		s.t.Fatal("no component connects: ", err)
	}
	s.t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(testkit.Patience)); err != nil {
		s.t.Fatal(err)
	}
	f := &fakeStream{t: s.t, conn: conn, in: xml.NewDecoder(conn)}
	for _, a := range f.start("stream").Attr {
		if a.Name.Local == "to" {
			f.to = a.Value
		}
	}
	const id = "3BF96D32"
	f.send("<?xml version='1.0'?><stream:stream xmlns:stream='http://etherx.jabber.org/streams' xmlns='jabber:component:accept' from='" + f.to + "' id='" + id + "'>")
	handshake := f.start("handshake")
	var proof string
	if err := f.in.DecodeElement(&proof, &handshake); err != nil {
		s.t.Fatal(err)
	}
	s.mu.Lock()
	s.proofs = append(s.proofs, proof)
	s.mu.Unlock()
	sum := sha1.Sum([]byte(id + wantSecret))
	if proof != hex.EncodeToString(sum[:]) {
		f.send("<stream:error><not-authorized xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>")
		return f, false
	}
	f.send("<handshake/>")
	return f, true
}

// mustAccept accepts a component that has the secret.
func (s *fakeServer) mustAccept(wantSecret string) *fakeStream {
	s.t.Helper()
	f, accepted := s.accept(wantSecret)
	if !accepted {
		s.t.Fatal("the handshake is wrong")
	}
	return f
}

func (f *fakeStream) send(s string) {
	f.t.Helper()
	if _, err := f.conn.Write([]byte(s)); err != nil {
		f.t.Fatal(err)
	}
}

// start reads up to the next start element, which must have this name.
func (f *fakeStream) start(name string) xml.StartElement {
	f.t.Helper()
	for {
		token, err := f.in.Token()
		if err != nil {
			f.t.Fatalf("no %s: %v", name, err)
		}
		switch token := token.(type) {
		case xml.StartElement:
			if token.Name.Local != name {
				f.t.Fatalf("%s instead of %s", token.Name.Local, name)
			}
			return token
		case xml.EndElement:
			f.t.Fatalf("the stream ends instead of %s", name)
		}
	}
}

// fakeReply is an IQ that the component sent.
type fakeReply struct {
	Type  string `xml:"type,attr"`
	ID    string `xml:"id,attr"`
	From  string `xml:"from,attr"`
	To    string `xml:"to,attr"`
	Inner string `xml:",innerxml"`
}

// roundTrip sends an IQ and returns the reply.
func (f *fakeStream) roundTrip(iq string) fakeReply {
	f.t.Helper()
	f.send(iq)
	start := f.start("iq")
	var reply fakeReply
	if err := f.in.DecodeElement(&reply, &start); err != nil {
		f.t.Fatal(err)
	}
	return reply
}

// ask sends the IQ of a requester and returns the reply.
func (f *fakeStream) ask(from, payload string) fakeReply {
	f.t.Helper()
	reply := f.roundTrip("<iq type='get' id='q1' from='" + from + "' to='" + f.to + "'>" + payload + "</iq>")
	if reply.ID != "q1" || reply.From != f.to || reply.To != from {
		f.t.Fatalf("%+v is no reply to %s", reply, from)
	}
	return reply
}

const servicesRequest = "<services xmlns='urn:xmpp:extdisco:2'/>"

// services asks for the services and returns the reply in short: what is offered,
// or the error.
func (f *fakeStream) services(from string) string {
	f.t.Helper()
	reply := f.ask(from, servicesRequest)
	if reply.Type == "error" {
		_, condition, _ := strings.Cut(reply.Inner, "><")
		condition, _, _ = strings.Cut(condition, " ")
		return "error " + condition
	}
	var uris []string
	for _, s := range parseServices(f.t, reply.Inner) {
		uris = append(uris, s.URI())
	}
	return strings.Join(uris, " ")
}

// wantEnd waits until the component closes the stream, and closes it too.
func (f *fakeStream) wantEnd() {
	f.t.Helper()
	for {
		token, err := f.in.Token()
		if err != nil {
			f.t.Fatal("the connection ends without the end of the stream: ", err)
		}
		if end, ok := token.(xml.EndElement); ok && end.Name.Local == "stream" {
			break
		}
		if _, ok := token.(xml.StartElement); ok {
			f.t.Fatalf("%v instead of the end of the stream", token)
		}
	}
	f.send("</stream:stream>")
	f.conn.Close()
}

// serverConfig returns a configuration that connects to s.
func (s *fakeServer) serverConfig(more string) string {
	return fmt.Sprintf("[component]\njid = \"turn.example.org\"\nserver = %q\nsecret_file = \"component.secret\"\n%s", s.address(), more)
}
