package component

import (
	"bytes"
	"cmp"
	"errors"
	"log/slog"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"mellium.im/xmpp/stanza"

	"extdisco/turncred"
	"extdisco/xep0215"
)

// fastHandler joins a component and a handler of XEP-0215 as package main does.
type fastHandler struct {
	*xep0215.Handler
	groups []*xep0215.Group
}

func (h fastHandler) offer(r *Request) xep0215.Offer {
	return xep0215.Offer{Groups: h.groups, Requester: r.Requester, Now: r.Now}
}

func (h fastHandler) AppendReply(dst []byte, r *Request) ([]byte, error) {
	request, err := xep0215.ParseRequest(r.Payload)
	if err != nil {
		return dst, err
	}
	return h.Handler.AppendReply(dst, request, h.offer(r))
}

func (h fastHandler) AppendFast(dst, element []byte, r *Request) ([]byte, error) {
	return h.Handler.AppendFast(dst, r.NS, element, h.offer(r))
}

// nameTag gives everybody a credential that tells who asked and when.
type nameTag struct{}

func (nameTag) Issue(c *turncred.Credential, requester []byte, now time.Time) {
	c.Username = append(c.Username, requester...)
	c.Password = append(c.Password, "password"...)
	c.Expires = now.Add(time.Hour)
}

// tellTale is a Gate and an Observer that remembers what it was asked and told.
type tellTale struct {
	noObserver
	admitted []string
	answers  []Answers
}

func (g *tellTale) Admit(r *Request) error {
	requester := r.Requester
	g.admitted = append(g.admitted, string(requester)+" "+r.Lang+" "+r.Now.String()+" "+r.Address.String())
	switch domain := domainOf(requester); {
	case string(domain) != TestHost:
		return stanza.Error{Type: stanza.Auth, Condition: stanza.Forbidden}
	case bytes.HasPrefix(requester, []byte("busy@")):
		return stanza.Error{Type: stanza.Wait, Condition: stanza.ResourceConstraint, Text: map[string]string{"en": "it's <busy>"}}
	}
	return nil
}

func (g *tellTale) Answered(a Answers) {
	a.At, a.Took = time.Time{}, 0
	g.answers = append(g.answers, a)
}

func newFastComponent(t testing.TB) (*Component, *tellTale) {
	uris := []string{"stun:stun.test", "turn:turn.test", "turns:turn.test:443?transport=tcp", "turn:[2001:db8::1]:3478"}
	var services []xep0215.Service
	for _, uri := range uris {
		s, err := xep0215.ParseURI(uri)
		if err != nil {
			t.Fatal(err)
		}
		services = append(services, s)
	}
	h := fastHandler{new(xep0215.Handler), []*xep0215.Group{xep0215.NewGroup(nameTag{}, services...)}}
	gate := new(tellTale)
	cfg := ConfigFor(h, slog.New(slog.DiscardHandler))
	cfg.Gate, cfg.Observer = gate, gate
	cfg.Namespaces = append(cfg.Namespaces, Namespace{NS: "for:hosts", Handler: h, HostsOnly: true})
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c, gate
}

const (
	askTyped       = "<services xmlns='urn:xmpp:extdisco:2' type='turn'></services>"
	askOld         = "<services xmlns='urn:xmpp:extdisco:1'/>"
	askCredentials = "<credentials xmlns='urn:xmpp:extdisco:2'><service host='turn.test' type='turns' port='443' transport='tcp'/></credentials>"
)

