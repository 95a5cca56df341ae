//go:build integration

package integration

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"extdisco/integration/lab"
	"extdisco/internal/testkit"
)

// linkConfig is the configuration of a scene without servers.
func linkConfig(s *scene) string {
	before, _, _ := strings.Cut(s.config("24h"), "[[ice_server]]")
	return before + "[limits]\nper_jid = \"1000/s\"\n[log]\nlevel = \"debug\"\n"
}

// relayTable is an [[ice_server]] at a host of example.org.
func relayTable(name, keys string) string {
	return fmt.Sprintf("[[ice_server]]\nurls = [\"stun:%s.example.org\", \"turn:%s.example.org\"]\nsecret = %q\n%s\n", name, name, sharedSecret, keys)
}

// dialFrom logs in from an address of this machine.
func dialFrom(t *testing.T, address, server, domain string) *rawClient {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}
	conn, err := d.DialContext(stepContext(t), "tcp", server)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	c := &rawClient{t: t, conn: conn, seen: map[string]int{}}
	if err := c.login(domain, ""); err != nil {
		t.Fatal(err)
	}
	return c
}

// relays returns where the TURN services are that a request brings, each host or port once.
func (c *rawClient) relays(to, attrs, payload string) []string {
	c.t.Helper()
	return relaysIn(c.t, c.mustAsk("r", "<iq type='get' id='r' to='"+to+"' "+attrs+">"+payload+"</iq>").Inner)
}

func relaysIn(t *testing.T, payload string) []string {
	t.Helper()
	var list struct {
		Services []struct {
			Type     string `xml:"type,attr"`
			Host     string `xml:"host,attr"`
			Port     string `xml:"port,attr"`
			Password string `xml:"password,attr"`
		} `xml:"service"`
	}
	if err := xml.Unmarshal([]byte(payload), &list); err != nil {
		t.Fatalf("%v: %s", err, payload)
	}
	var found []string
	for _, s := range list.Services {
		name := strings.TrimSuffix(s.Host, ".example.org")
		if s.Host == "127.0.0.1" {
			name = s.Port
		}
		if s.Type == "stun" || slices.Contains(found, name) {
			continue
		}
		if s.Password == "" {
			t.Errorf("%s has no password: %s", name, payload)
		}
		found = append(found, name)
	}
	return found
}

// askWebSocket logs in over a WebSocket as a proxy passes it on, and returns the relays of the answer.
func askWebSocket(t *testing.T, s *scene, forwardedFor string) []string {
	t.Helper()
	ctx := stepContext(t)
	conn, _, err := websocket.Dial(ctx, "ws://"+s.xmpp.HTTPAddr+"/xmpp-websocket",
		&websocket.DialOptions{Subprotocols: []string{"xmpp"}, HTTPHeader: http.Header{"X-Forwarded-For": {forwardedFor}}})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	const open = "<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='" + meetHost + "' version='1.0'/>"
	answer := ""
	for _, step := range []struct{ send, until string }{
		{open, "features"}, {"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='ANONYMOUS'/>", "<success"}, {open, "features"},
		{"<iq xmlns='jabber:client' type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>", "<iq"},
		{"<iq xmlns='jabber:client' type='get' id='r' to='" + meetHost + "'>" + servicesPayload + "</iq>", "<services"},
	} {
		if err := conn.Write(ctx, websocket.MessageText, []byte(step.send)); err != nil {
			t.Fatal(err)
		}
		for answer = ""; !strings.Contains(answer, step.until); {
			_, message, err := conn.Read(ctx)
			if err != nil {
				t.Fatalf("%s: %v", step.send, err)
			}
			answer = string(message)
		}
	}
	_, services, _ := strings.Cut(answer, "<services")
	services, _, _ = strings.Cut(services, "</services>")
	return relaysIn(t, "<services"+services+"</services>")
}

