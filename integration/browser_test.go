//go:build integration

package integration

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"extdisco/integration/lab"
)

const mucHost = "conference." + meetHost

// jitsi is a scene with a browser in it and a web server for its pages.
type jitsi struct {
	*scene
	web     *httptest.Server
	browser *lab.Browser
}

// jitsiUser is a user of Jitsi Meet.
type jitsiUser struct {
	t    *testing.T
	page *lab.Page
	jid  string
}

// jitsiLogin says how a user connects.
type jitsiLogin struct {
	Domain     string `json:"domain"`
	Guests     string `json:"guests,omitempty"` // the host of the user, if that is another one
	MUC        string `json:"muc"`
	ServiceURL string `json:"serviceUrl"`
	Relay      bool   `json:"relay"` // calls over relays only

	page string // of clients/browser; default extdisco2.html
}

func newJitsi(t *testing.T, s *scene) *jitsi {
	t.Helper()
	j := &jitsi{scene: s}
	j.web = httptest.NewServer(http.FileServer(http.Dir("clients")))
	t.Cleanup(j.web.Close)
	var err error
	if j.browser, err = lab.StartChromium(t.Context(), t.TempDir()); err != nil {
		t.Fatal(err)
	}
	keep(t, j.browser)
	return j
}

func (j *jitsi) webSocket() string { return "ws://" + j.xmpp.HTTPAddr + "/xmpp-websocket" }
func (j *jitsi) bosh() string      { return "http://" + j.xmpp.HTTPAddr + "/http-bind" }

// login opens a page that connects as Jitsi Meet does.
func (j *jitsi) login(t *testing.T, login jitsiLogin) *jitsiUser {
	t.Helper()
	if login.page == "" {
		login.page = "extdisco2.html"
	}
	if login.Domain == "" {
		login.Domain = meetHost
	}
	if login.ServiceURL == "" {
		login.ServiceURL = j.webSocket()
	}
	if login.MUC == "" {
		login.MUC = mucHost
	}
	page, err := j.browser.Open(browserContext(t), j.web.URL+"/browser/"+login.page)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := page.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	p := &jitsiUser{t: t, page: page}
	p.do("connect", login, &p.jid)
	return p
}

