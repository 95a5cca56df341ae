//go:build integration

package integration

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"extdisco/integration/lab"
)

// TestIntegrationFeed: each call of get_services() has a credential of its own,
// which the TURN server takes.
func TestIntegrationFeed(t *testing.T) {
	eachProsody(t, func(t *testing.T, program string) {
		s := newBridgeScene(t, bridgeScene{program: program})
		c := dialRaw(t, s.xmpp.C2SAddr, meetHost, "")
		c.waitListed(metadataHost, 5)
		seen := map[string]bool{}
		for _, host := range []string{metadataHost, metadataHost, metadataHost} {
			for _, list := range c.listed(host, 5) {
				user := relayUser(t, list)
				if seen[user] {
					t.Errorf("%s was handed out twice", user)
				}
				seen[user] = true
				for _, v := range list {
					if v.Type != "stun" {
						checkCredential(t, v)
					}
				}
			}
			c.waitPoolFilled(s)
		}
		for _, v := range c.listed(metadataHost, 1)[0] {
			if v.Type == "stun" {
				continue
			}
			if err := s.allocate(v); err != nil {
				t.Errorf("%s over %s: %v", v.Type, v.Transport, err)
			}
		}
	})
}

// waitPoolFilled waits until extdisco has been asked for what was taken: the
// bridge asks as soon as Prosody has nothing else to do, so that the answer to
// two pings tells that it has.
func (c *rawClient) waitPoolFilled(s *scene) {
	c.t.Helper()
	for range 3 {
		c.mustAsk("p", "<iq type='get' id='p' to='"+turnJID+"'><ping xmlns='urn:xmpp:ping'/></iq>")
	}
}

// TestIntegrationFeedBurst: a thousand participants who join at once never get an
// entry without a credential, also while extdisco is gone.
func TestIntegrationFeedBurst(t *testing.T) {
	s := newBridgeScene(t, bridgeScene{})
	c := dialRaw(t, s.xmpp.C2SAddr, meetHost, "")
	c.waitListed(metadataHost, 5)
	check := func(when string, distinct int) {
		t.Helper()
		users := map[string]bool{}
		for _, list := range c.listed(metadataHost, 1000) {
			if len(list) != 5 {
				t.Fatalf("%s: a list of %d services", when, len(list))
			}
			users[relayUser(t, list)] = true
		}
		if len(users) < distinct {
			t.Errorf("%s: %d credentials, want at least %d", when, len(users), distinct)
		}
	}
	check("with extdisco", 16)
	if err := s.extdisco.Stop(); err != nil {
		t.Fatal(err)
	}
	check("without extdisco", 16)
	for range 50 { // each call an event of its own
		relayUser(t, c.listed(metadataHost, 1)[0])
	}
	if err := s.extdisco.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	check("with extdisco again", 16)
}

// TestIntegrationFeedAges follows credentials that live for seconds: they are
// replaced long before they expire, kept while extdisco is away, and taken out of
// the list when they are no good any more.
func TestIntegrationFeedAges(t *testing.T) {
	t.Parallel()
	const ttl = 8 * time.Second
	s := newBridgeScene(t, bridgeScene{sceneConfig: sceneConfig{config: func(s *scene) string { return s.config(ttl.String()) }}})
	c := dialRaw(t, s.xmpp.C2SAddr, meetHost, "")
	c.waitListed(metadataHost, 5)
	for end := time.Now().Add(ttl + ttl/4); time.Now().Before(end); c.pause(200 * time.Millisecond) {
		list := c.listed(metadataHost, 1)[0]
		relayUser(t, list)
		for _, v := range list {
			if left := time.Until(v.Expires); v.Type == "turn" && left < ttl/2 {
				t.Fatalf("a credential with %v left was handed out", left)
			}
		}
	}
	if err := s.extdisco.Stop(); err != nil {
		t.Fatal(err)
	}
	stopped := time.Now()
	for {
		list := c.listed(metadataHost, 1)[0]
		if len(list) == 2 { // STUN does not expire
			break
		}
		user := relayUser(t, list)
		if list[1].Expires.Before(time.Now()) {
			t.Fatalf("%s has expired and is handed out", user)
		}
		if time.Since(stopped) > 2*ttl {
			t.Fatal("credentials are handed out long after they must have expired")
		}
		c.pause(100 * time.Millisecond)
	}
	if kept := time.Since(stopped); kept < ttl/2 {
		t.Errorf("what was there was kept for %v only", kept)
	}
	if err := s.extdisco.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	v := c.waitListed(metadataHost, 5)[1]
	if err := s.allocate(v); err != nil {
		t.Error(err)
	}
}

