package vendors_test

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"extdisco/integration/vendors"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	mintPath   = "/v1/turn/keys/" + vendors.CloudflareKeyID + "/credentials/generate-ice-servers"
	twilioPath = "/2010-04-01/Accounts/" + vendors.TwilioAccountSID + "/Tokens.json"
	xirsysPath = "/_turn/" + vendors.XirsysChannel

	bearer = "Bearer " + vendors.CloudflareToken
	form   = "application/x-www-form-urlencoded"
)

var now = time.Unix(1_800_000_000, 0)

func basic(user, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

func start(t *testing.T, cfg vendors.Config) *vendors.Server {
	t.Helper()
	cfg.Now = func() time.Time { return now }
	s, err := vendors.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// request is one that a test sends.
type request struct{ method, path, authorization, contentType, body string }

func (q request) send(t *testing.T, s *vendors.Server) (status int, header http.Header, body string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), q.method, s.URL()+q.path, strings.NewReader(q.body))
	if err != nil {
		t.Fatal(err)
	}
	if q.authorization != "" {
		r.Header.Set("Authorization", q.authorization)
	}
	if q.contentType != "" {
		r.Header.Set("Content-Type", q.contentType)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, response.Header, string(text)
}

// minted are the parts of an answer that no documentation can give.
var minted = regexp.MustCompile(`"[0-9a-f]{24,96}"`)

func TestDocumentedAnswers(t *testing.T) {
	const json = "application/json"
	tests := []struct {
		name string
		request
		status int
		want   string
	}{
		{
			"Cloudflare", request{"POST", mintPath, bearer, json, `{"ttl":86400}`}, 201,
			`{"iceServers":[{"urls":["stun:stun.cloudflare.com:3478"]},{"urls":["turn:turn.cloudflare.com:3478?transport=udp","turn:turn.cloudflare.com:443?transport=udp","turn:turn.cloudflare.com:3478?transport=tcp","turn:turn.cloudflare.com:80?transport=tcp","turns:turn.cloudflare.com:5349?transport=tcp","turns:turn.cloudflare.com:443?transport=tcp"],"username":"…","credential":"…"}]}`,
		},
		{
			"Cloudflare, older", request{"POST", vendors.OlderPath, bearer, json, `{"ttl":1,"customIdentifier":"x"}`}, 201,
			`{"iceServers":{"urls":["stun:stun.cloudflare.com:3478","stun:stun.cloudflare.com:53","turn:turn.cloudflare.com:3478?transport=udp","turn:turn.cloudflare.com:53?transport=udp","turn:turn.cloudflare.com:3478?transport=tcp","turn:turn.cloudflare.com:80?transport=tcp","turns:turn.cloudflare.com:5349?transport=tcp","turns:turn.cloudflare.com:443?transport=tcp"],"username":"…","credential":"…"}}`,
		},
		{
			"Twilio, account", request{"POST", twilioPath, basic(vendors.TwilioAccountSID, vendors.TwilioAuthToken), form, "Ttl=3600"}, 201,
			`{"username":"…","password":"…","ttl":"3600","account_sid":"` + vendors.TwilioAccountSID + `","date_created":"Fri, 15 Jan 2027 08:00:00 +0000","date_updated":"Fri, 15 Jan 2027 08:00:00 +0000","ice_servers":[{"url":"stun:global.stun.twilio.com:3478","urls":"stun:global.stun.twilio.com:3478"},{"url":"turn:global.turn.twilio.com:3478?transport=udp","urls":"turn:global.turn.twilio.com:3478?transport=udp","username":"…","credential":"…"},{"url":"turn:global.turn.twilio.com:3478?transport=tcp","urls":"turn:global.turn.twilio.com:3478?transport=tcp","username":"…","credential":"…"},{"url":"turn:global.turn.twilio.com:443?transport=tcp","urls":"turn:global.turn.twilio.com:443?transport=tcp","username":"…","credential":"…"}]}`,
		},
		{
			"Metered, create", request{"POST", "/api/v1/turn/credential?secretKey=" + vendors.MeteredSecretKey, "", json, `{"expiryInSeconds":3600,"label":"x"}`}, 200,
			`{"username":"…","password":"…","expiryInSeconds":3600,"label":"x","apiKey":"metered-api-key-made-0001"}`,
		},
		{
			"Metered, get", request{"GET", "/api/v1/turn/credentials?apiKey=" + vendors.MeteredAPIKey + "&region=europe", "", "", ""}, 200,
			`[{"urls":"stun:stun.relay.metered.ca:80"},{"urls":"turn:global.relay.metered.ca:80","username":"…","credential":"…"},{"urls":"turn:global.relay.metered.ca:80?transport=tcp","username":"…","credential":"…"},{"urls":"turn:global.relay.metered.ca:443","username":"…","credential":"…"},{"urls":"turns:global.relay.metered.ca:443?transport=tcp","username":"…","credential":"…"}]`,
		},
		{
			"Xirsys, urls", request{"PUT", xirsysPath, basic(vendors.XirsysIdent, vendors.XirsysSecret), json, `{"format":"urls","expire":3600}`}, 200,
			`{"v":{"iceServers":{"username":"…","urls":["stun:fr-turn1.xirsys.com","turn:fr-turn1.xirsys.com:80?transport=udp","turn:fr-turn1.xirsys.com:3478?transport=udp","turn:fr-turn1.xirsys.com:80?transport=tcp","turn:fr-turn1.xirsys.com:3478?transport=tcp","turns:fr-turn1.xirsys.com:443?transport=tcp","turns:fr-turn1.xirsys.com:5349?transport=tcp"],"credential":"…"}},"s":"ok"}`,
		},
		{
			"TURN REST", request{"GET", vendors.RESTPath + "?service=turn&username=mbzrxpgjys&key=" + vendors.RESTKey, "", "", ""}, 200,
			`{"username":"…","password":"…","ttl":86400,"uris":["turn:192.0.2.4:9991?transport=udp","turn:192.0.2.4:9992?transport=tcp","turns:192.0.2.4:443?transport=tcp"]}`,
		},
		{
			"Matrix", request{"GET", vendors.MatrixPath, "Bearer " + vendors.MatrixToken, "", ""}, 200,
			`{"username":"…","password":"…","ttl":86400,"uris":["turn:192.0.2.4:9991?transport=udp","turn:192.0.2.4:9992?transport=tcp","turns:192.0.2.4:443?transport=tcp"]}`,
		},
		{
			"STUNner", request{"GET", vendors.ICEPath + "?service=turn&username=x&ttl=60&namespace=ns&gateway=gw", "", "", ""}, 200,
			`{"iceServers":[{"username":"…","credential":"…","urls":["turn:192.0.2.4:3478?transport=udp"]}],"iceTransportPolicy":"all"}`,
		},
		{
			"absolute expiry", request{"GET", vendors.ExpiresPath, "Bearer " + vendors.BearerToken, "", ""}, 200,
			`{"ice_servers":[{"urls":["stun:stun.example.org:3478"]},{"urls":["turn:turn.example.org:3478?transport=udp"],"username":"…","credential":"…"}],"expires_at":"2027-01-15T09:00:00Z"}`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := start(t, vendors.Config{})
			status, header, body := tt.send(t, s)
			if body = minted.ReplaceAllString(body, `"…"`); status != tt.status || body != tt.want {
				t.Errorf("answer = %d\n%s\nwant %d\n%s", status, body, tt.status, tt.want)
			}
			if got := header.Get("Content-Type"); got != json {
				t.Errorf("content type = %s", got)
			}
		})
	}
	t.Run("Xirsys, older", func(t *testing.T) {
		q := request{"PUT", xirsysPath, basic(vendors.XirsysIdent, vendors.XirsysSecret), "", ""}
		_, _, body := q.send(t, start(t, vendors.Config{}))
		const want = `{"v":{"iceServers":[{"url":"stun:fr-turn1.xirsys.com"},{"username":"…","url":"turn:fr-turn1.xirsys.com:80?transport=udp","credential":"…"},`
		if body = minted.ReplaceAllString(body, `"…"`); !strings.HasPrefix(body, want) || !strings.HasSuffix(body, `}]},"s":"ok"}`) {
			t.Errorf("answer = %s", body)
		}
	})
}

