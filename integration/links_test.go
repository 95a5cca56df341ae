//go:build integration

package integration

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"extdisco/integration/lab"
)

const (
	shardCount   = 10
	stoppedShard = shardCount - 2 // is sent SIGSTOP
	killedShard  = shardCount - 1 // is killed and started again, over and over
	roundsAsked  = 200            // by the users of each other shard, in each phase
	askingEvery  = 20 * time.Millisecond
	readerless   = "reads-nothing" // the link to a server that asks and takes no answer
	slowestShard = 5 * time.Second // the bridge refuses a request after that
)

// shards are servers with a host of the same name, as those of one Jitsi Meet, and an
// extdisco for all.
type shards struct {
	t        *testing.T
	xmpp     []*lab.XMPPServer
	users    []*rawClient // one at each shard that is left alone
	deaf     *fakeServer  // asks and takes no answer
	extdisco *lab.Extdisco
	url      string
}

// TestIntegrationTenServers has one process answer for ten Prosodys. One of them is
// stopped, one is killed in a loop, and an eleventh server asks all the time and reads no
// answer; that changes nothing for the users of the others. It is measured in three
// phases: all is well; the same happens to servers that extdisco has no link to, which
// shows what the machine makes of it; and to servers that it has one to.
func TestIntegrationTenServers(t *testing.T) {
	s := newShards(t)
	quiet := s.measure()
	t.Logf("all is well:             %s; extdisco takes %.1f MB of memory at most", quiet, float64(peakResident(t, s.extdisco.PID()))/1e6)

	s.reload(s.config(stoppedShard))
	unlinked := s.disturb()
	t.Logf("others fail, unlinked:   %s", unlinked)

	s.reload(s.config(shardCount) + s.table(readerless, s.deaf.addr()))
	flood := s.flood()
	for _, i := range []int{stoppedShard, killedShard} {
		s.waitFor(fmt.Sprintf("link=%s", shardName(i)), `"connected to the XMPP server"`, 2)
	}
	linked := s.disturb()
	t.Logf("others fail, linked:     %s", linked)
	if sent := flood(); sent < 1000 {
		t.Errorf("the server that reads nothing could send %d requests only, so that its link was never blocked", sent)
	}

	for name, l := range map[string]latencies{"quiet": quiet, "unlinked": unlinked, "linked": linked} {
		if len(l) != stoppedShard*roundsAsked || l[len(l)-1] > slowestShard {
			t.Errorf("%s: %s; want %d answers, none after more than %v", name, l, stoppedShard*roundsAsked, slowestShard)
		}
	}
	s.wantLinksAlone()
}

func shardName(i int) string { return fmt.Sprintf("shard-%d", i) }

func newShards(t *testing.T) *shards {
	t.Helper()
	s := &shards{t: t, xmpp: make([]*lab.XMPPServer, shardCount), deaf: newFakeServer(t)}
	paths := pluginPaths(t)
	for i := range s.xmpp {
		server, err := lab.StartProsody(t.Context(), lab.XMPPConfig{
			Dir: t.TempDir(), Hosts: []lab.Host{{Name: meetHost, Anonymous: true}}, LogLevel: "info", Extra: paths,
			Components: []lab.Component{{JID: turnJID, Secret: handshakeSecret, Modules: []string{"extdisco_bridge"}}},
		})
		if err != nil {
			t.Fatal(err)
		}
		keep(t, server)
		s.xmpp[i] = server
	}
	s.extdisco = startExtdisco(t, lab.ExtdiscoConfig{Config: s.config(shardCount), Unconnected: true})
	for i := range shardCount {
		s.waitFor("link="+shardName(i)+" ", "route=bridge", 1)
		if i < stoppedShard {
			s.users = append(s.users, dialRaw(t, s.xmpp[i].C2SAddr, meetHost, ""))
		}
	}
	s.url = siteOf(t, s.extdisco)
	return s
}

// table is the [[component]] of a server.
func (s *shards) table(name, address string) string {
	return fmt.Sprintf("[[component]]\nname = %q\njid = %q\nserver = %q\nsecret = %q\n", name, turnJID, address, handshakeSecret)
}

// config is a config.toml for the first n shards.
func (s *shards) config(n int) string {
	text := fmt.Sprintf("[[ice_server]]\nurls = [\"stun:turn.example.org\", \"turn:turn.example.org\", \"turns:turn.example.org\"]\nsecret = %q\n"+
		"[limits]\nper_jid = \"none\"\n[http]\nlisten = \"127.0.0.1:0\"\n", sharedSecret)
	for i := range n {
		text += s.table(shardName(i), s.xmpp[i].ComponentAddr)
	}
	return text
}

