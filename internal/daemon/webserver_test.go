package daemon

import (
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"net/http"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"mellium.im/xmpp/stanza"

	"extdisco/component"
	"extdisco/integration/lab"
	"extdisco/internal/testkit"
	"extdisco/turncred"
	"extdisco/xep0215"
)

const (
	servingHTTP = "serving health, metrics and the status page"
)

const turnTable = "[[ice_server]]\nurls = [\"stun:turn.example.org\", \"turn:turn.example.org\"]\nsecret_file = \"turn.secret\"\n"

var siteURL = regexp.MustCompile(servingHTTP + `"[ ,]"?url"?[=:]"?(http://[^ "\n]+)/`)

// site waits until HTTP is served for the nth time and returns where.
func (s *serving) site(n int) string {
	s.t.Helper()
	s.log.WaitFor(s.t, servingHTTP, n)
	return siteURL.FindAllStringSubmatch(s.log.String(), -1)[n-1][1]
}

// fetched is an answer to a request over HTTP.
type fetched struct {
	status int
	header http.Header
	body   string
}

// fetch asks for a page. Headers are given as name and value in turns.
func fetch(t *testing.T, method, url string, headers ...string) fetched {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "Host" {
			r.Host = headers[i+1]
		}
		r.Header.Set(headers[i], headers[i+1])
	}
	transport := &http.Transport{DisableKeepAlives: true}
	response, err := transport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return fetched{response.StatusCode, response.Header, string(body)}
}

// wantMetrics checks that lines are among the metrics.
func wantMetrics(t *testing.T, base string, lines ...string) {
	t.Helper()
	got := fetch(t, "GET", base+"/metrics").body
	for _, line := range lines {
		if !strings.Contains(got, "\n"+line+"\n") {
			name, _, _ := strings.Cut(line, "{")
			t.Errorf("no line %s among\n%s", line, strings.Join(regexp.MustCompile(`(?m)^`+name+`.*$`).FindAllString(got, -1), "\n"))
		}
	}
}

func TestServeShowsHealthAndMetrics(t *testing.T) {
	server := testkit.StartServer(t)
	s := startServing(t, server.Config(turnTable+testkit.HTTPTable))
	base := s.site(1)
	if r := fetch(t, "GET", base+"/healthz"); r.status != http.StatusOK || r.body != "ok\n" {
		t.Errorf("healthz: %d %q", r.status, r.body)
	}
	if r := fetch(t, "GET", base+"/readyz"); r.status != http.StatusServiceUnavailable || !strings.Contains(r.body, "not connected to the XMPP server") {
		t.Errorf("readyz before the link: %d %q", r.status, r.body)
	}
	wantMetrics(t, base, `extdisco_link_up{link="turn.example.org"} 0`, "extdisco_ready 0")

	stream := s.connect(server, testkit.Handshake)
	if r := fetch(t, "GET", base+"/readyz"); r.status != http.StatusOK || r.body != "ready\n" {
		t.Errorf("readyz: %d %q", r.status, r.body)
	}
	stream.Ask("juliet@example.org/1", testkit.ServicesRequest)
	stream.Ask("mallory@example.com/1", testkit.ServicesRequest)
	stream.Ask("juliet@example.org/1", "<services xmlns='"+xep0215.NS1+"'/>")
	wantMetrics(t, base, `extdisco_link_up{link="turn.example.org"} 1`, "extdisco_ready 1", `extdisco_link_connects_total{link="turn.example.org"} 1`,
		`extdisco_answers_total{namespace="urn:xmpp:extdisco:2",outcome="result",route="direct"} 1`,
		`extdisco_answers_total{namespace="urn:xmpp:extdisco:2",outcome="forbidden",route="direct"} 1`,
		`extdisco_answers_total{namespace="urn:xmpp:extdisco:1",outcome="result",route="direct"} 1`,
		`extdisco_answer_duration_seconds_count{route="direct"} 3`,
		`extdisco_config_reloads_total{result="ok"} 0`, "extdisco_config_last_reload_successful 1")
	s.stop(syscall.SIGTERM, stream)
	if _, err := net.Dial("tcp", strings.TrimPrefix(base, "http://")); err == nil {
		t.Error("the port is still open")
	}
}