// pause lets time pass, which nothing here can be asked about.
func (c *rawClient) pause(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-c.t.Context().Done():
	}
}

// TestIntegrationFeedModuleReloads: a reload of the module on any host leaves the
// lists as they are, and an unload leaves nothing of them.
func TestIntegrationFeedModuleReloads(t *testing.T) {
	eachProsody(t, func(t *testing.T, program string) {
		s := newBridgeScene(t, bridgeScene{program: program})
		c := dialRaw(t, s.xmpp.C2SAddr, meetHost, "")
		c.waitListed(metadataHost, 5)
		do := func(what, host, name string) {
			t.Helper()
			if e := c.mustAsk("m", fmt.Sprintf("<iq type='get' id='m' to='%s'><module xmlns='test:services' do='%s' host='%s' name='%s'/></iq>", metadataHost, what, host, name)); e.attr("type") != "result" {
				t.Fatalf("%s %s: %+v", what, name, e)
			}
		}
		for range 3 {
			for _, host := range []string{turnJID, metadataHost} {
				do("reload", host, "extdisco_bridge")
				if list := c.listed(metadataHost, 1)[0]; len(list) != 5 {
					t.Errorf("after a reload on %s: %+v", host, list)
				}
				if e := c.mustAsk("a", "<iq type='get' id='a' to='"+meetHost+"'>"+servicesPayload+"</iq>"); strings.Count(e.Inner, "password=") != 3 {
					t.Errorf("after a reload on %s: %+v", host, e)
				}
			}
		}
		do("unload", turnJID, "extdisco_bridge")
		if list := c.listed(metadataHost, 1)[0]; len(list) != 0 {
			t.Errorf("after the unload: %+v", list)
		}
		if e := c.mustAsk("a", "<iq type='get' id='a' to='"+meetHost+"'>"+servicesPayload+"</iq>"); !strings.Contains(e.Inner, "<service-unavailable") {
			t.Errorf("after the unload: %+v, though nobody else needs mod_external_services there", e)
		}
		do("load", turnJID, "extdisco_bridge")
		c.waitListed(metadataHost, 5)
	})
}