// reload has extdisco read another configuration.
func (s *shards) reload(content string) {
	s.t.Helper()
	const said = "reloaded the configuration; links have changed"
	times := strings.Count(s.extdisco.Log(), said)
	write(s.t, s.extdisco.ConfigFile, content)
	if err := s.extdisco.Signal(syscall.SIGHUP); err != nil {
		s.t.Fatal(err)
	}
	if err := s.extdisco.WaitForLog(stepContext(s.t), said, times+1); err != nil {
		s.t.Fatal(err)
	}
}

// waitFor waits until so many lines of the log have both texts.
func (s *shards) waitFor(link, text string, times int) {
	s.t.Helper()
	err := lab.Poll(stepContext(s.t), func(context.Context) error {
		n := 0
		for line := range strings.Lines(s.extdisco.Log()) {
			if strings.Contains(strings.TrimSpace(line)+" ", link) && strings.Contains(line, text) {
				n++
			}
		}
		if n < times {
			return fmt.Errorf("%d lines of the log have %s and %s", n, link, text)
		}
		return nil
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

// latencies are how long answers took, sorted.
type latencies []time.Duration

func (l latencies) at(share float64) time.Duration { return l[int(share*float64(len(l)-1))] }

func (l latencies) String() string {
	if len(l) == 0 {
		return "no answers"
	}
	return fmt.Sprintf("%d answers; half within %.2f ms, 90 %% %.2f ms, 99 %% %.2f ms, all %.2f ms", len(l),
		milliseconds(l.at(0.5)), milliseconds(l.at(0.9)), milliseconds(l.at(0.99)), milliseconds(l.at(1)))
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// measure has the users of the shards that are left alone ask, all at the same time.
func (s *shards) measure() latencies {
	s.t.Helper()
	each := make([]latencies, len(s.users))
	var asks sync.WaitGroup
	for i, user := range s.users {
		asks.Go(func() {
			for n := range roundsAsked {
				began := time.Now()
				id := fmt.Sprintf("%d-%d", n, began.UnixNano())
				e, err := user.ask(id, "<iq type='get' id='"+id+"' to='"+meetHost+"'>"+servicesPayload+"</iq>")
				if err != nil || e.attr("type") != "result" || !strings.Contains(e.Inner, "turn.example.org") {
					s.t.Errorf("%s: request %d: %v %+v", shardName(i), n, err, e)
					return
				}
				took := time.Since(began)
				each[i] = append(each[i], took)
				time.Sleep(askingEvery - took) // the pace of this user
			}
		})
	}
	asks.Wait()
	all := slices.Concat(each...)
	slices.Sort(all)
	return all
}

// disturb measures while one server is stopped and another one is killed over and over.
func (s *shards) disturb() latencies {
	s.t.Helper()
	stopped, killed := s.xmpp[stoppedShard], s.xmpp[killedShard]
	if err := stopped.Signal(syscall.SIGSTOP); err != nil {
		s.t.Fatal(err)
	}
	end := make(chan struct{})
	var kills sync.WaitGroup
	kills.Go(func() {
		n := 0
		for {
			select {
			case <-end:
				s.t.Logf("%s was killed %d times", shardName(killedShard), n)
				return
			default:
			}
			if err := killed.Kill(); err != nil {
				s.t.Error(err)
			}
			if err := killed.Start(s.t.Context()); err != nil {
				s.t.Error(err)
				return
			}
			n++
		}
	})
	l := s.measure()
	close(end)
	kills.Wait()
	if err := stopped.Signal(syscall.SIGCONT); err != nil {
		s.t.Fatal(err)
	}
	return l
}

// flood has the server that reads nothing ask as fast as it can, until its link takes no
// more. The function that it returns ends that and tells how many requests were sent.
func (s *shards) flood() (end func() int) {
	c := s.deaf.accept(s.t)
	sent, done := 0, make(chan struct{})
	go func() {
		defer close(done)
		for {
			if _, err := io.WriteString(c, forwarded("o", "i", "user@"+meetHost+"/r", servicesPayload)); err != nil {
				return
			}
			sent++
		}
	}()
	return func() int {
		c.Close()
		<-done
		return sent
	}
}

// wantLinksAlone checks that no link but those to the servers that failed was ever lost.
func (s *shards) wantLinksAlone() {
	s.t.Helper()
	response, err := http.Get(s.url + "metrics")
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	for i := range stoppedShard {
		for _, want := range []string{
			fmt.Sprintf("extdisco_link_connects_total{link=%q} 1\n", shardName(i)), fmt.Sprintf("extdisco_link_disconnects_total{link=%q} 0\n", shardName(i)),
		} {
			if !strings.Contains(string(body), want) {
				s.t.Errorf("the metrics do not say %s", want)
			}
		}
	}
}