func TestServeReloadsHTTP(t *testing.T) {
	server := testkit.StartServer(t)
	content := server.Config(turnTable)
	s := startServing(t, content+"[log]\nlevel = \"debug\"\n")
	stream := s.connect(server, testkit.Handshake)
	if strings.Contains(s.log.String(), servingHTTP) {
		t.Fatal("HTTP is served though it is not configured")
	}

	s.reload(content+testkit.HTTPTable, "reloaded the configuration")
	base := s.site(1)
	wantMetrics(t, base, `extdisco_config_reloads_total{result="ok"} 1`)

	taken := listen(t)
	s.reload(content+strings.Replace(testkit.HTTPTable, "127.0.0.1:0", taken, 1), notChanged)
	wantLogged(t, s.log, "http.listen: another program listens on "+taken+" already; stop it or choose another port")
	base = s.site(2) // a port of its own again
	wantMetrics(t, base, `extdisco_config_reloads_total{result="failed"} 1`, "extdisco_config_last_reload_successful 0")

	s.reload(content, "reloaded the configuration")
	if _, err := net.Dial("tcp", strings.TrimPrefix(base, "http://")); err == nil {
		t.Error("the port is still open")
	}
	s.stop(syscall.SIGTERM, stream)
}

// listen returns an address on which somebody listens.
func listen(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l.Addr().String()
}

func wantLogged(t *testing.T, log *testkit.LogBuffer, text string) {
	t.Helper()
	if !strings.Contains(log.String(), text) {
		t.Errorf("the log does not say %q", text)
	}
}

func TestServeFailsWhenThePortIsTaken(t *testing.T) {
	taken := listen(t)
	s := startServing(t, testkit.MinimalConfig+strings.Replace(testkit.HTTPTable, "127.0.0.1:0", taken, 1))
	if err := <-s.ended; err == nil || !strings.Contains(err.Error(), "http.listen: another program listens on "+taken+" already") {
		t.Errorf("ends with %v", err)
	}
}

// What is written to a log or the journal is no place for a token.
func TestServeMakesNoTokenForALog(t *testing.T) {
	server := testkit.StartServer(t)
	content := server.Config(turnTable + "[http]\nlisten = \"127.0.0.1:0\"\n")
	s := startServing(t, content)
	base := s.site(1)
	wantLogged(t, s.log, "the status page has no token")
	if strings.Contains(s.log.String(), "the token of the status page until") {
		t.Error("a token is in the log")
	}
	stream := s.connect(server, testkit.Handshake)
	if r := fetch(t, "POST", base+"/try", "Authorization", "Bearer "); r.status != http.StatusForbidden || !strings.Contains(r.body, "http.token_file") {
		t.Errorf("without a token: %d %s", r.status, r.body)
	}
	s.reload(content+"token = \""+testkit.Token+"\"\n", "reloaded the configuration")
	if r := fetch(t, "POST", base+"/try", "Authorization", "Bearer "+testkit.Token); r.status != http.StatusOK {
		t.Errorf("with the token that was set later: %d %s", r.status, r.body)
	}
	s.stop(syscall.SIGTERM, stream)
}

// TestObserverAllocatesNothing holds that counting an answer, and looking at the
// limits and at the audit that is off, cost no memory.
func TestObserverAllocatesNothing(t *testing.T) {
	d, _ := newTestDaemon(t, testkit.MinimalConfig+"[limits]\nper_domain = \"1000000/m\"\ntotal = \"1000000/m\"\n")
	var refused error = stanza.Error{Type: stanza.Wait, Condition: stanza.ResourceConstraint}
	requester := []byte("juliet@example.org")
	audit := d.handle.audits.of("direct")
	credential := &turncred.Credential{Username: []byte("1:0123456789abcdef"), Password: []byte("p")}
	now := testkit.Time
	allocs := testing.AllocsPerRun(200, func() {
		now = now.Add(time.Second)
		if err := admit(d, requester, now); err != nil {
			t.Fatal(err)
		}
		audit(requester, credential)
		observerOf(d).Answered(component.Answers{Count: 1, NS: xep0215.NS, Route: component.RouteDelegated, At: now, Took: time.Millisecond})
		observerOf(d).Answered(component.Answers{Count: 1, NS: xep0215.NS1, Err: refused, At: now, Took: time.Millisecond})
		d.state.metrics.Limited(0)
	})
	if allocs != 0 {
		t.Errorf("%v allocations per answer", allocs)
	}
}

