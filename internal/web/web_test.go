package web_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"extdisco/internal/secret"
	"extdisco/internal/web"
)

const (
	token = "TokenOfTheStatusPage"
	key   = "KeyOfTheJanusGateway"
	other = "KeyOfTheOtherService"
)

// backend is what the site of a test shows and gives.
type backend struct {
	unready string
	status  web.Status
	servers []web.ICEServer
	err     error

	asked []string // CLIENT USER
	gave  []string // ENDPOINT OUTCOME
}

func (b *backend) Unready(time.Time) string    { return b.unready }
func (b *backend) Status(time.Time) web.Status { return b.status }
func (b *backend) Gave(endpoint, outcome string) {
	b.gave = append(b.gave, endpoint+" "+outcome)
}
func (b *backend) Credentials(_ context.Context, client, user string, _ time.Time) ([]web.ICEServer, error) {
	b.asked = append(b.asked, client+" "+user)
	return b.servers, b.err
}
func (b *backend) Trial(context.Context, time.Time) ([]web.ICEServer, error) {
	return b.servers, b.err
}

var someServers = []web.ICEServer{
	{URLs: []string{"stun:stun.example.net:3478"}},
	{URLs: []string{"stun:turn.example.org:3478", "turn:turn.example.org:3478?transport=udp"}, Username: "1:a<&b", Credential: "p+/="},
	{URLs: []string{"turn:two.example.org:3478?transport=tcp"}, Username: "2:c", Credential: "q"},
}

var someMetrics = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "some_metric 1\n") })

func newSite(b *backend, log *bytes.Buffer) *web.Site {
	return newSiteOf(b, slog.NewTextHandler(log, nil))
}

func newSiteOf(b web.Backend, log slog.Handler) *web.Site {
	return web.New(web.Config{
		Hosts: []string{"status.example.org"}, Token: secret.New(token),
		Clients: []web.Client{{Name: "janus", Key: secret.New(key)}, {Name: "other", Key: secret.New(other)}, {Name: "keyless"}},
		Metrics: someMetrics, Backend: b, Log: slog.New(log),
	}, time.Now())
}