func TestRefusals(t *testing.T) {
	const json = "application/json"
	account := basic(vendors.TwilioAccountSID, vendors.TwilioAuthToken)
	ident := basic(vendors.XirsysIdent, vendors.XirsysSecret)
	create := "/api/v1/turn/credential?secretKey=" + vendors.MeteredSecretKey
	tests := []struct {
		name string
		request
		status int
		want   string // in the body
	}{
		{"no such path", request{"GET", "/nothing", "", "", ""}, 404, ""},
		{"Cloudflare, method", request{"GET", mintPath, bearer, json, `{"ttl":1}`}, 405, ""},
		{"Cloudflare, path as in mod_cf_turncredentials", request{"POST", strings.Replace(mintPath, "/credentials", "/turn/credentials", 1), bearer, json, `{"ttl":1}`}, 404, ""},
		{"Cloudflare, no token", request{"POST", mintPath, "", json, `{"ttl":1}`}, 401, ""},
		{"Cloudflare, wrong token", request{"POST", mintPath, bearer + "0", json, `{"ttl":1}`}, 403, ""},
		{"Cloudflare, wrong key", request{"POST", strings.Replace(mintPath, "c10d", "c10e", 1), bearer, json, `{"ttl":1}`}, 404, ""},
		{"Cloudflare, no content type", request{"POST", mintPath, bearer, "", `{"ttl":1}`}, 415, ""},
		{"Cloudflare, ttl of 0", request{"POST", mintPath, bearer, json, `{"ttl":0}`}, 400, ""},
		{"Cloudflare, ttl above 48 hours", request{"POST", mintPath, bearer, json, `{"ttl":172801}`}, 400, ""},
		{"Cloudflare, ttl as text", request{"POST", mintPath, bearer, json, `{"ttl":"60"}`}, 400, ""},
		{"Cloudflare, unknown member", request{"POST", mintPath, bearer, json, `{"ttl":60,"x":1}`}, 400, ""},
		{"Cloudflare, two values", request{"POST", mintPath, bearer, json, `{"ttl":60}{}`}, 400, ""},
		{"Cloudflare, revoke with a wrong token", request{"POST", strings.Replace(mintPath, "generate-ice-servers", "u/revoke", 1), bearer + "0", "", ""}, 403, ""},
		{"Twilio, method", request{"GET", twilioPath, account, form, ""}, 405, ""},
		{"Twilio, no authentication", request{"POST", twilioPath, "", form, "Ttl=60"}, 401, `"code":20003`},
		{"Twilio, wrong token", request{"POST", twilioPath, basic(vendors.TwilioAccountSID, "x"), form, "Ttl=60"}, 401, `"code":20003`},
		{"Twilio, other account", request{"POST", strings.Replace(twilioPath, "01/Tokens", "03/Tokens", 1), account, form, "Ttl=60"}, 404, `"code":20404`},
		{"Twilio, JSON", request{"POST", twilioPath, account, json, `{"Ttl":60}`}, 415, ""},
		{"Twilio, ttl above a day", request{"POST", twilioPath, account, form, "Ttl=86401"}, 400, ""},
		{"Metered, no key", request{"GET", "/api/v1/turn/credentials", "", "", ""}, 400, `{"error":"Please specify API Key"}`},
		{"Metered, wrong key", request{"GET", "/api/v1/turn/credentials?apiKey=x", "", "", ""}, 401, `{"error":"Invalid API Key"}`},
		{"Metered, region", request{"GET", "/api/v1/turn/credentials?region=moon&apiKey=" + vendors.MeteredAPIKey, "", "", ""}, 400, ""},
		{"Metered, create by GET", request{"GET", create, "", "", ""}, 405, ""},
		{"Metered, create with a wrong key", request{"POST", create + "0", "", json, `{"expiryInSeconds":1}`}, 401, ""},
		{"Metered, create without expiry", request{"POST", create, "", json, `{}`}, 400, ""},
		{"Metered, create without content type", request{"POST", create, "", "", `{"expiryInSeconds":1}`}, 415, ""},
		{"Xirsys, method", request{"POST", xirsysPath, ident, json, `{}`}, 405, ""},
		{"Xirsys, wrong secret", request{"PUT", xirsysPath, basic(vendors.XirsysIdent, "x"), json, `{}`}, 401, `"s":"error"`},
		{"Xirsys, channel", request{"PUT", "/_turn/other", ident, json, `{}`}, 200, `{"v":"path_not_found","s":"error"}`},
		{"Xirsys, content type", request{"PUT", xirsysPath, ident, form, `{}`}, 415, `"s":"error"`},
		{"Xirsys, expire", request{"PUT", xirsysPath, ident, json, `{"expire":-1}`}, 200, `"s":"error"`},
		{"TURN REST, method", request{"POST", vendors.RESTPath + "?service=turn&key=" + vendors.RESTKey, "", "", ""}, 405, ""},
		{"TURN REST, service", request{"GET", vendors.RESTPath + "?key=" + vendors.RESTKey, "", "", ""}, 400, ""},
		{"TURN REST, no key", request{"GET", vendors.RESTPath + "?service=turn", "", "", ""}, 400, ""},
		{"TURN REST, wrong key", request{"GET", vendors.RESTPath + "?service=turn&key=x", "", "", ""}, 403, ""},
		{"Matrix, no token", request{"GET", vendors.MatrixPath, "", "", ""}, 401, "M_MISSING_TOKEN"},
		{"Matrix, wrong token", request{"GET", vendors.MatrixPath, "Bearer x", "", ""}, 401, "M_UNKNOWN_TOKEN"},
		{"STUNner, ttl", request{"GET", vendors.ICEPath + "?ttl=soon", "", "", ""}, 400, ""},
		{"STUNner, service", request{"GET", vendors.ICEPath + "?service=stun", "", "", ""}, 400, ""},
		{"absolute expiry, no token", request{"GET", vendors.ExpiresPath, "", "", ""}, 401, ""},
	}
	s := start(t, vendors.Config{})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			status, _, body := tt.send(t, s)
			if status != tt.status || !strings.Contains(body, tt.want) {
				t.Errorf("answer = %d %s, want %d %s", status, body, tt.status, tt.want)
			}
		})
	}
}

// With the shared secret of a TURN server the credentials are those of the TURN
// REST API, at every vendor.
func TestSharedSecret(t *testing.T) {
	s := start(t, vendors.Config{Secret: "north", URLs: []string{"turn:192.0.2.9:3478?transport=udp"}})
	_, _, body := request{"POST", mintPath, bearer, "application/json", `{"ttl":60}`}.send(t, s)
	var answer struct {
		ICEServers []struct {
			URLs                 []string
			Username, Credential string
		}
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil || len(answer.ICEServers) != 1 {
		t.Fatalf("%s: %v", body, err)
	}
	got := answer.ICEServers[0]
	mac := hmac.New(sha1.New, []byte("north"))
	mac.Write([]byte(got.Username))
	if want := base64.StdEncoding.EncodeToString(mac.Sum(nil)); !strings.HasPrefix(got.Username, "1800000060:") || got.Credential != want {
		t.Errorf("credential = %s %s, want %s", got.Username, got.Credential, want)
	}
	if len(got.URLs) != 1 || got.URLs[0] != "turn:192.0.2.9:3478?transport=udp" {
		t.Errorf("URLs = %s", got.URLs)
	}
}
