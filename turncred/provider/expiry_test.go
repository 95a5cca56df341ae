package provider_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"extdisco/turncred"
	"extdisco/turncred/provider"
)

const stunURL = "stun:stun.example.org"

const iso, javaScript = "2027-01-15T08:00:10Z", "Fri Jan 15 2027 09:00:10 GMT+0100 (Central European Standard Time)"

// What an answer states counts under any spelling of its name and value, and the
// earliest of that, the username and the TTL of the configuration is the end.
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
		{"longer than the configuration", time.Hour, `"ttl":7200`, 3600},
		{"instant later than the configuration", time.Hour, `"expires":1800007200`, 3600},
		{"nulls", time.Hour, `"ttl":null,"expires_at":null,"expiry":""`, 3600},
		{"not expired", time.Hour, `"expired":false`, 3600},
		{"never", time.Hour, `"expires":"never"`, 3600},
		{"another member", time.Hour, `"throttle":5,"context":1,"exports":2,"endpoint":"x","expand":true,"duration":0.012`, 3600},
		{"both, the instant sooner", time.Hour, `"ttl":60,"expires_at":"` + iso + `"`, 10},
		{"both, the lifetime sooner", time.Hour, `"ttl":5,"expires_at":"` + iso + `"`, 5},
		{"not understood, beside another", time.Hour, `"ttl":60,"expires_at":"tomorrow"`, 60},
		{"nothing of our own", 0, `"ttl":60`, 60},

		{"instant in a text", time.Hour, `"expires":"1800000010"`, 10},
		{"instant in milliseconds", time.Hour, `"expires":1800000010999`, 10},
		{"instant in milliseconds, as a text", time.Hour, `"expires":"1800000010999"`, 10},
		{"instant in microseconds", time.Hour, `"expires":1800000010999999`, 10},
		{"instant with a fraction", time.Hour, `"expires":1800000010.75`, 10},
		{"instant called ttl", time.Hour, `"ttl":1800000010`, 10},
		{"lifetime called expires", time.Hour, `"expires":60`, 60},
		{"Protobuf", time.Hour, `"expireTime":{"seconds":"1800000010","nanos":5}`, 10},
		{"Firestore", time.Hour, `"expires":{"_seconds":1800000010,"_nanoseconds":0}`, 10},
		{"MongoDB", time.Hour, `"expiresAt":{"$date":"` + iso + `"}`, 10},
		{"MongoDB, number", time.Hour, `"expiresAt":{"$date":{"$numberLong":"1800000010000"}}`, 10},

		{"name in milliseconds", time.Hour, `"ttlMs":60000`, 60},
		{"expiresInMillis", time.Hour, `"expiresInMillis":"60000"`, 60},
		{"name in minutes", 2 * time.Hour, `"expires_in_minutes":3`, 180},
		{"name in hours", 24 * time.Hour, `"validityHours":2`, 7200},
		{"lifetime in milliseconds, by what was asked for", time.Hour, `"ttl":3500000`, 3500},
		{"lifetime in milliseconds, by its length", 0, `"ttl":86400000`, 86400},
		{"lifetime in milliseconds, of twenty days", 0, `"ttl":1728000000`, 1728000},
		{"a week in seconds", 0, `"ttl":604800`, 604800},
		{"a year in seconds, as asked for", 366 * 24 * time.Hour, `"ttl":31536000`, 31536000},
		{"Go duration", time.Hour, `"ttl":"1m30s"`, 90},
		{"duration of Protobuf", time.Hour, `"ttl":"60s"`, 60},
		{"hours", 48 * time.Hour, `"ttl":"24h"`, 86400},
		{"words", 48 * time.Hour, `"lifetime":"1 day"`, 86400},
		{"minutes", time.Hour, `"valid_for":"5 minutes"`, 300},
		{"milliseconds in words", time.Hour, `"ttl":"60000 milliseconds"`, 60},
		{"ISO 8601", 48 * time.Hour, `"ttl":"P1DT1H1M1S"`, 90061},
		{"ISO 8601, seconds", time.Hour, `"ttl":"PT60.5S"`, 60},

		{"until 2039", 0, `"expires_at":"2039-01-01T00:00:00Z"`, 0},
		{"year 9999", 0, `"expires_at":"9999-12-31T23:59:59Z"`, 0},
		{"year 9999 in seconds", 0, `"expires":253402300799`, 0},
		{"Unix time in 2039", 0, `"expires":2177452800`, 0},
		{"ttl of the configuration until 2039", 400_000_000 * time.Second, ``, 0},
	}
	for _, name := range strings.Fields("expires expires_at expiresAt expiresOn expires-at EXPIRES_ON expiry expiryTime expiration expirationTime expiration_date expire expireTime exp valid_until validUntil validTo notAfter until ends_at credential_expires_at") {
		tests = append(tests, struct {
			name   string
			ttl    time.Duration
			stated string
			want   int64
		}{name, time.Hour, `"` + name + `":"` + iso + `"`, 10})
	}
	for _, name := range strings.Fields("ttl TTL ttl_seconds credentialTtl expires_in expiresIn expiry_in expiresInSeconds lifetime lifetimeSeconds time_to_live max_age validFor validity leaseTime") {
		tests = append(tests, struct {
			name   string
			ttl    time.Duration
			stated string
			want   int64
		}{name, time.Hour, `"` + name + `":60`, 60})
	}
	for _, date := range []string{
		"2027-01-15T09:00:10+01:00", "2027-01-15T08:00:10.5Z", "2027-01-15T08:00:10.123456789Z", "2027-01-15t08:00:10z", "2027-01-15T08:00:10", "2027-01-15T08:00:10.5", "2027-01-15T09:00:10+0100",
		"2027-01-15 08:00:10", "2027-01-15 08:00:10.5", "2027-01-15 08:00:10Z", "2027-01-15 09:00:10+01:00", "2027-01-15 09:00:10 +0100", "2027-01-15 08:00:10 UTC", "2027-01-15 08:00:10 +0000 UTC",
		"20270115T080010Z", "20270115080010", "2027/01/15 08:00:10", "Fri, 15 Jan 2027 08:00:10 GMT", "Fri, 15 Jan 2027 09:00:10 +0100", "Friday, 15-Jan-27 08:00:10 UTC", "Fri Jan 15 08:00:10 2027", "15 Jan 2027 08:00:10 GMT", javaScript,
	} {
		tests = append(tests, struct {
			name   string
			ttl    time.Duration
			stated string
			want   int64
		}{date, time.Hour, `"expires_at":"` + date + `"`, 10})
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
				t.Errorf("expires %d s after now, want %d", got-testTime.Unix(), want-testTime.Unix())
			}
		})
	}
}

