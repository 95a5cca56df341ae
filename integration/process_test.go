//go:build integration

package integration

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"extdisco/integration/lab"
)

// TestIntegrationShutdownAnswersEverything sends a thousand requests and SIGTERM
// right behind them.
func TestIntegrationShutdownAnswersEverything(t *testing.T) {
	server := newFakeServer(t)
	e := startExtdisco(t, lab.ExtdiscoConfig{Config: fakeServerConfig(server.addr()), Unconnected: true})
	c := server.accept(t)
	if err := e.WaitForLog(stepContext(t), "connected to the XMPP server", 1); err != nil {
		t.Fatal(err)
	}
	const requests = 1000
	var batch strings.Builder
	for i := range requests {
		batch.WriteString(forwarded(fmt.Sprint("o", i), fmt.Sprint("i", i), fmt.Sprintf("user%d@%s/r", i, meetHost), servicesPayload))
	}
	sent := make(chan error, 1)
	go func() {
		_, err := io.WriteString(c, batch.String())
		sent <- err
	}()
	first, err := c.read() // so that it is in the middle of it
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if err := e.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{first.ID: true}
	for {
		r, err := c.read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if seen[r.ID] || r.Inner == nil || r.Inner.Type != "result" {
			t.Fatalf("reply %+v", r)
		}
		seen[r.ID] = true
	}
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
	if len(seen) != requests {
		t.Errorf("%d of %d requests were answered", len(seen), requests)
	}
	c.Close()
	if err := e.Stop(); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("left after %v", took)
	}
}

// TestIntegrationHostileStanzas feeds a running extdisco a quarter of a million odd
// stanzas. It must answer each request once, keep its one stream and stay small.
func TestIntegrationHostileStanzas(t *testing.T) {
	const stanzas = 250_000
	server := newFakeServer(t)
	e := startExtdisco(t, lab.ExtdiscoConfig{Config: fakeServerConfig(server.addr()), Unconnected: true, Args: []string{"--log-level", "error"}})
	c := server.accept(t)
	g := newStanzaGenerator()
	expected := make(chan string, 4096) // ids, in order: one link answers in order
	failed := make(chan error, 1)
	go func() {
		defer close(expected)
		failed <- g.send(c, stanzas, expected)
	}()
	answers := 0
	for id := range expected {
		r, err := c.read()
		if err != nil {
			t.Fatalf("after %d answers: %v", answers, err)
		}
		if r.ID != id || r.From == "" || r.To == "" || r.XMLName.Local != "iq" || r.Type != "result" && r.Type != "error" {
			t.Fatalf("answer %d: got %.300v, want an answer to %.100q", answers, r, id)
		}
		answers++
	}
	if err := <-failed; err != nil {
		t.Fatal(err)
	}
	resident := peakResident(t, e.PID())
	t.Logf("%d stanzas, %d answers, %d MiB resident at most", stanzas, answers, resident>>20)
	if resident > 64<<20 {
		t.Errorf("%d MiB resident", resident>>20)
	}
	if answers < stanzas/2 {
		t.Errorf("the generator made %d requests only", answers)
	}
	if log := e.Log(); log != "" {
		t.Errorf("strangers made extdisco log errors: %.2000s", log)
	}
}

// peakResident returns the most memory that the process ever held, in bytes.
func peakResident(t *testing.T, pid int) int64 {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.SplitSeq(string(status), "\n") {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return kib << 10
		}
	}
	t.Fatal("no VmHWM in the status of the process")
	return 0
}

// stanzaGenerator makes stanzas from a fixed seed: what clients send in earnest,
// and everything that has hurt a component or could.
type stanzaGenerator struct {
	rand *rand.Rand
	buf  bytes.Buffer
}

func newStanzaGenerator() *stanzaGenerator {
	return &stanzaGenerator{rand: rand.New(rand.NewPCG(2, 355))}
}

// send writes n stanzas and tells the id of every one that wants an answer.
func (g *stanzaGenerator) send(w io.Writer, n int, expected chan<- string) error {
	for i := range n {
		id, wantsAnswer := g.stanza(i)
		if g.buf.Len() > 32<<10 || i == n-1 || g.rand.IntN(50) == 0 {
			if _, err := w.Write(g.buf.Bytes()); err != nil {
				return err
			}
			g.buf.Reset()
		}
		if wantsAnswer {
			expected <- id
		}
	}
	return nil
}

func (g *stanzaGenerator) pick(choices ...string) string { return choices[g.rand.IntN(len(choices))] }

