//go:build integration

package integration

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"extdisco/integration/lab"
)

const (
	// mostResident is what the process may hold, whatever has happened.
	mostResident = 64 << 20
	// backWithin is how long it may take from when the server takes connections
	// again until it has one, on a busy machine. docs/performance.md has what it takes.
	backWithin = 4 * time.Second
)

// checkHealth is done after each fault: it answers, and has stayed small.
func (s *scene) checkHealth() {
	s.t.Helper()
	if _, err := s.query(meetHost); err != nil {
		s.t.Errorf("afterwards: %v", err)
	}
	if resident := peakResident(s.t, s.extdisco.PID()); resident > mostResident {
		s.t.Errorf("%d MiB resident at most", resident>>20)
	}
}

// waitConnected waits until extdisco has connected so many times, and fails if
// that takes longer than it may.
func (s *scene) waitConnected(times int) {
	s.t.Helper()
	start := time.Now()
	if err := s.extdisco.WaitForLog(stepContext(s.t), connectedLine, times); err != nil {
		s.t.Fatal(err)
	}
	if took := time.Since(start); took > backWithin {
		s.t.Errorf("connected %v after the server took connections, want at most %v", took, backWithin)
	}
}

// TestIntegrationServerHangs stops the server with requests in it. When it goes on,
// each gets its one answer over the same connection.
func TestIntegrationServerHangs(t *testing.T) {
	eachServer(t, func(t *testing.T, kind string) {
		s := newScene(t, kind, sceneConfig{})
		c := dialRaw(t, s.xmpp.C2SAddr, meetHost, "")
		c.mustAsk("first", usualRequest("first"))
		if err := s.xmpp.Signal(syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		const requests = 200
		for i := range requests {
			c.send(usualRequest(fmt.Sprint("r", i)))
		}
		c.pause(2 * time.Second)
		if err := s.xmpp.Signal(syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
		c.wantAnswers(requests)
		if n := strings.Count(s.extdisco.Log(), connectedLine); n != 1 {
			t.Errorf("connected %d times", n)
		}
		s.checkHealth()
	})
}

func usualRequest(id string) string {
	return "<iq type='get' id='" + id + "' to='" + meetHost + "'>" + servicesPayload + "</iq>"
}

// wantAnswers reads the answers to r0, r1, …: one each, with credentials.
func (c *rawClient) wantAnswers(requests int) {
	c.t.Helper()
	for range requests {
		e, err := c.read()
		if err != nil {
			c.t.Fatalf("after %d answers: %v", len(c.seen), err)
		}
		if c.seen[e.attr("id")]++; strings.Count(e.Inner, " password='") != 3 {
			c.t.Fatalf("%+v", e)
		}
	}
	for i := range requests {
		if n := c.seen[fmt.Sprint("r", i)]; n != 1 {
			c.t.Fatalf("request %d has %d answers", i, n)
		}
	}
}

// TestIntegrationBurst sends ten thousand requests at once.
func TestIntegrationBurst(t *testing.T) {
	for kind := range servers { // one after the other: the burst fills the machine
		t.Run(kind, func(t *testing.T) {
			s := newScene(t, kind, sceneConfig{xmpp: func(cfg *lab.XMPPConfig) {
				cfg.LogLevel = map[string]string{"prosody": "warn", "ejabberd": "warning"}[kind]
			},
				config: func(s *scene) string { return strings.Replace(s.config("24h"), `level = "debug"`, `level = "info"`, 1) }})
			var clients sync.WaitGroup
			for range 10 {
				c := dialRaw(t, s.xmpp.C2SAddr, meetHost, "")
				clients.Go(func() {
					const requests = 1000
					var all strings.Builder
					for i := range requests {
						all.WriteString(usualRequest(fmt.Sprint("r", i)))
					}
					go c.send(all.String()) // ends with the connection
					if err := c.countAnswers(requests); err != nil {
						t.Error(err)
					}
				})
			}
			clients.Wait()
			s.checkHealth()
		})
	}
}

// countAnswers is wantAnswers for a goroutine that may not end the test.
func (c *rawClient) countAnswers(requests int) error {
	for n := range requests {
		e, err := c.read()
		if err != nil {
			return fmt.Errorf("after %d answers: %w", n, err)
		}
		if c.seen[e.attr("id")]++; c.seen[e.attr("id")] > 1 || strings.Count(e.Inner, " password='") != 3 {
			return fmt.Errorf("answer %d: %+v", n, e)
		}
	}
	return nil
}

// TestIntegrationNetworkCut runs extdisco in a network of its own and cuts that:
// for a moment, which costs nothing, and for so long that it must notice.
func TestIntegrationNetworkCut(t *testing.T) {
	t.Parallel()
	for i, kind := range []string{"prosody", "ejabberd"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel() // it waits for time-outs
			cutNetwork(t, kind, newNetwork(t, i))
		})
	}
}

