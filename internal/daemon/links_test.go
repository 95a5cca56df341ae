package daemon

import (
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"extdisco/component"
	"extdisco/internal/testkit"
	"extdisco/internal/web"
)

// shardTable is a [[component]] with the usual jid and secret.
func shardTable(name string, server *testkit.Server, more string) string {
	return fmt.Sprintf("[[component]]\nname = %q\njid = \"turn.example.org\"\nserver = %q\nsecret_file = \"component.secret\"\n%s", name, server.Address(), more)
}

// linkUp accepts the link of a name and waits until it is known there.
func (s *serving) linkUp(server *testkit.Server, name string) *testkit.Stream {
	s.t.Helper()
	said := "jid=turn.example.org link=" + name + "\n"
	times := strings.Count(s.log.String(), said)
	stream := server.MustAccept(testkit.Handshake)
	s.log.WaitFor(s.t, said, times+1)
	return stream
}

func TestServeSeveralLinks(t *testing.T) {
	one, two := testkit.StartServer(t), testkit.StartServer(t)
	first, second := shardTable("one", one, ""), shardTable("two", two, "hosts = [\"example.net\"]\n")
	s := startServing(t, first+second+turnOnly+testkit.HTTPTable+"[limits]\nper_jid = \"2/h\"\n")
	base := s.site(1)
	a := s.linkUp(one, "one")
	wantMetrics(t, base, `extdisco_link_up{link="one"} 1`, `extdisco_link_up{link="two"} 0`, "extdisco_ready 1")
	b := s.linkUp(two, "two")
	wantMetrics(t, base, `extdisco_link_up{link="two"} 1`)

	const turn, over, forbidden = "turn:turn.example.org:3478?transport=udp", "error resource-constraint", "error forbidden"
	testkit.WantEqual(t, "users of the first", a.Services("juliet@example.org/1"), turn)
	testkit.WantEqual(t, "users of the second", b.Services("romeo@example.net/1"), turn)
	testkit.WantEqual(t, "strangers", b.Services("mallory@example.com/1"), forbidden)
	testkit.WantEqual(t, "one offer for all", b.Services("juliet@example.org/1"), turn)
	testkit.WantEqual(t, "one set of limits for all", a.Services("juliet@example.org/1"), over)
	testkit.WantEqual(t, "what is not its host", delegated(b, "example.org", "romeo@example.org"), "forbidden")
	testkit.WantEqual(t, "what is its host", delegated(a, "example.org", "romeo@example.org"), "result")
	wantMetrics(t, base, `extdisco_link_answers_total{link="one"} 3`, `extdisco_link_answers_total{link="two"} 3`)

	b.Conn.Close()
	s.log.WaitFor(t, "link=two\n", 2)
	s.log.WaitFor(t, "do=\"nothing, if it is restarting; otherwise see its log\"", 1)
	if r := fetch(t, "GET", base+"/readyz"); r.status != http.StatusOK || !strings.HasPrefix(r.body, "ready\nNot connected to 1 of 2 XMPP servers. Without a connection: two.") {
		t.Errorf("readyz: %d %q", r.status, r.body)
	}
	testkit.WantEqual(t, "users of the first while the second is away", a.Services("nurse@example.org/1"), turn)
	b = s.linkUp(two, "two")
	s.stopAll(a, b)
}

// delegated has a host forward a request, and returns how that ended.
func delegated(f *testkit.Stream, host, from string) string {
	reply := f.RoundTrip("<iq type='set' id='d' from='" + host + "' to='turn.example.org'><delegation xmlns='urn:xmpp:delegation:2'><forwarded xmlns='urn:xmpp:forward:0'>" +
		"<iq xmlns='jabber:client' type='get' id='x' from='" + from + "/1' to='" + host + "'>" + testkit.ServicesRequest + "</iq></forwarded></delegation></iq>")
	if strings.Contains(reply.Inner, "forbidden") {
		return "forbidden"
	}
	return reply.Type
}

// stopAll ends the daemon, whose links close their streams all at once.
func (s *serving) stopAll(streams ...*testkit.Stream) {
	s.t.Helper()
	s.signals <- syscall.SIGTERM
	var ends sync.WaitGroup
	for _, stream := range streams {
		ends.Go(stream.WantEnd)
	}
	ends.Wait()
	s.wantEnd()
}

