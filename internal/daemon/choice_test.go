package daemon

import (
	"encoding/xml"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"mellium.im/xmpp/stanza"

	"extdisco/component"
	"extdisco/internal/probe"
	"extdisco/internal/testkit"
	"extdisco/xep0215"
)

// fleet is four relays, each with STUN, and a STUN server.
const fleet = `[component]
jid = "turn.example.org"
secret_file = "component.secret"

[access]
allow = ["example.org", "eu.example.org"]

[offer]
servers = N

[[ice_server]]
urls = ["stun:a.example.org", "turn:a.example.org", "turn:a.example.org?transport=tcp"]
secret_file = "turn.secret"
# of a

[[ice_server]]
urls = ["stun:stun.example.org"]

[[ice_server]]
urls = ["stun:b.example.org", "turn:b.example.org"]
secret_file = "turn.secret"
# of b

[[ice_server]]
urls = ["stun:c.example.org", "turn:c.example.org"]
username = "user"
password_file = "static.password"
# of c

[[ice_server]]
urls = ["stun:d.example.org", "turn:d.example.org"]
secret_file = "turn.secret"
# of d

`

// fleetOf returns the daemon of the fleet with a number of chosen servers, and further keys by where
// they belong.
func fleetOf(t testing.TB, servers int, keys ...string) *daemon {
	t.Helper()
	return quietDaemon(t, fleetConfig(servers, keys...))
}

func fleetConfig(servers int, keys ...string) string {
	text := strings.Replace(fleet, "N", fmt.Sprint(servers), 1)
	if servers == 0 {
		text = strings.Replace(text, "[offer]\nservers = 0\n", "", 1)
	}
	for i := 0; i < len(keys); i += 2 {
		text = strings.Replace(text, "# of "+keys[i]+"\n", keys[i+1]+"\n# of "+keys[i]+"\n", 1)
	}
	return text
}

// given returns the services that somebody is given who comes from an address, "" for an unknown one.
func given(t testing.TB, d *daemon, name, address string) []xep0215.Service {
	t.Helper()
	return answered(t, d, name, address, "<services xmlns='urn:xmpp:extdisco:2'/>")
}

// answered returns what is in the answer to a request, on both paths.
func answered(t testing.TB, d *daemon, name, address, payload string) []xep0215.Service {
	t.Helper()
	r := &component.Request{NS: xep0215.NS, Requester: []byte(name), Now: testkit.Time, Payload: xml.NewDecoder(strings.NewReader(payload))}
	if address != "" {
		r.Address = netip.MustParseAddr(address)
	}
	reply, err := answer(d, d.handle.discovery, nil, r)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	fast, err := d.handle.discovery.AppendFast(nil, []byte(payload), r)
	if err != nil || string(fast) != string(reply) {
		t.Fatalf("%s: the fast path answers %s, the other %s", name, fast, reply)
	}
	return testkit.ParseServices(t, string(reply))
}

// hosts returns the hosts of the services of a type, each once, as one letter or word each.
func hosts(services []xep0215.Service, serviceType string) []string {
	var list []string
	for _, s := range services {
		name := strings.TrimSuffix(s.Host, ".example.org")
		if s.Type == serviceType && !slices.Contains(list, name) {
			list = append(list, name)
		}
	}
	return list
}

func user(i int) string { return fmt.Sprintf("user%d@example.org", i) }