func cutNetwork(t *testing.T, kind string, n *network) {
	s := newScene(t, kind, sceneConfig{noExtdisco: true, xmpp: func(cfg *lab.XMPPConfig) {
		cfg.ComponentIP = n.serverIP
		cfg.Components[0].KickOld = true // Prosody does not know that the old connection is dead
	}})
	s.extdisco = startExtdisco(t, lab.ExtdiscoConfig{Config: s.config("24h"), Within: n.within})
	var answered atomic.Int64
	ctx, cancel := context.WithCancel(t.Context())
	var clients sync.WaitGroup
	clients.Go(func() { s.askUntil(ctx, &answered) })
	defer clients.Wait()
	defer cancel()
	s.waitForAnswers(&answered, 20)

	c := dialRaw(t, s.xmpp.C2SAddr, meetHost, "")
	n.set(t, "down")
	const requests = 20
	for i := range requests {
		c.send(usualRequest(fmt.Sprint("r", i)))
	}
	c.pause(time.Second)
	n.set(t, "up")
	c.wantAnswers(requests)
	if n := strings.Count(s.extdisco.Log(), connectedLine); n != 1 {
		t.Errorf("connected %d times after a short cut", n)
	}

	n.set(t, "down")
	noticed, cancelNotice := context.WithTimeout(t.Context(), 70*time.Second)
	defer cancelNotice()
	if err := s.extdisco.WaitForLog(noticed, "retry_in", 1); err != nil {
		t.Fatalf("a cut is not noticed within a minute: %v", err)
	}
	n.set(t, "up")
	if err := s.extdisco.WaitForLog(stepContext(t), connectedLine, 2); err != nil {
		t.Fatal(err)
	}
	s.waitForAnswers(&answered, 20)
	s.checkHealth()
}

// network is a network namespace and the wire to it.
type network struct {
	wire     string // our end
	serverIP string // at our end
	within   []string
}

// newNetwork makes the network with this number, 0 to 63.
func newNetwork(t *testing.T, number int) *network {
	t.Helper()
	name := fmt.Sprintf("xd%d-%d", os.Getpid(), number)
	n := &network{wire: name + "a", serverIP: fmt.Sprintf("198.51.100.%d", 4*number+1), within: []string{"ip", "netns", "exec", name}}
	run := func(args ...string) {
		t.Helper()
		if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
			t.Fatalf("ip %s: %v: %s", strings.Join(args, " "), err, out)
		}
	}
	run("netns", "add", name)
	t.Cleanup(func() { run("netns", "delete", name) }) // the wire goes with it
	run("link", "add", n.wire, "type", "veth", "peer", "name", name+"b", "netns", name)
	run("address", "add", n.serverIP+"/30", "dev", n.wire)
	run("link", "set", n.wire, "up")
	run("-n", name, "address", "add", fmt.Sprintf("198.51.100.%d/30", 4*number+2), "dev", name+"b")
	run("-n", name, "link", "set", name+"b", "up")
	run("-n", name, "link", "set", "lo", "up")
	return n
}