// usual are the stanzas that the fast path is for, each as servers write it.
var usual = []string{
	from(testOrigin+"c0000207", directly(ask)), from("c0000207", directly(askOld)),
	directly(ask), directly(askTyped), directly(askOld), directly(askCredentials),
	forwarded(nsDelegation2, innerGet(ask)), forwarded(nsDelegation1, innerGet(askCredentials)), forwarded(nsDelegation1, innerGet(askOld)),
	strings.Replace(directly(ask), "<iq ", "<iq xml:lang='en' xmlns='jabber:client' ", 1),
	strings.Replace(directly(ask), "'q1'", `"q1"`, 1),
	strings.Replace(directly(ask), "juliet@", "busy@", 1),
	strings.Replace(directly(ask), "@meet.test", "@evil.test", 1),
	directly("<credentials xmlns='urn:xmpp:extdisco:1'><service host='other.test'></service><service host='turn.test'/></credentials>"),
	directly("<credentials xmlns='urn:xmpp:extdisco:2'><service type='stun' host='stun.test'/></credentials>"),
	directly("<credentials xmlns='urn:xmpp:extdisco:2'></credentials>"), directly("<credentials xmlns='urn:xmpp:extdisco:2'/>"),
	strings.Replace(forwarded(nsDelegation2, innerGet(ask)), " to='meet.test'", "", 1),
	strings.Replace(strings.Replace(forwarded(nsDelegation2, innerGet(ask)), " to='meet.test'", "", 1), "from='meet.test'", "from='guest.meet.test'", 1),
	strings.Replace(forwarded(nsDelegation2, innerGet(ask)), " to='meet.test'", " to='juliet@meet.test'", 1),
}

// unusual are some that it is not for.
var unusual = []string{
	directly(""), directly(ask + ask), directly(" " + ask), directly("<services xmlns='urn:xmpp:extdisco:2'> </services>"),
	directly("<services xmlns='urn:xmpp:extdisco:2' type='sfu'/>"), directly("<services xmlns='urn:xmpp:extdisco:2' type=''/>"),
	directly("<services xmlns='urn:xmpp:extdisco:2' xmlns='urn:xmpp:extdisco:1'/>"), directly("<s:services xmlns:s='urn:xmpp:extdisco:2'/>"),
	directly("<credentials xmlns='urn:xmpp:extdisco:2'> </credentials>"),
	directly("<credentials xmlns='urn:xmpp:extdisco:2'><service host='TURN.test.' type='turn'/></credentials>"),
	directly("<credentials xmlns='urn:xmpp:extdisco:2'><service host='turn.test'/></credentials>"),
	directly("<credentials xmlns='urn:xmpp:extdisco:2'><service host='turn.test' type='turn' port='065536'/></credentials>"),
	directly("<credentials xmlns='urn:xmpp:extdisco:2'>" + strings.Repeat("<service host='turn.test' type='turn'/>", 5) + "</credentials>"),
	directly("<services xmlns='for:hosts'/>"),
	strings.Replace(directly(ask), "type='get'", "type='set'", 1), strings.Replace(directly(ask), "type='get'", "type='get' type='set'", 1),
	strings.Replace(directly(ask), "juliet", "jul&#105;et", 1), strings.Replace(directly(ask), "juliet", "zoë", 1), strings.Replace(directly(ask), "juliet", "jul\tiet", 1),
	strings.Replace(directly(ask), "'q1'", `"o'hara"`, 1), strings.Replace(directly(ask), " id='q1'", "", 1), strings.Replace(directly(ask), "turn.meet.test", "turn.meet.test/x", 1),
	strings.Replace(directly(ask), "<iq ", "<iq xmlns='jabber:server' ", 1), strings.Replace(directly(ask), "<iq ", "<iq a:b='c' ", 1),
	strings.Replace(directly(ask), "</iq>", "</iq >", 1), strings.Replace(directly(ask), "</iq>", "</message>", 1),
	strings.Replace(directly(ask), "id='q1'", "id='q1' id='q2'", 1), strings.Replace(directly(ask), " to='", " from='romeo@meet.test' to='", 1),
	strings.Replace(forwarded(nsDelegation2, innerGet(ask)), "from='meet.test'", "from='evil.test'", 1),
	strings.Replace(forwarded(nsDelegation2, strings.Replace(innerGet(ask), " to='meet.test'", "", 1)), "from='meet.test'", "from='evil.test'", 1),
	strings.Replace(forwarded(nsDelegation2, strings.Replace(innerGet(ask), " to='meet.test'", " to='juliet@meet.test'", 1)), "from='meet.test'", "from='evil.test'", 1),
	strings.Replace(forwarded(nsDelegation2, innerGet(ask)), " to='meet.test'", " to='romeo@meet.test'", 1),
	strings.Replace(forwarded(nsDelegation2, innerGet(ask)), "jabber:client", "jabber:server", 1),
	strings.Replace(forwarded(nsDelegation2, innerGet(ask)), "type='get'", "type='set'", 1), strings.Replace(directly(ask), "juliet@meet.test/balcony", "", 1),
	forwarded(nsDelegation2, innerGet(ask)+innerGet(ask)), forwarded(nsDelegation2, directly(ask)), forwarded("urn:xmpp:delegation:3", innerGet(ask)),
	"<message/>", "<presence from='a@b'/>", "<iq>", "<iq type='result' id='1' from='a' to='b'/>",
}

