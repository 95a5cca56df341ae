//go:build integration

package integration

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"extdisco/integration/lab"
)

// testPushed waits until a participant is pushed the three services of a tree that setup
// made, and uses them, and those that it is told when it asks, on the TURN server.
func testPushed(t *testing.T, prosody *scene, domain, muc string) {
	t.Helper()
	var out struct {
		Answers []struct{ Services []service }
		Pushed  struct{ Services []service }
	}
	err := lab.Poll(browserContext(t), func(context.Context) error {
		r := runQuery(t, domain, "--address", prosody.xmpp.C2SAddr, "--tls", "none", "--insecure", "--room", "first", "--muc", muc, "--json")
		if r.status != 0 {
			return errors.New(r.stderr)
		}
		return json.Unmarshal([]byte(r.stdout), &out)
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, services := range map[string][]service{"pushed": out.Pushed.Services, "told": out.Answers[0].Services} {
		if len(services) != 3 {
			t.Errorf("%d services are %s", len(services), name)
		}
		for _, v := range services {
			if v.Type == "stun" {
				continue
			}
			checkCredential(t, v)
			if err := prosody.allocate(v); err != nil {
				t.Errorf("%s over %s, as %s: %v", v.Type, v.Transport, name, err)
			}
		}
	}
}

// testSetupCall lets two users of Jitsi Meet in a browser call each other over relays, with
// the credentials that they were pushed on a tree that setup made.
func testSetupCall(t *testing.T, prosody *scene, domain, muc string) {
	j := newJitsi(t, prosody)
	pages := []*jitsiUser{
		j.login(t, jitsiLogin{Domain: domain, MUC: muc, Relay: true}),
		j.login(t, jitsiLogin{Domain: domain, MUC: muc, Relay: true}),
	}
	users := map[string]bool{}
	for _, p := range pages {
		p.do("listenForMetadata", "metadata."+domain, nil)
		p.do("join", "first", nil) // which the focus has created
		var pushed [][]pushedService
		if err := p.page.Eval(browserContext(t), "pushed", &pushed); err != nil {
			t.Fatal(err)
		}
		if len(pushed) == 0 {
			t.Fatal("nothing was pushed")
		}
		names := relayNames(p.waitICEServers())
		users[names[0]] = true
		for _, v := range pushed[len(pushed)-1] {
			if v.Type != "stun" && v.Username != names[0] {
				t.Errorf("%s was pushed, and the page has %v", v.Username, names)
			}
		}
		for _, v := range p.waitICEServers().P2P {
			if v.Username != "" {
				checkICECredential(t, v)
			}
		}
	}
	if len(users) != 2 {
		t.Errorf("two pages have the users %v", users)
	}
	checkCall(t, pages...)
	for name := range users {
		j.checkRelayed(t, name)
	}
}

// testForeignCall lets two clients that nobody here wrote ask, and a browser call over relays
// with what one and the other were given.
func testForeignCall(t *testing.T, prosody *scene) {
	web := httptest.NewServer(http.FileServer(http.Dir("clients")))
	t.Cleanup(web.Close)
	browser, err := lab.StartChromium(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	keep(t, browser)
	page, err := browser.Open(browserContext(t), web.URL+"/browser/relaycall.html")
	if err != nil {
		t.Fatal(err)
	}
	var servers []map[string]string
	for _, c := range foreignClients {
		if c.needs != "" {
			continue // a WebSocket, which Debian's configuration does not open
		}
		services := runClient(t, append(c.command, "--service", c.address(prosody), "--domain", meetHost)).Answers[0].Services
		checkForeignServices(t, prosody, services, 4)
		user := relayUser(t, services)
		i := slices.IndexFunc(services, func(v service) bool { return v.Type == "turn" && v.Transport == "udp" })
		servers = append(servers, map[string]string{"urls": fmt.Sprintf("turn:%s:%d", services[i].Host, services[i].Port), "username": user, "credential": services[i].Password})
	}
	callOverRelays(t, page, servers)
	for _, server := range servers {
		prosody.checkRelayed(t, server["username"])
	}
}
