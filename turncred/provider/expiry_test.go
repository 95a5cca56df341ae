package provider_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"extdisco/turncred"
	"extdisco/turncred/provider"
)

const stunURL = "stun:stun.example.org"

func TestExpiry(t *testing.T) {
	tests := []struct {
		name   string
		ttl    time.Duration // of the configuration
		stated string        // members of the answer
		want   int64         // seconds after testTime; 0 for the last instant there is
	}{
		{"not stated", time.Hour, ``, 3600},
		{"ttl as a number", time.Hour, `"ttl":60`, 60},
		{"ttl as a text", time.Hour, `"ttl":"60"`, 60},
		{"fraction is cut", time.Hour, `"ttl":60.9`, 60},
		{"TTL", time.Hour, `"TTL":60`, 60},
		{"expiryInSeconds", time.Hour, `"expiryInSeconds":60`, 60},
		{"longer than asked for", time.Hour, `"ttl":7200`, 7200},
		{"ttl that says nothing", time.Hour, `"ttl":0`, 3600},
		{"negative ttl", time.Hour, `"ttl":-1`, 3600},
		{"ttl of a wrong type", time.Hour, `"ttl":{"a":1}`, 3600},
		{"ttl in words", time.Hour, `"ttl":"soon"`, 3600},
		{"ttl that is no number", time.Hour, `"ttl":"NaN"`, 3600},
		{"null", time.Hour, `"ttl":null,"expires_at":null`, 3600},
		{"expires_at", time.Hour, `"expires_at":"2027-01-15T08:00:10Z"`, 10},
		{"expiresOn with an offset", time.Hour, `"expiresOn":"2027-01-15T09:00:10+01:00"`, 10},
		{"Unix time", time.Hour, `"expires":1800000010`, 10},
		{"Unix time as a text", time.Hour, `"expires":"1800000010"`, 10},
		{"Unix time in milliseconds", time.Hour, `"expires":1800000010999`, 10},
		{"expires that is no instant", time.Hour, `"expires":3600`, 3600},
		{"expires in words", time.Hour, `"expires_at":"tomorrow"`, 3600},
		{"both", time.Hour, `"ttl":60,"expires_at":"2027-01-15T08:00:10Z"`, 10},
		{"nothing of our own", 0, `"ttl":60`, 60},
		{"year 2039", time.Hour, `"expires_at":"2039-01-01T00:00:00Z"`, 0},
		{"year 9999", time.Hour, `"expires_at":"9999-12-31T23:59:59Z"`, 0},
		{"Unix time in 2039", time.Hour, `"expires":2177452800`, 0},
		{"ttl until 2039", time.Hour, `"ttl":400000000`, 0},
		{"enormous ttl", time.Hour, `"ttl":1e300`, 0},
		{"ttl of the configuration until 2039", 400_000_000 * time.Second, ``, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			stated := tt.stated
			if stated != "" {
				stated += ","
			}
			set, err := fetchBody(provider.API{TTL: tt.ttl}, `{`+stated+`"uris":["`+stunURL+`"]}`)
			if err != nil {
				t.Fatal(err)
			}
			want := testTime.Unix() + tt.want
			if tt.want == 0 {
				want = turncred.MaxExpires
			}
			if got := set.Expires.Unix(); got != want {
				t.Errorf("expires = %d, want %d", got, want)
			}
		})
	}
}

func TestExpiryRefused(t *testing.T) {
	tests := []struct {
		name   string
		ttl    time.Duration
		stated string
		want   string
	}{
		{"in the past", time.Hour, `"expires_at":"2027-01-15T07:59:59Z",`, "expired already; is a clock wrong?"},
		{"now", time.Hour, `"expires_at":"2027-01-15T08:00:00Z",`, "expired already"},
		{"before 1970", time.Hour, `"expires_at":"0001-01-02T00:00:00Z",`, "expired already"},
		{"nobody says", 0, ``, "does not say how long the credentials live; set ttl"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := fetchBody(provider.API{TTL: tt.ttl}, `{`+tt.stated+`"uris":["`+stunURL+`"]}`)
			if e := refused(t, err); !strings.Contains(e.Problem, tt.want) {
				t.Errorf("error = %v, want %s", e, tt.want)
			}
		})
	}
}

// Of several statements the one that ends first counts.
func TestEarliestExpiry(t *testing.T) {
	for _, body := range []string{
		`{"ttl":600,"iceServers":[{"urls":"stun:a.example.org","ttl":60},{"urls":"stun:b.example.org","ttl":300}]}`,
		`{"ttl":60,"iceServers":[{"urls":"stun:a.example.org","ttl":600}]}`,
		`{"expires_at":"2027-01-15T08:10:00Z","iceServers":[{"urls":"stun:a.example.org","expires":1800000060}]}`,
	} {
		if set, err := fetchBody(provider.API{TTL: time.Hour}, body); err != nil || !set.Expires.Equal(testTime.Add(time.Minute)) {
			t.Errorf("%s: %v, %v", body, set.Expires, err)
		}
	}
}

