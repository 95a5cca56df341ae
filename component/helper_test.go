package component

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"mellium.im/xmpp/stanza"
)

// What tests use as addresses and namespaces. The exported names here are for
// the tests outside the package.
const (
	TestJID    = "turn.meet.test"
	TestHost   = "meet.test"
	TestHost2  = "guest.meet.test"
	TestNS     = "urn:xmpp:extdisco:2"
	TestOldNS  = "urn:xmpp:extdisco:1"
	TestSecret = "hush-hush-42"
	// TestPayload is what TestHandler answers.
	TestPayload = "<services xmlns='" + TestNS + "'><service type='stun' host='stun.test'/></services>"
)

var discardLog = slog.New(slog.DiscardHandler)

var testTime = time.Date(2026, 11, 21, 4, 0, 0, 0, time.UTC)

// TestHandler answers with TestPayload, or what Reply does. It counts, and keeps
// the last requester.
type TestHandler struct {
	Reply     func(dst []byte, r *Request) ([]byte, error)
	Calls     atomic.Int64
	requester string
}

// AppendReply implements [Handler].
func (h *TestHandler) AppendReply(dst []byte, r *Request) ([]byte, error) {
	h.Calls.Add(1)
	h.requester = string(r.Requester)
	if h.Reply != nil {
		return h.Reply(dst, r)
	}
	return append(dst, TestPayload...), nil
}

// accessGate admits who is on a list.
type accessGate struct{ *Access }

func (g accessGate) Admit(r *Request) error {
	if !g.Allows(r.Requester) {
		return stanza.Error{Type: stanza.Auth, Condition: stanza.Forbidden}
	}
	return nil
}

// ConfigFor returns the configuration of the component under test.
func ConfigFor(h Handler, log *slog.Logger) Config {
	return Config{
		JID: TestJID, Server: "xmpp.test:5347", Secret: []byte(TestSecret),
		Hosts:      []string{TestHost, TestHost2},
		Namespaces: []Namespace{{NS: TestNS, Handler: h}, {NS: TestOldNS, Handler: h}},
		Gate:       accessGate{NewAccess([]string{TestHost, TestHost2})},
		Name:       "extdisco", Version: "1.0", Log: log,
	}
}

// newResponder returns the responder of a component that answers with h.
func newResponder(t testing.TB, h Handler) *responder {
	t.Helper()
	return responderOf(t, ConfigFor(h, slog.New(slog.DiscardHandler)))
}

func responderOf(t testing.TB, cfg Config) *responder {
	t.Helper()
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return &newLink(c, nil, nil).responder
}

// respondTo returns the answer to one frame. It fails the test when the answer
// is neither empty nor one IQ that a server takes, and when it disturbs what was
// gathered before.
func respondTo(t testing.TB, r *responder, frame string) string {
	t.Helper()
	const before = "<gathered before/>"
	out := string(r.respond([]byte(before), []byte(frame), false, testTime))
	reply, intact := strings.CutPrefix(out, before)
	if !intact {
		t.Fatalf("what was gathered before became %.200q", out)
	}
	if reply != "" {
		if err := checkReply(reply); err != nil {
			t.Fatalf("%v\nin the reply %.2000q", err, reply)
		}
	}
	return reply
}

// Node is an element that was parsed back.
type Node struct {
	Name     xml.Name
	Attr     map[string]string // those without prefix
	Children []*Node
	Text     string
}

// ParseNodes parses the elements in s, in the namespace of a component's stream.
func ParseNodes(s string) ([]*Node, error) {
	d := xml.NewDecoder(strings.NewReader(s))
	d.DefaultSpace = nsAccept
	root := &Node{}
	open := []*Node{root}
	for {
		token, err := d.Token()
		if err == io.EOF && len(open) == 1 {
			if strings.TrimSpace(root.Text) != "" {
				return nil, fmt.Errorf("text %.100q between stanzas", root.Text)
			}
			return root.Children, nil
		}
		if err != nil {
			return nil, err
		}
		top := open[len(open)-1]
		switch token := token.(type) {
		case xml.StartElement:
			n := &Node{Name: token.Name, Attr: map[string]string{}}
			for _, a := range token.Attr {
				if a.Name.Space != "" {
					continue
				}
				if _, twice := n.Attr[a.Name.Local]; twice {
					return nil, fmt.Errorf("attribute %s twice", a.Name.Local)
				}
				n.Attr[a.Name.Local] = a.Value
			}
			top.Children = append(top.Children, n)
			open = append(open, n)
		case xml.EndElement:
			open = open[:len(open)-1]
		case xml.CharData:
			top.Text += string(token)
		default:
			return nil, fmt.Errorf("a %T in a reply", token)
		}
	}
}

