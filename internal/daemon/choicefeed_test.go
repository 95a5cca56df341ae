package daemon

import (
	"encoding/xml"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"extdisco/component"
	"extdisco/internal/config"
	"extdisco/internal/probe"
	"extdisco/internal/source"
	"extdisco/internal/testkit"
	"extdisco/xep0215"

	"mellium.im/xmpp/stanza"
)

// fedSets returns the feed of a host as text, and its sets.
func fedSets(t *testing.T, d *daemon, host string, count int) (string, [][]xep0215.Service) {
	t.Helper()
	reply, err := answer(d, d.handle.feed, nil, &component.Request{
		Requester: []byte(host), Payload: xml.NewDecoder(strings.NewReader(feedRequest(count))), Now: testkit.Time,
	})
	if err != nil {
		t.Fatal(err)
	}
	var sets [][]xep0215.Service
	for set := range strings.SplitAfterSeq(string(reply), "</services>") {
		if i := strings.Index(set, "<services"); i >= 0 {
			sets = append(sets, testkit.ParseServices(t, set[i:]))
		}
	}
	return string(reply), sets
}

// TestFeedIsSpread looks at the sets for callers that name nobody: each is a choice of its own.
func TestFeedIsSpread(t *testing.T) {
	d := fleetOf(t, 1, "d", `domains = ["eu.example.org"]`)
	defer d.close()
	reply, sets := fedSets(t, d, "example.org", maxFeed)
	if len(sets) != maxFeed || !strings.Contains(reply, " relays='2'>") {
		t.Errorf("%d sets: %.200s", len(sets), reply)
	}
	chosen := map[string]int{}
	for _, set := range sets {
		relays := hosts(set, "turn")
		if len(relays) != 1 {
			t.Fatalf("a set has %v", relays)
		}
		chosen[relays[0]]++
	}
	if len(chosen) != 3 || chosen["d"] > 0 {
		t.Errorf("chosen: %v", chosen)
	}
	if _, sets := fedSets(t, d, "eu.example.org", maxFeed); !slices.ContainsFunc(sets, func(s []xep0215.Service) bool { return hosts(s, "turn")[0] == "d" }) {
		t.Error("the domain has no server of its own")
	}
	plain, _ := fedSets(t, quietDaemon(t, testkit.MinimalConfig), "example.org", 1)
	if strings.Contains(plain, "relays=") || strings.Contains(plain, "addresses=") {
		t.Errorf("without a choice: %.200s", plain)
	}
}

// TestFeedWantsAddresses has the bridge say where users come from only if that matters.
func TestFeedWantsAddresses(t *testing.T) {
	for name, tt := range map[string]struct {
		d    *daemon
		want bool
	}{
		"networks":                          {fleetOf(t, 1, "a", `networks = ["192.0.2.0/24"]`), true},
		"no networks":                       {fleetOf(t, 1, "a", `weight = 2`), false},
		"networks without a choice":         {fleetOf(t, 0, "a", `networks = ["192.0.2.0/24"]`), false},
		"networks with domains, all chosen": {fleetOf(t, 0, "a", "networks = [\"192.0.2.0/24\"]\ndomains = [\"example.org\"]"), false},
	} {
		if reply, _ := fedSets(t, tt.d, "example.org", 0); strings.Contains(reply, " addresses='true'") != tt.want {
			t.Errorf("%s: %s", name, reply)
		}
		tt.d.close()
	}
}

// TestMarkFollowsTheChoice has the bridge ask again for everybody when others may be chosen.
func TestMarkFollowsTheChoice(t *testing.T) {
	mark := func(d *daemon) string { return d.offers.now().mark([]byte("example.org"), testkit.Time) }
	d := quietDaemon(t, fleetConfig(2)+probed)
	defer d.close()
	before := mark(d)
	down(d, nil)
	if mark(d) != before {
		t.Error("another mark, though nothing has changed")
	}
	marks := []string{before}
	down(d, map[string]probe.State{"b": probe.Down})
	marks = append(marks, mark(d))
	down(d, nil)
	for _, text := range []string{fleetConfig(1) + probed, fleetConfig(2, "a", "weight = 2") + probed, fleetConfig(2, "a", `networks = ["192.0.2.0/24"]`) + probed, fleetConfig(2, "a", `domains = ["example.org"]`) + probed} {
		d.use(mustLoad(t, testkit.WriteConfig(t, text)), testkit.Time)
		marks = append(marks, mark(d))
	}
	slices.Sort(marks)
	if len(slices.Compact(marks)) != 6 {
		t.Errorf("marks %v", marks)
	}
}

// TestRESTClientsAreChosenFor gives the users of a service servers of their own.
func TestRESTClientsAreChosenFor(t *testing.T) {
	d := fleetOf(t, 1, "a", `domains = ["janus"]`)
	defer d.close()
	seen := map[string]bool{}
	for _, user := range []string{"", "1", "2", "3", "4", "5", "6", "7", "8", "9"} {
		for _, client := range []string{"janus", "nextcloud"} {
			servers, err := backendOf(d).Credentials(t.Context(), client, user, testkit.Time)
			if err != nil {
				t.Fatal(err)
			}
			relays := 0
			for _, s := range servers {
				if s.Username != "" {
					relays++
					seen[client+" "+s.URLs[0][5:6]] = true
				}
			}
			if relays != 1 {
				t.Errorf("%s/%s is given %v", client, user, servers)
			}
		}
	}
	if !seen["janus a"] || seen["nextcloud a"] || len(seen) < 5 {
		t.Error(seen)
	}
}

