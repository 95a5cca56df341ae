package provider_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"extdisco/integration/vendors"
	"extdisco/turncred/provider"
)

// presets of all vendors, with what they accept.
func presets(base string) map[string]*provider.API {
	const ttl = time.Hour
	key := []byte(vendors.RESTKey)
	return map[string]*provider.API{
		"Cloudflare":      provider.Cloudflare(base+"/v1", vendors.CloudflareKeyID, []byte(vendors.CloudflareToken), ttl, ""),
		"Twilio":          provider.Twilio(base, vendors.TwilioAccountSID, vendors.TwilioAccountSID, []byte(vendors.TwilioAuthToken), ttl),
		"Twilio, API key": provider.Twilio(base, vendors.TwilioAccountSID, vendors.TwilioKeySID, []byte(vendors.TwilioKeySecret), ttl),
		"Metered":         provider.Metered(base, []byte(vendors.MeteredAPIKey), "europe", ttl),
		"Metered, create": provider.MeteredCreate(base, []byte(vendors.MeteredSecretKey), "", ttl),
		"Xirsys":          provider.Xirsys(base, vendors.XirsysChannel, vendors.XirsysIdent, []byte(vendors.XirsysSecret), ttl),
		"TURN REST":       provider.TURNREST(base+vendors.RESTPath, key, "somebody", ttl),
		"TURN REST, root": provider.TURNREST(base, key, "", ttl),
		"Cloudflare, older": {
			Method: http.MethodPost, URL: hide(base + vendors.OlderPath), Header: map[string]provider.Secret{"content-type": hide("application/json")},
			Body: hide(`{"ttl":{{ttl}},"customIdentifier":"{{user}}"}`), Bearer: hide(vendors.CloudflareToken), TTL: ttl,
		},
		"STUNner": {Method: http.MethodGet, URL: hide(base + vendors.ICEPath + "?service=turn&ttl={{ttl}}&username={{user}}"), TTL: ttl},
		"Matrix":  {Method: http.MethodGet, URL: hide(base + vendors.MatrixPath), Bearer: hide(vendors.MatrixToken)},
		"Bearer":  {Method: http.MethodGet, URL: hide(base + vendors.ExpiresPath), Bearer: hide(vendors.BearerToken)},
	}
}

func TestFailureModes(t *testing.T) {
	const retry = vendors.RetrySeconds * time.Second
	tests := []struct {
		mode   vendors.Mode
		status int
		pause  time.Duration
		slowly bool   // Permanent
		want   string // in the Problem
	}{
		{vendors.NoContent, 204, 0, true, "answered 204 No Content"},
		{vendors.BadRequest, 400, 0, true, "answered 400 Bad Request"},
		{vendors.Unauthorized, 401, 0, true, "answered 401 Unauthorized"},
		{vendors.Forbidden, 403, 0, true, "answered 403 Forbidden"},
		{vendors.NotFound, 404, 0, true, "answered 404 Not Found"},
		{vendors.RequestTimeout, 408, 0, false, "answered 408 Request Timeout"},
		{vendors.TooEarly, 425, 0, false, "answered 425 Too Early"},
		{vendors.TooMany, 429, retry, false, "answered 429 Too Many Requests"},
		{vendors.TooManyUntil, 429, retry, false, "answered 429 Too Many Requests"},
		{vendors.InternalError, 500, 0, false, "answered 500 Internal Server Error"},
		{vendors.BadGateway, 502, 0, false, "answered 502 Bad Gateway"},
		{vendors.Unavailable, 503, retry, false, "answered 503 Service Unavailable"},
		{vendors.RedirectAway, 307, 0, true, "answered 307 Temporary Redirect"},
		{vendors.RedirectLoop, 307, 0, true, "answered 307 Temporary Redirect"},
		{vendors.RedirectNowhere, 0, 0, false, "no answer from 127.0.0.1:"},
		{vendors.Dropped, 0, 0, false, "no answer from 127.0.0.1:"},
		{vendors.CutOff, 200, 0, false, "was cut off: unexpected EOF"},
		{vendors.Huge, 200, 0, false, "has more than 65536 bytes"},
		{vendors.HugeHeader, 0, 0, false, "no answer from 127.0.0.1:"},
		{vendors.NotJSON, 200, 0, false, "is not JSON: invalid character"},
		{vendors.HTML, 200, 0, false, "is a web page, not JSON"},
		{vendors.WrongTypes, 200, 0, false, "the answer "},
		{vendors.NoServers, 200, 0, false, "the answer "},
		{vendors.SaysNo, 200, 0, false, "the answer "},
	}
	s := startVendors(t, vendors.Config{})
	client := newClient(t, 10*time.Second)
	for _, tt := range tests {
		t.Run(string(tt.mode), func(t *testing.T) {
			s.Fail(tt.mode)
			for name, api := range presets(s.URL()) {
				_, err := api.Fetch(t.Context(), client, "somebody", time.Now())
				e := refused(t, err)
				if e.Status != tt.status || e.Permanent != tt.slowly || !strings.Contains(e.Problem, tt.want) {
					t.Errorf("%s: %+v", name, e)
				}
				if e.RetryAfter > tt.pause || e.RetryAfter < tt.pause-5*time.Second {
					t.Errorf("%s: asks for a pause of %v, want %v", name, e.RetryAfter, tt.pause)
				}
			}
		})
	}
	if strays := s.Strays(); len(strays) != 0 {
		t.Errorf("a redirect to another host was followed: %+v", strays)
	}
}

