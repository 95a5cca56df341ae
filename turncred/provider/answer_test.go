package provider_test

import (
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"extdisco/turncred/provider"
)

type server = provider.Server

// turnServer returns a server with a credential.
func turnServer(username, password string, urls ...string) server {
	return server{URLs: urls, Username: username, Password: provider.NewSecret([]byte(password))}
}

// The shapes of answers that are in use.
func TestAnswerShapes(t *testing.T) {
	stun := server{URLs: []string{"stun:stun.example.org:3478"}}
	const turnURL = "turn:turn.example.org:3478?transport=udp"
	turn := turnServer("user", "pass", turnURL)
	tests := []struct {
		name string
		api  provider.API
		body string
		want []server
		life time.Duration
	}{
		{
			name: "Cloudflare",
			body: `{"iceServers":[{"urls":["stun:stun.example.org:3478"]},{"urls":["turn:turn.example.org:3478?transport=udp","turns:turn.example.org:443?transport=tcp"],"username":"user","credential":"pass"}]}`,
			want: []server{stun, turnServer("user", "pass", turnURL, "turns:turn.example.org:443?transport=tcp")},
		},
		{
			name: "Cloudflare of 2025, one element",
			body: `{"iceServers":[{"urls":["stun:stun.example.org:3478","turn:turn.example.org:3478?transport=udp"],"username":"user","credential":"pass"}]}`,
			want: []server{stun, turn},
		},
		{
			name: "Cloudflare, older",
			body: `{"iceServers":{"urls":["stun:stun.example.org:3478","turn:turn.example.org:3478?transport=udp"],"username":"user","credential":"pass"}}`,
			want: []server{stun, turn},
		},
		{
			name: "Twilio",
			body: `{"username":"user","password":"pass","ttl":"600","account_sid":"AC1","date_created":"Fri, 15 Jan 2027 08:00:00 +0000","date_updated":"Fri, 15 Jan 2027 08:00:00 +0000","ice_servers":[{"url":"stun:stun.example.org:3478","urls":"stun:stun.example.org:3478"},{"url":"turn:turn.example.org:3478?transport=udp","urls":"turn:turn.example.org:3478?transport=udp","username":"user","credential":"pass"}]}`,
			want: []server{stun, turn}, life: 10 * time.Minute,
		},
		{
			name: "Metered, get",
			body: `[{"urls":"stun:stun.example.org:3478"},{"urls":"turn:turn.example.org:3478?transport=udp","username":"user","credential":"pass"}]`,
			want: []server{stun, turn},
		},
		{
			name: "Metered, create, with URLs of the configuration",
			api:  provider.API{URLs: []string{"stun:stun.example.org:3478", turnURL}},
			body: `{"username":"user","password":"pass","expiryInSeconds":600,"label":"x","apiKey":"key"}`,
			want: []server{stun, turn}, life: 10 * time.Minute,
		},
		{
			name: "Xirsys, urls",
			body: `{"v":{"iceServers":{"username":"user","urls":["stun:stun.example.org:3478","turn:turn.example.org:3478?transport=udp"],"credential":"pass"}},"s":"ok"}`,
			want: []server{stun, turn},
		},
		{
			name: "Xirsys, older",
			body: `{"v":{"iceServers":[{"url":"stun:stun.example.org:3478"},{"username":"user","url":"turn:turn.example.org:3478?transport=udp","credential":"pass"}]},"s":"ok"}`,
			want: []server{stun, turn},
		},
		{
			name: "TURN REST, and Matrix",
			body: `{"username":"user","password":"pass","ttl":86400,"uris":["turn:turn.example.org:3478?transport=udp"]}`,
			want: []server{turn}, life: 24 * time.Hour,
		},
		{
			name: "STUNner",
			body: `{"iceServers":[{"username":"user","credential":"pass","urls":["turn:turn.example.org:3478?transport=udp"]}],"iceTransportPolicy":"all"}`,
			want: []server{turn},
		},
		{
			name: "AWS Kinesis Video Streams",
			body: `{"IceServerList":[{"Username":"user","Password":"pass","Uris":["turn:turn.example.org:3478?transport=udp"],"Ttl":300}]}`,
			want: []server{turn}, life: 5 * time.Minute,
		},
		{
			name: "absolute expiry",
			body: `{"ice_servers":[{"urls":["stun:stun.example.org:3478"]},{"urls":["turn:turn.example.org:3478?transport=udp"],"username":"user","credential":"pass"}],"expires_at":"2027-01-15T09:30:00+01:00"}`,
			want: []server{stun, turn}, life: 30 * time.Minute,
		},
		{
			name: "Azure, as it was",
			body: `{"expiresOn":"2027-01-15T08:30:00.5Z","iceServers":[{"urls":["turn:turn.example.org:3478?transport=udp"],"username":"user","credential":"pass","routeType":"any"}]}`,
			want: []server{turn}, life: 30 * time.Minute,
		},
		{
			name: "envelope",
			body: `{"success":true,"result":{"data":{"ICEServers":[{"URLs":"turn:turn.example.org:3478?transport=udp","UserName":"user","Credential":"pass"}]}}}`,
			want: []server{turn},
		},
		{
			name: "credentials beside the servers",
			body: `{"username":"user","password":"pass","iceServers":[{"urls":"stun:stun.example.org:3478"},{"urls":"turn:turn.example.org:3478?transport=udp"}]}`,
			want: []server{stun, turn},
		},
		{
			name: "credentials beside the servers, and an element without either",
			body: `{"username":"user","password":"pass","iceServers":[{"urls":[]},{"urls":"turn:turn.example.org:3478?transport=udp"}]}`,
			want: []server{turn},
		},
		{
			name: "credentials beside bare URIs",
			body: `{"username":"user","password":"pass","iceServers":["turn:turn.example.org:3478?transport=udp"]}`,
			want: []server{turn},
		},
		{
			name: "urls, uris and url at once, and twice",
			body: `{"iceServers":[{"url":"turn:other.example.org","uris":["turn:other.example.org"],"urls":"turn:turn.example.org:3478?transport=udp","username":"user","credential":"pass","password":"other"},{"urls":"turn:turn.example.org:3478?transport=udp","username":"user2","credential":"pass2"}]}`,
			want: []server{turn},
		},
		{
			name: "element without URLs",
			body: `{"iceServers":[{"urls":[]},{"urls":null},{"urls":"turn:turn.example.org:3478?transport=udp","username":"user","credential":"pass"}]}`,
			want: []server{turn},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.api.TTL = 48 * time.Hour; tt.life == 0 {
				tt.life = tt.api.TTL
			}
			got, err := fetchBody(tt.api, tt.body)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got.Servers, tt.want) {
				t.Errorf("servers = %q, want %q", got.Servers, tt.want)
			}
			if want := testTime.Add(tt.life); !got.Expires.Equal(want) || got.Expires.Location() != time.UTC {
				t.Errorf("expires = %v, want %v", got.Expires, want)
			}
		})
	}
}