// What is stated and cannot be read is never taken for not stated.
func TestExpiryRefused(t *testing.T) {
	const unread = "states when the credentials expire in a form that is not understood"
	tests := []struct {
		name   string
		ttl    time.Duration
		stated string
		want   string
	}{
		{"in the past", time.Hour, `"expires_at":"2027-01-15T07:59:59Z",`, "expired already; is a clock wrong?"},
		{"now", time.Hour, `"expires_at":"2027-01-15T08:00:00Z",`, "expired already"},
		{"before 1970", time.Hour, `"expires_at":"0001-01-02T00:00:00Z",`, "expired already"},
		{"Unix time of 2001", time.Hour, `"expires":1000000000,`, "expired already"},
		{"expired", time.Hour, `"expired":true,`, "expired already"},
		{"nobody says", 0, ``, "does not say how long the credentials live; set ttl"},
		{"words", time.Hour, `"expiresAt":"tomorrow",`, unread + " (expiresAt)"},
		{"ttl of 0", time.Hour, `"ttl":0,`, unread + " (ttl)"},
		{"negative ttl", time.Hour, `"ttl":-1,`, unread},
		{"ttl of a wrong type", time.Hour, `"ttl":{"a":1},`, unread},
		{"list", time.Hour, `"expires":[1800000010],`, unread},
		{"true", time.Hour, `"expires":true,`, unread},
		{"ttl in words", time.Hour, `"ttl":"soon",`, unread},
		{"ttl that is no number", time.Hour, `"ttl":"NaN",`, unread},
		{"infinite ttl", time.Hour, `"ttl":"Inf",`, unread},
		{"enormous ttl", time.Hour, `"ttl":1e300,`, unread},
		{"less than a second", time.Hour, `"ttl":"20ms",`, unread},
		{"date whose order is not known", time.Hour, `"expires":"01/02/2027 08:00:00",`, unread},
		{"zone whose offset is not known", time.Hour, `"expires":"Fri, 15 Jan 2027 08:00:10 CEST",`, unread},
		{"several", time.Hour, `"ttl":"soon","expires":"later","TTL":"soon",`, "(TTL, expires, ttl)"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := fetchBody(provider.API{TTL: tt.ttl}, `{`+tt.stated+`"uris":["`+stunURL+`"]}`)
			if e := refused(t, err); !strings.Contains(e.Problem, tt.want) || e.Permanent {
				t.Errorf("error = %v, want %s", e, tt.want)
			}
		})
	}
}