// set takes the wire "up" or "down".
func (n *network) set(t *testing.T, state string) {
	t.Helper()
	if out, err := exec.Command("ip", "link", "set", n.wire, state).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

// TestIntegrationRelayGone: without the TURN server requests are answered all the
// same. Clients find out by themselves, and a relay may come back any time.
func TestIntegrationRelayGone(t *testing.T) {
	s := newScene(t, "prosody", sceneConfig{})
	if err := s.turn.Kill(); err != nil {
		t.Fatal(err)
	}
	s.checkHealth()
	if err := s.turn.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	out, err := s.query(meetHost)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.allocate(out.Answers[0].Services[1]); err != nil {
		t.Error(err)
	}
}

// TestIntegrationDiskFull runs with a log that takes nothing more.
func TestIntegrationDiskFull(t *testing.T) {
	s := newScene(t, "prosody", sceneConfig{noExtdisco: true})
	s.extdisco = startExtdisco(t, lab.ExtdiscoConfig{Config: s.config("24h"), Unconnected: true,
		Within: []string{"sh", "-c", `exec "$0" "$@" 2>/dev/full`}})
	err := lab.Poll(stepContext(t), func(context.Context) error { _, err := s.query(meetHost); return err })
	if err != nil {
		t.Fatal(err)
	}
	if log := s.extdisco.Log(); strings.Contains(log, connectedLine) {
		t.Fatalf("the log was written somewhere: %s", log)
	}
	if err := s.xmpp.Kill(); err != nil { // it has more to say then
		t.Fatal(err)
	}
	if err := s.xmpp.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	err = lab.Poll(stepContext(t), func(context.Context) error { _, err := s.query(meetHost); return err })
	if err != nil {
		t.Fatal(err)
	}
	s.checkHealth()
}

// TestIntegrationFileDescriptorsUsedUp lets the process open nothing more while the
// server comes back: it must go on trying.
func TestIntegrationFileDescriptorsUsedUp(t *testing.T) {
	s := newScene(t, "prosody", sceneConfig{})
	setLimit := func(limit int) {
		t.Helper()
		if out, err := exec.Command("prlimit", "--pid", fmt.Sprint(s.extdisco.PID()), fmt.Sprintf("--nofile=%d:", limit)).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	if err := s.xmpp.Kill(); err != nil {
		t.Fatal(err)
	}
	setLimit(3) // what is open stays open
	if err := s.xmpp.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.extdisco.WaitForLog(stepContext(t), "too many open files", 1); err != nil {
		t.Fatal(err)
	}
	setLimit(1024)
	if err := s.extdisco.WaitForLog(stepContext(t), connectedLine, 2); err != nil {
		t.Fatal(err)
	}
	s.checkHealth()
}

// TestIntegrationSlowReader does not read while it asks. When it reads at last, all
// answers are there: what it did not take was not made, and nothing piled up.
func TestIntegrationSlowReader(t *testing.T) {
	server := newFakeServer(t)
	e := startExtdisco(t, lab.ExtdiscoConfig{Config: fakeServerConfig(server.addr()), Unconnected: true, Args: []string{"--log-level", "info"}})
	c := server.accept(t)
	const requests = 50_000
	sent := make(chan error, 1)
	go func() {
		for i := range requests {
			if _, err := c.Write([]byte(forwarded(fmt.Sprint("o", i), fmt.Sprint("i", i), fmt.Sprintf("user%d@%s/r", i, meetHost), servicesPayload))); err != nil {
				sent <- err
				return
			}
		}
		sent <- nil
	}()
	select {
	case err := <-sent:
		t.Fatalf("everything was sent (%v): nothing held the sender back", err)
	case <-time.After(5 * time.Second): // half of what a write may take
	}
	for i := range requests {
		r, err := c.read()
		if err != nil {
			t.Fatalf("after %d answers: %v", i, err)
		}
		if r.ID != fmt.Sprint("o", i) || r.Inner == nil || r.Inner.Type != "result" {
			t.Fatalf("answer %d: %+v", i, r)
		}
	}
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
	if resident := peakResident(t, e.PID()); resident > mostResident {
		t.Errorf("%d MiB resident at most", resident>>20)
	}
}

// TestIntegrationReaderThatStopped never reads again, and asks on, as fast as it can
// or now and then: the link is given up soon, and another one is made.
func TestIntegrationReaderThatStopped(t *testing.T) {
	t.Parallel()
	for name, pause := range map[string]time.Duration{"under load": 0, "now and then": 10 * time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // it waits for a time-out
			server := newFakeServer(t)
			e := startExtdisco(t, lab.ExtdiscoConfig{Config: fakeServerConfig(server.addr()), Unconnected: true, Args: []string{"--log-level", "info"}})
			c := server.accept(t)
			began := time.Now()
			go func() {
				request := []byte(forwarded("o", "i", "user@"+meetHost+"/r", servicesPayload))
				tick := time.NewTicker(max(pause, 1))
				defer tick.Stop()
				for {
					if _, err := c.Write(request); err != nil { // it has given us up
						return
					}
					if pause > 0 {
						<-tick.C
					}
				}
			}()
			second := server.accept(t)
			defer second.Close()
			took := time.Since(began)
			t.Logf("another link after %v", took.Round(time.Millisecond))
			if took > 45*time.Second { // 10 when nothing can be written, 35 when the system takes all
				t.Errorf("another link after %v", took)
			}
			if err := e.WaitForLog(stepContext(t), connectedLine, 2); err != nil {
				t.Fatal(err)
			}
			if resident := peakResident(t, e.PID()); resident > mostResident {
				t.Errorf("%d MiB resident at most", resident>>20)
			}
			if !strings.Contains(e.Log(), "does not read what it is sent") {
				t.Errorf("the log does not say why: %s", e.Log())
			}
		})
	}
}