// browserContext bounds one step in a browser: two of them on a busy machine with
// software video take their time.
func browserContext(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// do calls a function of the page.
func (p *jitsiUser) do(function string, arg, out any) {
	p.t.Helper()
	text, err := json.Marshal(arg)
	if err != nil {
		p.t.Fatal(err)
	}
	if err := p.page.Eval(browserContext(p.t), fmt.Sprintf("%s(%s)", function, text), out); err != nil {
		p.t.Fatalf("%s: %v", function, err)
	}
}

// iceServer is an RTCIceServer as lib-jitsi-meet makes them.
type iceServer struct {
	URLs       string
	Username   string
	Credential string
}

type iceServerLists struct{ P2P, JVB []iceServer }

// waitICEServers waits until the page has ICE servers.
func (p *jitsiUser) waitICEServers() iceServerLists {
	p.t.Helper()
	var lists iceServerLists
	err := lab.Poll(browserContext(p.t), func(context.Context) error {
		p.do("iceServers", nil, &lists)
		if len(lists.P2P) == 0 {
			return errors.New("the page has no ICE servers")
		}
		return nil
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return lists
}

// checkICEServers checks that the page has everything that the scene offers, with
// credentials of one requester, and returns their username.
func (j *jitsi) checkICEServers(t *testing.T, lists iceServerLists) string {
	t.Helper()
	turn, tls := fmt.Sprint("turn:127.0.0.1:", j.turn.Port), fmt.Sprintf("turns:127.0.0.1:%d?transport=tcp", j.turn.TLSPort)
	wanted := map[*[]iceServer][]string{
		&lists.P2P: {fmt.Sprint("stun:127.0.0.1:", j.turn.Port), "stun:stun.example.net:3478", turn, turn + "?transport=tcp", tls},
		&lists.JVB: {turn + "?transport=tcp", tls},
	}
	username := ""
	for list, want := range wanted {
		var got []string
		for _, v := range *list {
			got = append(got, v.URLs)
			if strings.HasPrefix(v.URLs, "stun:") {
				continue
			}
			checkICECredential(t, v)
			if username == "" {
				username = v.Username
			}
			if v.Username != username {
				t.Errorf("%s has the username %s, others %s", v.URLs, v.Username, username)
			}
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("ICE servers are %v, want %v", got, want)
		}
	}
	return username
}

var ephemeralUser = regexp.MustCompile(`^([0-9]{10}):([0-9a-f]{16})$`)

// checkICECredential checks the form of a credential that lives for 24 hours.
func checkICECredential(t *testing.T, v iceServer) {
	t.Helper()
	parts := ephemeralUser.FindStringSubmatch(v.Username)
	if parts == nil || !mintedPassword.MatchString(v.Credential) {
		t.Fatalf("%s: username %q is not EXPIRES:PSEUDONYM, or the password is not one", v.URLs, v.Username)
	}
	var expires int64
	fmt.Sscan(parts[1], &expires)
	if left := time.Until(time.Unix(expires, 0)); left < 23*time.Hour || left > 24*time.Hour {
		t.Errorf("%s: expires in %v, want about 24h", v.URLs, left)
	}
}

// callStats is what a page tells of its call.
type callStats struct {
	State         string
	Audio, Video  int64
	Local, Remote string   // kind of the selected candidates
	Configured    []string // usernames in the peer connection's configuration
}

// checkCall waits until media flows to both pages over relays, and goes on to.
func checkCall(t *testing.T, pages ...*jitsiUser) {
	t.Helper()
	for i, p := range pages {
		var first callStats
		err := lab.Poll(browserContext(t), func(context.Context) error {
			var s callStats
			p.do("callStats", nil, &s)
			if s.State != "connected" || s.Audio == 0 || s.Video == 0 {
				return fmt.Errorf("page %d: the call is %+v", i, s)
			}
			if first.Audio == 0 {
				first = s
			}
			if s.Local != "relay" || s.Remote != "relay" {
				return fmt.Errorf("page %d: not over two relays: %+v", i, s)
			}
			if s.Audio < first.Audio+1000 || s.Video < first.Video+1000 {
				return fmt.Errorf("page %d: media does not flow on: %+v, before %+v", i, s, first)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// checkRelayed checks that the TURN server's log names these users, each with an
// allocation.
func (s *scene) checkRelayed(t *testing.T, usernames ...string) {
	t.Helper()
	for _, name := range usernames {
		allocated := regexp.MustCompile(`user <` + name + `>: incoming packet ALLOCATE processed, success`)
		if !allocated.MatchString(s.turn.Log()) {
			t.Errorf("the TURN server's log names no allocation of %s", name)
		}
	}
}

// TestIntegrationJitsiDelegated has Jitsi users in a browser ask and call each
// other, with requests delegated by the server.
func TestIntegrationJitsiDelegated(t *testing.T) {
	t.Parallel()
	j := newJitsi(t, newScene(t, "prosody", sceneConfig{xmpp: func(cfg *lab.XMPPConfig) {
		cfg.HTTP = true
		cfg.Extra = pluginPaths(t) + roomMetadata(meetHost)
	}}))
	testJitsi(t, j)
	// This is why there is a bridge.
	t.Run("current clients end up with nothing", func(t *testing.T) {
		p := j.login(t, jitsiLogin{})
		p.waitICEServers()
		p.do("listenForMetadata", metadataHost, nil)
		p.do("join", "emptied", nil)
		var lists iceServerLists
		if p.do("iceServers", nil, &lists); len(lists.P2P) > 0 || len(lists.JVB) > 0 {
			t.Errorf("the room's metadata left %v", lists)
		}
	})
}

// TestIntegrationJitsiBridged is the same with the bridge, on two hosts, and with
// what it has Prosody push to those who join a room.
func TestIntegrationJitsiBridged(t *testing.T) {
	t.Parallel()
	program, err := filepath.Abs(prosodies["13"])
	if err != nil {
		t.Fatal(err)
	}
	j := newJitsi(t, newMetadataScene(t, bridgeScene{program: program, sceneConfig: sceneConfig{xmpp: func(cfg *lab.XMPPConfig) {
		cfg.HTTP = true
		cfg.Hosts[2] = lab.Host{Name: corpHost, Anonymous: true}
		cfg.Components[0].Extra = fmt.Sprintf("extdisco_hosts = { %q, %q }\n", meetHost, corpHost)
	}}}))
	testJitsi(t, j)
	t.Run("second host", func(t *testing.T) {
		p := j.login(t, jitsiLogin{Domain: corpHost})
		j.checkICEServers(t, p.waitICEServers())
	})
	t.Run("call over relays that were pushed", func(t *testing.T) { testPushedCall(t, j) })
	t.Run("credentials are renewed while the page is open", func(t *testing.T) { testRenewed(t, j) })
}

// testRenewed has two users in a call when the credentials that they have end. They are
// pushed new ones before that, the call goes on, and the next call relays with the new ones.
func testRenewed(t *testing.T, j *jitsi) {
	write(t, j.extdisco.ConfigFile, replace(t, j.config("24h"), `ttl = "24h"`, `ttl = "20s"`))
	if err := j.extdisco.Start(browserContext(t)); err != nil { // the test before has stopped it
		t.Fatal(err)
	}
	pages := []*jitsiUser{j.login(t, jitsiLogin{Relay: true}), j.login(t, jitsiLogin{Relay: true})}
	var first []string
	for _, p := range pages {
		p.do("listenForMetadata", metadataHost, nil)
		p.do("join", "renewed", nil)
		first = append(first, relayNames(p.waitICEServers())[0])
	}
	checkCall(t, pages...)
	renewed := func(p *jitsiUser, before string) string {
		t.Helper()
		var name string
		err := lab.Poll(browserContext(t), func(context.Context) error {
			if name = relayNames(p.waitICEServers())[0]; name == before {
				return errors.New("the page has no other credential than before")
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return name
	}
	for i, p := range pages {
		expires := expiryOf(t, first[i])
		renewed(p, first[i])
		if !time.Now().Before(expires) {
			t.Errorf("page %d: %s was renewed when it had ended", i, first[i])
		}
	}
	err := lab.Poll(browserContext(t), func(context.Context) error {
		for _, name := range first {
			if time.Now().Before(expiryOf(t, name)) {
				return errors.New("what they began with has not ended")
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	checkCall(t, pages...) // that began with credentials that have ended
	for _, p := range pages {
		p.do("leave", nil, nil)
	}
	var later []string
	for i, p := range pages {
		p.do("join", "next", nil)
		name := relayNames(p.waitICEServers())[0]
		if name == first[i] {
			t.Errorf("page %d has %s still", i, name)
		}
		later = append(later, name)
	}
	checkCall(t, pages...)
	for i, p := range pages {
		var stats callStats
		p.do("callStats", nil, &stats)
		if slices.Contains(stats.Configured, first[i]) || len(stats.Configured) == 0 {
			t.Errorf("page %d: the next call has %v", i, stats.Configured)
		}
		j.checkRelayed(t, stats.Configured[0])
	}
	t.Logf("first %v, in the next call at least %v", first, later)
}

// relayNames returns the usernames of the ICE servers that need one.
func relayNames(lists iceServerLists) []string {
	var names []string
	for _, v := range lists.P2P {
		if v.Username != "" {
			names = append(names, v.Username)
		}
	}
	return names
}

// expiryOf returns when the credential with this username ends.
func expiryOf(t *testing.T, username string) time.Time {
	t.Helper()
	var seconds int64
	if _, err := fmt.Sscanf(username, "%d:", &seconds); err != nil {
		t.Fatalf("%s: %v", username, err)
	}
	return time.Unix(seconds, 0)
}

// testPushedCall stops extdisco, so that nothing but the push can have told the
// users of relays. One of them is a guest.
func testPushedCall(t *testing.T, j *jitsi) {
	if err := j.extdisco.Stop(); err != nil {
		t.Fatal(err)
	}
	pages := []*jitsiUser{j.login(t, jitsiLogin{Relay: true}), j.login(t, jitsiLogin{Relay: true, Guests: guestHost})}
	var users []string
	for _, p := range pages {
		p.do("listenForMetadata", metadataHost, nil)
		p.do("join", "pushed", nil)
		users = append(users, j.checkICEServers(t, p.waitICEServers()))
	}
	if users[0] == users[1] {
		t.Errorf("both pages got the user %s", users[0])
	}
	checkCall(t, pages...)
	j.checkRelayed(t, users...)
}

// testJitsi runs what must work on any route.
func testJitsi(t *testing.T, j *jitsi) {
	for name, login := range map[string]jitsiLogin{
		"version 2 over BOSH":      {ServiceURL: j.bosh()},
		"version 1 over WebSocket": {page: "extdisco1.html"},
		"version 1 over BOSH":      {page: "extdisco1.html", ServiceURL: j.bosh()},
		"guest":                    {Guests: guestHost},
	} {
		t.Run(name, func(t *testing.T) {
			p := j.login(t, login)
			if host := login.Guests; host != "" && !strings.Contains(p.jid, "@"+host+"/") {
				t.Fatalf("logged in as %s", p.jid)
			}
			j.checkICEServers(t, p.waitICEServers())
		})
	}
	t.Run("call over relays", func(t *testing.T) {
		one, two := j.login(t, jitsiLogin{Relay: true}), j.login(t, jitsiLogin{Relay: true})
		users := []string{j.checkICEServers(t, one.waitICEServers()), j.checkICEServers(t, two.waitICEServers())}
		if _, pseudonym, _ := strings.Cut(users[0], ":"); strings.HasSuffix(users[1], ":"+pseudonym) {
			t.Errorf("two users have one pseudonym: %v", users)
		}
		for _, p := range []*jitsiUser{one, two} {
			p.do("join", "room", nil)
		}
		checkCall(t, one, two)
		j.checkRelayed(t, users...)
	})
}