func TestFastPathTakesWhatIsUsual(t *testing.T) {
	c, _ := newFastComponent(t)
	r := &newLink(c, nil, nil).responder
	for _, frame := range usual {
		if _, n := r.fast(nil, []byte(frame), testTime); n != len(frame) {
			t.Errorf("took %d bytes of %s", n, frame)
		}
		if _, n := r.fast(nil, []byte(frame+frame), testTime); n != len(frame) {
			t.Errorf("took %d bytes of two of %s", n, frame)
		}
		for i := range frame {
			if out, n := r.fast(nil, []byte(frame[:i]), testTime); n != 0 || out != nil {
				t.Errorf("took %d bytes of the beginning %s", n, frame[:i])
			}
		}
	}
	for _, frame := range unusual {
		if _, n := r.fast(nil, []byte(frame), testTime); n != 0 {
			t.Errorf("took %s", frame)
		}
	}
}

// FuzzFast: what the fast path takes, the slow path answers with the same bytes,
// and the gate, the observer and the log are told the same. What it does not take
// has not happened.
func FuzzFast(f *testing.F) {
	for _, frame := range slices.Concat(usual, unusual) {
		f.Add([]byte(frame))
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		compareFast(t, frame)
	})
}

// FuzzFastParts is FuzzFast with requests that are put together from parts, which
// finds more that are nearly usual.
func FuzzFastParts(f *testing.F) {
	f.Add("q1", "juliet@meet.test/x", "turn.meet.test", "meet.test", "urn:xmpp:extdisco:2", "type", "turn", "turn.test", byte(0))
	f.Add("", "meet.test", "", "juliet@meet.test", "urn:xmpp:extdisco:1", "port", "443", "", byte(7))
	f.Add("'", "@/", "\"", "/", "urn:xmpp:extdisco:2", "transport", "udp", "[2001:DB8::1]", byte(30))
	f.Fuzz(func(t *testing.T, id, from, to, innerTo, ns, name, value, host string, shape byte) {
		quote, payload := "'", "<services xmlns='"+ns+"' "+name+"='"+value+"'/>"
		if shape&1 != 0 {
			quote = `"`
		}
		if shape&2 != 0 {
			payload = "<credentials xmlns='" + ns + "'><service host='" + host + "' type='turn'/><service " + name + "='" + value + "' host='" + host + "' type='turns'/></credentials>"
		}
		attrs := " id=" + quote + id + quote + " from=" + quote + from + quote
		frame := "<iq type='get'" + attrs + " to='" + to + "'>" + payload + "</iq>"
		if shape&4 != 0 {
			inner := "<iq xmlns='jabber:client' type='get'" + attrs + " to='" + innerTo + "'>" + payload + "</iq>"
			if shape&8 != 0 {
				inner = strings.Replace(inner, " to='"+innerTo+"'", "", 1)
			}
			frame = forwarded(delegationNamespaces[shape>>4&1], inner)
		}
		compareFast(t, []byte(frame))
	})
}

