package web_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"extdisco/internal/secret"
	"extdisco/internal/web"
)

func TestREST(t *testing.T) {
	const form = "Content-Type: application/x-www-form-urlencoded"
	for _, tt := range []struct {
		name, method, target, body string
		headers                    []string
		status                     int
		asked                      string // of the backend; "" for nothing
	}{
		{"key in the query", "GET", "/turn?service=turn&username=alice&key=" + key, "", nil, 200, "janus alice"},
		{"key of another client", "GET", "/turn?service=turn&username=alice&key=" + other, "", nil, 200, "other alice"},
		{"no username", "GET", "/turn?service=turn&key=" + key, "", nil, 200, "janus "},
		{"as Janus asks by default", "POST", "/turn?service=turn&api=" + key + "&key=" + key + "&username=7", "service=turn&api=" + key + "&key=" + key + "&username=7", []string{form}, 200, "janus 7"},
		{"key in the body", "POST", "/ice", "service=turn&key=" + key, []string{form}, 200, "janus "},
		{"key in a header", "GET", "/ice?service=turn", "", []string{"Authorization: Bearer " + key}, 200, "janus "},
		{"by a name that is not ours", "GET", "/ice?service=turn&key=" + key, "", []string{"Host: turn-api.internal"}, 200, "janus "},
		{"username with every sign", "GET", "/ice?service=turn&username=a%00%2F%3A%C3%A9&key=" + key, "", nil, 200, "janus a\x00/:é"},
		{"no key", "GET", "/turn?service=turn", "", nil, 403, ""},
		{"empty key", "GET", "/turn?service=turn&key=&api=", "", []string{"Authorization: Bearer "}, 403, ""},
		{"wrong key", "GET", "/turn?service=turn&key=wrong", "", nil, 403, ""},
		{"beginning of the key", "GET", "/turn?service=turn&key=" + key[:len(key)-1], "", nil, 403, ""},
		{"token of the page", "GET", "/turn?service=turn&key=" + token, "", nil, 403, ""},
		{"JSON", "POST", "/turn", `{"service":"turn","key":"` + key + `"}`, []string{"Content-Type: application/json"}, 415, ""},
		{"JSON with the key in a header", "POST", "/turn", `{"service":"turn"}`, []string{"Content-Type: application/json; charset=utf-8", "Authorization: Bearer " + key}, 415, ""},
		{"JSON and all in the query", "POST", "/turn?service=turn&key=" + key, `{}`, []string{"Content-Type: application/json"}, 200, "janus "},
		{"JSON and a wrong key", "POST", "/turn?service=turn&key=wrong", `{}`, []string{"Content-Type: application/json"}, 403, ""},
		{"body of no kind", "POST", "/turn", "service=turn&key=" + key, nil, 415, ""},
		{"no service", "GET", "/turn?key=" + key, "", nil, 400, ""},
		{"another service", "GET", "/turn?service=stun&key=" + key, "", nil, 400, ""},
		{"broken query", "GET", "/turn?service=turn&key=%zz", "", nil, 400, ""},
		{"username as long as may be", "GET", "/turn?service=turn&key=" + key + "&username=" + strings.Repeat("a", 256), "", nil, 200, "janus " + strings.Repeat("a", 256)},
		{"username too long", "GET", "/turn?service=turn&key=" + key + "&username=" + strings.Repeat("a", 257), "", nil, 400, ""},
		{"body too long", "POST", "/turn", "service=turn&key=" + key + "&x=" + strings.Repeat("a", 9<<10), []string{form}, 400, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b, log := &backend{servers: someServers}, new(bytes.Buffer)
			w := ask(t, newSite(b, log), tt.method, tt.target, tt.body, tt.headers...)
			if w.Code != tt.status || w.Header().Get("Content-Type") != "application/json" || w.Header().Get("Cache-Control") != "no-store" {
				t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
			}
			if got := strings.Join(b.asked, ","); got != tt.asked {
				t.Errorf("the backend is asked %q, want %q", got, tt.asked)
			}
			if tt.status != 200 {
				var e struct{ Error, Message string }
				if err := json.Unmarshal(w.Body.Bytes(), &e); err != nil || e.Error == "" || e.Message == "" {
					t.Errorf("no error in JSON: %s", w.Body)
				}
			}
			if told := log.String() + w.Body.String(); strings.Contains(told, key[:len(key)-1]) || strings.Contains(told, other) || strings.Contains(told, token) {
				t.Errorf("a key is told: %s", told)
			}
		})
	}
}