// An answer is read alike each time, also one that spells a name in two ways.
func TestAnswerReadAlike(t *testing.T) {
	for range 50 {
		set, err := fetchBody(provider.API{TTL: time.Hour}, `{"uris":["turn:turn.example.org"],"UserName":"b","USERNAME":"a","passworD":"d","PASSWORD":"c"}`)
		if err != nil || set.Servers[0].Username != "a" || string(set.Servers[0].Password.Reveal()) != "c" {
			t.Fatalf("%v, %v", set, err)
		}
	}
}

// endless counts what is read of it.
type endless struct{ read int }

func (e *endless) Read(b []byte) (int, error) {
	e.read += len(b)
	return len(b), nil
}

func (e *endless) Close() error { return nil }

func TestAnswerIsCapped(t *testing.T) {
	for _, status := range []int{200, 403, 502} {
		body := &endless{}
		client := &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: status, Header: http.Header{}, Body: body, Request: r}, nil
		})}
		api := provider.API{Method: http.MethodGet, URL: hide("https://turn.example.org/")}
		_, err := api.Fetch(t.Context(), client, "", testTime)
		if e := refused(t, err); e.Status != status || body.read > 128<<10 {
			t.Errorf("%d: %d bytes were read: %v", status, body.read, e)
		}
	}
}