func compareFast(t *testing.T, frame []byte) {
	fastComponent, fastTold := newFastComponent(t)
	slowComponent, slowTold := newFastComponent(t)
	fast, slow := newLink(fastComponent, nil, nil), newLink(slowComponent, nil, nil)
	reply, n := fast.fast([]byte("before"), frame, testTime)
	if n == 0 {
		if string(reply) != "before" || len(fastTold.admitted)+len(fastTold.answers) > 0 || fast.events.pingTarget != slow.events.pingTarget {
			t.Fatalf("%q was given up, and yet %q, %v", frame, reply, fastTold)
		}
		return
	}
	slow.framer.added(copy(slow.framer.space(), frame))
	if kind, whole, err := slow.framer.next(); kind != frameStanza || err != nil || !bytes.Equal(whole, frame[:n]) {
		t.Fatalf("the framer cuts %q from %q (%v), not %q", whole, frame, err, frame[:n])
	}
	if want := slow.slow([]byte("before"), frame[:n], false, testTime); !bytes.Equal(reply, want) {
		t.Fatalf("%q is answered with\n%q, not\n%q", frame[:n], reply, want)
	}
	fast.tellRun()
	slow.tellRun()
	if !slices.Equal(fastTold.admitted, slowTold.admitted) || len(fastTold.answers) != len(slowTold.answers) {
		t.Fatalf("the gate was asked %v, not %v; the observer was told %v, not %v", fastTold.admitted, slowTold.admitted, fastTold.answers, slowTold.answers)
	}
	for i, a := range fastTold.answers {
		b := slowTold.answers[i]
		if a.Count != 1 || b.Count != 1 || a.NS != b.NS || a.Route != b.Route || !sameError(a.Err, b.Err) {
			t.Fatalf("the observer was told %v, not %v", a, b)
		}
	}
	if a, b := fast.events, slow.events; a.pingTarget != b.pingTarget || a.toldDirect != b.toldDirect || a.toldDelegated != b.toldDelegated {
		t.Fatalf("the log was told %+v, not %+v", a, b)
	}
}

func sameError(a, b error) bool {
	return string(appendError(nil, a)) == string(appendError(nil, b)) && (a == nil) == (b == nil)
}

// writtenTo is a connection that keeps what is written.
type writtenTo struct {
	net.Conn
	bytes.Buffer
}

func (w *writtenTo) Write(p []byte) (int, error)      { return w.Buffer.Write(p) }
func (w *writtenTo) Read(p []byte) (int, error)       { return w.Buffer.Read(p) }
func (w *writtenTo) SetWriteDeadline(time.Time) error { return nil }

// Wherever the server's bytes are cut in two, every stanza is answered once and
// in its turn.
func TestFastAndSlowStanzasInOneStream(t *testing.T) {
	c, _ := newFastComponent(t)
	stream := directly(ask) + directly(" "+askTyped) + " \n" + forwarded(nsDelegation2, innerGet(ask)) + "<message>" + directly(ask) + "</message>" +
		directly("<ping xmlns='urn:xmpp:ping'/>") + forwarded(nsDelegation1, innerGet(askCredentials)) + directly(ask)
	var want bytes.Buffer
	slow := newLink(c, nil, []byte(stream))
	for {
		kind, frame, err := slow.framer.next()
		if err != nil {
			t.Fatal(err)
		}
		if kind == frameIncomplete {
			break
		}
		want.Write(slow.slow(nil, frame, false, testTime))
	}
	for i := range stream {
		var conn writtenTo
		l := newLink(c, &conn, []byte(stream[:i]))
		if err := l.answerBuffered(t.Context(), testTime); err != nil {
			t.Fatal(err)
		}
		l.framer.added(copy(l.framer.space(), stream[i:]))
		if err := l.answerBuffered(t.Context(), testTime); err != nil {
			t.Fatal(err)
		}
		if conn.String() != want.String() {
			t.Fatalf("cut at %d, the answers are\n%s\nnot\n%s", i, conn.String(), want.String())
		}
	}
}