// TestIntegrationNearRelays gives users the relay that is near to where Prosody sees them, over TCP
// and behind a proxy. What users say of themselves counts for nothing.
func TestIntegrationNearRelays(t *testing.T) {
	eachProsody(t, func(t *testing.T, program string) {
		countries := filepath.Join(t.TempDir(), "countries.mmdb")
		write(t, countries, testkit.Countries(t, map[string]string{"198.51.100.0/24": "DE", "203.0.113.0/24": "US"}))
		s := newBridgeScene(t, bridgeScene{program: program, sceneConfig: sceneConfig{
			xmpp: func(cfg *lab.XMPPConfig) { cfg.HTTP = true },
			config: func(s *scene) string {
				return linkConfig(s) + "[offer]\nservers = 1\ngeoip_file = \"" + countries + "\"\n" +
					relayTable("two", `networks = ["127.0.0.2"]`) + relayTable("three", `networks = ["127.0.0.3/32"]`) +
					relayTable("six", `networks = ["2001:db8::/32"]`) + relayTable("germany", `countries = ["DE"]`) +
					relayTable("anywhere", "") + relayTable("elsewhere", "")
			},
		}})
		dialRaw(t, s.xmpp.C2SAddr, meetHost, "").waitListed(metadataHost, 2) // then extdisco has said what it wants to know
		two, three, one := dialFrom(t, "127.0.0.2", s.xmpp.C2SAddr, meetHost), dialFrom(t, "127.0.0.3", s.xmpp.C2SAddr, guestHost), dialFrom(t, "127.0.0.1", s.xmpp.C2SAddr, meetHost)
		for name, tt := range map[string]struct {
			got  []string
			want []string // one of them
		}{
			"near":                     {two.relays(meetHost, "", servicesPayload), []string{"two"}},
			"near, a guest":            {three.relays(meetHost, "", servicesPayload), []string{"three"}},
			"nowhere near":             {one.relays(meetHost, "", servicesPayload), []string{"anywhere", "elsewhere"}},
			"all credentials":          {two.relays(meetHost, "", "<credentials xmlns='urn:xmpp:extdisco:2'/>"), []string{"two"}},
			"what was not chosen":      {two.relays(meetHost, "", "<credentials xmlns='urn:xmpp:extdisco:2'><service type='turn' host='three.example.org'/></credentials>"), []string{"three"}},
			"behind a proxy":           {askWebSocket(t, s, "198.51.100.7"), []string{"germany"}},
			"behind a proxy, IPv6":     {askWebSocket(t, s, "2001:db8::7"), []string{"six"}},
			"behind a proxy, far away": {askWebSocket(t, s, "203.0.113.7"), []string{"anywhere", "elsewhere"}},
		} {
			if len(tt.got) != 1 || !slices.Contains(tt.want, tt.got[0]) {
				t.Errorf("%s: %v, want one of %v", name, tt.got, tt.want)
			}
		}
		// Who asks the component itself is not known to be anywhere, whatever it says.
		plain := one.relays(turnJID, "", servicesPayload)
		for _, origin := range []string{"7f000002", strings.Repeat("0", 32) + "-7f000002", "127.0.0.2"} {
			if got := one.relays(turnJID, "origin='"+origin+"'", servicesPayload); !slices.Equal(got, plain) {
				t.Errorf("with %s of its own it is given %v, and without %v", origin, got, plain)
			}
		}
		if got := one.relays(meetHost, "origin='7f000002'", servicesPayload); slices.Contains(got, "two") {
			t.Errorf("the host believes a user's own attribute: %v", got)
		}
		if log := s.extdisco.Log(); strings.Contains(log, "198.51.100.7") || strings.Contains(log, "7f000002") {
			t.Error("extdisco's log has the address of a user")
		}
	})
}