func TestSuccessModes(t *testing.T) {
	s := startVendors(t, vendors.Config{})
	client := newClient(t, 10*time.Second)
	for _, mode := range []vendors.Mode{vendors.Working, vendors.OK, vendors.Created, vendors.RedirectSame} {
		s.Fail(mode)
		for name, api := range presets(s.URL()) {
			now := time.Now()
			set, err := api.Fetch(t.Context(), client, "somebody", now)
			if err != nil || len(set.Servers) == 0 {
				t.Errorf("%s, %s: %v, %v", name, mode, set, err)
				continue
			}
			turn := set.Servers[len(set.Servers)-1]
			if life := set.Expires.Sub(now); turn.Username == "" || turn.Password.IsEmpty() || life < 59*time.Minute || life > 25*time.Hour {
				t.Errorf("%s, %s: %v for %v", name, mode, turn.URLs, life)
			}
		}
	}
}

// The cures that presets know, per status, in the words of the configuration.
func TestCures(t *testing.T) {
	tests := []struct {
		name string
		want map[vendors.Mode]string
	}{
		{"Cloudflare", map[vendors.Mode]string{
			vendors.BadRequest: "check ttl (1s to 48h)", vendors.Unauthorized: "the API token is wrong",
			vendors.Forbidden: "the API token is wrong or lacks permission", vendors.NotFound: "there is no TURN key with this key_id",
			vendors.TooMany: "too many requests", vendors.RedirectAway: "correct url",
		}},
		{"Twilio", map[vendors.Mode]string{
			vendors.BadRequest: "check ttl (at most 24h)", vendors.Unauthorized: "account_sid, key_sid or the secret is wrong",
			vendors.Forbidden: "suspended", vendors.NotFound: "no account with this account_sid", vendors.TooMany: "too many requests",
		}},
		{"Metered", map[vendors.Mode]string{
			vendors.BadRequest: "check api_key_file", vendors.Unauthorized: "api_key_file", vendors.NotFound: "check app",
			vendors.TooMany: "too many requests",
		}},
		{"Metered, create", map[vendors.Mode]string{
			vendors.BadRequest: "check ttl", vendors.Unauthorized: "secret_key_file", vendors.Forbidden: "secret_key_file",
			vendors.NotFound: "check app", vendors.TooMany: "too many requests",
		}},
		{"Xirsys", map[vendors.Mode]string{
			vendors.Unauthorized: "ident or secret is wrong", vendors.Forbidden: "not active", vendors.NotFound: "check channel",
			vendors.SaysNo: "check ident, secret and channel", vendors.TooMany: "too many requests", vendors.NotJSON: "check url: an API that answers in JSON is asked",
		}},
		{"TURN REST", map[vendors.Mode]string{
			vendors.BadRequest: "check url", vendors.Unauthorized: "check key_file", vendors.Forbidden: "check key_file",
			vendors.NotFound: "check url", vendors.TooMany: "too many requests", vendors.InternalError: "the fault is on the provider's side",
		}},
	}
	s := startVendors(t, vendors.Config{})
	client := newClient(t, 10*time.Second)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			api := presets(s.URL())[tt.name]
			for mode, want := range tt.want {
				s.Fail(mode)
				_, err := api.Fetch(t.Context(), client, "somebody", time.Now())
				e := refused(t, err)
				if !strings.Contains(e.Cure, want) {
					t.Errorf("%s: cure = %q, want %q", mode, e.Cure, want)
				}
				if text := e.Error(); !strings.HasPrefix(text, e.Problem) || !strings.HasSuffix(text, e.Cure) {
					t.Errorf("%s: error = %q", mode, text)
				}
			}
		})
	}
}

