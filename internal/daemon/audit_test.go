package daemon

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"extdisco/component"
	"extdisco/internal/source"
	"extdisco/internal/testkit"
	"extdisco/internal/web"
	"extdisco/turncred"
)

const auditConfig = testkit.MinimalConfig + `
[[ice_server]]
urls = ["turn:static.example.org"]
username = "alice"
password = "` + testkit.Password + `"
[limits]
per_jid = "5/m"
per_domain = "20/m"
total = "40/m"
[log]
audit = true
`

var auditLine = regexp.MustCompile(`msg="issued a credential" pseudonym=([0-9a-f]{16}) route=(\S+|"[^"]*") expires=(\S+)\n`)

// askServices asks the daemon for services, as the component does.
func askServices(t *testing.T, d *daemon, requester string, route component.Route) string {
	t.Helper()
	reply, err := answer(d, d.handle.discovery, nil, &component.Request{
		Requester: []byte(requester), Payload: xml.NewDecoder(strings.NewReader(testkit.ServicesRequest)), Now: testkit.Time, Route: route,
	})
	if err != nil {
		t.Fatal(err)
	}
	return string(reply)
}

// TestAudit issues a credential by each route, and looks the pseudonyms up.
func TestAudit(t *testing.T) {
	for _, tt := range []struct {
		name, route, address string
		issue                func(t *testing.T, d *daemon)
	}{
		{"direct", "direct", "juliet@example.org", func(t *testing.T, d *daemon) { askServices(t, d, "juliet@example.org", component.RouteDirect) }},
		{"delegated", "delegated", "romeo@example.org", func(t *testing.T, d *daemon) { askServices(t, d, "romeo@example.org", component.RouteDelegated) }},
		{"fed", "feed", "", func(t *testing.T, d *daemon) {
			if _, err := askFeed(t, d, "example.org", feedRequest(1)); err != nil {
				t.Fatal(err)
			}
		}},
		{"over HTTP", "http", "janus/room 7", func(t *testing.T, d *daemon) {
			if _, err := backendOf(d).Credentials(t.Context(), "janus", "room 7", testkit.Time); err != nil {
				t.Fatal(err)
			}
		}},
		{"from the page", `"status page"`, "", func(t *testing.T, d *daemon) {
			if _, err := backendOf(d).Trial(t.Context(), testkit.Time); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d, log := newTestDaemon(t, auditConfig)
			tt.issue(t, d)
			lines := auditLine.FindAllStringSubmatch(log.String(), -1)
			if len(lines) != 2 || lines[0][2] != tt.route || lines[0][3] == "never" || lines[1][3] != "never" {
				t.Fatalf("the audit says\n%s", log)
			}
			testkit.WantNoSecrets(t, "the log", log.String(), testkit.Secrets...)
			if name, _, _ := strings.Cut(tt.address, "@"); name != "" && strings.Contains(log.String(), name) {
				t.Errorf("the audit tells the address:\n%s", log)
			}
			for _, line := range lines {
				found := slices.ContainsFunc(source.AllPseudonyms(d.cfg, d.cfg.ICEServers), func(p *turncred.Pseudonyms) bool {
					return string(p.Append(nil, []byte(tt.address))) == line[1]
				})
				if found != (tt.address != "") {
					t.Errorf("%s is the pseudonym of %q: %v", line[1], tt.address, found)
				}
			}
		})
	}
}

func TestAuditIsOffByDefault(t *testing.T) {
	d, log := newTestDaemon(t, testkit.MinimalConfig)
	if reply := askServices(t, d, "juliet@example.org", component.RouteDirect); !strings.Contains(reply, "password='") {
		t.Fatal(reply)
	}
	if strings.Contains(log.String(), "issued") {
		t.Error(log)
	}
	d.use(mustLoad(t, testkit.WriteConfig(t, auditConfig)), testkit.Time)
	askServices(t, d, "juliet@example.org", component.RouteDirect)
	if len(auditLine.FindAllString(log.String(), -1)) != 2 {
		t.Errorf("a reload does not switch it on: %s", log)
	}
}

// TestServeAudits looks at the lines of requests that came over a link, in the form
// in which servers write them, and with a prefix, which takes another way through.
func TestServeAudits(t *testing.T) {
	server := testkit.StartServer(t)
	s := startServing(t, server.Config(turnTable+"[log]\naudit = true\n"))
	stream := s.connect(server, testkit.Handshake)
	for i, request := range []string{testkit.ServicesRequest, "<x:services xmlns:x='urn:xmpp:extdisco:2'/>"} {
		stream.Ask("juliet@example.org/1", request)
		stream.RoundTrip("<iq type='set' id='d1' from='example.org' to='" + stream.To + "'><delegation xmlns='urn:xmpp:delegation:2'>" +
			"<forwarded xmlns='urn:xmpp:forward:0'><iq xmlns='jabber:client' type='get' id='i1' from='romeo@example.org/1' to='example.org'>" +
			request + "</iq></forwarded></delegation></iq>")
		lines := auditLine.FindAllStringSubmatch(s.log.String(), -1)
		if len(lines) != 2*(i+1) || lines[2*i][2] != "direct" || lines[2*i+1][2] != "delegated" || lines[2*i][1] == lines[2*i+1][1] {
			t.Errorf("the audit says\n%s", s.log)
		}
	}
	s.stop(syscall.SIGTERM, stream)
}

