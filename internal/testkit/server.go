package testkit

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"extdisco/xep0215"
)

// Server is as much of an XMPP server as a component sees. It accepts one
// connection at a time, when asked to.
type Server struct {
	t        testing.TB
	Listener net.Listener

	mu     sync.Mutex
	proofs []string // that components have sent
}

func StartServer(t testing.TB) *Server {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return &Server{t: t, Listener: l}
}

func (s *Server) Address() string { return s.Listener.Addr().String() }

// Stream is the server's end of a component's stream.
type Stream struct {
	t    testing.TB
	Conn net.Conn
	in   *xml.Decoder
	To   string // whom the component asked for
}

// Accept waits for a component and takes its handshake, or refuses it when the
// secret is another. XEP-0114 §3.
func (s *Server) Accept(wantSecret string) (stream *Stream, accepted bool) {
	s.t.Helper()
	if err := s.Listener.(*net.TCPListener).SetDeadline(time.Now().Add(Patience)); err != nil {
		s.t.Fatal(err)
	}
	conn, err := s.Listener.Accept()
	if err != nil {
		s.t.Fatal("no component connects: ", err)
	}
	s.t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(Patience)); err != nil {
		s.t.Fatal(err)
	}
	f := &Stream{t: s.t, Conn: conn, in: xml.NewDecoder(conn)}
	for _, a := range f.start("stream").Attr {
		if a.Name.Local == "to" {
			f.To = a.Value
		}
	}
	const id = "3BF96D32"
	f.Send("<?xml version='1.0'?><stream:stream xmlns:stream='http://etherx.jabber.org/streams' xmlns='jabber:component:accept' from='" + f.To + "' id='" + id + "'>")
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
		f.Send("<stream:error><not-authorized xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>")
		return f, false
	}
	f.Send("<handshake/>")
	return f, true
}

// Proofs returns the handshakes that components have sent.
func (s *Server) Proofs() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.proofs)
}

// MustAccept accepts a component that has the secret.
func (s *Server) MustAccept(wantSecret string) *Stream {
	s.t.Helper()
	f, accepted := s.Accept(wantSecret)
	if !accepted {
		s.t.Fatal("the handshake is wrong")
	}
	return f
}

func (f *Stream) Send(s string) {
	f.t.Helper()
	if _, err := f.Conn.Write([]byte(s)); err != nil {
		f.t.Fatal(err)
	}
}

// start reads up to the next start element, which must have this name.
func (f *Stream) start(name string) xml.StartElement {
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

// Reply is an IQ that the component sent.
type Reply struct {
	Type  string `xml:"type,attr"`
	ID    string `xml:"id,attr"`
	From  string `xml:"from,attr"`
	To    string `xml:"to,attr"`
	Inner string `xml:",innerxml"`
}

// RoundTrip sends an IQ and returns the reply.
func (f *Stream) RoundTrip(iq string) Reply {
	f.t.Helper()
	f.Send(iq)
	start := f.start("iq")
	var reply Reply
	if err := f.in.DecodeElement(&reply, &start); err != nil {
		f.t.Fatal(err)
	}
	return reply
}

// ask sends the IQ of a requester and returns the reply.
func (f *Stream) Ask(from, payload string) Reply {
	f.t.Helper()
	reply := f.RoundTrip("<iq type='get' id='q1' from='" + from + "' to='" + f.To + "'>" + payload + "</iq>")
	if reply.ID != "q1" || reply.From != f.To || reply.To != from {
		f.t.Fatalf("%+v is no reply to %s", reply, from)
	}
	return reply
}

const ServicesRequest = "<services xmlns='urn:xmpp:extdisco:2'/>"

// services asks for the services and returns the reply in short: what is offered,
// or the error.
func (f *Stream) Services(from string) string {
	f.t.Helper()
	reply := f.Ask(from, ServicesRequest)
	if reply.Type == "error" {
		_, condition, _ := strings.Cut(reply.Inner, "><")
		condition, _, _ = strings.Cut(condition, " ")
		return "error " + condition
	}
	var uris []string
	for _, s := range ParseServices(f.t, reply.Inner) {
		uris = append(uris, s.URI())
	}
	return strings.Join(uris, " ")
}

// WantEnd waits until the component closes the stream, and closes it too.
func (f *Stream) WantEnd() {
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
	f.Send("</stream:stream>")
	f.Conn.Close()
}

// Config returns a configuration that connects to s.
func (s *Server) Config(more string) string {
	return fmt.Sprintf("[component]\njid = \"turn.example.org\"\nserver = %q\nsecret_file = \"component.secret\"\n%s", s.Address(), more)
}

// ParseServices reads a reply as a client does.
func ParseServices(t testing.TB, reply string) []xep0215.Service {
	t.Helper()
	var list struct {
		Services []xep0215.Service `xml:"service"`
	}
	if err := xml.Unmarshal([]byte(reply), &list); err != nil && !errors.Is(err, io.EOF) {
		t.Fatalf("%v in %s", err, reply)
	}
	return list.Services
}

// PasswordFor returns what a TURN server with the shared secret expects.
func PasswordFor(sharedSecret, username string) string {
	mac := hmac.New(sha1.New, []byte(sharedSecret))
	mac.Write([]byte(username))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}