// ask asks the site. Headers are "Name: value"; Host may be among them.
func ask(t *testing.T, s *web.Site, method, target, body string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	r.Host = "localhost:9215"
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		if name == "Host" {
			r.Host = value
		}
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

func TestHealth(t *testing.T) {
	b := &backend{status: web.Status{Links: []web.Link{{Up: true}}, Config: web.Reading{OK: true}}}
	s := newSite(b, new(bytes.Buffer))
	for _, tt := range []struct {
		path, unready, want string
		status              int
	}{
		{"/healthz", "", "ok\n", 200},
		{"/healthz", "no link", "ok\n", 200}, // it is alive all the same
		{"/readyz", "", "ready\n", 200},
		{"/readyz", "no link", "not ready: no link\n", 503},
	} {
		b.unready = tt.unready
		if w := ask(t, s, "GET", tt.path, "", "Host: 192.0.2.1:9215"); w.Code != tt.status || w.Body.String() != tt.want {
			t.Errorf("%s, %q: %d %q", tt.path, tt.unready, w.Code, w.Body)
		}
	}
}

// What reads the page could read is closed to other names, and so is what tells of
// the users or the servers. That the process is alive may be known.
func TestPageIsClosedToOtherNames(t *testing.T) {
	s := newSite(&backend{}, new(bytes.Buffer))
	for host, want := range map[string]int{
		"localhost": 200, "localhost:9215": 200, "127.0.0.1:9215": 200, "[::1]:9215": 200, "192.0.2.1": 200,
		"status.example.org": 200, "Status.Example.org:443": 200,
		"rebound.example.com": 421, "rebound.example.com:9215": 421, "status.example.org.example.com": 421, "": 421,
	} {
		for _, path := range []string{"/", "/page.js", "/page.css", "/readyz", "/metrics"} {
			if w := ask(t, s, "GET", path, "", "Host: "+host); w.Code != want {
				t.Errorf("%s as %q: %d, want %d", path, host, w.Code, want)
			}
		}
		if w := ask(t, s, "GET", "/healthz", "", "Host: "+host); w.Code != 200 {
			t.Errorf("/healthz as %q: %d", host, w.Code)
		}
		if w := ask(t, s, "POST", "/try", "", "Host: "+host, "Authorization: Bearer "+token); w.Code == 421 != (want == 421) {
			t.Errorf("/try as %q: %d", host, w.Code)
		}
	}
}

func TestPageHasAStrictPolicy(t *testing.T) {
	s := newSite(&backend{status: web.Status{Now: time.Unix(1_800_000_000, 0)}}, new(bytes.Buffer))
	w := ask(t, s, "GET", "/", "")
	policy := w.Header().Get("Content-Security-Policy")
	for _, directive := range []string{"default-src 'none'", "script-src 'self'", "style-src 'self'", "connect-src 'self'", "form-action 'none'", "frame-ancestors 'none'", "base-uri 'none'"} {
		if !strings.Contains(policy, directive) {
			t.Errorf("the policy lacks %s: %s", directive, policy)
		}
	}
	if strings.Contains(policy, "unsafe") {
		t.Errorf("the policy is not strict: %s", policy)
	}
	page := w.Body.String()
	for _, external := range []string{"http://", "https://", "//", "style=", "onclick"} {
		if strings.Contains(page, external) {
			t.Errorf("the page has %s in it", external)
		}
	}
	for _, path := range []string{"/other", "/page.html.tmpl", "/try/x"} {
		if w := ask(t, s, "GET", path, ""); w.Code != 404 {
			t.Errorf("%s: %d", path, w.Code)
		}
	}
	if w := ask(t, s, "POST", "/", ""); w.Code != 405 {
		t.Errorf("POST /: %d", w.Code)
	}
}

func TestPageEscapes(t *testing.T) {
	const evil = `<script>alert("1")</script>`
	now := time.Unix(1_800_000_000, 0)
	evilHosts := []web.Host{{Name: evil, How: evil, Cure: evil, Since: now}, {Name: evil, How: evil, Forwards: true}}
	b := &backend{status: web.Status{
		Now: now, Unready: evil, Links: []web.Link{{Name: evil, JID: evil, Problem: evil, Cure: evil, Error: evil, Hosts: evilHosts}, {Name: evil, Up: true}}, Config: web.Reading{File: evil},
		Relays: []web.Relay{{URL: evil, Detail: evil, Cure: evil}}, Providers: []web.Provider{{Name: evil, Error: evil}},
		Problems: []web.Problem{{Message: evil, Cure: "another " + evil, Details: evil}},
		Refused:  []web.Refusal{{Domain: evil, Reason: evil, Cure: evil}},
	}}
	if page := ask(t, newSite(b, new(bytes.Buffer)), "GET", "/", "").Body.String(); strings.Contains(page, "<script>") || !strings.Contains(page, "&lt;script&gt;") {
		t.Error("what is shown is not escaped")
	}
}

func TestTry(t *testing.T) {
	bearer := "Authorization: Bearer " + token
	for _, tt := range []struct {
		name    string
		headers []string
		status  int
	}{
		{"from the page", []string{bearer, "Origin: http://localhost:9215", "Sec-Fetch-Site: same-origin"}, 200},
		{"from a program", []string{bearer}, 200},
		{"from the page behind a proxy", []string{bearer, "Origin: https://status.example.org", "Sec-Fetch-Site: same-origin"}, 200},
		{"from another site", []string{bearer, "Origin: https://evil.example", "Sec-Fetch-Site: cross-site"}, 403},
		{"from another port", []string{bearer, "Origin: http://localhost:80", "Sec-Fetch-Site: same-site"}, 403},
		{"from another site, by an old browser", []string{bearer, "Origin: https://evil.example"}, 403},
		{"from a sandbox", []string{bearer, "Origin: null"}, 403},
		{"no token", nil, 401},
		{"empty token", []string{"Authorization: Bearer "}, 401},
		{"wrong token", []string{"Authorization: Bearer wrong"}, 403},
		{"key of a client", []string{"Authorization: Bearer " + key}, 403},
	} {
		t.Run(tt.name, func(t *testing.T) {
			log := new(bytes.Buffer)
			b := &backend{servers: someServers}
			w := ask(t, newSite(b, log), "POST", "/try", "", tt.headers...)
			if w.Code != tt.status {
				t.Errorf("%d %s", w.Code, w.Body)
			}
			var answer struct {
				Servers []struct{ URLs []string }
				Error   string
			}
			if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
				t.Fatal(err)
			}
			if len(answer.Servers) == 4 != (tt.status == 200) || answer.Error == "" != (tt.status == 200) {
				t.Errorf("the answer is %s", w.Body)
			}
			if strings.Contains(log.String()+w.Body.String(), token) || strings.Contains(w.Body.String(), "p+/=") != (tt.status == 200) {
				t.Errorf("a secret is told: %s %s", log, w.Body)
			}
		})
	}
	t.Run("no GET", func(t *testing.T) {
		if w := ask(t, newSite(&backend{}, new(bytes.Buffer)), "GET", "/try", "", bearer); w.Code != 405 {
			t.Errorf("%d", w.Code)
		}
	})
}