func TestSlowProvider(t *testing.T) {
	s := startVendors(t, vendors.Config{})
	for _, mode := range []vendors.Mode{vendors.Slow, vendors.SlowBody} {
		t.Run(string(mode)+", time-out", func(t *testing.T) {
			s.Fail(mode)
			for name, api := range presets(s.URL()) {
				_, err := api.Fetch(t.Context(), newClient(t, 20*time.Millisecond), "somebody", time.Now())
				if e := refused(t, err); e.Permanent || !strings.HasSuffix(e.Problem, ": time-out") {
					t.Errorf("%s: %+v", name, e)
				}
			}
		})
		t.Run(string(mode)+", cancelled", func(t *testing.T) {
			s.Fail(mode)
			ctx, cancel := context.WithCancel(t.Context())
			done, count := make(chan error), s.Count()
			api, client := presets(s.URL())["Cloudflare"], newClient(t, time.Minute)
			go func() {
				_, err := api.Fetch(ctx, client, "", time.Now())
				done <- err
			}()
			if err := s.Await(t.Context(), count+1); err != nil {
				t.Error(err)
			}
			cancel()
			if e := refused(t, <-done); !strings.Contains(e.Problem, "context canceled") {
				t.Errorf("%+v", e)
			}
		})
	}
}

func TestRetryAfter(t *testing.T) {
	tests := []struct {
		name, header string
		want         time.Duration
	}{
		{"none", "", 0},
		{"seconds", "120", 2 * time.Minute},
		{"zero", "0", 0},
		{"negative", "-5", 0},
		{"fraction", "1.5", 0},
		{"words", "soon", 0},
		{"more than an hour", "86400", time.Hour},
		{"more than there are", "9223372036854775807", time.Hour},
		{"beyond 64 bits", "9999999999999999999999", 0},
		{"date", "Sat, 01 Jan 2000 00:01:30 GMT", 90 * time.Second},
		{"date of RFC 850", "Saturday, 01-Jan-00 00:01:30 GMT", 90 * time.Second},
		{"date of asctime", "Sat Jan  1 00:01:30 2000", 90 * time.Second},
		{"date in the past", "Fri, 31 Dec 1999 23:59:59 GMT", 0},
		{"date in years", "Sat, 01 Jan 2050 00:00:00 GMT", time.Hour},
		{"date of another form", "2000-01-01T00:01:30Z", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { // where it is 2000-01-01
				header := http.Header{}
				if tt.header != "" {
					header.Set("Retry-After", tt.header)
				}
				api := provider.API{Method: http.MethodGet, URL: hide("https://turn.example.org/")}
				_, err := api.Fetch(t.Context(), answering(429, header, ""), "", time.Now())
				if e := refused(t, err); e.RetryAfter != tt.want {
					t.Errorf("RetryAfter = %v, want %v", e.RetryAfter, tt.want)
				}
			})
		})
	}
}

// Every status that is not success is a refusal, and those that may pass by
// themselves are not permanent.
func TestStatuses(t *testing.T) {
	transient := map[int]bool{408: true, 425: true, 429: true}
	api := provider.API{Method: http.MethodGet, URL: hide("https://turn.example.org/")}
	for status := 202; status < 600; status++ {
		_, err := api.Fetch(t.Context(), answering(status, nil, `{"uris":["stun:stun.example.org"]}`), "", testTime)
		e := refused(t, err)
		if want := status < 500 && !transient[status]; e.Status != status || e.Permanent != want {
			t.Errorf("%d: %+v", status, e)
		}
		if strings.HasSuffix(e.Problem, " ") {
			t.Errorf("%d: %q", status, e.Problem)
		}
	}
}