func TestChosenServers(t *testing.T) {
	for servers := 1; servers <= 5; servers++ {
		t.Run(fmt.Sprint(servers), func(t *testing.T) {
			d := fleetOf(t, servers)
			defer d.close()
			users := map[string]int{}
			for i := range 400 {
				services := given(t, d, user(i), "")
				relays, stun := hosts(services, "turn"), hosts(services, "stun")
				if len(relays) != min(servers, 4) || !slices.IsSorted(relays) {
					t.Fatalf("relays %v", relays)
				}
				possible := slices.DeleteFunc([]string{"a", "stun", "b", "c", "d"}, func(s string) bool { return s != "stun" && !slices.Contains(relays, s) })
				if !slices.Equal(stun, possible[:2]) {
					t.Fatalf("relays %v, STUN %v", relays, stun)
				}
				for _, s := range services {
					if s.Restricted && (s.Username == "" || s.Password == "") {
						t.Fatalf("without credentials: %v", s)
					}
				}
				for _, r := range relays {
					users[r]++
				}
			}
			for r, n := range users {
				if want := 400 * min(servers, 4) / 4; n < want*3/4 || n > want*5/4 {
					t.Errorf("%s is chosen for %d of 400 users", r, n)
				}
			}
		})
	}
}

// TestAnswersToAUserAgree asks as Monal does: for the list, then for the credentials of each service.
func TestAnswersToAUserAgree(t *testing.T) {
	d := fleetOf(t, 2, "d", `domains = ["eu.example.org"]`)
	defer d.close()
	for i := range 50 {
		listed := given(t, d, user(i), "")
		for _, s := range listed {
			if !s.Restricted {
				continue
			}
			one := answered(t, d, user(i), "", "<credentials xmlns='urn:xmpp:extdisco:2'><service type='turn' host='"+s.Host+"' transport='"+s.Transport+"'/></credentials>")
			if len(one) != 1 || one[0].Key() != s.Key() || one[0].Username != s.Username {
				t.Fatalf("listed %v, asked for %v", s, one)
			}
		}
		all := answered(t, d, user(i), "", "<credentials xmlns='urn:xmpp:extdisco:2'/>")
		if !slices.Equal(hosts(all, "turn"), hosts(listed, "turn")) {
			t.Fatalf("listed %v, all credentials %v", listed, all)
		}
		// A client may have got it before the choice changed.
		for _, host := range []string{"a", "b", "c"} {
			if one := answered(t, d, user(i), "", "<credentials xmlns='urn:xmpp:extdisco:2'><service type='turn' host='"+host+".example.org'/></credentials>"); len(one) == 0 {
				t.Fatalf("no credentials for %s", host)
			}
		}
	}
	r := &component.Request{NS: xep0215.NS, Requester: []byte(user(1)), Now: testkit.Time,
		Payload: xml.NewDecoder(strings.NewReader("<credentials xmlns='urn:xmpp:extdisco:2'><service type='turn' host='d.example.org'/></credentials>"))}
	if reply, err := answer(d, d.handle.discovery, nil, r); !errors.Is(err, stanza.Error{Condition: stanza.ItemNotFound}) {
		t.Errorf("credentials for a server of another domain: %s, %v", reply, err)
	}
}

func TestDomains(t *testing.T) {
	d := fleetOf(t, 0, "a", `domains = ["eu.example.org"]`, "b", `domains = ["example.org", "xn--mnchen-3ya.example"]`)
	defer d.close()
	for name, want := range map[string]string{
		"alice@example.org": "b c d", "alice@eu.example.org": "a c d", "alice@other.example.org": "c d", "alice@münchen.example": "b c d",
		"eu.example.org/of the feed": "a c d", "example.org/alice@eu.example.org": "b c d",
	} {
		services := given(t, d, name, "")
		if got := strings.Join(hosts(services, "turn"), " "); got != want {
			t.Errorf("%s is given %s, want %s", name, got, want)
		}
		if len(hosts(services, "stun")) != len(strings.Fields(want))+1 { // all of them, without offer.servers
			t.Errorf("%s is given %v", name, services)
		}
	}
}

// down has the probes find servers as they are named: down, or refusing.
func down(d *daemon, states map[string]probe.State) {
	o := d.offers.now()
	health := o.health.monitor.Snapshot()
	for i := range health {
		health[i].State = probe.Up
		if s, known := states[strings.TrimSuffix(health[i].Server.Host, ".example.org")]; known {
			health[i].State = s
		}
	}
	o.follow(health)
}

