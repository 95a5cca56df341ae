package main

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"extdisco/component"
	"extdisco/internal/web"
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
	reply, err := newExtdiscoHandler(d).AppendReply(nil, &component.Request{
		Requester: []byte(requester), Payload: xml.NewDecoder(strings.NewReader(servicesRequest)), Now: testkit.Time, Route: route,
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
			if _, err := (webBackend{d}).Credentials(t.Context(), "janus", "room 7", testkit.Time); err != nil {
				t.Fatal(err)
			}
		}},
		{"from the page", `"status page"`, "", func(t *testing.T, d *daemon) {
			if _, err := (webBackend{d}).Trial(t.Context(), testkit.Time); err != nil {
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
			wantNoSecrets(t, "the log", log.String(), configuredSecrets...)
			if name, _, _ := strings.Cut(tt.address, "@"); name != "" && strings.Contains(log.String(), name) {
				t.Errorf("the audit tells the address:\n%s", log)
			}
			for _, line := range lines {
				r := runCommand(t, "", "whois", line[1], "--jid", "nobody@example.org", "--jid", tt.address, "--config", d.offer.Load().cfg.file)
				if want := tt.address + "\n"; tt.address != "" && (r.status != statusOK || r.stdout != want) {
					t.Errorf("whois says %+v", r)
				}
				if tt.address == "" && r.status != statusFailed {
					t.Errorf("whois says %+v of somebody who is nobody", r)
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
	d.reload(mustLoad(t, testkit.WriteConfig(t, auditConfig)), testkit.Time)
	askServices(t, d, "juliet@example.org", component.RouteDirect)
	if len(auditLine.FindAllString(log.String(), -1)) != 2 {
		t.Errorf("a reload does not switch it on: %s", log)
	}
}

// TestServeAudits looks at the lines of requests that came over a link, in the form
// in which servers write them, and with a prefix, which takes another way through.
func TestServeAudits(t *testing.T) {
	server := startServer(t)
	s := startServing(t, server.serverConfig(turnTable+"[log]\naudit = true\n"), environment{})
	stream := s.connect(server, testkit.Handshake)
	for i, request := range []string{servicesRequest, "<x:services xmlns:x='urn:xmpp:extdisco:2'/>"} {
		stream.ask("juliet@example.org/1", request)
		stream.roundTrip("<iq type='set' id='d1' from='example.org' to='" + stream.to + "'><delegation xmlns='urn:xmpp:delegation:2'>" +
			"<forwarded xmlns='urn:xmpp:forward:0'><iq xmlns='jabber:client' type='get' id='i1' from='romeo@example.org/1' to='example.org'>" +
			request + "</iq></forwarded></delegation></iq>")
		lines := auditLine.FindAllStringSubmatch(s.log.String(), -1)
		if len(lines) != 2*(i+1) || lines[2*i][2] != "direct" || lines[2*i+1][2] != "delegated" || lines[2*i][1] == lines[2*i+1][1] {
			t.Errorf("the audit says\n%s", s.log)
		}
	}
	s.stop(syscall.SIGTERM, stream)
}

func TestWhois(t *testing.T) {
	file := testkit.WriteConfig(t, testkit.MinimalConfig+"pseudonym_key_file = \"pseudonym.key\"\n")
	d := newDaemon(mustLoad(t, file), testkit.NewLog(testkit.NewLogBuffer()), testkit.Time)
	username := regexp.MustCompile(`username='(\d+:([0-9a-f]{16}))'`).FindStringSubmatch(askServices(t, d, "juliet@example.org", component.RouteDirect))
	list := filepath.Join(t.TempDir(), "list")
	testkit.WriteFile(t, list, "# users\n\nromeo@example.org\n  Juliet@Example.org/balcony  \nnurse@example.org")
	tests := []struct {
		name, stdin    string
		args           []string
		status         int
		stdout, stderr string
	}{
		{"address", "", []string{username[2], "--jid", "juliet@example.org"}, statusOK, "juliet@example.org\n", ""},
		{"username of coturn's log", "", []string{username[1], "--jid", "juliet@example.org"}, statusOK, "juliet@example.org\n", ""},
		{"list", "", []string{username[2], "--jid-list", list}, statusOK, "juliet@example.org\n", ""},
		{"standard input", "romeo@example.org\njuliet@example.org\n", []string{username[2], "--jid-list", "-"}, statusOK, "juliet@example.org\n", ""},
		{"nobody", "", []string{username[2], "--jid", "romeo@example.org", "--jid", "nurse@example.org"}, statusFailed, "", "2 addresses were tried, and " + username[2] + " belongs to none of them"},
		{"empty list", "# nobody\n", []string{username[2], "--jid-list", "-"}, statusFailed, "", "the list has no address in it"},
		{"no such list", "", []string{username[2], "--jid-list", list + "x"}, statusFailed, "", "--jid-list: open "},
		{"no pseudonym", "", []string{"juliet", "--jid", "juliet@example.org"}, statusUsage, "", `"juliet" is not a pseudonym`},
		{"no address", "", []string{username[2]}, statusUsage, "", "whois needs addresses to try"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := runCommand(t, tt.stdin, append([]string{"whois", "--config", file}, tt.args...)...)
			if r.status != tt.status || r.stdout != tt.stdout || !strings.Contains(r.stderr, tt.stderr) {
				t.Errorf("%+v", r)
			}
		})
	}
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
		admit := func(format string) func(int) error {
			return func(i int) error { return d.Admit(fmt.Appendf(nil, format, i%100), testkit.Time) }
		}
		if n := count(10, func(int) error { return d.Admit([]byte("juliet@example.org"), testkit.Time) }); n != 5 {
			t.Errorf("%d answers for one requester", n)
		}
		if n := count(100, admit("u%d@example.org")); n != 15 {
			t.Errorf("%d more answers for the domain", n)
		}
		if n := count(100, admit("u%d@one.example")) + count(100, admit("u%d@two.example")); n != 20 {
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
				_, err := (webBackend{d}).Credentials(context.Background(), client, user, testkit.Time)
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
	server := startServer(t)
	rest := "[[rest_client]]\nname = \"janus\"\nkey = \"" + testRESTKey + "\"\n"
	s := startServing(t, server.serverConfig(turnTable+httpTable+rest), environment{logLevel: "debug"})
	base := s.site(1)
	stream := s.connect(server, testkit.Handshake)
	got := fetch(t, "POST", base+"/turn?service=turn&username=7&key="+testRESTKey)
	m := regexp.MustCompile(`^{"username":"(\d+:[0-9a-f]{16})","password":"([^"]*)","ttl":86\d\d\d,"uris":\["turn:turn.example.org:3478\?transport=udp"\]}\n$`).FindStringSubmatch(got.body)
	if m == nil || m[2] != wantPassword(testkit.SharedSecret, m[1]) {
		t.Fatalf("%d %s", got.status, got.body)
	}
	tried := fetch(t, "POST", base+"/try", "Authorization", "Bearer "+testToken)
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
	wantNoSecrets(t, "the log", s.log.String(), append(configuredSecrets, testToken, testRESTKey, m[2])...)
	wantNoSecrets(t, "the page and the metrics", page.body+shown.body, append(configuredSecrets, testToken, testRESTKey, m[2])...)
}