// TestReloadOfLinks adds, renames, changes and removes links, and has the others go on.
func TestReloadOfLinks(t *testing.T) {
	one, two, three := testkit.StartServer(t), testkit.StartServer(t), testkit.StartServer(t)
	const changed = "reloaded the configuration; links have changed"
	services := func(what string, f *testkit.Stream) {
		t.Helper()
		testkit.WantEqual(t, what, f.Services("juliet@example.org/1"), "stun:turn.example.org:3478")
	}
	s := startServing(t, one.Config(stunOnly+testkit.HTTPTable))
	base := s.site(1)
	a := s.connect(one, testkit.Handshake)
	if strings.Contains(s.log.String(), "link=") {
		t.Error("the only link is named")
	}

	rest := stunOnly + testkit.HTTPTable
	s.reload(shardTable("one", one, "")+shardTable("two", two, "")+rest, changed)
	wantLogged(t, s.log, "links=two")
	b := s.linkUp(two, "two")
	services("the link that was alone", a)
	services("the new link", b)
	wantMetrics(t, base, `extdisco_link_connects_total{link="one"} 1`, `extdisco_link_connects_total{link="two"} 1`)

	s.reload(shardTable("two", one, "")+shardTable("one", two, "")+rest, reloaded)
	services("a link under another name", a)
	services("another link under another name", b)
	wantMetrics(t, base, `extdisco_link_connects_total{link="one"} 1`, `extdisco_link_answers_total{link="one"} 2`)

	s.reload(shardTable("two", one, "")+shardTable("one", two, "hosts = 5\n")+rest, notChanged)
	services("after a fault", a)
	services("after a fault in its own table", b)

	testkit.WriteFile(t, s.file, shardTable("two", one, "")+shardTable("one", two, "service_name = \"Relays\"\n")+shardTable("three", three, "")+rest)
	s.signals <- syscall.SIGHUP
	b.WantEnd()
	b = s.linkUp(two, "one")
	c := s.linkUp(three, "three")
	services("a link beside one that has changed", a)
	services("the link that has changed", b)
	wantMetrics(t, base, `extdisco_link_connects_total{link="one"} 2`)

	testkit.WriteFile(t, s.file, shardTable("three", three, "")+rest)
	s.signals <- syscall.SIGHUP
	var ends sync.WaitGroup
	ends.Go(a.WantEnd)
	ends.Go(b.WantEnd)
	ends.Wait()
	services("the link that is left", c)
	s.log.WaitFor(t, changed, 3)
	s.reload(shardTable("three", three, "")+rest, reloaded) // it waits for the one before to end
	if r := fetch(t, "GET", base+"/metrics"); strings.Contains(r.body, `link="one"`) {
		t.Error("a link that has ended is still counted")
	}
	s.stop(syscall.SIGTERM, c)
}

func TestServiceManagerIsToldOfSeveralLinks(t *testing.T) {
	manager := startManager(t)
	one, two := testkit.StartServer(t), testkit.StartServer(t)
	s := startServing(t, shardTable("one", one, "")+shardTable("two", two, "")+stunOnly)
	manager.want("READY=1")
	a := s.linkUp(one, "one")
	manager.want("STATUS=connected to 1 of 2 XMPP servers; two: connecting to the XMPP server at " + two.Address())
	b := s.linkUp(two, "two")
	manager.want("STATUS=connected to 2 of 2 XMPP servers")
	b.Conn.Close()
	manager.want("STATUS=connected to 1 of 2 XMPP servers; two: not connected: the XMPP server closed the connection; nothing")
	b = s.linkUp(two, "two")
	manager.want("STATUS=connected to 2 of 2 XMPP servers")
	testkit.WriteFile(t, s.file, one.Config(stunOnly))
	s.signals <- syscall.SIGHUP
	b.WantEnd()
	manager.want("RELOADING=1", "STATUS=connected to 1 of 2 XMPP servers; two: leaving the XMPP server", "STATUS=connected to the XMPP server at "+one.Address(), "READY=1")
	s.stop(syscall.SIGTERM, a)
}

// severalLinks returns a daemon with links to servers that nobody starts.
func severalLinks(t *testing.T, n int) *daemon {
	t.Helper()
	content := ""
	for i := range n {
		content += fmt.Sprintf("[[component]]\nname = \"shard-%d\"\njid = \"turn.example.org\"\nserver = \"127.0.0.1:%d\"\nsecret_file = \"component.secret\"\n", i, i+1)
	}
	return quietDaemon(t, content+stunOnly)
}

