package provider_test

import (
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"extdisco/integration/vendors"
	"extdisco/turncred/provider"
)

// What presets send, as the vendors document it.
func TestPresetRequests(t *testing.T) {
	const json = "application/json"
	tests := []struct {
		name string
		want vendors.Request
	}{
		{"Cloudflare", vendors.Request{
			Method: "POST", Path: "/v1/turn/keys/" + vendors.CloudflareKeyID + "/credentials/generate-ice-servers", Body: `{"ttl":3600}`,
			Header: http.Header{"Authorization": {"Bearer " + vendors.CloudflareToken}, "Content-Type": {json}},
		}},
		{"Cloudflare, older", vendors.Request{
			Method: "POST", Path: vendors.OlderPath, Body: `{"ttl":3600,"customIdentifier":"some\"body\u0026"}`,
			Header: http.Header{"Authorization": {"Bearer " + vendors.CloudflareToken}, "Content-Type": {json}},
		}},
		{"Twilio", vendors.Request{
			Method: "POST", Path: "/2010-04-01/Accounts/" + vendors.TwilioAccountSID + "/Tokens.json", Body: "Ttl=3600",
			Header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}},
		}},
		{"Metered", vendors.Request{
			Method: "GET", Path: "/api/v1/turn/credentials",
			Query: url.Values{"apiKey": {vendors.MeteredAPIKey}, "region": {"europe"}},
		}},
		{"Metered, create", vendors.Request{
			Method: "GET", Path: "/api/v1/turn/credentials",
			Query: url.Values{"apiKey": {"metered-api-key-made-0001"}},
		}},
		{"Xirsys", vendors.Request{
			Method: "PUT", Path: "/_turn/" + vendors.XirsysChannel, Body: `{"expire":3600,"format":"urls"}`,
			Header: http.Header{"Content-Type": {json}},
		}},
		{"TURN REST", vendors.Request{
			Method: "GET", Path: vendors.RESTPath,
			Query: url.Values{"service": {"turn"}, "key": {vendors.RESTKey}, "username": {"somebody"}},
		}},
		{"STUNner", vendors.Request{
			Method: "GET", Path: vendors.ICEPath,
			Query: url.Values{"service": {"turn"}, "ttl": {"3600"}, "username": {`some"body&`}},
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := startVendors(t, vendors.Config{})
			if _, err := presets(s.URL())[tt.name].Fetch(t.Context(), newClient(t, time.Minute), `some"body&`, time.Now()); err != nil {
				t.Fatal(err)
			}
			all := s.Requests()
			got := all[len(all)-1]
			if got.Method != tt.want.Method || got.Path != tt.want.Path || got.Body != tt.want.Body || len(got.Query)+len(tt.want.Query) > 0 && !reflect.DeepEqual(got.Query, tt.want.Query) {
				t.Errorf("request = %+v, want %+v", got, tt.want)
			}
			for name := range tt.want.Header {
				if got.Header.Get(name) != tt.want.Header.Get(name) {
					t.Errorf("%s = %s, want %s", name, got.Header.Get(name), tt.want.Header.Get(name))
				}
			}
			if got.Header.Get("User-Agent") != "extdisco" || got.Header.Get("Accept") != json {
				t.Errorf("header = %v", got.Header)
			}
		})
	}
}

