//go:build integration

package integration

import (
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"flag"
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"extdisco/integration/lab"
)

// nextPush reads until the room's metadata comes, and returns the services in it.
func (c *rawClient) nextPush() ([]service, error) {
	for {
		e, err := c.read()
		if err != nil {
			return nil, err
		}
		if strings.Contains(e.Inner, "<json-message") {
			return readMetadata(e)
		}
	}
}

// whole returns the one username of a list, or what is wrong with the list.
func whole(services []service) (string, error) {
	user := ""
	for _, v := range services {
		if v.Type == "stun" {
			continue
		}
		if v.Username == "" || v.Password == "" || user != "" && v.Username != user {
			return "", fmt.Errorf("%+v", services)
		}
		user = v.Username
	}
	if len(services) != 5 || user == "" {
		return "", fmt.Errorf("%+v", services)
	}
	return user, nil
}

// mintedWith tells whether all passwords of a list were made with this shared secret.
func mintedWith(secret string, services []service) bool {
	for _, v := range services {
		mac := hmac.New(sha1.New, []byte(secret))
		mac.Write([]byte(v.Username))
		if v.Type != "stun" && v.Password != base64.StdEncoding.EncodeToString(mac.Sum(nil)) {
			return false
		}
	}
	return true
}

// pseudonymOf returns the pseudonym of a user, which extdisco tells who asks it itself.
func (c *rawClient) pseudonymOf() (string, error) {
	e, err := c.ask("who", "<iq type='get' id='who' to='"+turnJID+"'>"+servicesPayload+"</iq>")
	if err != nil {
		return "", err
	}
	_, name, _ := strings.Cut(e.Inner, "username='")
	_, name, _ = strings.Cut(name, ":")
	name, _, _ = strings.Cut(name, "'")
	if len(name) != 16 {
		return "", fmt.Errorf("no pseudonym in %+v", e)
	}
	return name, nil
}

var joins = flag.Int("joins", 200, "how many users join in one burst")

// TestIntegrationOwnCredentials: users who join in one burst get a credential of their
// own each, none gets an empty entry, and whois names them.
func TestIntegrationOwnCredentials(t *testing.T) {
	users := *joins
	eachProsody(t, func(t *testing.T, program string) {
		s := newMetadataScene(t, bridgeScene{program: program, sceneConfig: sceneConfig{xmpp: func(cfg *lab.XMPPConfig) { cfg.LogLevel = "info" }}})
		clients := dialMany(t, s, users)
		pseudonyms, seen := make([]string, users), map[string]bool{}
		for i, c := range clients {
			var err error
			if pseudonyms[i], err = c.pseudonymOf(); err != nil || seen[pseudonyms[i]] {
				t.Fatal(pseudonyms[i], err)
			}
			seen[pseudonyms[i]] = true
		}
		start := time.Now()
		names := joinAll(t, clients, pseudonyms)
		t.Logf("%d joins in %v", users, time.Since(start).Round(time.Millisecond))
		for i := 0; i < users; i += users / 3 {
			bare, _, _ := strings.Cut(clients[i].jid, "/")
			out, err := exec.CommandContext(stepContext(t), binary, "whois", names[i], "--jid="+bare, "--config", s.extdisco.ConfigFile).CombinedOutput()
			if err != nil || !strings.Contains(string(out), bare) {
				t.Errorf("whois %s: %v %s", names[i], err, out)
			}
		}
	})
}

// dialMany logs in so many users, and waits until the pool is there.
func dialMany(t *testing.T, s *scene, users int) []*rawClient {
	t.Helper()
	dialRaw(t, s.xmpp.C2SAddr, meetHost, "").waitListed(metadataHost, 5)
	clients := make([]*rawClient, users)
	errs := make([]error, users)
	next := make(chan int)
	var wait sync.WaitGroup
	for range 20 {
		wait.Go(func() {
			for i := range next {
				clients[i], errs[i] = connectRaw(t, s.xmpp.C2SAddr, meetHost, "")
			}
		})
	}
	for i := range users {
		next <- i
	}
	close(next)
	wait.Wait()
	t.Cleanup(func() {
		for _, c := range clients {
			if c != nil {
				c.conn.Close()
			}
		}
	})
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	return clients
}