// checkReply checks what every reply must be, whatever was asked: one IQ from
// somebody to somebody, and the form of a forwarded one.
func checkReply(reply string) error {
	nodes, err := ParseNodes(reply)
	if err != nil {
		return err
	}
	if len(nodes) != 1 || nodes[0].Name != (xml.Name{Space: nsAccept, Local: "iq"}) {
		return errors.New("not one iq")
	}
	iq := nodes[0]
	if iq.Attr["from"] == "" || iq.Attr["to"] == "" {
		return errors.New("no from or no to")
	}
	if err := checkIQNode(iq); err != nil {
		return err
	}
	if len(iq.Children) == 0 || iq.Children[0].Name.Local != "delegation" {
		return nil
	}
	return checkDelegation(iq)
}

func checkIQNode(iq *Node) error {
	switch {
	case iq.Text != "":
		return fmt.Errorf("text %q beside the payload", iq.Text)
	case len(iq.Children) > 1:
		return errors.New("more than one payload")
	case iq.Attr["type"] == "result":
		return nil
	case iq.Attr["type"] != "error" || len(iq.Children) != 1:
		return errors.New("neither a result nor an error with its element")
	}
	e := iq.Children[0]
	if e.Name.Local != "error" || e.Name.Space != iq.Name.Space || e.Attr["type"] == "" || len(e.Children) == 0 ||
		e.Children[0].Name.Space != nsStanzas || e.Children[0].Name.Local == "text" {
		return errors.New("not an error element of RFC 6120 §8.3.2")
	}
	return nil
}

// checkDelegation checks what Prosody drops a reply without: no text between the
// elements, an inner IQ that names jabber:client.
func checkDelegation(iq *Node) error {
	delegation := iq.Children[0]
	if iq.Attr["type"] != "result" {
		return errors.New("an outer iq that is no result")
	}
	if !isDelegation(delegation.Name) || delegation.Text != "" || len(delegation.Children) != 1 {
		return errors.New("not one element in the delegation")
	}
	forwarded := delegation.Children[0]
	if forwarded.Name != (xml.Name{Space: nsForward, Local: "forwarded"}) || forwarded.Text != "" || len(forwarded.Children) != 1 {
		return errors.New("not one element in forwarded")
	}
	inner := forwarded.Children[0]
	if inner.Name != (xml.Name{Space: nsClient, Local: "iq"}) {
		return errors.New("the inner iq is not in jabber:client")
	}
	return checkIQNode(inner)
}

// conditionOf returns the type and condition of an error, "result" for a result
// and "" for silence. Inner is about the forwarded IQ.
func conditionOf(t testing.TB, reply string) (outer, inner string) {
	t.Helper()
	if reply == "" {
		return "", ""
	}
	nodes, err := ParseNodes(reply)
	if err != nil {
		t.Fatal(err)
	}
	condition := func(iq *Node) string {
		if iq.Attr["type"] == "error" {
			return iq.Children[0].Attr["type"] + "/" + iq.Children[0].Children[0].Name.Local
		}
		return iq.Attr["type"]
	}
	if inner := innerIQ(nodes[0]); inner != nil {
		return condition(nodes[0]), condition(inner)
	}
	return condition(nodes[0]), ""
}

// innerIQ returns the forwarded IQ in a reply that passed checkReply, or nil.
func innerIQ(iq *Node) *Node {
	if len(iq.Children) == 0 || iq.Children[0].Name.Local != "delegation" {
		return nil
	}
	return iq.Children[0].Children[0].Children[0]
}

// directly returns the IQ of a user who asks the component.
func directly(payload string) string {
	return "<iq type='get' id='q1' from='juliet@meet.test/balcony' to='turn.meet.test'>" + payload + "</iq>"
}

// forwarded returns an inner IQ as a server forwards it.
func forwarded(delegation, inner string) string {
	return "<iq type='set' id='d1' from='meet.test' to='turn.meet.test'><delegation xmlns='" + delegation + "'>" +
		"<forwarded xmlns='urn:xmpp:forward:0'>" + inner + "</forwarded></delegation></iq>"
}

// LogLines returns a logger and a function that returns what it wrote at a level
// or above.
func LogLines(level slog.Level) (*slog.Logger, func() []string) {
	var w lockedBuffer
	log := slog.New(slog.NewTextHandler(&w, &slog.HandlerOptions{
		Level: level,
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		},
	}))
	return log, func() []string { return strings.Split(strings.TrimSuffix(w.String(), "\n"), "\n") }
}

// lockedBuffer is a buffer that is read while it is written.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
