//go:build integration

package integration

import (
	"context"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"extdisco/integration/lab"
)

const connectedLine = "connected to the XMPP server"

// TestIntegrationServerRestarts kills and stops the server while clients ask,
// and starts it again.
func TestIntegrationServerRestarts(t *testing.T) {
	eachServer(t, func(t *testing.T, kind string) {
		s := newScene(t, kind, sceneConfig{})
		ctx, cancel := context.WithCancel(t.Context())
		var clients sync.WaitGroup
		var answered atomic.Int64
		for range 4 {
			clients.Go(func() { s.askUntil(ctx, &answered) })
		}
		defer clients.Wait()
		defer cancel()

		for round, end := range []func() error{s.xmpp.Kill, s.xmpp.Stop} {
			s.waitForAnswers(&answered, 20)
			if err := end(); err != nil {
				t.Fatal(err)
			}
			if err := s.extdisco.WaitForLog(stepContext(t), "retry_in", round+1); err != nil {
				t.Fatal(err)
			}
			if err := s.xmpp.Start(stepContext(t)); err != nil {
				t.Fatal(err)
			}
			s.waitConnected(round + 2)
			s.waitForAnswers(&answered, 20)
			s.checkHealth()
		}
	})
}

// TestIntegrationKillsInARow kills the server again and again as soon as it answers.
// The pauses must not grow: each time there is a connection as soon as the server
// takes one.
func TestIntegrationKillsInARow(t *testing.T) {
	s := newScene(t, "prosody", sceneConfig{})
	ctx, cancel := context.WithCancel(t.Context())
	var clients sync.WaitGroup
	var answered atomic.Int64
	for range 4 {
		clients.Go(func() { s.askUntil(ctx, &answered) })
	}
	defer clients.Wait()
	defer cancel()
	const kills = 12
	var took []time.Duration
	for round := range kills {
		if err := s.xmpp.Kill(); err != nil {
			t.Fatal(err)
		}
		if err := s.xmpp.Start(stepContext(t)); err != nil {
			t.Fatal(err)
		}
		start := time.Now() // a little after the port was opened
		s.waitConnected(round + 2)
		took = append(took, time.Since(start).Round(time.Millisecond))
		s.waitForAnswers(&answered, 5)
	}
	slices.Sort(took)
	t.Logf("connected after the port was open: median %v, longest %v", took[len(took)/2], took[len(took)-1])
	s.checkHealth()
}

// TestIntegrationWrongPort connects to ports that are for somebody else.
func TestIntegrationWrongPort(t *testing.T) {
	template, err := os.ReadFile("lab/prosody.cfg.lua.tmpl")
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct{ name, kind, problem string }{
		{"clients", "prosody", "a port for clients"},
		{"clients", "ejabberd", "a port for clients"},
		{"servers", "prosody", "a port for other servers"},
	}
	for _, tt := range tests {
		t.Run(tt.kind+" "+tt.name, func(t *testing.T) {
			s2s := freePort(t)
			s := newScene(t, tt.kind, sceneConfig{noExtdisco: true, xmpp: func(cfg *lab.XMPPConfig) {
				if tt.kind == "prosody" {
					cfg.Template = strings.NewReplacer("s2s_ports = { }", fmt.Sprintf("s2s_ports = { %d }", s2s),
						`modules_disabled = { "s2s" }`, "modules_disabled = { }").Replace(string(template))
				}
			}})
			port := s.xmpp.C2SAddr
			if tt.name == "servers" {
				port = fmt.Sprintf("127.0.0.1:%d", s2s)
			}
			s.extdisco = startExtdisco(t, lab.ExtdiscoConfig{Unconnected: true, Config: strings.Replace(s.config("24h"), s.xmpp.ComponentAddr, port, 1)})
			if err := s.extdisco.WaitForLog(stepContext(t), "level=ERROR", 1); err != nil {
				t.Fatal(err)
			}
			if line := lineWith(s.extdisco.Log(), "level=ERROR"); !strings.Contains(line, tt.problem) || !strings.Contains(line, "component.server") {
				t.Errorf("the log says %s", line)
			}
		})
	}
}

// freePort returns a port that was free a moment ago.
func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// askUntil asks again and again, over a new connection when one breaks.
func (s *scene) askUntil(ctx context.Context, answered *atomic.Int64) {
	for ctx.Err() == nil {
		c, err := connectRaw(s.t, s.xmpp.C2SAddr, meetHost, "")
		if err != nil {
			continue
		}
		stop := context.AfterFunc(ctx, func() { c.conn.Close() })
		for i := 0; ; i++ {
			id := fmt.Sprint("q", i)
			e, err := c.ask(id, "<iq type='get' id='"+id+"' to='"+meetHost+"'>"+servicesPayload+"</iq>")
			if err != nil {
				break
			}
			if e.attr("type") == "result" {
				answered.Add(1)
			}
		}
		stop()
		c.conn.Close()
	}
}