// MeteredCreate asks twice, and the key of the first request does not go with the
// second. The credential lives as long as the first answer says.
func TestMeteredCreate(t *testing.T) {
	s := startVendors(t, vendors.Config{})
	api := presets(s.URL())["Metered, create"]
	api.Then.TTL = 100 * time.Hour // not what the vendor says
	now := time.Now()
	set, err := api.Fetch(t.Context(), newClient(t, time.Minute), "", now)
	if err != nil {
		t.Fatal(err)
	}
	if want := now.Add(time.Hour).Unix(); set.Expires.Unix() != want {
		t.Errorf("expires = %v", set.Expires)
	}
	all := s.Requests()
	if len(all) != 2 || all[0].Body != `{"expiryInSeconds":3600,"label":"extdisco"}` || all[0].Query.Get("secretKey") != vendors.MeteredSecretKey {
		t.Errorf("requests = %+v", all)
	}
	if len(api.Then.Query) != 0 {
		t.Errorf("the preset keeps %d secrets of an answer", len(api.Then.Query))
	}
	for body, want := range map[string]string{
		`{"apiKey":1}`: "the answer has no text at /apiKey",
		`{}`:           "nothing at /apiKey",
		`no`:           "is not JSON",
	} {
		_, err := api.Fetch(t.Context(), answering(200, nil, body), "", now)
		if e := refused(t, err); e.Status != 200 || !strings.Contains(e.Problem, want) {
			t.Errorf("%s: %v", body, e)
		}
	}
}

// Whoever gets a setting wrong is told which.
func TestWrongSettings(t *testing.T) {
	const ttl = time.Hour
	wrong := []byte(wrongSecret)
	s := startVendors(t, vendors.Config{})
	base := s.URL()
	token, ident := []byte(vendors.CloudflareToken), []byte(vendors.XirsysSecret)
	auth := []byte(vendors.TwilioAuthToken)
	tests := []struct {
		name   string
		api    *provider.API
		status int
		want   string
	}{
		{"Cloudflare, token", provider.Cloudflare(base+"/v1", vendors.CloudflareKeyID, wrong, ttl, ""), 403, "the API token is wrong or lacks permission"},
		{"Cloudflare, key", provider.Cloudflare(base+"/v1", "other", token, ttl, ""), 404, "there is no TURN key with this key_id"},
		{"Cloudflare, key with a slash", provider.Cloudflare(base+"/v1", "../x", token, ttl, ""), 404, "there is no TURN key with this key_id"},
		{"Cloudflare, ttl", provider.Cloudflare(base+"/v1", vendors.CloudflareKeyID, token, 49*time.Hour, ""), 400, "check ttl"},
		{"Cloudflare, no token", provider.Cloudflare(base+"/v1", vendors.CloudflareKeyID, nil, ttl, ""), 401, "api_token_file"},
		{"Twilio, token", provider.Twilio(base, vendors.TwilioAccountSID, vendors.TwilioAccountSID, wrong, ttl), 401, "account_sid, key_sid or the secret is wrong"},
		{"Twilio, account", provider.Twilio(base, "AC0", vendors.TwilioAccountSID, auth, ttl), 404, "there is no account with this account_sid"},
		{"Twilio, ttl", provider.Twilio(base, vendors.TwilioAccountSID, vendors.TwilioAccountSID, auth, 25*time.Hour), 400, "check ttl (at most 24h)"},
		{"Metered, key", provider.Metered(base, wrong, "", ttl), 401, "the API key is wrong"},
		{"Metered, no key", provider.Metered(base, nil, "", ttl), 400, "the API key is missing"},
		{"Metered, app", provider.Metered(base+"/other", []byte(vendors.MeteredAPIKey), "", ttl), 404, "check app"},
		{"Metered, secret key", provider.MeteredCreate(base, wrong, "", ttl), 401, "the secret key is wrong"},
		{"Metered, region of the second request", provider.MeteredCreate(base, []byte(vendors.MeteredSecretKey), "moon", ttl), 400, "not understood"},
		{"Xirsys, secret", provider.Xirsys(base, vendors.XirsysChannel, vendors.XirsysIdent, wrong, ttl), 401, "ident or secret is wrong"},
		{"Xirsys, channel", provider.Xirsys(base, "other", vendors.XirsysIdent, ident, ttl), 200, "check ident, secret and channel"},
		{"TURN REST, key", provider.TURNREST(base+vendors.RESTPath, wrong, "", ttl), 403, "the key is wrong or missing; check key_file"},
		{"TURN REST, path", provider.TURNREST(base+"/other", []byte(vendors.RESTKey), "", ttl), 404, "check url"},
		{"unusable url", provider.TURNREST("https://exa mple/?key="+wrongSecret, wrong, "", ttl), 0, "the provider's url or method is not valid"},
	}
	client := newClient(t, time.Minute)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := tt.api.Fetch(t.Context(), client, "", time.Now())
			if e := refused(t, err); e.Status != tt.status || !strings.Contains(e.Error(), tt.want) {
				t.Errorf("error = %d %v, want %d %s", e.Status, e, tt.status, tt.want)
			}
		})
	}
}

