package provider_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"extdisco/turncred/provider"
)

// One bad entry does not spoil an answer, what has one meaning is repaired, and
// nothing is left out in silence.
func TestNotes(t *testing.T) {
	const (
		good    = `{"urls":"turn:turn.example.org","username":"user","credential":"pass"}`
		goodURL = "turn:turn.example.org"
	)
	tests := []struct {
		name, entries string // beside the good one
		want          []string
		notes         []string
	}{
		{"null", `null`, nil, []string{"server 1 is left out: it is null"}},
		{"number", `12`, nil, []string{"server 1 is left out: it is a number"}},
		{"boolean", `true`, nil, []string{"server 1 is left out: it is a boolean"}},
		{"no URL", `{"urls":[]}`, nil, []string{"server 1 is left out: it names no URL"}},
		{"empty object", `{}`, nil, []string{"server 1 is left out: it names no URL"}},
		{"OAuth", `{"urls":"turns:oauth.example.org","username":"u","credential":{"macKey":"k","accessToken":"t"},"credentialType":"oauth"}`, nil,
			[]string{"server 1 is left out: its credential is not a password but of another type, such as OAuth, which XMPP clients do not support"}},
		{"credential type password", `{"urls":"stun:s.example.org","credentialType":"password"}`, []string{"stun:s.example.org"}, nil},
		{"URLs of other types", `{"urls":["stun:s.example.org",7,null,{"a":1},["stun:x.example.org"]]}`, []string{"stun:s.example.org"}, []string{
			"server 1, url 2 is left out: it is a number", "server 1, url 3 is left out: it is null", "server 1, url 4 is left out: it is an object", "server 1, url 5 is left out: it is a list"}},
		{"not an ICE URI", `{"urls":["HIDDENsecret4","https://HIDDENsecret4.example.org/"]}`, nil, []string{
			"server 1, url 1 is left out: it is not an ICE URI",
			"server 1, url 2 is left out: it is not an ICE URI"}},
		{"user and password inside", `"turn:1795702278:alice@example.org:HIDDENsecret4=@turn.example.org"`, nil,
			[]string{"server 1 is left out: it has a user before an @"}},
		{"password for a port", `{"urls":"turn:user:HIDDENsecret4:turn.example.org:3478"}`, nil, []string{"server 1, url 1 is left out: it has too many colons"}},
		{"TURN without credentials", `{"urls":"turn:t.example.org"}`, nil, []string{"server 1, url 1 is left out: it is a TURN server without username or password"}},
		{"TURN without credentials first, then with", `{"urls":"turn:turn.example.org"}`, nil, []string{"server 1, url 1 is left out: it is a TURN server without username or password"}},
		{"password with a control character", `{"urls":"turn:t.example.org","username":"u","credential":"p\u0000"}`, nil, []string{
			"the credential of server 1 is left out: it cannot be sent to clients, since it is longer than 508 bytes or holds control characters",
			"server 1, url 1 is left out: it is a TURN server without username or password"}},
		{"username too long", `{"urls":"turn:t.example.org","username":"` + strings.Repeat("u", 509) + `","credential":"p"}`, nil, []string{
			"the credential of server 1 is left out: it cannot be sent to clients, since it is longer than 508 bytes or holds control characters",
			"server 1, url 1 is left out: it is a TURN server without username or password"}},
		{"longest credential", `{"urls":"turn:t.example.org","username":"` + strings.Repeat("u", 508) + `","credential":"` + strings.Repeat("p", 508) + `"}`, []string{"turn:t.example.org"}, nil},
		{"DTLS", `{"urls":"turns:t.example.org?transport=udp","username":"u","credential":"p"}`, nil,
			[]string{"server 1, url 1 is left out: it asks for turns over udp, which clients cannot use"}},
		{"port 53", `{"urls":"stun:s.example.org:53"}`, nil, []string{"server 1, url 1 (stun:s.example.org:53) is left out: browsers refuse port 53; keep_port_53 = true keeps it"}},
		{"STUN over tcp", `{"urls":"stun:s.example.org?transport=tcp"}`, nil, []string{"server 1, url 1 is left out: stun is offered over udp only"}},

		{"STUN with its transport", `{"url":"stun:s.example.org:3478?transport=udp","urls":"stun:s.example.org:3478?transport=udp"}`, []string{"stun:s.example.org:3478"},
			[]string{"server 1, url 1 (stun:s.example.org:3478) was repaired: the ?transport is gone, a stun URI takes none"}},
		{"slashes", `{"urls":"stun://s.example.org"}`, []string{"stun:s.example.org"}, []string{"server 1, url 1 (stun:s.example.org:3478) was repaired: the // behind the scheme is gone"}},
		{"no scheme, STUN", `"s.example.org"`, []string{"stun:s.example.org"}, []string{"server 1 (stun:s.example.org:3478) was repaired: its scheme was missing"}},
		{"no scheme, TURN", `{"urls":"t.example.org:3478","username":"u","credential":"p"}`, []string{"turn:t.example.org:3478"},
			[]string{"server 1, url 1 (turn:t.example.org:3478?transport=udp) was repaired: its scheme was missing"}},

		{"private", `{"urls":"stun:10.0.0.5"}`, []string{"stun:10.0.0.5"}, []string{"server 1, url 1 (stun:10.0.0.5:3478): its host is a private address, which clients elsewhere cannot reach"}},
		{"loopback", `{"urls":"stun:localhost"}`, []string{"stun:localhost"}, []string{"server 1, url 1 (stun:localhost:3478): its host is a loopback address, which clients elsewhere cannot reach"}},
		{"link-local", `{"urls":"stun:[fe80::1]"}`, []string{"stun:[fe80::1]"}, []string{"server 1, url 1 (stun:[fe80::1]:3478): its host is a link-local address, which clients elsewhere cannot reach"}},
		{"mapped", `{"urls":"stun:[::ffff:192.168.1.5]"}`, []string{"stun:[::ffff:192.168.1.5]"}, []string{"server 1, url 1 (stun:[::ffff:192.168.1.5]:3478): its host is a private address, which clients elsewhere cannot reach"}},
		{"unspecified", `{"urls":["stun:0.0.0.0","stun:[::]"]}`, nil, []string{
			"server 1, url 1 (stun:0.0.0.0:3478) is left out: its host is the unspecified address, to which nobody can connect",
			"server 1, url 2 (stun:[::]:3478) is left out: its host is the unspecified address, to which nobody can connect"}},
		{"said twice", `{"urls":["stun:s.example.org","STUN:S.example.org:3478"]}`, []string{"stun:s.example.org"}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			set, err := fetchBody(provider.API{TTL: time.Hour}, `{"iceServers":[`+tt.entries+`,`+good+`]}`)
			if err != nil {
				t.Fatal(err)
			}
			var urls []string
			for _, s := range set.Servers {
				urls = append(urls, s.URLs...)
			}
			if want := append(tt.want, goodURL); !slices.Equal(urls, want) {
				t.Errorf("URLs = %q, want %q", urls, want)
			}
			if !slices.Equal(set.Notes, tt.notes) {
				t.Errorf("notes = %q\nwant %q", set.Notes, tt.notes)
			}
		})
	}
}