const probed = "[probe]\ninterval = \"1h\"\nallocate_interval = \"1h\"\n"

func TestDeadServersMoveTheirOwnUsers(t *testing.T) {
	for _, hide := range []bool{false, true} {
		t.Run(fmt.Sprintf("hide_unhealthy %t", hide), func(t *testing.T) {
			d := quietDaemon(t, fleetConfig(2)+probed+fmt.Sprintf("hide_unhealthy = %t\n", hide))
			defer d.close()
			before := map[int][]string{}
			for i := range 200 {
				before[i] = hosts(given(t, d, user(i), ""), "turn")
			}
			down(d, map[string]probe.State{"b": probe.Down})
			for i := range 200 {
				services := given(t, d, user(i), "")
				after := hosts(services, "turn")
				kept := slices.DeleteFunc(slices.Clone(before[i]), func(s string) bool { return s == "b" })
				for _, r := range kept {
					if !slices.Contains(after, r) {
						t.Fatalf("user %d had %v, and has %v without b", i, before[i], after)
					}
				}
				if len(after) != 2 || slices.Contains(after, "b") || slices.Contains(hosts(services, "stun"), "b") {
					t.Fatalf("user %d has %v", i, services)
				}
			}
			down(d, map[string]probe.State{"b": probe.Misconfigured})
			if after := hosts(given(t, d, user(7), ""), "turn"); slices.Contains(after, "b") {
				t.Errorf("a server that refuses our credentials is chosen: %v", after)
			}
			down(d, nil)
			for i := range 200 {
				if after := hosts(given(t, d, user(i), ""), "turn"); !slices.Equal(after, before[i]) {
					t.Fatalf("user %d had %v, and has %v when b is back", i, before[i], after)
				}
			}
		})
	}
}

// TestFewServersLeft has more servers down than can be replaced.
func TestFewServersLeft(t *testing.T) {
	allDown := map[string]probe.State{"a": probe.Down, "b": probe.Down, "c": probe.Down, "d": probe.Down}
	threeDown := map[string]probe.State{"a": probe.Down, "b": probe.Down, "d": probe.Down}
	for _, tt := range []struct {
		name   string
		hide   bool
		down   map[string]probe.State
		relays int
		c      bool
	}{
		{"three down", false, threeDown, 2, true},
		{"three down, hidden", true, threeDown, 1, true},
		{"all down", false, allDown, 2, false},
		{"all down, and none hidden", true, allDown, 2, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := quietDaemon(t, fleetConfig(2)+probed+fmt.Sprintf("hide_unhealthy = %t\n", tt.hide))
			defer d.close()
			down(d, tt.down)
			for i := range 50 {
				relays := hosts(given(t, d, user(i), ""), "turn")
				if len(relays) != tt.relays || tt.c && !slices.Contains(relays, "c") {
					t.Fatalf("user %d has %v", i, relays)
				}
			}
		})
	}
	// A domain with one server keeps it.
	d := quietDaemon(t, fleetConfig(0, "a", `domains = ["eu.example.org"]`, "b", `domains = ["example.org"]`, "c", `domains = ["example.org"]`, "d", `domains = ["example.org"]`)+
		probed+"hide_unhealthy = true\n")
	defer d.close()
	down(d, map[string]probe.State{"a": probe.Down, "b": probe.Down})
	if eu, other := hosts(given(t, d, "alice@eu.example.org", ""), "turn"), hosts(given(t, d, "alice@example.org", ""), "turn"); !slices.Equal(eu, []string{"a"}) || !slices.Equal(other, []string{"c", "d"}) {
		t.Errorf("%v, %v", eu, other)
	}
}

