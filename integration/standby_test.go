//go:build integration

package integration

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"extdisco/integration/lab"
)

const standingBy = "standing by: another connection for " + turnJID + " exists"

// instance starts another extdisco of a scene, which serves HTTP.
func (s *scene) instance(t *testing.T) *lab.Extdisco {
	t.Helper()
	return startExtdisco(t, lab.ExtdiscoConfig{Config: s.withHTTP(), Unconnected: true})
}

func (s *scene) withHTTP() string {
	return strings.Replace(s.config("24h"), "[log]\n", "[http]\nlisten = \"127.0.0.1:0\"\n[log]\n", 1)
}

// waitFor polls until f returns nil.
func waitFor(t *testing.T, most time.Duration, f func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), most)
	defer cancel()
	if err := lab.Poll(ctx, func(context.Context) error { return f() }); err != nil {
		t.Fatal(err)
	}
}

// waitLog waits until an extdisco has logged text so many times.
func waitLog(t *testing.T, e *lab.Extdisco, text string, times int) {
	t.Helper()
	if err := e.WaitForLog(stepContext(t), text, times); err != nil {
		t.Fatal(err)
	}
}

// pageOf returns the status and the body of a page of an extdisco, at the port that it had
// after its last start.
func pageOf(t *testing.T, e *lab.Extdisco, path string) (int, string) {
	t.Helper()
	waitLog(t, e, "status page", 1)
	log := e.Log()
	_, address, _ := strings.Cut(log[strings.LastIndex(log, "status page"):], "url=")
	address, _, _ = strings.Cut(address, "\n")
	resp, err := http.Get(strings.TrimSuffix(address, "/") + path)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// wantStandby checks what an instance says of itself.
func wantStandby(t *testing.T, e *lab.Extdisco, standby bool) {
	t.Helper()
	ready, body := pageOf(t, e, "/readyz")
	if ready != http.StatusOK || strings.Contains(body, "Standing by.") != standby {
		t.Errorf("readyz: %d %q", ready, body)
	}
	values := map[bool]string{true: "1", false: "0"}
	_, metrics := pageOf(t, e, "/metrics")
	for _, line := range []string{`extdisco_link_standby{link="` + turnJID + `"} ` + values[standby], `extdisco_link_up{link="` + turnJID + `"} ` + values[!standby], "extdisco_ready " + values[!standby]} {
		if !strings.Contains(metrics, "\n"+line+"\n") {
			t.Errorf("no metric %s", line)
		}
	}
}

// TestIntegrationStandby runs two instances at a Prosody that refuses the second one. When
// the first ends, however it does, the second takes over.
func TestIntegrationStandby(t *testing.T) {
	t.Parallel()
	eachProsody(t, func(t *testing.T, program string) {
		s := newBridgeScene(t, bridgeScene{program: program, sceneConfig: sceneConfig{
			xmpp:       func(cfg *lab.XMPPConfig) { cfg.Components[0].KickOld = false },
			noExtdisco: true,
		}})
		first := s.instance(t)
		waitLog(t, first, connectedLine, 1)
		second := s.instance(t)
		waitLog(t, second, standingBy, 1)
		wantStandby(t, second, true)
		wantStandby(t, first, false)
		for i, end := range []struct {
			name string
			f    func() error
		}{{"kill -9", first.Kill}, {"a stop", second.Stop}} {
			load := startLoad(t, s.xmpp.C2SAddr)
			load.more(100)
			ended := time.Now()
			if err := end.f(); err != nil {
				t.Fatal(err)
			}
			ended, stopTook := time.Now(), time.Since(ended)
			waitLog(t, second, connectedLine, 1)
			took := time.Since(ended)
			load.more(100)
			result := load.stop(20 * time.Second)
			t.Logf("after %s (%v), the other was connected %v later: %v", end.name, stopTook.Round(time.Millisecond), took.Round(time.Millisecond), result)
			if result.unanswered > 0 {
				t.Errorf("%d requests got no answer at all", result.unanswered)
			}
			wantStandby(t, second, false)
			if i == 0 { // and the other way round
				if err := first.Start(stepContext(t)); err != nil {
					t.Fatal(err)
				}
				waitLog(t, first, standingBy, 1)
				first, second = second, first
			}
		}
		for _, e := range []*lab.Extdisco{first, second} {
			if n := strings.Count(e.Log(), "level=WARN msg=\""+standingBy); n > 1 {
				t.Errorf("one instance said %d times that it stands by", n)
			}
		}
	})
}

// TestIntegrationStandbyKickOld runs two instances at a Prosody that lets a new connection
// replace the old one. They take turns, and when one hangs the other comes back.
func TestIntegrationStandbyKickOld(t *testing.T) {
	t.Parallel()
	eachProsody(t, func(t *testing.T, program string) {
		s := newBridgeScene(t, bridgeScene{program: program, sceneConfig: sceneConfig{noExtdisco: true}})
		first := s.instance(t)
		waitLog(t, first, connectedLine, 1)
		load := startLoad(t, s.xmpp.C2SAddr)
		load.more(100)
		second := s.instance(t)
		// Prosody tells the one that it closes why, but not if a reply of it is still on its
		// way. That one is then back at once, and replaces the other.
		active, other := whoStandsBy(t, first, second, func(e *lab.Extdisco) bool { return lineWith(e.Log(), standingBy) != "" })
		replaced := time.Now()
		waitFor(t, 20*time.Second, func() error {
			if ready, body := pageOf(t, active, "/readyz"); ready != http.StatusOK || strings.Contains(body, "Standing by.") {
				return errors.New("neither is connected: " + body)
			}
			return nil
		})
		connections := func() int {
			return strings.Count(first.Log(), connectedLine) + strings.Count(second.Log(), connectedLine)
		}
		began := connections()
		if line := lineWith(other.Log(), standingBy); !strings.Contains(line, "Replaced by a new connection") || !strings.Contains(line, "retry_in=30s") {
			t.Errorf("the one that was replaced comes back too soon: %s", line)
		}
		wantStandby(t, other, true)
		wantStandby(t, active, false)
		waitFor(t, time.Minute, func() error {
			if connections() == began {
				return errors.New("the one that was replaced has not come back")
			}
			return nil
		})
		turn := time.Since(replaced)
		if turn < 25*time.Second {
			t.Errorf("the one that was replaced came back after %v", turn)
		}
		load.more(100)
		result := load.stop(20 * time.Second)
		t.Logf("%d connections until one stood by, the next %v later: %v", began, turn.Round(time.Second), result)
		if result.unanswered > 0 || result.answered < result.asked/2 {
			t.Errorf("too few requests were answered: %v", result)
		}
		s.hang(t, first, second)
	})
}

// whoStandsBy waits until one of two instances stands by, and returns the other one first.
func whoStandsBy(t *testing.T, a, b *lab.Extdisco, standsBy func(*lab.Extdisco) bool) (active, standby *lab.Extdisco) {
	t.Helper()
	waitFor(t, time.Minute, func() error {
		switch {
		case standsBy(a):
			active, standby = b, a
		case standsBy(b):
			active, standby = a, b
		default:
			return errors.New("nobody stands by")
		}
		return nil
	})
	return active, standby
}

// hang stops the instance that is connected as a machine does that hangs. The other one
// replaces it.
func (s *scene) hang(t *testing.T, first, second *lab.Extdisco) {
	t.Helper()
	active, other := whoStandsBy(t, first, second, func(e *lab.Extdisco) bool {
		_, body := pageOf(t, e, "/readyz")
		return strings.Contains(body, "Standing by.")
	})
	before := strings.Count(other.Log(), connectedLine)
	if err := active.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	defer active.Kill() // it would have to be continued to be stopped
	hung := time.Now()
	load := startLoad(t, s.xmpp.C2SAddr)
	waitFor(t, time.Minute, func() error {
		if strings.Count(other.Log(), connectedLine) == before {
			return errors.New("the other one does not come back")
		}
		return nil
	})
	took := time.Since(hung)
	load.more(100)
	result := load.stop(20 * time.Second)
	t.Logf("the other was connected %v after one hung: %v", took.Round(time.Millisecond), result)
	if result.unanswered > 0 {
		t.Errorf("%d requests got no answer at all", result.unanswered)
	}
}

// TestIntegrationStandbyEjabberd runs two instances at an ejabberd, which sends requests
// to both, and ends each in turn. ejabberd then forwards nothing until the one that is
// left has connected again.
func TestIntegrationStandbyEjabberd(t *testing.T) {
	t.Parallel()
	s := newScene(t, "ejabberd", sceneConfig{noExtdisco: true})
	first := s.instance(t)
	waitLog(t, first, connectedLine, 1)
	second := s.instance(t)
	waitLog(t, second, connectedLine, 1)
	waitLog(t, second, "a host forwards requests", 1)
	for _, end := range []string{"kill -9", "a stop", "a hang"} {
		load := startLoad(t, s.xmpp.C2SAddr)
		load.more(200)
		for _, e := range []*lab.Extdisco{first, second} {
			waitFor(t, 20*time.Second, func() error {
				if _, metrics := pageOf(t, e, "/metrics"); !strings.Contains(metrics, "\nextdisco_link_up{link=\""+turnJID+"\"} 1\n") || answersIn(metrics) == 0 {
					return errors.New("an instance gets no requests")
				}
				return nil
			})
		}
		connected := strings.Count(second.Log(), connectedLine)
		ended := time.Now()
		switch end {
		case "a stop":
			err := first.Stop()
			if err != nil {
				t.Fatal(err)
			}
		case "a hang": // which somebody ends
			if err := first.Signal(syscall.SIGSTOP); err != nil {
				t.Fatal(err)
			}
			load.more(200)
			ended = time.Now()
			fallthrough
		default:
			if err := first.Kill(); err != nil {
				t.Fatal(err)
			}
		}
		waitLog(t, second, connectedLine, connected+1)
		took := time.Since(ended)
		load.more(200)
		result := load.stop(45 * time.Second) // ejabberd waits 32 s for an answer
		t.Logf("after %s, the other had connected again %v later: %v", end, took.Round(time.Millisecond), result)
		if result.unanswered > 0 {
			t.Errorf("%d requests got no answer at all", result.unanswered)
		}
		if lost := result.asked - result.answered; lost > result.asked/2 {
			t.Errorf("%d of %d requests were not answered with a result", lost, result.asked)
		}
		if err := first.Start(stepContext(t)); err != nil {
			t.Fatal(err)
		}
		first, second = second, first
	}
}

// answersIn returns how many forwarded requests an instance has answered.
func answersIn(metrics string) (n int) {
	const line = "\n" + `extdisco_answers_total{namespace="urn:xmpp:extdisco:2",outcome="result",route="delegated"} `
	_, after, _ := strings.Cut(metrics, line)
	_, _ = fmt.Sscan(after, &n)
	return n
}

// TestIntegrationStandbyCluster runs two instances at an ejabberd cluster of two nodes. Each
// has a connection to each node, since a node forwards only over connections of its own.
func TestIntegrationStandbyCluster(t *testing.T) {
	t.Parallel()
	epmd, err := lab.StartEpmd(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	keep(t, epmd)
	node := func(name, join string) *scene {
		return newScene(t, "ejabberd", sceneConfig{noExtdisco: true, xmpp: func(cfg *lab.XMPPConfig) {
			cfg.Epmd, cfg.Node, cfg.Join = epmd, name, join
		}})
	}
	nodes := []*scene{node("one@127.0.0.1", "")}
	nodes = append(nodes, node("two@127.0.0.1", "one@127.0.0.1"))
	checkCluster(t, nodes)
	var instances [2][]*lab.Extdisco // each has a process for each node
	for i := range instances {
		for n := range nodes {
			e := nodes[n].instance(t)
			waitLog(t, e, connectedLine, 1)
			waitLog(t, e, "a host forwards requests", 1)
			instances[i] = append(instances[i], e)
			if i == 0 && n == 0 {
				if _, err := nodes[1].query(meetHost); err == nil {
					t.Error("a node forwards although no instance is connected to it")
				}
			}
		}
	}
	for i := range instances {
		killed, left := instances[i], instances[1-i]
		var loads []*steadyLoad
		for _, n := range nodes {
			load := startLoad(t, n.xmpp.C2SAddr)
			load.more(200)
			loads = append(loads, load)
		}
		for _, e := range killed {
			if err := e.Kill(); err != nil {
				t.Fatal(err)
			}
		}
		for _, e := range left {
			waitLog(t, e, connectedLine, 2)
		}
		for n, load := range loads {
			load.more(200)
			result := load.stop(45 * time.Second)
			t.Logf("instance %d was killed; users of node %d: %v", i+1, n+1, result)
			if lost := result.asked - result.answered; result.unanswered > 0 || lost > result.asked/2 {
				t.Errorf("too many were lost: %v", result)
			}
		}
		for _, e := range killed {
			if err := e.Start(stepContext(t)); err != nil {
				t.Fatal(err)
			}
			waitLog(t, e, connectedLine, 2)
		}
	}
	killNode(t, nodes)
}

// checkCluster has a user of one node send something to a user of the other.
func checkCluster(t *testing.T, nodes []*scene) {
	t.Helper()
	one, two := dialRaw(t, nodes[0].xmpp.C2SAddr, meetHost, ""), dialRaw(t, nodes[1].xmpp.C2SAddr, meetHost, "")
	two.send("<message to='" + one.jid + "' id='across'><body>x</body></message>")
	if e, err := one.read(); err != nil || e.XMLName.Local != "message" || e.attr("id") != "across" || e.attr("type") == "error" {
		t.Fatalf("the nodes are no cluster: %+v, %v", e, err)
	}
}

// killNode kills the first node of a cluster. Its users log in at the other one, whose users
// notice nothing.
func killNode(t *testing.T, nodes []*scene) {
	t.Helper()
	load := startLoad(t, nodes[1].xmpp.C2SAddr)
	load.more(100)
	if err := nodes[0].xmpp.Kill(); err != nil {
		t.Fatal(err)
	}
	load.more(200)
	if _, err := nodes[1].query(meetHost); err != nil {
		t.Errorf("a user who logs in at the other node: %v", err)
	}
	result := load.stop(45 * time.Second)
	t.Logf("node 1 was killed; users of node 2: %v", result)
	if result.answered < result.asked {
		t.Errorf("users of the other node have noticed: %v", result)
	}
}