// TestIntegrationChosenForParticipants has Jitsi's list give each participant the relay that was
// chosen for it, with its own credential, and callers that name nobody all of them.
func TestIntegrationChosenForParticipants(t *testing.T) {
	eachProsody(t, func(t *testing.T, program string) {
		s := newMetadataScene(t, bridgeScene{program: program, sceneConfig: sceneConfig{config: func(s *scene) string {
			return linkConfig(s) + "[offer]\nservers = 1\n" + relayTable("a", "") + relayTable("b", "") +
				strings.Replace(relayTable("c", ""), `"turn:c.example.org"`, `"turn:c.example.org", "turn:c.example.org?transport=tcp"`, 1)
		}}})
		dialRaw(t, s.xmpp.C2SAddr, meetHost, "").waitListed(metadataHost, 3) // STUN, and room for two relays
		seen := map[string]bool{}
		for range 12 {
			c := dialRaw(t, s.xmpp.C2SAddr, meetHost, "")
			own := c.relays(meetHost, "", servicesPayload)
			var pushed []string
			for _, v := range c.mustJoin("room") {
				name := strings.TrimSuffix(v.Host, ".example.org")
				if v.Type == "turn" && !slices.Contains(pushed, name) {
					pushed = append(pushed, name)
				}
			}
			if len(own) != 1 || !slices.Equal(own, pushed) {
				t.Errorf("chosen %v, pushed %v", own, pushed)
			}
			seen[own[0]] = true
		}
		if len(seen) < 2 {
			t.Errorf("all are given %v", seen)
		}
		nobody := map[string]bool{}
		for _, list := range dialRaw(t, s.xmpp.C2SAddr, meetHost, "").listed(metadataHost, 16) {
			for _, v := range list {
				if v.Type == "turn" {
					nobody[v.Host] = true
					checkCredential(t, v)
				}
			}
		}
		if len(nobody) < 2 {
			t.Errorf("callers that name nobody are given %v", nobody)
		}
	})
}

// TestIntegrationDeadRelay stops one of two TURN servers: its users are given the other, and get it
// back when it is there again. Everybody else keeps what they have. The requests are delegated.
func TestIntegrationDeadRelay(t *testing.T) {
	t.Parallel()
	eachServer(t, func(t *testing.T, kind string) {
		var second *lab.Coturn
		s := newScene(t, kind, sceneConfig{config: func(s *scene) string {
			var err error
			if second, err = lab.StartCoturn(t.Context(), lab.CoturnConfig{Dir: t.TempDir(), Secrets: []string{sharedSecret}}); err != nil {
				t.Fatal(err)
			}
			keep(t, second)
			table := "[[ice_server]]\nurls = [\"turn:127.0.0.1:%d\"]\nsecret = \"" + sharedSecret + "\"\n"
			return linkConfig(s) + "[offer]\nservers = 1\n[probe]\ninterval = \"1s\"\nallocate_interval = \"1s\"\n" +
				fmt.Sprintf(table, s.turn.Port) + fmt.Sprintf(table, second.Port)
		}})
		first := dialRaw(t, s.xmpp.C2SAddr, meetHost, "")
		if err := lab.Poll(stepContext(t), func(context.Context) error { // until the server delegates
			if got := first.relays(meetHost, "", servicesPayload); len(got) == 0 {
				return errors.New("no relays")
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		var clients []*rawClient
		var before []string
		users := map[string]int{}
		for len(clients) < 16 || len(users) < 2 {
			c := dialRaw(t, s.xmpp.C2SAddr, meetHost, "")
			relays := c.relays(meetHost, "", servicesPayload)
			if len(relays) != 1 {
				t.Fatalf("given %v", relays)
			}
			clients, before = append(clients, c), append(before, relays[0])
			users[relays[0]]++
		}
		t.Logf("users: %v", users)
		stopped, other := fmt.Sprint(second.Port), fmt.Sprint(s.turn.Port)
		given := func(want func(before string) string) func(context.Context) error {
			return func(context.Context) error {
				for i, c := range clients {
					if got := c.relays(meetHost, "", servicesPayload); len(got) != 1 || got[0] != want(before[i]) {
						return fmt.Errorf("had %s, given %v", before[i], got)
					}
				}
				return nil
			}
		}
		if err := second.Stop(); err != nil {
			t.Fatal(err)
		}
		keeps := func(c *rawClient, had string) {
			if got := c.relays(meetHost, "", servicesPayload); had == other && !slices.Equal(got, []string{other}) {
				t.Errorf("had %s, and is given %v", had, got)
			}
		}
		patience, stop := context.WithTimeout(t.Context(), time.Minute)
		defer stop()
		if err := lab.Poll(patience, func(ctx context.Context) error {
			for i, c := range clients {
				keeps(c, before[i])
			}
			return given(func(string) string { return other })(ctx)
		}); err != nil {
			t.Error(err)
		}
		if err := second.Start(stepContext(t)); err != nil {
			t.Fatal(err)
		}
		if err := lab.Poll(patience, given(func(before string) string { return before })); err != nil {
			t.Error(err, "; stopped was", stopped)
		}
	})
}