func TestCloudflareIdentifier(t *testing.T) {
	s := startVendors(t, vendors.Config{})
	api := provider.Cloudflare(s.URL()+"/v1", vendors.CloudflareKeyID, []byte(vendors.CloudflareToken), time.Minute, "{{user}}")
	if _, err := api.Fetch(t.Context(), newClient(t, time.Minute), "bfbe1304755cdc44", time.Now()); err != nil {
		t.Fatal(err)
	}
	if got, want := s.Requests()[0].Body, `{"customIdentifier":"bfbe1304755cdc44","ttl":60}`; got != want {
		t.Errorf("body = %s, want %s", got, want)
	}
}

func TestCloudflareRevocation(t *testing.T) {
	s := startVendors(t, vendors.Config{})
	client := newClient(t, time.Minute)
	revoke := func(token string) error {
		return provider.CloudflareRevocation(s.URL()+"/v1", vendors.CloudflareKeyID, []byte(token), "1800000060:u/x").Send(t.Context(), client)
	}
	if err := revoke(vendors.CloudflareToken); err != nil {
		t.Error(err)
	}
	if got := s.Revoked(); len(got) != 1 || got[0] != "1800000060:u/x" {
		t.Errorf("revoked = %q", got)
	}
	if e := refused(t, revoke(wrongSecret)); e.Status != 403 || !e.Permanent {
		t.Errorf("%+v", e)
	}
}

// A placeholder in a form is escaped for it.
func TestFormBody(t *testing.T) {
	var got string
	client := &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		if err := r.ParseForm(); err != nil {
			t.Error(err)
		}
		got = r.PostForm.Encode()
		return answering(403, nil, "").Transport.RoundTrip(r)
	})}
	api := provider.API{
		Method: "POST", URL: hide("https://turn.example.org/"), Header: map[string]provider.Secret{"Content-Type": hide("application/x-www-form-urlencoded; charset=utf-8")},
		Body: hide("Ttl={{ttl}}&who={{user}}"), TTL: time.Minute,
	}
	_, err := api.Fetch(t.Context(), client, "a&b=c", testTime)
	refused(t, err)
	if want := "Ttl=60&who=a%26b%3Dc"; got != want {
		t.Errorf("form = %s, want %s", got, want)
	}
}

// What the configuration names is one part of the path, whatever it holds.
func TestPresetPathsAreEscaped(t *testing.T) {
	const base, odd = "https://example.org", "../a b?c#d/e"
	const escaped = "..%2Fa%20b%3Fc%23d%2Fe"
	s := []byte(wrongSecret)
	for want, api := range map[string]*provider.API{
		"/turn/keys/" + escaped + "/credentials/generate-ice-servers": provider.Cloudflare(base, odd, s, time.Hour, ""),
		"/turn/keys/" + escaped + "/credentials/a%2Fb/revoke":         provider.CloudflareRevocation(base, odd, s, "a/b"),
		"/2010-04-01/Accounts/" + escaped + "/Tokens.json":            provider.Twilio(base, odd, "user", s, time.Hour),
		"/_turn/" + escaped: provider.Xirsys(base, odd, "ident", s, time.Hour),
	} {
		if string(api.URL.Reveal()) != base+want {
			t.Errorf("URL = %s, want %s", api.URL.Reveal(), base+want)
		}
	}
}

func TestTrimBase(t *testing.T) {
	for in, want := range map[string]string{"https://example.org/v1//": "https://example.org/v1", "https://example.org": "https://example.org"} {
		if got := provider.TrimBase(in); got != want {
			t.Errorf("TrimBase(%s) = %s", in, got)
		}
	}
}