// waitForAnswers waits until this many more requests were answered.
func (s *scene) waitForAnswers(answered *atomic.Int64, more int64) {
	s.t.Helper()
	goal := answered.Load() + more
	err := lab.Poll(stepContext(s.t), func(context.Context) error {
		if n := answered.Load(); n < goal {
			return fmt.Errorf("%d of %d answers", n, goal)
		}
		return nil
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

// TestIntegrationRefusedLink has the server refuse the component. The log must
// say once what to change, and after that change it must work by itself.
func TestIntegrationRefusedLink(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, kind, jid, secret, problem, cure string }{
		{"wrong secret", "prosody", turnJID, "wrong", "refused the handshake secret of " + turnJID, "component_secret"},
		{"wrong secret", "ejabberd", turnJID, "wrong", "refused the handshake secret of " + turnJID, "password below hosts"},
		{"unknown host", "prosody", "nowhere.example.org", handshakeSecret, "knows no component nowhere.example.org", "component.jid"},
		{"unknown host", "ejabberd", "nowhere.example.org", handshakeSecret, "nowhere.example.org", "does not list"},
		{"host of the server itself", "ejabberd", outsideHost, handshakeSecret, outsideHost + " is a host of the XMPP server itself", "an address of its own"},
	}
	for _, tt := range tests {
		t.Run(tt.kind+" "+tt.name, func(t *testing.T) {
			t.Parallel()
			var right string
			s := newScene(t, tt.kind, sceneConfig{unready: true, config: func(s *scene) string {
				right = s.config("24h")
				return strings.Replace(strings.Replace(right, fmt.Sprintf("%q", turnJID), fmt.Sprintf("%q", tt.jid), 1),
					fmt.Sprintf("%q", handshakeSecret), fmt.Sprintf("%q", tt.secret), 1)
			}})
			if err := s.extdisco.WaitForLog(stepContext(t), "level=ERROR", 1); err != nil {
				t.Fatal(err)
			}
			// The second attempt is logged at debug.
			if err := s.extdisco.WaitForLog(stepContext(t), "retry_in", 2); err != nil {
				t.Fatal(err)
			}
			log := s.extdisco.Log()
			if strings.Count(log, "level=ERROR") != 1 || !strings.Contains(log, tt.problem) || !strings.Contains(log, tt.cure) {
				t.Errorf("the log does not say once %q and %q:\n%s", tt.problem, tt.cure, log)
			}
			s.reconfigure(right)
			if err := s.extdisco.WaitForLog(stepContext(t), connectedLine, 1); err != nil {
				t.Fatal(err)
			}
			if _, err := s.query(meetHost); err != nil {
				t.Error(err)
			}
		})
	}
}

// reconfigure replaces the configuration and reloads.
func (s *scene) reconfigure(content string) {
	s.t.Helper()
	write(s.t, s.extdisco.ConfigFile, content)
	if err := s.extdisco.Signal(syscall.SIGHUP); err != nil {
		s.t.Fatal(err)
	}
}

// TestIntegrationReload changes everything but the link while it is in use.
func TestIntegrationReload(t *testing.T) {
	s := newScene(t, "prosody", sceneConfig{})
	const newSecret = "new-shared-secret-of-the-lab-98765"
	other, err := lab.StartCoturn(t.Context(), lab.CoturnConfig{Dir: t.TempDir(), Secrets: []string{newSecret}, CA: s.ca})
	if err != nil {
		t.Fatal(err)
	}
	keep(t, other)
	if _, err := s.query(outsideHost, "--to", meetHost); err == nil {
		t.Fatal("an outsider is served")
	}

	s.turn = other
	changed := strings.Replace(s.config("24h"), sharedSecret, newSecret, 1)
	changed = strings.Replace(changed, `"`+guestHost+`"`, `"`+outsideHost+`"`, 1)
	changed = strings.Replace(changed, `"1000/s"`, `"4/h"`, 1)
	s.reconfigure(changed)
	if err := s.extdisco.WaitForLog(stepContext(t), "reloaded the configuration", 1); err != nil {
		t.Fatal(err)
	}
	out, err := s.query(outsideHost, "--to", meetHost)
	if err != nil {
		t.Fatalf("who was added to access.allow is not served: %v", err)
	}
	checkAnswers(t, s, out)
	if _, err := s.query(guestHost, "--to", meetHost); err == nil {
		t.Error("who was taken from access.allow is served")
	}
	c := dialRaw(t, s.xmpp.C2SAddr, meetHost, "")
	for i := range 5 {
		e := c.mustAsk("q", "<iq type='get' id='q' to='"+meetHost+"'>"+servicesPayload+"</iq>")
		if limited := strings.Contains(e.Inner, "<resource-constraint"); limited != (i == 4) {
			t.Errorf("request %d: %+v", i, e)
		}
	}

	s.reconfigure(strings.Replace(changed, "ttl =", "tttl =", 1))
	if err := s.extdisco.WaitForLog(stepContext(t), "unknown key", 1); err != nil {
		t.Fatal(err)
	}
	if err := s.extdisco.WaitForLog(stepContext(t), "the previous one stays in force", 1); err != nil {
		t.Fatal(err)
	}
	if _, err := s.query(outsideHost, "--to", meetHost); err != nil {
		t.Errorf("after a broken file: %v", err)
	}
	if n := strings.Count(s.extdisco.Log(), connectedLine); n != 1 {
		t.Errorf("connected %d times, the reload dropped the stream", n)
	}
}