// TestLimitsReachEverybody holds which limit counts for whom.
func TestLimitsReachEverybody(t *testing.T) {
	count := func(times int, ask func(i int) error) (answered int) {
		for i := range times {
			if ask(i) == nil {
				answered++
			}
		}
		return answered
	}
	t.Run("requester, domain and total", func(t *testing.T) {
		d, _ := newTestDaemon(t, auditConfig+"[access]\nallow = [\"example.org\", \"one.example\", \"two.example\"]\n")
		admitEach := func(format string) func(int) error {
			return func(i int) error { return admit(d, fmt.Appendf(nil, format, i%100), testkit.Time) }
		}
		if n := count(10, func(int) error { return admit(d, []byte("juliet@example.org"), testkit.Time) }); n != 5 {
			t.Errorf("%d answers for one requester", n)
		}
		if n := count(100, admitEach("u%d@example.org")); n != 15 {
			t.Errorf("%d more answers for the domain", n)
		}
		if n := count(100, admitEach("u%d@one.example")) + count(100, admitEach("u%d@two.example")); n != 20 {
			t.Errorf("%d more answers in total", n)
		}
	})
	t.Run("feed", func(t *testing.T) {
		d, _ := newTestDaemon(t, auditConfig)
		n := count(100, func(int) error {
			_, err := askFeed(t, d, "example.org", feedRequest(2))
			if err != nil && !errors.Is(err, errTooMany) {
				t.Fatal(err)
			}
			return err
		})
		if n != 40 { // limits.total, and nothing else
			t.Errorf("%d answers", n)
		}
	})
	t.Run("HTTP", func(t *testing.T) {
		d, _ := newTestDaemon(t, auditConfig)
		ask := func(client, user string) func(int) error {
			return func(int) error {
				_, err := backendOf(d).Credentials(context.Background(), client, user, testkit.Time)
				if err != nil && !errors.Is(err, web.ErrLimited) {
					t.Fatal(err)
				}
				return err
			}
		}
		if n := count(10, ask("janus", "room")); n != 5 {
			t.Errorf("%d answers for one user", n)
		}
		if n := count(100, ask("janus", "")); n != 15 {
			t.Errorf("%d more answers for the client", n)
		}
		if n := count(100, ask("other", "")); n != 20 {
			t.Errorf("%d answers for another client", n)
		}
	})
}

// TestServeGivesOverHTTP asks for credentials as Janus does, and from the page.
func TestServeGivesOverHTTP(t *testing.T) {
	server := testkit.StartServer(t)
	rest := "[[rest_client]]\nname = \"janus\"\nkey = \"" + testkit.RESTKey + "\"\n"
	s := startServing(t, server.Config(turnTable+testkit.HTTPTable+rest))
	base := s.site(1)
	stream := s.connect(server, testkit.Handshake)
	got := fetch(t, "POST", base+"/turn?service=turn&username=7&key="+testkit.RESTKey)
	m := regexp.MustCompile(`^{"username":"(\d+:[0-9a-f]{16})","password":"([^"]*)","ttl":86\d\d\d,"uris":\["turn:turn.example.org:3478\?transport=udp"\]}\n$`).FindStringSubmatch(got.body)
	if m == nil || m[2] != testkit.PasswordFor(testkit.SharedSecret, m[1]) {
		t.Fatalf("%d %s", got.status, got.body)
	}
	tried := fetch(t, "POST", base+"/try", "Authorization", "Bearer "+testkit.Token)
	expires := regexp.MustCompile(`"expires":"([^"]*)"`).FindStringSubmatch(tried.body)
	if tried.status != 200 || expires == nil || !strings.Contains(tried.body, "stun:turn.example.org") {
		t.Fatalf("%d %s", tried.status, tried.body)
	}
	fetch(t, "GET", base+"/turn?service=turn&key=wrong")
	fetch(t, "POST", base+"/try", "Authorization", "Bearer wrong")
	wantMetrics(t, base, `extdisco_http_credentials_total{endpoint="turn",outcome="given"} 1`, `extdisco_http_credentials_total{endpoint="turn",outcome="refused"} 1`,
		`extdisco_http_credentials_total{endpoint="page",outcome="given"} 1`, `extdisco_http_credentials_total{endpoint="page",outcome="refused"} 1`)
	page, shown := fetch(t, "GET", base+"/"), fetch(t, "GET", base+"/metrics")
	s.stop(syscall.SIGTERM, stream)
	testkit.WantNoSecrets(t, "the log", s.log.String(), append(testkit.Secrets, testkit.Token, testkit.RESTKey, m[2])...)
	testkit.WantNoSecrets(t, "the page and the metrics", page.body+shown.body, append(testkit.Secrets, testkit.Token, testkit.RESTKey, m[2])...)
}