// fastFunc is a FastHandler that takes every payload of its length.
type fastFunc struct {
	fastHandler
	len    func() int
	append func(dst []byte) ([]byte, error)
}

func (f fastFunc) FastLen(string, []byte) int { return f.len() }
func (f fastFunc) AppendFast(dst, _ []byte, _ *Request) ([]byte, error) {
	return f.append(dst)
}
func (f fastFunc) AppendReply(dst []byte, _ *Request) ([]byte, error) { return f.append(dst) }

// Whatever a Handler returns, the request is admitted and observed once, gets one
// reply, and what was gathered before is kept. The slow path says the same.
func TestHandlerReturnsAnything(t *testing.T) {
	notFound := stanza.Error{Type: stanza.Cancel, Condition: stanza.ItemNotFound}
	tests := []struct {
		name   string
		append func(dst []byte) ([]byte, error)
		want   string
	}{
		{"nil and an error", func([]byte) ([]byte, error) { return nil, notFound }, "cancel/item-not-found"},
		{"dst and an error", func(dst []byte) ([]byte, error) { return dst, notFound }, "cancel/item-not-found"},
		{"half an element and an error", func(dst []byte) ([]byte, error) { return append(dst, "<half"...), notFound }, "cancel/item-not-found"},
		{"something else and an error", func([]byte) ([]byte, error) { return []byte("<something else"), notFound }, "cancel/item-not-found"},
		{"less than dst and an error", func(dst []byte) ([]byte, error) { return dst[:1], notFound }, "cancel/item-not-found"},
		{"nil and no error", func([]byte) ([]byte, error) { return nil, nil }, "wait/internal-server-error"},
		{"less than dst and no error", func(dst []byte) ([]byte, error) { return dst[:len(dst)-1], nil }, "wait/internal-server-error"},
		{"nil and an error of another type", func([]byte) ([]byte, error) { return nil, errors.New("no") }, "wait/internal-server-error"},
		{"a panic", func(dst []byte) ([]byte, error) { _ = append(dst, "<half"...); panic("oh") }, "wait/internal-server-error"},
		{"nothing to append", func(dst []byte) ([]byte, error) { return dst, nil }, "result"},
	}
	for _, tt := range tests {
		for path, respond := range map[string]func(*responder, []byte, []byte) []byte{
			"fast": func(r *responder, dst, frame []byte) []byte {
				reply, n := r.fast(dst, frame, testTime)
				if n != len(frame) {
					t.Errorf("%s: not for the fast path", tt.name)
				}
				return reply
			},
			"slow": func(r *responder, dst, frame []byte) []byte { return r.slow(dst, frame, false, testTime) },
		} {
			for _, frame := range []string{directly(ask), forwarded(nsDelegation2, innerGet(ask))} {
				c, told := newFastComponent(t)
				c.namespaces[0] = newNamespace(Namespace{NS: TestNS, Handler: fastFunc{len: func() int { return len(ask) }, append: tt.append}})
				r := &newLink(c, nil, nil).responder
				reply, intact := strings.CutPrefix(string(respond(r, []byte("before"), []byte(frame))), "before")
				if !intact {
					t.Errorf("%s, %s: what was gathered before is lost: %q", tt.name, path, reply)
					continue
				}
				r.tellRun()
				outer, inner := conditionOf(t, reply)
				if got := cmp.Or(inner, outer); got != tt.want || checkReply(reply) != nil {
					t.Errorf("%s, %s: %s, want %s", tt.name, path, reply, tt.want)
				}
				if len(told.admitted) != 1 || len(told.answers) != 1 || told.answers[0].Count != 1 || (told.answers[0].Err == nil) != (tt.want == "result") {
					t.Errorf("%s, %s: admitted %v, observed %v", tt.name, path, told.admitted, told.answers)
				}
			}
		}
	}
}