func TestRESTForms(t *testing.T) {
	now := time.Now()
	servers := []web.ICEServer{
		someServers[0],
		{URLs: someServers[1].URLs, Username: someServers[1].Username, Credential: someServers[1].Credential, Expires: now.Add(time.Hour + time.Second/2)},
		{URLs: someServers[2].URLs, Username: "u", Credential: "p", Expires: now.Add(2*time.Hour + time.Second/2)},
	}
	for _, tt := range []struct{ name, path, want string }{
		{"turn", "/turn", `{"username":"1:a<&b","password":"p+/=","ttl":3600,"uris":["turn:turn.example.org:3478?transport=udp"]}`},
		{"ice", "/ice", `{"iceServers":[{"urls":["stun:stun.example.net:3478"]},` +
			`{"urls":["stun:turn.example.org:3478","turn:turn.example.org:3478?transport=udp"],"username":"1:a<&b","credential":"p+/="},` +
			`{"urls":["turn:two.example.org:3478?transport=tcp"],"username":"u","credential":"p"}],"ttl":3600}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := ask(t, newSite(&backend{servers: servers}, new(bytes.Buffer)), "GET", tt.path+"?service=turn&key="+key, "")
			if got := strings.TrimSpace(w.Body.String()); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
	t.Run("fixed account", func(t *testing.T) {
		w := ask(t, newSite(&backend{servers: someServers}, new(bytes.Buffer)), "GET", "/turn?service=turn&key="+key, "")
		if strings.Contains(w.Body.String(), "ttl") {
			t.Errorf("a credential that does not expire has a ttl: %s", w.Body)
		}
	})
	t.Run("STUN only", func(t *testing.T) {
		b := &backend{servers: someServers[:1]}
		if w := ask(t, newSite(b, new(bytes.Buffer)), "GET", "/turn?service=turn&key="+key, ""); w.Code != 503 || b.gave[0] != "turn unavailable" {
			t.Errorf("%d %s %v", w.Code, w.Body, b.gave)
		}
	})
}

func TestRESTErrors(t *testing.T) {
	for _, tt := range []struct {
		err     error
		status  int
		outcome string
	}{
		{web.ErrLimited, 429, "ice limited"},
		{web.ErrUnavailable, 503, "ice unavailable"},
		{fmt.Errorf("fetching: %w", web.ErrUnavailable), 503, "ice unavailable"},
	} {
		b := &backend{err: tt.err}
		w := ask(t, newSite(b, new(bytes.Buffer)), "GET", "/ice?service=turn&key="+key, "")
		if w.Code != tt.status || w.Header().Get("Retry-After") == "" || b.gave[0] != tt.outcome {
			t.Errorf("%v: %d %s %v", tt.err, w.Code, w.Body, b.gave)
		}
	}
}

func TestRESTIsOffWithoutClients(t *testing.T) {
	s := web.New(web.Config{Metrics: http.NotFoundHandler(), Backend: &backend{servers: someServers}}, time.Now())
	for _, path := range []string{"/turn", "/ice"} {
		if w := ask(t, s, "GET", path+"?service=turn&key=", ""); w.Code != 404 {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
}

func TestWrongKeysAreToldOnceAMinute(t *testing.T) {
	log := new(bytes.Buffer)
	s := newSite(&backend{}, log)
	for range 50 {
		ask(t, s, "GET", "/turn?service=turn", "")
	}
	for range 5 {
		ask(t, s, "POST", "/try", "", "Authorization: Bearer wrong") // counted for itself
	}
	if n := strings.Count(log.String(), "\n"); n != 2 || !strings.Contains(log.String(), "do=") {
		t.Errorf("%d lines: %s", n, log)
	}
}

// FuzzREST holds that whatever comes as a query or a body, nobody gets a
// credential without a key, and every answer is JSON.
func FuzzREST(f *testing.F) {
	for _, seed := range []string{"", "service=turn", "service=turn&key=" + key, "service=turn&key=" + key + "&username=%ff", "a;b&&=&%", "service=turn&service=x&key=x&key=" + key} {
		f.Add(seed, seed, "Bearer "+other, "application/x-www-form-urlencoded")
		f.Add(seed, "", "", "multipart/form-data; boundary=x")
	}
	s := web.New(web.Config{
		Clients: []web.Client{{Name: "janus", Key: secret.New(key)}, {Name: "other", Key: secret.New(other)}},
		Metrics: http.NotFoundHandler(), Backend: silentBackend{backend{servers: someServers}}, Log: slog.New(slog.DiscardHandler),
	}, time.Now())
	f.Fuzz(func(t *testing.T, query, body, authorization, contentType string) {
		for _, method := range []string{"GET", "POST"} {
			r := httptest.NewRequest(method, "/ice", strings.NewReader(body))
			r.URL.RawQuery = query
			r.Header.Set("Authorization", authorization)
			r.Header.Set("Content-Type", contentType)
			w := httptest.NewRecorder()
			s.ServeHTTP(w, r)
			if !json.Valid(w.Body.Bytes()) {
				t.Fatalf("%d %s", w.Code, w.Body)
			}
			hasKey := strings.Contains(unescaped(query+body)+authorization, key) || strings.Contains(unescaped(query+body)+authorization, other)
			if w.Code == 200 && !hasKey {
				t.Fatalf("a credential without a key: %s", w.Body)
			}
		}
	})
}

// silentBackend keeps nothing, so that a long run does not grow.
type silentBackend struct{ backend }

func (b silentBackend) Unready(time.Time) string    { return "" }
func (b silentBackend) Status(time.Time) web.Status { return web.Status{} }
func (b silentBackend) Gave(string, string)         {}
func (b silentBackend) Trial(context.Context, time.Time) ([]web.ICEServer, error) {
	return nil, web.ErrUnavailable
}
func (b silentBackend) Credentials(context.Context, string, string, time.Time) ([]web.ICEServer, error) {
	return b.servers, nil
}

// unescaped undoes percent-encoding wherever there is some.
func unescaped(s string) string {
	return percent.ReplaceAllStringFunc(s, func(p string) string {
		c, _ := strconv.ParseUint(p[1:], 16, 8)
		return string([]byte{byte(c)})
	})
}

var percent = regexp.MustCompile(`%[0-9a-fA-F]{2}`)