func TestTryIsLimited(t *testing.T) {
	s := newSite(&backend{servers: someServers}, new(bytes.Buffer))
	count := map[int]int{}
	for range 12 {
		count[ask(t, s, "POST", "/try", "", "Authorization: Bearer "+token).Code]++
	}
	if count[200] != 10 || count[429] != 2 {
		t.Errorf("the right token: %v", count)
	}
}

// What the backend cannot give is told as such.
func TestTryErrors(t *testing.T) {
	for _, tt := range []struct {
		err    error
		status int
		gave   string
	}{
		{web.ErrUnavailable, 503, "page unavailable"},
		{web.ErrLimited, 429, "page limited"},
	} {
		b := &backend{err: tt.err, servers: someServers}
		w := ask(t, newSite(b, new(bytes.Buffer)), "POST", "/try", "", "Authorization: Bearer "+token)
		if w.Code != tt.status || w.Header().Get("Retry-After") == "" || strings.Contains(w.Body.String(), "turn:") || b.gave[0] != tt.gave {
			t.Errorf("%v: %d %s %v", tt.err, w.Code, w.Body, b.gave)
		}
	}
}

// Each URL is a server of its own in what the script gets, with its credential and
// its end.
func TestTryForm(t *testing.T) {
	end := time.Date(2026, 11, 21, 4, 0, 0, 0, time.UTC)
	b := &backend{servers: []web.ICEServer{someServers[0], {URLs: []string{"turn:a", "turns:a"}, Username: "u", Credential: "p", Expires: end}}}
	want := `{"servers":[{"urls":["stun:stun.example.net:3478"]},` +
		`{"urls":["turn:a"],"username":"u","credential":"p","expires":"2026-11-21T04:00:00Z"},{"urls":["turns:a"],"username":"u","credential":"p","expires":"2026-11-21T04:00:00Z"}]}`
	w := ask(t, newSite(b, new(bytes.Buffer)), "POST", "/try", "", "Authorization: Bearer "+token)
	if got := strings.TrimSpace(w.Body.String()); got != want || b.gave[0] != "page given" {
		t.Errorf("got  %s\nwant %s\n%v", got, want, b.gave)
	}
}

// A stranger's name for us is shown short, whole characters only.
func TestNamesAreShownShort(t *testing.T) {
	for name, tt := range map[string]struct{ host, want string }{
		"short":                  {"rebound.example", "not served as rebound.example;"},
		"as long as may be":      {strings.Repeat("a", 100), "not served as " + strings.Repeat("a", 100) + ";"},
		"long":                   {strings.Repeat("a", 101), "not served as " + strings.Repeat("a", 100) + "…;"},
		"a character at the end": {strings.Repeat("a", 99) + "é.example", "not served as " + strings.Repeat("a", 99) + "…;"},
		"three bytes":            {strings.Repeat("a", 98) + "€.example", "not served as " + strings.Repeat("a", 98) + "…;"},
		"not printable":          {"a\x1b[31m\u202eb\xffc", "not served as a[31mbc;"},
	} {
		w := ask(t, newSite(&backend{}, new(bytes.Buffer)), "GET", "/", "", "Host: "+tt.host)
		if w.Code != 421 || !strings.Contains(w.Body.String(), tt.want) || !utf8.ValidString(w.Body.String()) {
			t.Errorf("%s: %d %q", name, w.Code, w.Body)
		}
	}
}