func TestUnreadyWithSeveralLinks(t *testing.T) {
	d := severalLinks(t, 5)
	events := func(i int) observer { return observer{d.links.all()[i], d.state, d.manager} }
	away := component.Fault{Problem: "it is away", Cure: "start it, or check component.server", Err: os.ErrDeadlineExceeded}
	for i := range 5 {
		events(i).AttemptFailed(time.Now(), away)
	}
	why := d.state.Unready(time.Now())
	if !strings.HasPrefix(why, "shard-0: not connected to the XMPP server: it is away; to do: start it, or check component[0].server\nshard-1: ") || !strings.Contains(why, "shard-4: ") {
		t.Errorf("unready: %q", why)
	}
	const cause = "not connected: it is away; start it, or check component"
	if got, want := d.links.status(), "connected to 0 of 5 XMPP servers; shard-0: "+cause+"[0].server; shard-1: "+cause+"[1].server; shard-2: "+cause+"[2].server; and 2 more"; got != want {
		t.Errorf("status line %q, want %q", got, want)
	}
	events(3).LinkUp(time.Now())
	if why := d.state.Unready(time.Now()); why != "" {
		t.Errorf("unready with one link: %q", why)
	}
	if m := d.state.forMetrics(time.Now()); len(m.Links) != 5 || !m.Links[3].Up || m.Links[4].Up || len(m.Hosts) > 0 {
		t.Errorf("metrics: %+v", m) // nothing is known of the hosts yet
	}
	status := d.state.Status(time.Now())
	if l := status.Links; len(l) != 5 || !l[3].Up || l[3].Problem != "" || l[4].Up || l[4].Name != "shard-4" || l[4].Cure != "start it, or check component[4].server" || l[4].Error == "" || l[4].Hosts[0] != (web.Host{Name: "example.org"}) {
		t.Errorf("%+v", l)
	}
}

// TestSilentLinks are up, and no host forwards anything there.
func TestSilentLinks(t *testing.T) {
	silent := func() []component.HostState { return []component.HostState{{Host: "example.org", Overdue: true}} }
	const why = "connected, but no host forwards requests: example.org"
	for _, tt := range []struct {
		name, unready, status string
		links                 int
	}{
		{"alone", why + "; to do: see the log", why, 1},
		{"two", "shard-0: " + why + "; to do: see the log\nshard-1: " + why + "; to do: see the log",
			"connected to 2 of 2 XMPP servers; shard-0: " + why + "; shard-1: " + why, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := severalLinks(t, tt.links)
			for i, l := range d.links.all() {
				l.hosts = silent
				observer{l, d.state, d.manager}.LinkUp(testkit.Time)
				if h := d.state.forMetrics(testkit.Time).Hosts; len(h) != i+1 || h[i].Forwards || h[i].Link != l.name() {
					t.Errorf("metrics: %+v", h)
				}
			}
			first := observer{d.links.all()[0], d.state, d.manager}
			for _, step := range []struct {
				what    string
				happens func()
				unready bool
			}{
				{"nobody asks", func() {}, true},
				{"somebody asks", func() { first.Answered(component.Answers{Count: 1, At: testkit.Time}) }, false},
				{"connected again", func() { first.LinkUp(testkit.Time) }, true},
			} {
				step.happens()
				if got := d.state.Unready(testkit.Time); (got == tt.unready) != step.unready || (got == "") == step.unready {
					t.Errorf("%s: unready: %q", step.what, got)
				}
			}
			if got := d.links.status(); got != tt.status {
				t.Errorf("status line %q, want %q", got, tt.status)
			}
		})
	}
}

// TestProblemsOfSeveralLinks keeps the same problem of two links apart.
func TestProblemsOfSeveralLinks(t *testing.T) {
	d := severalLinks(t, 3)
	for _, l := range d.links.all() {
		l.call(l.cfg, false)
	}
	log, problems := testkit.NewLogBuffer(), new(problemLog)
	for i := range 4 {
		handler := linkHandler{problemHandler{Handler: testkit.NewLog(log).Handler(), problems: problems}, d.links.all()[i%2]}
		slog.New(handler).With("more", 1).Warn("it is away", "do", "start it; if it runs, check component.server, component.secret_file and component.example.org")
	}
	got := problems.latest()
	if cure := got[0].Cure; cure != "start it; if it runs, check component[1].server, component[1].secret_file and component.example.org" {
		t.Errorf("to do: %s", cure)
	}
	for i := range 2 {
		handler := linkHandler{problemHandler{Handler: testkit.NewLog(log).Handler(), problems: problems}, d.links.all()[i]}
		slog.New(handler).Warn("it is away again", "do", "start it")
	}
	if again := problems.latest(); len(again) != 4 || again[0].Link != "shard-1" || again[1].Link != "shard-0" {
		t.Errorf("%+v", again)
	}
	if len(got) != 2 || got[0].Link != "shard-1" || got[1].Link != "shard-0" || got[0].Times != 2 {
		t.Errorf("%+v", got)
	}
}

