package daemon

import (
	"encoding/xml"
	"errors"
	"fmt"
	"strings"
	"testing"

	"mellium.im/xmpp/stanza"

	"extdisco/component"
	"extdisco/internal/config"
	"extdisco/internal/testkit"
	"extdisco/xep0215"
)

// fed is an answer to a request for the feed.
type fed struct {
	XMLName xml.Name `xml:"extdisco:feed:1 feed"`
	Mark    string   `xml:"mark,attr"`
	Sets    []struct {
		Services []struct {
			Type     string `xml:"type,attr"`
			Username string `xml:"username,attr"`
			Password string `xml:"password,attr"`
			Expires  string `xml:"expires,attr"`
		} `xml:"urn:xmpp:extdisco:2 service"`
	} `xml:"urn:xmpp:extdisco:2 services"`
}

// askFeed asks the daemon for the feed in the name of the host.
func askFeed(t *testing.T, d *daemon, host, payload string) (fed, error) {
	t.Helper()
	var out fed
	const before = "<before/>"
	reply, err := answer(d, d.handle.feed, []byte(before), &component.Request{
		Requester: []byte(host), Payload: xml.NewDecoder(strings.NewReader(payload)), Now: testkit.Time,
	})
	reply, ok := []byte(strings.TrimPrefix(string(reply), before)), strings.HasPrefix(string(reply), before)
	if !ok || err != nil && len(reply) > 0 {
		t.Fatalf("what was gathered before is gone: %.200s", reply)
	}
	if err != nil {
		return out, err
	}
	if err := xml.Unmarshal(reply, &out); err != nil {
		t.Fatalf("%v: %s", err, reply)
	}
	return out, nil
}

func feedRequest(count int) string {
	return fmt.Sprintf("<feed xmlns='%s' count='%d'/>", nsFeed, count)
}

func TestFeedSets(t *testing.T) {
	d, _ := newTestDaemon(t, testkit.MinimalConfig+"[access]\nallow = [\"alice@example.net\"]\n[limits]\nper_jid = \"1/h\"\n")
	usernames := map[string]bool{}
	for _, count := range []int{1, 16, maxFeed} { // over any limit of one requester, and of a host that is not served
		out, err := askFeed(t, d, "example.org", feedRequest(count))
		if err != nil {
			t.Fatal(err)
		}
		if len(out.Sets) != count {
			t.Errorf("%d sets, want %d", len(out.Sets), count)
		}
		for _, set := range out.Sets {
			if len(set.Services) != 2 || set.Services[0].Type != "stun" || set.Services[0].Username != "" {
				t.Fatalf("%+v", set)
			}
			turn := set.Services[1]
			if usernames[turn.Username] || turn.Password == "" || turn.Expires == "" {
				t.Errorf("%+v", turn)
			}
			usernames[turn.Username] = true
		}
	}
}

func TestFeedRequests(t *testing.T) {
	d, _ := newTestDaemon(t, testkit.MinimalConfig)
	badRequest, unavailable := stanza.Error{Type: stanza.Modify, Condition: stanza.BadRequest}, stanza.Error{Type: stanza.Cancel, Condition: stanza.ServiceUnavailable}
	tests := []struct {
		name, payload string
		want          error
		sets          int
	}{
		{"without count", "<feed xmlns='" + nsFeed + "'/>", nil, 1},
		{"the most", feedRequest(maxFeed), nil, maxFeed},
		{"more than that", feedRequest(maxFeed + 1), badRequest, 0},
		{"none, for the mark", feedRequest(0), nil, 0},
		{"less than none", feedRequest(-1), badRequest, 0},
		{"no number", "<feed xmlns='" + nsFeed + "' count='many'/>", badRequest, 0},
		{"more than an int holds", "<feed xmlns='" + nsFeed + "' count='99999999999999999999'/>", badRequest, 0},
		{"another element", "<other xmlns='" + nsFeed + "'/>", unavailable, 0},
		{"nothing", "", unavailable, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			out, err := askFeed(t, d, "example.org", tt.payload)
			if !sameError(err, tt.want) || len(out.Sets) != tt.sets {
				t.Errorf("%v, %d sets", err, len(out.Sets))
			}
		})
	}
}

// The mark is the same as long as what is offered is, and differs when any part of it
// does.
func TestFeedMark(t *testing.T) {
	mark := func(config string) string {
		t.Helper()
		d, _ := newTestDaemon(t, config)
		defer d.offers.now().close(nil)
		out, err := askFeed(t, d, "example.org", feedRequest(0))
		if err != nil || len(out.Mark) != 16 {
			t.Fatalf("mark %q, %v", out.Mark, err)
		}
		return out.Mark
	}
	before := mark(testkit.MinimalConfig)
	if again := mark(testkit.MinimalConfig); again != before {
		t.Errorf("%s, and %s after a restart", before, again)
	}
	for name, config := range map[string]string{
		"another lifetime": testkit.MinimalConfig + "ttl = \"1h\"\n",
		"another secret":   strings.Replace(testkit.MinimalConfig, `secret_file = "turn.secret"`, `secret = "another secret of the TURN server"`, 1),
		"another server":   testkit.MinimalConfig + "[[ice_server]]\nurls = [\"stun:stun.example.net\"]\n",
		"somebody denied":  testkit.MinimalConfig + "[access]\ndeny = [\"mallory@example.org\"]\n",
		"others served":    testkit.MinimalConfig + "[access]\nallow = [\"example.net\"]\n",
		"a provider":       testkit.MinimalConfig + "[[ice_server]]\nprovider = \"http\"\nurl = \"http://127.0.0.1:1/\"\n",
	} {
		if got := mark(config); got == before {
			t.Errorf("%s: the mark is the same", name)
		}
	}
	account := testkit.MinimalConfig + "[[ice_server]]\nurls = [\"turn:fixed.example.net\"]\nusername = \"u\"\npassword = \"%s\"\n"
	if mark(fmt.Sprintf(account, "one")) == mark(fmt.Sprintf(account, "two")) {
		t.Error("another password of a fixed account: the mark is the same")
	}
	d, _ := newTestDaemon(t, testkit.MinimalConfig)
	d.offers.now().hide(map[xep0215.Key]bool{{Type: "stun", Host: "turn.example.org", Port: 3478, Transport: "udp"}: true})
	if out, err := askFeed(t, d, "example.org", feedRequest(0)); err != nil || out.Mark == before {
		t.Errorf("a hidden server: mark %q, %v", out.Mark, err)
	}
}

// With nothing on offer at present the bridge keeps what it has.
func TestFeedWithoutAnything(t *testing.T) {
	d, _ := newTestDaemon(t, testkit.MinimalConfig)
	d.use(&config.Config{}, testkit.Time)
	_, err := askFeed(t, d, "example.org", feedRequest(2))
	var e stanza.Error
	if !errors.As(err, &e) || e.Condition != stanza.RemoteServerTimeout {
		t.Error(err)
	}
}

func FuzzFeedRequest(f *testing.F) {
	for _, seed := range []string{"<feed xmlns='extdisco:feed:1' count='16'/>", "<feed count='' x:count='2'/>", "<a", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, payload string) {
		count, err := parseFeedRequest(xml.NewDecoder(strings.NewReader(payload)))
		if err == nil && (count < 0 || count > maxFeed) {
			t.Errorf("%d sets for %q", count, payload)
		}
		if err != nil && !errors.As(err, new(stanza.Error)) {
			t.Errorf("%v", err)
		}
	})
}