// TestIntegrationBridgeHostComesLater takes a host away while the server runs, and brings
// it back: its requests are answered, and its list is filled.
func TestIntegrationBridgeHostComesLater(t *testing.T) {
	eachProsody(t, func(t *testing.T, program string) {
		s := newBridgeScene(t, bridgeScene{program: program})
		c := dialRaw(t, s.xmpp.C2SAddr, guestHost, "")
		for _, what := range []string{"deactivate", "activate"} {
			if e := c.mustAsk("m", fmt.Sprintf("<iq type='get' id='m' to='%s'><module xmlns='test:services' do='%s' host='%s'/></iq>", metadataHost, what, meetHost)); e.attr("type") != "result" {
				t.Fatalf("%s: %+v", what, e)
			}
		}
		err := lab.Poll(stepContext(t), func(context.Context) error {
			e := c.mustAsk("a", "<iq type='get' id='a' to='"+meetHost+"'>"+servicesPayload+"</iq>")
			if strings.Count(e.Inner, "password=") != 3 {
				return fmt.Errorf("the host has come back, and the answer is %+v", e)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		c.waitListed(metadataHost, 5)
	})
}

// TestIntegrationBridgeOutage: requests are answered or refused in bounded time,
// whatever becomes of extdisco.
func TestIntegrationBridgeOutage(t *testing.T) {
	eachProsody(t, func(t *testing.T, program string) {
		s := newBridgeScene(t, bridgeScene{program: program, options: "extdisco_timeout = 2\n"})
		c := dialRaw(t, s.xmpp.C2SAddr, meetHost, "")
		request := func(id string) string {
			return "<iq type='get' id='" + id + "' to='" + meetHost + "'>" + servicesPayload + "</iq>"
		}
		wantRefusal := func(id string, within time.Duration) {
			t.Helper()
			start := time.Now()
			e := c.mustAsk(id, request(id))
			if took := time.Since(start); e.attr("from") != meetHost || !strings.Contains(e.Inner, "<remote-server-timeout") || took > within {
				t.Errorf("%+v after %v", e, took)
			}
		}
		wantAnswer := func(id string) {
			t.Helper()
			if e := c.mustAsk(id, request(id)); strings.Count(e.Inner, "password=") != 3 || e.attr("from") != meetHost {
				t.Errorf("%+v", e)
			}
		}
		wantAnswer("before")

		// It hangs: a time-out answers, and nothing comes after that.
		signal(t, s, syscall.SIGSTOP)
		wantRefusal("hung", 10*time.Second)
		signal(t, s, syscall.SIGCONT)
		wantAnswer("later")
		if e := c.mustAsk("p", "<iq type='get' id='p' to='"+turnJID+"'><ping xmlns='urn:xmpp:ping'/></iq>"); e.attr("type") != "result" {
			t.Errorf("%+v", e)
		}
		if n := c.seen["hung"]; n != 1 {
			t.Errorf("%d answers to one request", n)
		}

		// It dies with the request in its hands.
		signal(t, s, syscall.SIGSTOP)
		c.send(request("killed"))
		// Prosody has seen the request when it has answered what came after that.
		c.mustAsk("then", "<iq type='get' id='then' to='"+meetHost+"'><ping xmlns='urn:xmpp:ping'/></iq>")
		if err := s.extdisco.Kill(); err != nil {
			t.Fatal(err)
		}
		if e, err := c.wait("killed"); err != nil || !strings.Contains(e.Inner, "has disconnected") {
			t.Errorf("%+v %v", e, err)
		}
		wantRefusal("dead", 10*time.Second)

		if err := s.extdisco.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		wantAnswer("back")
		for text, times := range map[string]int{"extdisco is connected as " + turnJID: 2, "has disconnected": 1, "has not answered a request within 2 s": 1} {
			if n := strings.Count(s.xmpp.Log(), text); n != times {
				t.Errorf("%q stands in Prosody's log %d times, want %d", text, n, times)
			}
		}
	})
}

// TestIntegrationBridgeMisconfigured: each mistake is named where it is made, with
// the line to change.
func TestIntegrationBridgeMisconfigured(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name            string
		xmpp            func(*lab.XMPPConfig)
		config          func(string) string
		prosody         string // in Prosody's log
		extdisco        string // in extdisco's
		neverConnecting bool
	}{
		{name: "below the virtual host", xmpp: func(cfg *lab.XMPPConfig) {
			cfg.Hosts[0].Modules, cfg.Components[0].Modules = []string{"extdisco_bridge"}, nil
		},
			prosody: `extdisco_bridge does nothing on ` + meetHost + `: enable it below the Component that extdisco connects as`},
		{name: "a wrong host", xmpp: func(cfg *lab.XMPPConfig) { cfg.Components[0].Extra = `extdisco_hosts = { "meat.example.org" }` },
			prosody: `extdisco_hosts names "meat.example.org", which is no host of this server; correct it. Its virtual hosts: "corp.example.net", "guest.meet.example.org", "meet.example.org"`},
		{name: "no host named, and no parent domain", xmpp: func(cfg *lab.XMPPConfig) { cfg.Components[0].JID = "turn.example.net" },
			config:  func(c string) string { return strings.Replace(c, turnJID, "turn.example.net", 1) },
			prosody: `extdisco_hosts is not set, and "example.net", the parent domain of this component, is no host of this server; set it.`},
		{name: "no Component", xmpp: func(cfg *lab.XMPPConfig) { cfg.Components[0].JID = "other.meet.example.org" },
			prosody: `extdisco is not connected as other.meet.example.org`, extdisco: `knows no component`, neverConnecting: true},
		{name: "a host that extdisco does not trust", config: func(c string) string {
			return strings.Replace(c, fmt.Sprintf("hosts  = [%q, %q]", meetHost, corpHost), fmt.Sprintf("hosts  = [%q]", corpHost), 1)
		},
			prosody:  `it does not trust this host; in extdisco's config.toml, below [component], add "` + meetHost + `" to hosts`,
			extdisco: `refused to feed a list, since its host is not trusted; if it is a host of your server, add it to component.hosts`},
		{name: "another handshake secret", xmpp: func(cfg *lab.XMPPConfig) { cfg.Components[0].Secret = "another" },
			prosody: `extdisco is not connected as ` + turnJID, extdisco: `refused the handshake secret`, neverConnecting: true},
		{name: "a list that Prosody has as well", xmpp: func(cfg *lab.XMPPConfig) {
			cfg.Extra = "external_service_secret = \"s\"\nexternal_services = {{ type = \"turn\" }}\nturncredentials = {}\n" + cfg.Extra
		},
			prosody: `Prosody still has a list of TURN servers of its own for ` + meetHost + ` and ` + metadataHost +
				`, which clients are given as well; delete external_services and external_service_secret from its configuration and restart it`},
		{name: "a delegation too", xmpp: func(cfg *lab.XMPPConfig) { cfg.Hosts[0].DelegateTo = turnJID; cfg.Components[0].Delegation = true },
			prosody: `Requests on ` + meetHost + ` are delegated too`},
		{name: "a host to feed that is not there", xmpp: func(cfg *lab.XMPPConfig) {
			cfg.Components[0].Extra += `extdisco_feed_hosts = { "metadata.example.com" }`
		},
			prosody: `extdisco_feed_hosts names "metadata.example.com", which is no host of this server`},
		{name: "mod_external_services disabled", xmpp: func(cfg *lab.XMPPConfig) { cfg.Hosts[0].Extra += `modules_disabled = { "external_services" }` },
			prosody: `take "external_services" out of modules_disabled`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newBridgeScene(t, bridgeScene{sceneConfig: sceneConfig{xmpp: tt.xmpp, unready: tt.neverConnecting, config: func(s *scene) string {
				if tt.config == nil {
					return s.config("24h")
				}
				return tt.config(s.config("24h"))
			}}})
			err := lab.Poll(stepContext(t), func(context.Context) error {
				if !strings.Contains(s.xmpp.Log(), tt.prosody) {
					return errors.New("Prosody's log does not say: " + tt.prosody)
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
			if tt.extdisco == "" {
				return
			}
			if err := s.extdisco.WaitForLog(stepContext(t), tt.extdisco, 1); err != nil {
				t.Error(err)
			}
		})
	}
}

// signal sends a signal to extdisco. After SIGSTOP it waits until no thread of it
// runs any more, which the kernel sees to in its own time.
func signal(t *testing.T, s *scene, sig syscall.Signal) {
	t.Helper()
	if err := s.extdisco.Signal(sig); err != nil {
		t.Fatal(err)
	}
	if sig != syscall.SIGSTOP {
		return
	}
	err := lab.Poll(stepContext(t), func(context.Context) error {
		threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", s.extdisco.PID()))
		if err != nil || len(threads) == 0 {
			return errors.Join(errors.New("extdisco has no threads"), err)
		}
		for _, file := range threads {
			stat, err := os.ReadFile(file)
			if err != nil {
				return err
			}
			if !strings.Contains(string(stat), ") T ") {
				return fmt.Errorf("%s: still runs: %.40s", file, stat)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestIntegrationFeedFollows: a list has what extdisco offers now, also when that is
// less than before.
func TestIntegrationFeedFollows(t *testing.T) {
	eachProsody(t, func(t *testing.T, program string) {
		s := newBridgeScene(t, bridgeScene{program: program})
		c := dialRaw(t, s.xmpp.C2SAddr, meetHost, "")
		c.waitListed(metadataHost, 5)
		whole, err := os.ReadFile(s.extdisco.ConfigFile)
		if err != nil {
			t.Fatal(err)
		}
		for _, step := range []struct {
			from string
			want int
		}{{"[[ice_server]]\nurls = [\"stun:stun.example.net\"]\n", 4}, {"\"turn:", 1}, {"", 5}} {
			content := string(whole)
			switch step.want {
			case 4: // without the server of its own
				content = replace(t, content, step.from, "")
			case 1: // STUN only
				content, _, _ = strings.Cut(content, step.from)
				content = strings.TrimRight(content, ", ") + "]\n"
			}
			write(t, s.extdisco.ConfigFile, content)
			if err := s.extdisco.Stop(); err != nil {
				t.Fatal(err)
			}
			if err := s.extdisco.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			c.waitListed(metadataHost, step.want)
			c.waitListed(metadataHost, step.want) // and the call after
		}
	})
}