// TestLinksShareWhatAnswers has several links answer at the same time, for the race
// detector: their handlers and the offer are the same.
func TestLinksShareWhatAnswers(t *testing.T) {
	const n, rounds = 4, 50
	content := ""
	var servers []*testkit.Server
	for i := range n {
		servers = append(servers, testkit.StartServer(t))
		content += shardTable(fmt.Sprintf("shard-%d", i), servers[i], "")
	}
	s := startServing(t, content+turnOnly+"[limits]\nper_jid = \"none\"\n[log]\naudit = true\n")
	var streams []*testkit.Stream
	for i, server := range servers {
		streams = append(streams, s.linkUp(server, fmt.Sprintf("shard-%d", i)))
	}
	var asks sync.WaitGroup
	for i, stream := range streams {
		asks.Go(func() {
			user := fmt.Sprintf("user%d@example.org", i)
			first := ""
			for range rounds {
				services := testkit.ParseServices(t, stream.Ask(user+"/1", testkit.ServicesRequest).Inner)
				if len(services) != 1 {
					t.Errorf("%s is offered %+v", user, services)
					return
				}
				_, pseudonym, _ := strings.Cut(services[0].Username, ":")
				if first == "" {
					first = pseudonym
				}
				if pseudonym != first {
					t.Errorf("%s got a credential of somebody else", user)
				}
				delegated(stream, "example.org", user)
			}
		})
	}
	for range 5 {
		s.reload(content+turnOnly+"[limits]\nper_jid = \"none\"\n[log]\naudit = true\n", reloaded)
	}
	asks.Wait()
	s.stopAll(streams...)
}

// TestLastTurnOfSeveralLinks is that of the link that hangs.
func TestLastTurnOfSeveralLinks(t *testing.T) {
	d := severalLinks(t, 3)
	made := d.links.all()[0].component.LastTurn()
	if got := d.links.lastTurn(made.Add(time.Hour)); got.After(made) {
		t.Errorf("last turn %v, want that of the first link, %v", got, made)
	}
	d.links.list.Store(&[]*link{})
	if now := time.Now(); d.links.lastTurn(now) != now {
		t.Error("without links, something hangs")
	}
}

// TestMarkOfSeveralLinks changes for the servers that a change of access.allow concerns.
func TestMarkOfSeveralLinks(t *testing.T) {
	const first = "[[component]]\nname = \"one\"\njid = \"turn.example.org\"\nsecret_file = \"component.secret\"\n"
	const shard = "[[component]]\nname = \"shard\"\njid = \"turn.example.org\"\nserver = \"127.0.0.1:1\"\nsecret_file = \"component.secret\"\nhosts = [\"example.org\", \"guest.example.org\"]\n"
	const other = "[[component]]\njid = \"turn.example.net\"\nserver = \"127.0.0.1:2\"\nsecret_file = \"component.secret\"\n"
	mark := func(host, content string) string {
		return quietDaemon(t, content+turnOnly).offers.now().mark([]byte(host), testkit.Time)
	}
	alone := mark("example.org", first)
	for _, tt := range []struct {
		name, host, content string
		same                bool
	}{
		{"another server", "example.org", first + other, true},
		{"another server, listed", "example.org", first + other + "[access]\nallow = [\"example.org\", \"example.net\"]\n", true},
		{"a shard with a host for guests", "example.org", first + shard, false},
		{"guests", "example.org", first + other + "[access]\nallow = [\"example.org\", \"example.net\", \"guest.example.net\"]\n", false},
		{"one user of another server", "example.org", first + other + "[access]\nallow = [\"example.org\", \"juliet@example.net\"]\n", false},
		{"the host is not allowed", "example.org", first + other + "[access]\nallow = [\"example.net\"]\n", false},
		{"the other server itself", "example.net", first + other, false},
		{"a host that is written in another way", "EXAMPLE.org", first + other, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if (mark(tt.host, tt.content) == alone) != tt.same {
				t.Errorf("the same mark: %t", !tt.same)
			}
		})
	}
}