// An answer that names TURN servers and has none that can be used is refused, and
// says why.
func TestNoTURNServerLeft(t *testing.T) {
	for servers, want := range map[string]string{
		`{"urls":"turn:t.example.org"}`:                                       "no TURN server that clients can use: server 1, url 1 is left out: it is a TURN server without username or password",
		`{"urls":"turn:t.example.org:53","username":"u","credential":"p"}`:    "no TURN server that clients can use: server 1, url 1 (turn:t.example.org:53?transport=udp) is left out",
		`{"urls":"turn:0.0.0.0","username":"u","credential":"p"}`:             "no TURN server that clients can use: server 1, url 1 (turn:0.0.0.0:3478?transport=udp) is left out",
		`{"urls":"turn:t.example.org:x","username":"u","credential":"p"}`:     "no TURN server that clients can use: server 1, url 1 is left out",
		`{"urls":"turns:t?transport=udp","username":"u","credential":"p"}`:    "no TURN server that clients can use: server 1, url 1 is left out",
		`{"urls":"turn:t.example.org","username":"u","credential":"p\u0001"}`: "no TURN server that clients can use: the credential of server 1 is left out",
	} {
		_, err := fetchBody(provider.API{TTL: time.Hour}, `[`+servers+`,{"urls":"stun:stun.example.org"}]`)
		if e := refused(t, err); !strings.Contains(e.Problem, want) || e.Cure == "" {
			t.Errorf("%s: %v", servers, e)
		}
	}
}

// Notes are bounded, however many things are wrong.
func TestNotesAreBounded(t *testing.T) {
	set, err := fetchBody(provider.API{TTL: time.Hour}, `["stun:stun.example.org"`+strings.Repeat(",null", 1000)+`]`)
	if err != nil || len(set.Notes) != 21 || set.Notes[20] != "980 more notes of this kind are not shown" {
		t.Errorf("%d notes, %v", len(set.Notes), err)
	}
	set, err = fetchBody(provider.API{TTL: time.Hour}, `["stun:stun.example.org"`+strings.Repeat(",null", 20)+`]`)
	if err != nil || len(set.Notes) != 20 {
		t.Errorf("%d notes, %v", len(set.Notes), err)
	}
	set, err = fetchBody(provider.API{TTL: time.Hour}, `{"uris":["stun:stun.example.org"],"ttl":60,"expires`+strings.Repeat("x", 5000)+`":"soon"}`)
	if err != nil || len(set.Notes) != 1 || len(set.Notes[0]) > 310 {
		t.Errorf("%q, %v", set.Notes, err)
	}
}

// Servers are looked for in objects and lists only.
func TestServersInObjectsAndLists(t *testing.T) {
	for _, body := range []string{
		`{"result":"ok","urls":["turn:turn.example.org"],"username":"u","credential":"p"}`,
		`{"v":1,"urls":"turn:turn.example.org","username":"u","credential":"p"}`,
		`{"data":null,"result":true,"v":"x","uris":["turn:turn.example.org"],"username":"u","password":"p"}`,
		`{"v":2,"data":{"result":"ok","iceServers":[{"urls":"turn:turn.example.org","username":"u","credential":"p"}]}}`,
		`{"data":{"meta":1},"urls":["turn:turn.example.org"],"username":"u","credential":"p"}`,
		`{"iceServers":"none","result":{"urls":["turn:turn.example.org"],"username":"u","credential":"p"}}`,
	} {
		set, err := fetchBody(provider.API{TTL: time.Hour}, body)
		if got := fmt.Sprint(set.Servers); err != nil || got != "[{[turn:turn.example.org] u [redacted]}]" || len(set.Notes) != 0 {
			t.Errorf("%s: %v, %v, %q", body, got, err, set.Notes)
		}
	}
}