// unusual is an answer whose members nobody would guess.
const unusual = `{"auth":{"who":"user","what":"pass"},"life":{"s":"60","until":"2027-01-15T08:00:30Z"},"ttl":600,"a/b":{"m~n":[0,["turn:turn.example.org"]]},"":{"":["stun:stun.example.org"]},"iceServers":[{"urls":"turn:other.example.org","username":"o","credential":"p"}],"expires_at":"2027-01-15T08:05:00Z"}`

func TestPointers(t *testing.T) {
	turn := []server{{[]string{"turn:turn.example.org"}, "user", "pass"}}
	tests := []struct {
		name string
		at   provider.Pointers
		want []server
		life time.Duration
	}{
		{
			"everything",
			provider.Pointers{Servers: "/a~1b/m~0n/1", Username: "/auth/who", Password: "/auth/what", TTL: "/life/s", Expires: "/life/until"},
			turn, 30 * time.Second,
		},
		{
			"TTL counts more than an instant that was found",
			provider.Pointers{Servers: "/a~1b/m~0n/1/0", Username: "/auth/who", Password: "/auth/what", TTL: "/life/s"},
			turn, time.Minute,
		},
		{"empty names", provider.Pointers{Servers: "//", Expires: "/life/until"}, []server{{URLs: []string{stunURL}}}, 30 * time.Second},
		{"nothing but the expiry", provider.Pointers{TTL: "/life/s"}, []server{{[]string{"turn:other.example.org"}, "o", "p"}}, time.Minute},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			set, err := fetchBody(provider.API{Pointers: tt.at, TTL: time.Hour}, unusual)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(set.Servers, tt.want) || !set.Expires.Equal(testTime.Add(tt.life)) {
				t.Errorf("set = %q until %v, want %q for %v", set.Servers, set.Expires, tt.want, tt.life)
			}
		})
	}
}

// Pointers to credentials serve the URLs of the configuration.
func TestPointersWithURLs(t *testing.T) {
	api := provider.API{
		URLs:     []string{"turn:turn.example.org"},
		Pointers: provider.Pointers{Username: "/auth/who", Password: "/auth/what", TTL: "/life"},
	}
	set, err := fetchBody(api, `{"auth":{"who":"user","what":"pass"},"life":60}`)
	want := []server{{[]string{"turn:turn.example.org"}, "user", "pass"}}
	if err != nil || !reflect.DeepEqual(set.Servers, want) || !set.Expires.Equal(testTime.Add(time.Minute)) {
		t.Errorf("set = %q until %v, %v", set.Servers, set.Expires, err)
	}
}

func TestPointersRefused(t *testing.T) {
	tests := []struct {
		name string
		at   provider.Pointers
		want string
	}{
		{"no slash", provider.Pointers{Servers: "iceServers"}, `"iceServers" is not a JSON pointer; it begins with /`},
		{"absent", provider.Pointers{Servers: "/nothing"}, "nothing at /nothing"},
		{"other case", provider.Pointers{Servers: "/ICESERVERS"}, "nothing at /ICESERVERS"},
		{"into a text", provider.Pointers{Username: "/auth/who/x"}, "nothing at /auth/who/x"},
		{"slash at the end", provider.Pointers{Username: "/auth/who/"}, "nothing at /auth/who/"},
		{"index too high", provider.Pointers{Servers: "/a~1b/m~0n/2"}, "nothing at /a~1b/m~0n/2"},
		{"index negative", provider.Pointers{Servers: "/iceServers/-1"}, "nothing at /iceServers/-1"},
		{"index after the last", provider.Pointers{Servers: "/iceServers/-"}, "nothing at /iceServers/-"},
		{"index with a zero before it", provider.Pointers{Servers: "/iceServers/00"}, "nothing at /iceServers/00"},
		{"index with a sign", provider.Pointers{Servers: "/iceServers/+0"}, "nothing at /iceServers/+0"},
		{"servers are a number", provider.Pointers{Servers: "/ttl"}, "names no servers where they were expected"},
		{"username is an object", provider.Pointers{Username: "/auth"}, "at /auth of the answer there is not a text"},
		{"password is a number", provider.Pointers{Password: "/ttl"}, "at /ttl of the answer there is not a text"},
		{"ttl is words", provider.Pointers{TTL: "/auth/who"}, "at /auth/who of the answer there is not a number of seconds"},
		{"expires is words", provider.Pointers{Expires: "/auth/who"}, "at /auth/who of the answer there is not an instant"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := fetchBody(provider.API{Pointers: tt.at, TTL: time.Hour}, unusual)
			if e := refused(t, err); !strings.Contains(e.Problem, tt.want) {
				t.Errorf("error = %v, want %s", e, tt.want)
			}
		})
	}
}