// stanza appends one stanza.
func (g *stanzaGenerator) stanza(i int) (id string, wantsAnswer bool) {
	id = fmt.Sprint("s", i, g.pick("", "", "", "<", "'\"", "&", "\n", "♥", strings.Repeat("x", 300)))
	if i%5000 == 0 {
		return g.huge(id), true
	}
	switch g.rand.IntN(10) {
	case 0:
		g.buf.WriteString(g.pick("<message from='a@b'><body>x</body></message>", "<presence/>", " ", "\n", "<foo xmlns='urn:example:foo'/>",
			"<!-- <iq type='get'> -->", "<?pi <iq?>", "stray text", "<message><delegation xmlns='urn:xmpp:delegation:2'><delegated namespace='x'/></delegation></message>"))
		return "", false
	case 1:
		g.open(id, g.pick("result", "error"), g.from())
		g.buf.WriteString(g.pick("text", "", "<x/>", servicesPayload) + "</iq>")
		return "", false
	case 2, 3, 4:
		inner := g.pick("get", "get", "get", "set", "result", "strange")
		g.buf.WriteString(strings.Replace(forwarded(escape(id), escape(g.pick("i", "<&>", "\n")), escape(g.from()), g.payload()), "type='get'", "type='"+inner+"'", 1))
		return id, true
	case 5:
		g.buf.WriteString("<iq type='set' from='" + escape(g.from()) + "' to='" + turnJID + "' id='" + escape(id) + "'>" +
			g.pick("<delegation xmlns='urn:xmpp:delegation:1'/>", "<delegation xmlns='urn:xmpp:delegation:2'>x<forwarded/></delegation>",
				"<delegation xmlns='urn:xmpp:delegation:2'><forwarded xmlns='urn:xmpp:forward:0'><iq xmlns='jabber:client'/></forwarded></delegation>") + "</iq>")
		return id, true
	}
	g.open(id, g.pick("get", "get", "set", "strange", ""), g.from())
	g.buf.WriteString(g.payload() + "</iq>")
	return id, true
}

func (g *stanzaGenerator) open(id, iqType, from string) {
	to := g.pick(turnJID, turnJID, turnJID, "user@"+turnJID, turnJID+"/res", strings.ToUpper(turnJID))
	fmt.Fprintf(&g.buf, "<iq type='%s' id='%s' from=\"%s\" to='%s'>", iqType, escape(id), escape(from), to)
}

func (g *stanzaGenerator) from() string {
	return g.pick("a@"+meetHost+"/r", meetHost, "b@elsewhere.example.net/\u3164", "♥@"+meetHost, "fancy𝕏@"+meetHost+"/\u115F",
		"u@my_host", "a@"+meetHost+"/<&>'\"", "@", "/", "a@b@c/d/e", "a@"+meetHost+"/"+strings.Repeat("r", 1000), turnJID)
}

func (g *stanzaGenerator) payload() string {
	return g.pick(servicesPayload, servicesPayload, "<services xmlns='urn:xmpp:extdisco:1'/>", "<services xmlns='urn:xmpp:extdisco:2' type='turn'/>",
		"<services xmlns='urn:xmpp:extdisco:2' type=''/>", "<credentials xmlns='urn:xmpp:extdisco:2'/>",
		"<credentials xmlns='urn:xmpp:extdisco:2'><service host='turn.example.org' type='turn'/></credentials>",
		"<credentials xmlns='urn:xmpp:extdisco:2'><service host='turn.example.org' type='turn' port='1.5'/></credentials>",
		"<credentials xmlns='urn:xmpp:extdisco:1'><service host='turn.example.org'/></credentials>",
		"<query xmlns='http://jabber.org/protocol/disco#info'/>", "<query xmlns='http://jabber.org/protocol/disco#info' node='urn:xmpp:delegation:2::urn:xmpp:extdisco:2'/>",
		"<ping xmlns='urn:xmpp:ping'/>", "<query xmlns='jabber:iq:version'/>", "", "text", "text"+servicesPayload, servicesPayload+servicesPayload,
		"<![CDATA[</iq>]]><a/>", "<a><!-- </a></iq> --></a>", "<p:a xmlns:p='urn:xmpp:extdisco:2'/>", "<a b='>'/>", `<a b="'>"/>`, "<a>&unknown;</a>", "<a></b>",
		strings.Repeat("<a>", 100)+strings.Repeat("</a>", 100), strings.Repeat("<a/>", 1100), "<a"+strings.Repeat(" b='c'", 70)+"/>")
}

// huge appends a stanza above the limit, or deep, or with a huge attribute.
func (g *stanzaGenerator) huge(id string) string {
	g.open(id, "get", "a@"+meetHost)
	switch g.rand.IntN(3) {
	case 0:
		g.buf.WriteString("<a>" + strings.Repeat("text ", 300_000) + "</a></iq>")
	case 1:
		g.buf.WriteString(strings.Repeat("<a>", 200_000) + strings.Repeat("</a>", 200_000) + "</iq>")
	case 2:
		g.buf.WriteString("<a b='" + strings.Repeat("x", 2_000_000) + "'/></iq>")
	}
	return id
}

func escape(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a Builder does not fail
	return b.String()
}