// A panic before the request was admitted leaves it to the slow path.
func TestFastPathSurvivesPanic(t *testing.T) {
	c, told := newFastComponent(t)
	c.namespaces[0].fast = fastFunc{len: func() int { panic("oh") }}
	r := &newLink(c, nil, nil).responder
	if reply, n := r.fast([]byte("before"), []byte(directly(ask)), testTime); n != 0 || string(reply) != "before" || len(told.admitted) > 0 {
		t.Errorf("%d, %q, admitted %v", n, reply, told.admitted)
	}
}

// waiting is a fastHandler that is ready when its channel is closed.
type waiting struct {
	fastHandler
	channel chan struct{}
}

func (w waiting) Prepare(r *Request) <-chan struct{} {
	select {
	case <-w.channel:
		return nil
	default:
		return w.channel
	}
}

// A request whose Handler is not ready is admitted once, and answered with the
// same bytes later.
func TestFastPathDefers(t *testing.T) {
	for _, frame := range []string{directly(ask), forwarded(nsDelegation2, innerGet(askCredentials))} {
		c, gate := newFastComponent(t)
		h := waiting{c.namespaces[0].Handler.(fastHandler), make(chan struct{})}
		want := string((&newLink(c, nil, nil).responder).slow(nil, []byte(frame), false, testTime))
		gate.admitted, gate.answers = nil, nil
		c.namespaces[0] = newNamespace(Namespace{NS: TestNS, Handler: h})

		var conn writtenTo
		l := newLink(c, &conn, []byte(frame))
		woken := make(chan struct{})
		l.deferred.wake = func() { close(woken) }
		if err := l.answerBuffered(t.Context(), testTime); err != nil {
			t.Fatal(err)
		}
		if conn.Len() > 0 || len(gate.admitted) != 1 || len(gate.answers) != 0 {
			t.Errorf("before it was ready: %q, admitted %d times, %d answers", conn.String(), len(gate.admitted), len(gate.answers))
		}
		close(h.channel)
		<-woken
		if err := l.answerDeferred(t.Context(), testTime); err != nil {
			t.Fatal(err)
		}
		if err := l.flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if conn.String() != want || len(gate.admitted) != 1 || len(gate.answers) != 1 {
			t.Errorf("in the end: %q, want %q; admitted %d times, %d answers", conn.String(), want, len(gate.admitted), len(gate.answers))
		}
		l.deferred.end()
	}
}

// The fast path notes refusals of what a host forwards, as the slow one does, and of
// nothing else.
func TestFastPathNotesRefusals(t *testing.T) {
	stranger := func(frame string) []byte {
		return []byte(strings.Replace(frame, "juliet@meet.test", "eve@evil.test", 1))
	}
	c, _ := newFastComponent(t)
	r := &newLink(c, nil, nil).responder
	for _, frame := range [][]byte{[]byte(forwarded(nsDelegation2, innerGet(ask))), stranger(directly(ask))} {
		if _, n := r.fast(nil, frame, testTime); n != len(frame) || c.Hosts()[0].Refusal != nil {
			t.Errorf("%d bytes taken, %+v", n, c.Hosts()[0])
		}
	}
	if c.Hosts()[0].Route != HostDelegates || !c.Hosts()[0].Since.Equal(testTime) {
		t.Errorf("%+v", c.Hosts()[0])
	}
	frame := stranger(forwarded(nsDelegation2, innerGet(ask)))
	if _, n := r.fast(nil, frame, testTime); n != len(frame) || c.Hosts()[0].Refusal == nil || !c.Hosts()[0].RefusedAt.Equal(testTime) {
		t.Errorf("%d bytes taken, %+v", n, c.Hosts()[0])
	}
}