// A note says what was not understood, and what was taken for milliseconds.
func TestExpiryNotes(t *testing.T) {
	for stated, want := range map[string]string{
		`"ttl":60,"expiresAt":"tomorrow"`: "[expiresAt is not understood as an expiry; the earliest of what else is stated counts]",
		`"ttl":3600000`:                   "[ttl is taken for milliseconds: as seconds it would be too long]",
		`"ttlMs":60000`:                   "[]",
		`"ttl":60`:                        "[]",
	} {
		set, err := fetchBody(provider.API{TTL: time.Hour}, `{`+stated+`,"uris":["`+stunURL+`"]}`)
		if got := fmt.Sprint(set.Notes); err != nil || got != want {
			t.Errorf("%s: %s, %v, want %s", stated, got, err, want)
		}
	}
}

// What the username says about its end counts, in every form.
func TestExpiryOfUsername(t *testing.T) {
	tests := []struct {
		username, stated string
		want             int64 // seconds after testTime
	}{
		{"1800000060:abc", ``, 60},
		{"abc:1800000060", ``, 60},
		{"1800000060", ``, 60},
		{"1800000060.5:abc", ``, 60},
		{"1800000060999:abc", ``, 60},
		{"1800000060:abc", `"ttl":3600,`, 60},
		{"1800000060:abc", `"ttl":30,`, 30},
		{"1800000060:abc", `"expires":"soon",`, 60},
		{"1900000000:abc", ``, 3600}, // the configuration
		{"abc", ``, 3600},
		{"1234567890", ``, 3600},
	}
	for _, tt := range tests {
		t.Run(tt.username+" "+tt.stated, func(t *testing.T) {
			set, err := fetchBody(provider.API{TTL: time.Hour}, `{`+tt.stated+`"username":"`+tt.username+`","password":"pw","uris":["turn:turn.example.org"]}`)
			if want := testTime.Unix() + tt.want; err != nil || set.Expires.Unix() != want {
				t.Errorf("expires = %d, %v, want %d", set.Expires.Unix(), err, want)
			}
		})
	}
}

// An answer whose credentials are over is refused; one of which only some are
// over loses those.
func TestExpiredUsername(t *testing.T) {
	_, err := fetchBody(provider.API{TTL: time.Hour}, `{"username":"1799999400:abc","password":"pw1","ttl":86400,"uris":["turn:turn.example.org","stun:stun.example.org"]}`)
	if e := refused(t, err); !strings.HasPrefix(e.Error(), "the credentials in the answer have expired already; is a clock wrong?; check this machine's clock") || e.Permanent {
		t.Errorf("error = %v", e)
	}
	set, err := fetchBody(provider.API{TTL: time.Hour}, `[{"urls":"turn:a.example.org","username":"1800000000:abc","credential":"p"},{"urls":"turn:b.example.org","username":"1800000060:abc","credential":"p"}]`)
	if err != nil || len(set.Servers) != 1 || set.Servers[0].URLs[0] != "turn:b.example.org" || !set.Expires.Equal(testTime.Add(time.Minute)) ||
		fmt.Sprint(set.Notes) != "[server 1, url 1 is left out: its credential expired at 2027-01-15T08:00:00Z]" {
		t.Errorf("%v, %v", set, err)
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
	turn := []server{turnServer("user", "pass", "turn:turn.example.org")}
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
		{"nothing but the expiry", provider.Pointers{TTL: "/life/s"}, []server{turnServer("o", "p", "turn:other.example.org")}, time.Minute},
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
	want := []server{turnServer("user", "pass", "turn:turn.example.org")}
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
		{"username is an object", provider.Pointers{Username: "/auth"}, "the answer has no text at /auth"},
		{"password is a number", provider.Pointers{Password: "/ttl"}, "the answer has no text at /ttl"},
		{"ttl is words", provider.Pointers{TTL: "/auth/who"}, "the answer has no number of seconds or other lifetime at /auth/who"},
		{"expires is words", provider.Pointers{Expires: "/auth/who"}, "the answer has no instant (RFC 3339 or Unix time) at /auth/who"},
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