// joinAll has all users join rooms of ten at once, and returns the username that each is
// pushed. Every push must be whole. Should one come ahead of the user's own credential,
// which a busy machine may bring about, that one follows.
func joinAll(t *testing.T, clients []*rawClient, pseudonyms []string) []string {
	t.Helper()
	names, errs := make([]string, len(clients)), make([]error, len(clients))
	var early atomic.Int32
	var wait sync.WaitGroup
	for i, c := range clients {
		wait.Go(func() {
			pushed, err := c.joinRooms(fmt.Sprint("room", i/10))
			for err == nil {
				if names[i], err = whole(pushed[0]); err != nil || strings.HasSuffix(names[i], ":"+pseudonyms[i]) {
					break
				}
				early.Add(1)
				pushed[0], err = c.nextPush()
			}
			errs[i] = err
		})
	}
	wait.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d of %d were pushed another credential first", early.Load(), len(clients))
	return names
}

// changeConfig changes the configuration of extdisco, and has it read again or started anew.
func (s *scene) changeConfig(content string, restart bool) {
	s.t.Helper()
	write(s.t, s.extdisco.ConfigFile, content)
	var err error
	if restart {
		err = errors.Join(s.extdisco.Stop(), s.extdisco.Start(s.t.Context()))
	} else {
		err = s.extdisco.Signal(syscall.SIGHUP)
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

// TestIntegrationChangeReachesEverybody changes the shared secret while users are in
// rooms and breakout rooms: they are sent new credentials, and no list has an old one.
func TestIntegrationChangeReachesEverybody(t *testing.T) {
	t.Parallel()
	eachProsody(t, func(t *testing.T, program string) {
		s := newMetadataScene(t, bridgeScene{program: program})
		anybody := dialRaw(t, s.xmpp.C2SAddr, meetHost, "")
		anybody.waitListed(metadataHost, 5)
		inside := dialRaw(t, s.xmpp.C2SAddr, meetHost, "")
		inside.mustJoin("room")
		breakout := dialRaw(t, s.xmpp.C2SAddr, guestHost, "")
		if _, err := breakout.joinRoomsAt("breakout."+meetHost, "room"); err != nil {
			t.Fatal(err)
		}
		config := s.config("24h")
		for i, restart := range []bool{false, true} {
			secret := fmt.Sprint("another-shared-secret-of-the-lab-", i)
			s.changeConfig(replace(t, config, sharedSecret, secret), restart)
			for _, c := range []*rawClient{inside, breakout} {
				for {
					services, err := c.nextPush()
					if err != nil {
						t.Fatal(err)
					}
					if _, err := whole(services); err != nil {
						t.Fatal(err)
					}
					if mintedWith(secret, services) {
						break
					}
				}
			}
			// The lists of whoever joins now, down to the last set.
			err := lab.Poll(stepContext(t), func(context.Context) error {
				for _, list := range anybody.listed(metadataHost, 2*16) {
					if !mintedWith(secret, list) {
						return errors.New("a list has credentials of the old secret")
					}
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
			if !mintedWith(secret, dialRaw(t, s.xmpp.C2SAddr, meetHost, "").mustJoin(fmt.Sprint("later", i))) {
				t.Error("who joined later got credentials of the old secret")
			}
		}
	})
}

// TestIntegrationRenewedInOpenRooms: who stays in a room is sent a new credential
// before half of the life of the old one is over.
func TestIntegrationRenewedInOpenRooms(t *testing.T) {
	t.Parallel()
	const ttl = 10 * time.Second
	s := newMetadataScene(t, bridgeScene{sceneConfig: sceneConfig{config: func(s *scene) string { return s.config(ttl.String()) }}})
	c := dialRaw(t, s.xmpp.C2SAddr, meetHost, "")
	c.waitListed(metadataHost, 5)
	services := c.mustJoin("room")
	for range 3 {
		before := relayUser(t, services)
		var err error
		if services, err = c.nextPush(); err != nil {
			t.Fatal(err)
		}
		user := relayUser(t, services)
		if user == before {
			t.Errorf("%s was sent twice", user)
		}
		if err := s.allocate(services[1]); err != nil {
			t.Error(err)
		}
	}
}

// TestIntegrationPushToClients: a client that has asked is told what has changed, until
// it answers with an error.
func TestIntegrationPushToClients(t *testing.T) {
	t.Parallel()
	eachProsody(t, func(t *testing.T, program string) {
		s := newBridgeScene(t, bridgeScene{program: program})
		c := dialRaw(t, s.xmpp.C2SAddr, meetHost, "")
		c.mustAsk("a", "<iq type='get' id='a' to='"+meetHost+"'>"+servicesPayload+"</iq>")
		nextChange := func() element {
			t.Helper()
			for {
				e, err := c.read()
				if err != nil {
					t.Fatal(err)
				}
				if e.XMLName.Local == "iq" && e.attr("type") == "set" {
					return e
				}
			}
		}
		config := s.config("24h")
		s.changeConfig(replace(t, config, "stun.example.net", "stun2.example.net"), false)
		e := nextChange()
		for what, times := range map[string]int{"action='add'": 1, "action='delete'": 1, "action='modify'": 3, "stun2.example.net": 1, "password=": 3, "restricted='true'": 3} {
			if n := strings.Count(strings.ReplaceAll(e.Inner, `"`, "'"), what); e.attr("from") != meetHost || n != times {
				t.Errorf("%s %d times, want %d: %+v", what, n, times, e)
			}
		}
		c.send("<iq type='error' id='" + e.attr("id") + "' to='" + meetHost + "'><error type='cancel'><service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>")
		// Another client goes on to be told, and once it is, this one would have been.
		other := dialRaw(t, s.xmpp.C2SAddr, meetHost, "")
		other.mustAsk("a", "<iq type='get' id='a' to='"+meetHost+"'>"+servicesPayload+"</iq>")
		s.changeConfig(config, false)
		quiet := c
		c = other
		nextChange()
		quiet.mustAsk("p", "<iq type='get' id='p' to='"+turnJID+"'><ping xmlns='urn:xmpp:ping'/></iq>")
		for id := range quiet.seen {
			if strings.HasPrefix(id, "extdisco-push-") && id != e.attr("id") {
				t.Error("a client that answered with an error was told more")
			}
		}
	})
}

// TestIntegrationBridgeReloadUnderWay reloads the module while extdisco has thousands of
// requests: each is answered once, under the id that the client gave it.
func TestIntegrationBridgeReloadUnderWay(t *testing.T) {
	const users, requests = 10, 100
	eachProsody(t, func(t *testing.T, program string) {
		s := newBridgeScene(t, bridgeScene{program: program, options: "extdisco_timeout = 25\n", sceneConfig: sceneConfig{xmpp: func(cfg *lab.XMPPConfig) { cfg.LogLevel = "info" }}})
		admin := dialRaw(t, s.xmpp.C2SAddr, meetHost, "")
		admin.waitListed(metadataHost, 5)
		clients := dialMany(t, s, users)
		signal(t, s, syscall.SIGSTOP)
		for _, c := range clients {
			var batch strings.Builder
			for i := range requests {
				fmt.Fprintf(&batch, "<iq type='get' id='r%d' to='%s'>%s</iq>", i, meetHost, servicesPayload)
			}
			c.send(batch.String())
		}
		for _, c := range clients { // Prosody has read them all when it has answered what came then
			c.mustAsk("then", "<iq type='get' id='then' to='"+meetHost+"'><ping xmlns='urn:xmpp:ping'/></iq>")
		}
		for range 2 {
			if e := admin.mustAsk("m", fmt.Sprintf("<iq type='get' id='m' to='%s'><module xmlns='test:services' do='reload' host='%s' name='extdisco_bridge'/></iq>", metadataHost, turnJID)); e.attr("type") != "result" {
				t.Fatalf("%+v", e)
			}
		}
		signal(t, s, syscall.SIGCONT)
		for _, c := range clients {
			for len(c.seen) < requests+2 { // with those of the login and of the ping
				e, err := c.read()
				if err != nil || e.attr("type") != "result" || strings.Count(e.Inner, "password=") != 3 {
					t.Fatalf("after %d answers: %v %+v", len(c.seen), err, e)
				}
				c.seen[e.attr("id")]++
			}
			for id, times := range c.seen {
				if times != 1 || !strings.HasPrefix(id, "r") && id != "then" && id != "bind" {
					t.Errorf("%d answers with the id %s", times, id)
				}
			}
		}
	})
}