func TestHourForgets(t *testing.T) {
	var h hour
	at := testkit.Time
	h.add(1, at, "result")
	h.add(1, at.Add(30*time.Second), "forbidden")
	h.add(1, at.Add(59*time.Minute), "remote-server-timeout")
	h.add(1, at.Add(58*time.Minute), "result") // the clock went back
	list := h.list(at.Add(59 * time.Minute))
	if len(list) != 60 || list[0].Answered != 1 || list[0].Refused != 1 || list[59].Failed != 1 || list[59].Answered != 1 {
		t.Errorf("the hour is %+v", list)
	}
	list = h.list(at.Add(60 * time.Minute))
	if list[0].Answered != 0 || list[58].Failed != 1 {
		t.Errorf("a minute later it is %+v", list)
	}
	for _, m := range h.list(at.Add(1000 * time.Hour)) {
		if m.Answered+m.Refused+m.Failed > 0 {
			t.Errorf("much later there is still %+v", m)
		}
	}
}

func TestProblemsAreKept(t *testing.T) {
	problems := new(problemLog)
	log := slog.New(problemHandler{Handler: testkit.NewLog(testkit.NewLogBuffer()).Handler(), problems: problems})
	log.With("server", "a").Warn("it broke", "do", "mend it", "err", "why", "retry_in", "1s")
	log.Info("all is well")
	log.With("server", "a").Warn("it broke", "do", "mend it", "err", "another reason")
	log.Error("it is wrong")
	list := problems.latest()
	if len(list) != 2 || !list[0].IsError || list[0].Message != "it is wrong" {
		t.Fatalf("kept %+v", list)
	}
	if p := list[1]; p.Times != 2 || p.Cure != "mend it" || p.Details != "server: a; err: another reason" {
		t.Errorf("kept %+v", p)
	}
	log.Error("the configuration has a fault", "fault", "one")
	log.Error("the configuration has a fault", "fault", "two") // which is another one
	log.Error("the configuration has a fault", "fault", "one")
	if list := problems.latest(); len(list) != 4 || list[0].Details != "fault: one" || list[0].Times != 2 || list[1].Details != "fault: two" {
		t.Errorf("kept %+v", list)
	}
	for i := range 3 * maxProblems {
		log.Warn("many", "do", strings.Repeat("x", i))
	}
	if n := len(problems.latest()); n != maxProblems {
		t.Errorf("%d are kept", n)
	}
}

// On a terminal the token of the status page is shown, once.
func TestTokenIsShownOnATerminal(t *testing.T) {
	log, terminal := testkit.NewLogBuffer(), testkit.NewLogBuffer()
	w := &webServer{log: testkit.NewLog(log), notice: terminal}
	token := w.ownToken()
	if again := w.ownToken(); token.IsEmpty() || !again.Equal(token) {
		t.Error("there is no token, or another one each time")
	}
	if n := strings.Count(terminal.String(), token.Reveal()); n != 1 || log.String() != "" {
		t.Errorf("shown %d times; logged: %s", n, log)
	}
}

// With a certificate everything is served over TLS, and a reload may add and remove it.
func TestServeHTTPS(t *testing.T) {
	server := testkit.StartServer(t)
	content := server.Config(turnTable)
	s := startServing(t, content+testkit.HTTPTable)
	s.site(1)
	stream := s.connect(server, testkit.Handshake)
	dir := t.TempDir()
	ca, err := lab.NewCA(dir)
	if err != nil {
		t.Fatal(err)
	}
	cert, key, err := ca.Issue(dir, "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	s.reload(content+testkit.HTTPTable+"cert_file = \""+cert+"\"\nkey_file = \""+key+"\"\n", "reloaded the configuration")
	s.log.WaitFor(t, servingHTTP+"\" url=https://", 1)
	address := regexp.MustCompile(servingHTTP + `" url=(https://[^ "\n]+)/`).FindStringSubmatch(s.log.String())[1]
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}}
	defer client.CloseIdleConnections()
	response, err := client.Get(address + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusOK || response.TLS == nil {
		t.Errorf("%d, TLS %v", response.StatusCode, response.TLS)
	}
	s.stop(syscall.SIGTERM, stream)
}