func TestNearServersFirst(t *testing.T) {
	countries := filepath.Join(t.TempDir(), "countries.mmdb")
	testkit.WriteFile(t, countries, testkit.Countries(t, map[string]string{"198.51.100.0/24": "DE", "2001:db8:1::/48": "DE", "203.0.113.0/24": "US"}))
	text := strings.Replace(fleetConfig(1, "a", `networks = ["192.0.2.0/24", "2001:db8::/48"]`, "b", `countries = ["DE", "AT"]`, "c", `countries = ["JP"]`)+probed,
		"[offer]\n", "[offer]\ngeoip_file = \""+countries+"\"\n", 1)
	d := quietDaemon(t, text)
	defer d.close()
	for _, tt := range []struct{ address, want, without string }{
		{"192.0.2.7", "a", "d"}, {"2001:db8::7", "a", "d"}, {"198.51.100.7", "b", "d"}, {"2001:db8:1::7", "b", "d"},
		{"203.0.113.7", "d", ""}, {"2001:db8:2::7", "d", ""},
	} {
		for i := range 30 {
			down(d, nil)
			if got := hosts(given(t, d, user(i), tt.address), "turn"); !slices.Equal(got, []string{tt.want}) {
				t.Errorf("from %s: %v, want %s", tt.address, got, tt.want)
			}
			down(d, map[string]probe.State{tt.want: probe.Down})
			if got := hosts(given(t, d, user(i), tt.address), "turn"); len(got) != 1 || got[0] == tt.want || tt.without != "" && got[0] != tt.without {
				t.Errorf("from %s, without %s: %v", tt.address, tt.want, got)
			}
		}
	}
	down(d, nil)
	unknown := map[string]bool{}
	for i := range 50 {
		unknown[hosts(given(t, d, user(i), ""), "turn")[0]] = true
	}
	if len(unknown) != 4 {
		t.Errorf("without an address, the choice is among %v", unknown)
	}
}

// TestReloadKeepsTheChoice changes what has nothing to do with it.
func TestReloadKeepsTheChoice(t *testing.T) {
	d := fleetOf(t, 2, "b", "weight = 3")
	defer d.close()
	before := map[int][]string{}
	for i := range 100 {
		before[i] = hosts(given(t, d, user(i), ""), "turn")
	}
	tables := strings.SplitAfter(strings.Replace(fleetConfig(2, "b", "weight = 3", "a", `ttl = "2h"`), `"turn:d.example.org"`, `"turn:d.example.org", "turns:d.example.org"`, 1), "[[ice_server]]\n")
	slices.Reverse(tables[1:])
	tables[1] += "[[ice_server]]\n"
	tables[len(tables)-1] = strings.TrimSuffix(tables[len(tables)-1], "[[ice_server]]\n")
	d.use(mustLoad(t, testkit.WriteConfig(t, strings.Join(tables, ""))), testkit.Time)
	for i := range 100 {
		after := hosts(given(t, d, user(i), ""), "turn")
		slices.Sort(after)
		if !slices.Equal(after, before[i]) {
			t.Fatalf("user %d had %v, and has %v after the reload", i, before[i], after)
		}
	}
}

func TestWeights(t *testing.T) {
	d := fleetOf(t, 1, "a", "weight = 6", "b", "weight = 3", "d", "weight = 0")
	defer d.close()
	const users = 20_000
	counts := map[string]float64{}
	s := new(selection)
	for i := range users {
		who := requester{name: []byte(user(i)), fetcher: []byte(user(i))}
		d.offers.now().groups(s, who, testkit.Time)
		for server, chosen := range s.chosen {
			if chosen {
				counts[d.offers.now().servers[server].Services[0].Host[:1]]++
			}
		}
	}
	for host, want := range map[string]float64{"a": .6, "b": .3, "c": .1, "d": 0} {
		if got := counts[host] / users; math.Abs(got-want) > .02 {
			t.Errorf("%s for %.3f of the users, want %.3f", host, got, want)
		}
	}
}
