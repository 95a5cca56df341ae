package provider_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

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
	} {
		f.Add([]byte(seed), "", "", "")
		f.Add([]byte(seed), everywhere, "/auth/who", "/life/s")
	}
	f.Fuzz(func(t *testing.T, body []byte, servers, username, ttl string) {
		for _, api := range []provider.API{
			{TTL: time.Hour, KeepPort53: true},
			{URLs: []string{"turn:turn.example.org", "stun:stun.example.org"}},
			{TTL: time.Hour, Pointers: provider.Pointers{Servers: servers, Username: username, TTL: ttl}},
		} {
			api.Method, api.URL = http.MethodGet, hide("https://turn.example.org/")
			set, err := api.Fetch(context.Background(), answering(http.StatusOK, nil, string(body)), "", testTime)
			if err != nil {
				checkRefusal(t, err, 2000+8*len(servers+username+ttl))
				continue
			}
			checkSet(t, set, api.KeepPort53)
			again, err := api.Fetch(context.Background(), answering(http.StatusOK, nil, string(body)), "", testTime)
			if err != nil || !again.Expires.Equal(set.Expires) || len(again.Servers) != len(set.Servers) {
				t.Errorf("the second time it is %v, %v, not %v", again, err, set)
			}
		}
	})
}

// checkRefusal wants an error whose length does not depend on the answer.
func checkRefusal(t *testing.T, err error, longest int) {
	t.Helper()
	var apiErr *provider.APIError
	if !errors.As(err, &apiErr) || apiErr.Status != http.StatusOK || apiErr.Problem == "" || len(apiErr.Problem) > longest {
		t.Errorf("error = %T %.100v of %d bytes", err, err, len(err.Error()))
	}
}

func checkSet(t *testing.T, set provider.Set, port53 bool) {
	t.Helper()
	if !set.Expires.After(testTime) || set.Expires.Unix() > turncred.MaxExpires {
		t.Errorf("expires = %v", set.Expires)
	}
	urls := map[string]bool{}
	for _, s := range set.Servers {
		if len(s.URLs) == 0 {
			t.Error("a server without URLs")
		}
		for _, u := range s.URLs {
			if urls[u] {
				t.Errorf("%q is there twice", u)
			}
			urls[u] = true
			scheme, _, _ := strings.Cut(strings.ToLower(u), ":")
			stun := strings.HasPrefix(scheme, "stun")
			if stun && (s.Username != "" || !s.Password.IsEmpty()) {
				t.Errorf("%q carries credentials", u)
			}
			if !stun && (s.Username == "" || s.Password.IsEmpty()) {
				t.Errorf("%q has no credentials", u)
			}
			if !port53 && strings.HasSuffix(strings.Split(u, "?")[0], ":53") {
				t.Errorf("%q is on port 53", u)
			}
		}
	}
	if len(urls) == 0 || len(urls) > 32 {
		t.Errorf("%d URLs", len(urls))
	}
}