func TestAnswerRefused(t *testing.T) {
	tests := []struct{ name, body, want string }{
		{"nothing", ``, "is not JSON"},
		{"HTML", `<html>`, "the answer is a web page, not JSON"},
		{"cut", `{"iceServers":[`, "is not JSON"},
		{"two values", `{}{}`, "is not JSON"},
		{"number out of range", `{"ttl":1e999}`, "number that is out of range"},
		{"too deep", strings.Repeat("[", 20_000), "is not JSON"},
		{"null", `null`, "names no servers"},
		{"text", `"no"`, "server 1 is left out: it is not an ICE URI"},
		{"number", `1`, "names no servers"},
		{"empty object", `{}`, "names no servers"},
		{"empty list", `{"iceServers":[]}`, "names no servers"},
		{"error with status 200", `{"error":"Invalid API Key"}`, `names no servers, saying "Invalid API Key"`},
		{"number among the servers", `{"iceServers":[1]}`, "server 1 is left out: it is a number"},
		{"urls of a wrong type", `{"iceServers":[{"urls":{"a":1}}]}`, "server 1, url 1 is left out: it is an object"},
		{"TURN without credentials", `{"iceServers":[{"urls":"turn:turn.example.org"}]}`, "TURN server without username or password"},
		{"TURN without password", `{"iceServers":[{"urls":"turn:turn.example.org","username":"user"}]}`, "TURN server without username or password"},
		{"TURN without username", `{"iceServers":[{"urls":"turns:turn.example.org","credential":"pass"}]}`, "TURN server without username or password"},
		{"TURN with an empty password", `{"iceServers":[{"urls":"TURN:turn.example.org","username":"user","credential":""}]}`, "TURN server without username or password"},
		{"username is a number", `{"iceServers":[{"urls":"turn:turn.example.org","username":1,"credential":"pass"}]}`, "TURN server without username or password"},
		{"port 53 only", `{"iceServers":[{"urls":["stun:stun.example.org:53"]}]}`, "url 1 (stun:stun.example.org:53) is left out: browsers refuse port 53"},
		{"Xirsys says no", `{"v":"no_namespace","s":"error"}`, `the answer says "error": "no_namespace"`},
		{"Xirsys says no at length", `{"v":"` + strings.Repeat("x", 5000) + `","s":"error"}`, `the answer says "error": "xxx`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := fetchBody(provider.API{TTL: time.Hour}, tt.body)
			e := refused(t, err)
			if !strings.Contains(e.Problem, tt.want) || e.Status != 200 || e.Permanent {
				t.Errorf("error = %+v, want %s", e, tt.want)
			}
		})
	}
}

func TestURLCount(t *testing.T) {
	body := func(n int) string {
		var urls []string
		for i := range n {
			urls = append(urls, fmt.Sprintf("\"stun:%d.example.org\"", i))
		}
		return "[" + strings.Join(urls, ",") + `,"stun:0.example.org"]`
	}
	set, err := fetchBody(provider.API{TTL: time.Hour}, body(32))
	if err != nil || len(set.Servers) != 32 || len(set.Notes) != 0 {
		t.Errorf("32 URLs, one of them twice: %d servers, %v, %q", len(set.Servers), err, set.Notes)
	}
	set, err = fetchBody(provider.API{TTL: time.Hour}, body(33))
	if err != nil || len(set.Servers) != 32 || fmt.Sprint(set.Notes) != "[only the first 32 of 33 URLs are used]" {
		t.Errorf("33 URLs: %d servers, %v, %q", len(set.Servers), err, set.Notes)
	}
}

func TestPort53(t *testing.T) {
	const body = `{"iceServers":[{"urls":["stun:stun.example.org:53","stun:stun.example.org:5353"]},{"urls":["turn:turn.example.org:53?transport=udp","turn:[2001:db8::53]?transport=udp","turn:[2001:db8::1]:53","turn:turn.example.org"],"username":"user","credential":"pass"}]}`
	tests := []struct {
		name string
		keep bool
		want string
	}{
		{"left out", false, "[[stun:stun.example.org:5353] [turn:[2001:db8::53]?transport=udp turn:turn.example.org]]"},
		{"kept", true, "[[stun:stun.example.org:53 stun:stun.example.org:5353] [turn:turn.example.org:53?transport=udp turn:[2001:db8::53]?transport=udp turn:[2001:db8::1]:53 turn:turn.example.org]]"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			set, err := fetchBody(provider.API{TTL: time.Hour, KeepPort53: tt.keep}, body)
			if err != nil {
				t.Fatal(err)
			}
			var urls [][]string
			for _, s := range set.Servers {
				urls = append(urls, s.URLs)
			}
			if got := fmt.Sprint(urls); got != tt.want {
				t.Errorf("URLs = %s, want %s", got, tt.want)
			}
		})
	}
}

// Credentials of a group that holds a STUN server do not go with the STUN server.
func TestSTUNHasNoCredentials(t *testing.T) {
	for _, scheme := range []string{"stun", "stuns", "STUN"} {
		set, err := fetchBody(provider.API{TTL: time.Hour}, `{"username":"a","password":"b","iceServers":[{"urls":["`+scheme+`:stun.example.org"],"username":"user","credential":"pass"}]}`)
		if err != nil || len(set.Servers) != 1 || set.Servers[0].Username != "" || !set.Servers[0].Password.IsEmpty() {
			t.Errorf("%s: %q, %v", scheme, set.Servers, err)
		}
	}
}
