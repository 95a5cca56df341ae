//go:build !race

package daemon

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"extdisco/internal/testkit"
)

// answering is extdisco with everything on, behind a server that sends requests
// in batches.
type answering struct {
	conn    net.Conn
	batch   []byte
	replies []byte // as many bytes as the replies to a batch have
}

const batchSize = 64

// startAnswering returns it for requests with this payload.
func startAnswering(t testing.TB, delegated bool, services int, payload string) *answering {
	server := testkit.StartServer(t)
	urls := `"stun:turn.example.org"`
	for i := 1; i < services; i++ {
		urls += fmt.Sprintf(`, "turn:turn.example.org:%d"`, 3478+i)
	}
	cfg := mustLoad(t, testkit.WriteConfig(t, fmt.Sprintf(`[component]
jid = "turn.meet.example.org"
server = %q
secret_file = "component.secret"
hosts = ["meet.example.org"]
[access]
allow = ["guest.example.org", "meet.example.org"]
[limits]
per_jid = "1000000/s"
total = "1000000000/s"
[[ice_server]]
urls = [%s]
secret_file = "turn.secret"
`, server.Address(), urls)))
	d := daemonFor(cfg, slog.New(slog.DiscardHandler))
	t.Cleanup(d.close)
	d.links.all()[0].start()
	a := &answering{conn: server.MustAccept(testkit.Handshake).Conn}
	t.Cleanup(func() { a.conn.Close() }) // before the link, which would wait for it
	if err := a.conn.SetDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
	a.prepare(t, delegated, payload)
	return a
}

// prepare makes the batch, each request from another user, and finds out how long
// the replies are.
func (a *answering) prepare(t testing.TB, delegated bool, payload string) {
	for i := range batchSize {
		user := fmt.Sprintf("user%04d@meet.example.org/resource", i)
		id := fmt.Sprintf("id%04d", i)
		if delegated {
			a.batch = fmt.Appendf(a.batch, "<iq type='set' id='%s' from='meet.example.org' to='turn.meet.example.org'><delegation xmlns='urn:xmpp:delegation:2'><forwarded xmlns='urn:xmpp:forward:0'>"+
				"<iq xmlns='jabber:client' type='get' id='x' from='%s' to='meet.example.org' xml:lang='en'>%s</iq></forwarded></delegation></iq>", id, user, payload)
		} else {
			a.batch = fmt.Appendf(a.batch, "<iq type='get' id='%s' from='%s' to='turn.meet.example.org'>%s</iq>", id, user, payload)
		}
	}
	if _, err := a.conn.Write(a.batch); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 1<<20)
	n := 0
	last := fmt.Appendf(nil, "id%04d", batchSize-1)
	for !bytes.Contains(buf[:n], last) || !bytes.HasSuffix(buf[:n], []byte("</iq>")) {
		m, err := a.conn.Read(buf[n:])
		if err != nil {
			t.Fatal(err)
		}
		n += m
	}
	if s := string(buf[:n]); strings.Contains(s, "type='error'") || strings.Count(s, "password='") < batchSize {
		t.Fatalf("the answers are %.2000s", s)
	}
	a.replies = buf[:n]
}

// run sends one batch and reads the replies, which are as long each time.
func (a *answering) run(t testing.TB) {
	if _, err := a.conn.Write(a.batch); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(a.conn, a.replies); err != nil {
		t.Fatal(err)
	}
}

const (
	services    = "<services xmlns='urn:xmpp:extdisco:2'/>"
	servicesOld = "<services xmlns='urn:xmpp:extdisco:1' type='turn'/>"
	credentials = "<credentials xmlns='urn:xmpp:extdisco:2'><service host='turn.example.org' type='turn' port='3479'/></credentials>"
)

// TestAnswerAllocatesNothing counts for the whole process, from the bytes that
// are read to those that are written.
func TestAnswerAllocatesNothing(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // it empties pools
	for _, tt := range []struct {
		name      string
		delegated bool
		payload   string
	}{
		{"direct", false, services},
		{"direct, version 1, one type", false, servicesOld},
		{"direct, credentials", false, credentials},
		{"delegated", true, services},
		{"delegated, credentials", true, credentials},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := startAnswering(t, tt.delegated, 2, tt.payload)
			if n := testing.AllocsPerRun(100, func() { a.run(t) }); n != 0 {
				t.Errorf("%v allocations for %d answers", n, batchSize)
			}
		})
	}
}

func BenchmarkAnswer(b *testing.B) {
	for _, services := range []int{2, 8} {
		for _, route := range []string{"direct", "delegated"} {
			b.Run(fmt.Sprintf("%s, %d services", route, services), func(b *testing.B) {
				a := startAnswering(b, route == "delegated", services, "<services xmlns='urn:xmpp:extdisco:2'/>")
				b.ReportAllocs()
				batches := 0
				for b.Loop() {
					a.run(b)
					batches++
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(batches*batchSize), "ns/answer")
			})
		}
	}
}