// providerChoice is a daemon that gives each user one of a provider and three relays, and what is asked.
func providerChoice(t *testing.T, perUser bool, weight int) (*daemon, *testkit.Vendor) {
	t.Helper()
	return withProvider(t, fleetConfig(1), perUser, weight)
}

// withProvider is a daemon with a provider in place of its second [[ice_server]], and what is asked.
func withProvider(t *testing.T, content string, perUser bool, weight int) (*daemon, *testkit.Vendor) {
	t.Helper()
	v := new(testkit.Vendor)
	v.Status.Store(http.StatusCreated)
	d := quietDaemon(t, content)
	o := d.offers.now()
	cfg := cloudflareConfig(perUser)
	o.sources[1] = source.StartProvider(cfg, &http.Client{Transport: v}, d.log, time.Now())
	o.own, o.servers = slices.Delete(o.own, 1, 2), slices.Clone(o.servers)
	o.servers[1] = config.ICEServer{Key: "ice_server[1]", Provider: cfg, Choice: config.Choice{Weight: weight}}
	o.choice = newChoice(o.cfg, o.servers, o.pseudonyms)
	return d, v
}

// ofProvider asks as users do, and returns how many of 60 users were given the provider's server.
func ofProvider(t *testing.T, d *daemon) int {
	t.Helper()
	given := 0
	for i := range 60 {
		o := d.offers.now()
		who := requester{name: []byte(user(i)), fetcher: []byte(user(i))}
		for _, ready := range o.prepare(who, time.Now()) {
			<-ready
		}
		reply, err := new(xep0215.Handler).AppendReply(nil, xep0215.Request{}, xep0215.Offer{Groups: o.groups(new(selection), who, time.Now()), Requester: who.name, Now: time.Now()})
		if err != nil {
			t.Fatal(err)
		}
		relays := hosts(testkit.ParseServices(t, string(reply)), "turn")
		if len(relays) != 1 {
			t.Fatalf("user %d is given %v", i, relays)
		}
		if relays[0] == "turn.cloudflare.com" {
			given++
		}
	}
	return given
}

// TestProvidersAreAskedWhenChosen counts what is minted with per_user.
func TestProvidersAreAskedWhenChosen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, v := providerChoice(t, true, 1)
		defer d.close()
		given := ofProvider(t, d)
		if asked := int(v.Asked.Load()); given == 0 || given > 30 || asked != given {
			t.Errorf("%d users are given the provider's server, which was asked %d times", given, asked)
		}
	})
}

// TestProviderThatIsDown gives its users other servers, and waits for none.
func TestProviderThatIsDown(t *testing.T) {
	for name, perUser := range map[string]bool{"shared": false, "per user": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d, v := providerChoice(t, perUser, 1000)
				defer d.close()
				if perUser {
					v.Status.Store(http.StatusBadGateway)
					if given := ofProvider(t, d); given != 0 {
						t.Errorf("%d users are given a server without credentials", given)
					}
					return
				}
				if given := ofProvider(t, d); given < 50 {
					t.Errorf("%d of 60 users are given the server with nearly all the weight", given)
				}
				v.Status.Store(http.StatusBadGateway)
				time.Sleep(2 * time.Hour) // its credential ends
				if given := ofProvider(t, d); given != 0 {
					t.Errorf("%d users are given an expired credential", given)
				}
			})
		})
	}
}

// TestOnlyProviderIsDown has users who ask for TURN ask again, rather than told that there is none.
func TestOnlyProviderIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		head, _, _ := strings.Cut(fleetConfig(1), "[[ice_server]]")
		d, v := withProvider(t, head+"[[ice_server]]\nurls = [\"stun:stun.example.org\"]\n[[ice_server]]\nurls = [\"stun:stun.example.net\"]\n", false, 1)
		defer d.close()
		if given := ofProvider(t, d); given != 60 {
			t.Fatalf("%d of 60 users are given the only server", given)
		}
		v.Status.Store(http.StatusBadGateway)
		time.Sleep(2 * time.Hour) // its credential ends
		ask := func(payload string) (string, error) {
			r := &component.Request{NS: xep0215.NS, Requester: []byte(user(1)), Now: time.Now(), Payload: xml.NewDecoder(strings.NewReader(payload))}
			reply, err := answer(d, d.handle.discovery, nil, r)
			return string(reply), err
		}
		reply, err := ask("<services xmlns='urn:xmpp:extdisco:2' type='turn'/>")
		var e stanza.Error
		if !errors.As(err, &e) || e.Condition != stanza.RemoteServerTimeout {
			t.Errorf("asked for TURN: %s, %v", reply, err)
		}
		if reply, err := ask("<services xmlns='urn:xmpp:extdisco:2'/>"); err != nil || !strings.Contains(reply, "stun.example.org") || strings.Contains(reply, "'turn'") {
			t.Errorf("asked for all: %s, %v", reply, err)
		}
	})
}
