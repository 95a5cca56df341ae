package provider_test

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"extdisco/internal/iceuri"
	"extdisco/internal/reach"
	"extdisco/turncred"
	"extdisco/turncred/provider"
)

// FuzzParseAnswer reads any bytes as the answer of a provider. Whatever is taken
// can be handed on without another look at its shape.
func FuzzParseAnswer(f *testing.F) {
	const everywhere = "/a~1b/m~0n/1"
	for _, seed := range []string{
		unusual,
		`{"iceServers":[{"urls":["stun:stun.example.org:53"]},{"urls":["turn:turn.example.org"],"username":"user","credential":"pass"}]}`,
		`{"iceServers":{"urls":["stun:a","turn:b"],"username":"user","credential":"pass"}}`,
		`{"username":"user","password":"pass","ttl":"600","ice_servers":[{"url":"stun:a","urls":"stun:a"},{"url":"turn:a","username":"user","credential":"pass"}]}`,
		`[{"urls":"stun:a"},{"urls":"turn:a","username":"user","credential":"pass"}]`,
		`{"username":"user","password":"pass","expiryInSeconds":600,"label":"x","apiKey":"key"}`,
		`{"v":{"iceServers":[{"url":"stun:a"},{"username":"user","url":"turn:a","credential":"pass"}]},"s":"ok"}`,
		`{"v":"no_namespace","s":"error"}`,
		`{"username":"user","password":"pass","ttl":86400,"uris":["turn:a"]}`,
		`{"IceServerList":[{"Username":"user","Password":"pass","Uris":["turn:a"],"Ttl":300}]}`,
		`{"ice_servers":["turn:a"],"expires_at":"2027-01-15T09:30:00+01:00","username":"u","password":"p"}`,
		`{"result":{"data":{"v":[[["stun:a"]]]}},"expires":1800000060999}`,
		`{"ttl":1e999}`, `{"":{"":1}}`, `null`, ``,
		`{"iceServers":[null,1,{"urls":[null,"turn:user:SECRET@h"]},{"urls":"stun://10.0.0.1:53?transport=udp"},"SECRET.example.org"],"expiresAt":"SECRET"}`,
		`{"username":"1800000060.5:a","password":"SECRET","uris":["turn:SECRET.local"],"expires_SECRET":"soon","validUntil":"Fri, 15 Jan 2027 08:00:10 GMT"}`,
		`{"s":"SECRET","v":"SECRET"}`, `{"error":{"message":"SECRET"}}`, `<SECRET>`,
		`{"v":1,"result":"ok","urls":["turn:0.0.0.0","turn:[::ffff:10.0.0.1]"],"expire":{"seconds":"1800000060"},"ttlMs":5e4}`,
	} {
		f.Add([]byte(seed), "", "", "")
		f.Add([]byte(seed), everywhere, "/auth/who", "/life/s")
	}
	const value = "vErySecretToken-0123456789/+"
	f.Fuzz(func(t *testing.T, body []byte, servers, username, ttl string) {
		body = bytes.ReplaceAll(body, []byte("SECRET"), []byte(value))
		for _, api := range []provider.API{
			{TTL: time.Hour, KeepPort53: true},
			{URLs: []string{"turn:turn.example.org", "stun:stun.example.org"}},
			{TTL: time.Hour, Pointers: provider.Pointers{Servers: servers, Username: username, TTL: ttl}},
		} {
			api.Method, api.URL, api.Bearer = http.MethodGet, hide("https://turn.example.org/"), hide(value)
			set, err := api.Fetch(context.Background(), answering(http.StatusOK, nil, string(body)), "", testTime)
			if err != nil {
				checkRefusal(t, err, value)
				continue
			}
			checkSet(t, set, api)
			checkNotes(t, set.Notes, value)
			again, err := api.Fetch(context.Background(), answering(http.StatusOK, nil, string(body)), "", testTime)
			if err != nil || !again.Expires.Equal(set.Expires) || len(again.Servers) != len(set.Servers) || !slices.Equal(again.Notes, set.Notes) {
				t.Errorf("the second time it is %v, %v, not %v", again, err, set)
			}
		}
	})
}

// checkRefusal wants an error whose length does not depend on the answer, and
// which tells nothing.
func checkRefusal(t *testing.T, err error, value string) {
	t.Helper()
	var apiErr *provider.APIError
	if !errors.As(err, &apiErr) || apiErr.Status != http.StatusOK || apiErr.Problem == "" || apiErr.Cure == "" || len([]rune(apiErr.Problem)) > 601 {
		t.Errorf("error = %T %.100v of %d bytes", err, err, len(err.Error()))
	}
	if strings.Contains(strings.ToLower(err.Error()), strings.ToLower(value[:8])) {
		t.Errorf("%v tells the secret", err)
	}
}

func checkNotes(t *testing.T, notes []string, value string) {
	t.Helper()
	if len(notes) > 21 {
		t.Errorf("%d notes", len(notes))
	}
	for _, note := range notes {
		if len([]rune(note)) > 301 || strings.ContainsFunc(note, unicode.IsControl) || strings.Contains(strings.ToLower(note), strings.ToLower(value[:8])) {
			t.Errorf("note %q", note)
		}
	}
}

func checkSet(t *testing.T, set provider.Set, api provider.API) {
	t.Helper()
	last := testTime.Unix() + int64(api.TTL/time.Second)
	if api.TTL == 0 {
		last = turncred.MaxExpires
	}
	if !set.Fetched.Equal(testTime) || !set.Expires.After(testTime) || set.Expires.Unix() > last {
		t.Errorf("fetched %v, expires %v", set.Fetched, set.Expires)
	}
	urls := map[string]bool{}
	for _, s := range set.Servers {
		if len(s.URLs) == 0 {
			t.Error("a server without URLs")
		}
		for _, u := range s.URLs {
			uri, err := iceuri.Parse(u)
			if err != nil || reach.Of(uri.Host).IsNowhere() || uri.Port == 53 && !api.KeepPort53 {
				t.Errorf("%q: %v", u, err)
			}
			if key := strings.ToLower(uri.String()); urls[key] {
				t.Errorf("%q is there twice", u)
			} else {
				urls[key] = true
			}
			if uri.IsTURN() != (s.Username != "") || uri.IsTURN() == s.Password.IsEmpty() {
				t.Errorf("%q with %q and a password: %v", u, s.Username, !s.Password.IsEmpty())
			}
			if end, ok := turncred.ExpiryOf(s.Username); ok && set.Expires.After(end) {
				t.Errorf("%q ends at %v, the set at %v", s.Username, end, set.Expires)
			}
		}
	}
	if len(urls) == 0 || len(urls) > 32 {
		t.Errorf("%d URLs", len(urls))
	}
}
