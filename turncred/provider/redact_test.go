package provider_test

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"extdisco/turncred/provider"
)

// Secrets of requests, each with characters that are written differently in
// URLs, JSON or HTML.
const (
	bearerSecret = `bEarer/Tok+en&"x"=0123456789`
	basicSecret  = `baSic:pass<word>%41\value`
	querySecret  = `query secret?#9876&x=y`
	urlSecret    = `urlKeyValue-424242`
	headerSecret = `header-Value_Z9y8X7`
	basicHeader  = `in-a-basic-header-1`
	bodySecret   = `body "quoted"/secret/777`
	formSecret   = `form secretWord/55555`
)

// chatty are APIs that carry a secret in every place that there is.
func chatty() map[string]*provider.API {
	jsonBody, _ := json.Marshal(map[string]any{"auth": []any{map[string]string{"key": bodySecret}}, "ttl": 5})
	return map[string]*provider.API{
		bearerSecret: {Bearer: hide(bearerSecret)},
		basicSecret:  {User: "user", Password: hide(basicSecret)},
		querySecret:  {Query: map[string]provider.Secret{"key": hide(querySecret)}},
		urlSecret:    {URL: hide("https://turn.example.org/turn?api=" + urlSecret)},
		headerSecret: {Header: map[string]provider.Secret{"Authorization": hide("Token " + headerSecret)}},
		basicHeader:  {Header: map[string]provider.Secret{"Authorization": hide("Basic " + base64.StdEncoding.EncodeToString([]byte("me:"+basicHeader)))}},
		bodySecret:   {Method: "POST", Body: hide(string(jsonBody)), Header: map[string]provider.Secret{"Content-Type": hide("application/json")}},
		formSecret:   {Method: "POST", Body: hide("a=1&key=" + url.QueryEscape(formSecret))},
	}
}

// spellings are ways to write what was sent.
var spellings = map[string]func(string) string{
	"plain":           func(s string) string { return s },
	"upper case":      strings.ToUpper,
	"URL-encoded":     url.QueryEscape,
	"path-encoded":    url.PathEscape,
	"encoded twice":   func(s string) string { return url.QueryEscape(url.QueryEscape(s)) },
	"HTML":            html.EscapeString,
	"JSON":            func(s string) string { b, _ := json.Marshal(s); return string(b) },
	"PHP":             func(s string) string { return strings.ReplaceAll(s, "/", `\/`) },
	"base64":          func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) },
	"base64, shifted": func(s string) string { return base64.StdEncoding.EncodeToString([]byte("x" + s + "yz")) },
	"base64, further": func(s string) string { return base64.URLEncoding.EncodeToString([]byte("xy" + s + "z")) },
	"hexadecimal":     func(s string) string { return hex.EncodeToString([]byte(s)) },
	"first half":      func(s string) string { return s[:len(s)/2+1] },
	"second half":     func(s string) string { return s[len(s)/2-1:] },
	"middle":          func(s string) string { return s[4 : len(s)-4] },
	"label":           func(s string) string { return onlyLetters(s) },
}

// onlyLetters returns what of a text can stand in a host name.
func onlyLetters(s string) string {
	return strings.Map(func(r rune) rune {
		if 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '-' {
			return r
		}
		return '-'
	}, s)
}

// answers are what a vendor can put an echo into.
func answers(echo string) map[string]*http.Response {
	quoted, _ := json.Marshal(echo)
	q := string(quoted)
	member := strings.Trim(q, `"`)
	out := map[string]*http.Response{}
	for name, body := range map[string]string{
		"bare URL":          `[` + q + `]`,
		"URL":               `{"iceServers":[{"urls":[` + q + `,"turn:` + member + `","turn:a@` + member + `","turn:t.example.org:` + member + `","turn:t.example.org?` + member + `","stun:[` + member + `]"],"username":"u","credential":"p"}]}`,
		"host, left out":    `{"iceServers":[{"urls":"turn:` + onlyLetters(echo) + `.example.org:53","username":"u","credential":"p"},{"urls":"stun:stun.example.org"}]}`,
		"host, noted":       `{"iceServers":[{"urls":"turn:` + onlyLetters(echo) + `.local","username":"u","credential":"p"}]}`,
		"name of an expiry": `{"uris":["stun:stun.example.org"],"expires_` + member + `":"soon","ttl":60}`,
		"expiry":            `{"uris":["stun:stun.example.org"],"expires":` + q + `}`,
		"Xirsys":            `{"s":` + q + `,"v":` + q + `}`,
		"error":             `{"error":` + q + `}`,
		"error, nested":     `{"errors":[{"message":` + q + `}]}`,
		"HTML":              "<html>" + echo,
		"no JSON":           echo,
	} {
		for _, status := range []int{200, 201, 400, 401, 404, 429, 503} {
			out[fmt.Sprint(name, ", ", status)] = &http.Response{StatusCode: status, Status: fmt.Sprint(status, " ", echo), Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}
		}
	}
	for _, location := range []string{"https://other.example.org/?" + echo, "http://%zz/" + echo, echo} {
		out["redirect to "+location] = &http.Response{StatusCode: 302, Header: http.Header{"Location": {location}}, Body: http.NoBody}
	}
	return out
}

// A vendor that repeats a secret, anywhere and in any spelling, gets no part of
// eight characters of it into an error or a note.
func TestNothingSecretIsTold(t *testing.T) {
	for value, api := range chatty() {
		if api.URL.IsEmpty() {
			api.URL = hide("https://turn.example.org/turn")
		}
		if api.Method == "" {
			api.Method = "GET"
		}
		api.TTL = time.Hour
		told := 0
		for spelling, spell := range spellings {
			for name, response := range answers(spell(value)) {
				client := &http.Client{
					Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
						response.Request = r
						return response, nil
					}),
					CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
				}
				set, err := api.Fetch(t.Context(), client, "", testTime)
				text := strings.Join(set.Notes, "\n")
				if err != nil {
					text += fmt.Sprintf("%v %+v %#v", err, err, err)
					refused(t, err)
				}
				told += len(text)
				if part := secretPart(text, value); part != "" {
					t.Errorf("%s of %q in %s: tells %q in %s", spelling, value, name, part, text)
				}
			}
		}
		if told < 10_000 {
			t.Errorf("%q: the answers led to %d bytes of errors and notes only", value, told)
		}
	}
}

// secretPart returns a part of eight characters of a secret, or of a form of it,
// that a text holds, or "".
func secretPart(text, value string) string {
	text = strings.ToLower(text)
	for _, spell := range spellings {
		form := strings.ToLower(spell(value))
		if strings.HasPrefix(form, "ey") && len(form) < 12 {
			continue
		}
		for i := 2; i+10 <= len(form); i++ { // what is at the ends may be of the spelling, not of the secret
			if strings.Contains(text, form[i:i+8]) {
				return form[i : i+8]
			}
		}
	}
	return ""
}

// A network error that quotes what was sent is redacted too, and the host stays.
func TestClientErrorsAreRedacted(t *testing.T) {
	api := provider.API{Method: "GET", URL: hide("https://turn.example.org/"), Bearer: hide("turn.example"), Password: hide("")}
	client := &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		return nil, errors.New("cannot send \x1b[31m" + r.Header.Get("Authorization") + "\n" + strings.Repeat("long ", 1000))
	})}
	_, err := api.Fetch(t.Context(), client, "", testTime)
	e := refused(t, err)
	if !strings.HasPrefix(e.Problem, "no answer from turn.example.org: cannot send ?[31mBearer [redacted]?long long") || len(e.Problem) > 700 {
		t.Errorf("problem = %q", e.Problem)
	}
}

// A short secret is found as a whole, and what is no secret stays readable.
func TestShortSecrets(t *testing.T) {
	api := provider.TURNREST("https://turn.example.org/turn", []byte("k3y7"), "somebody", time.Hour)
	_, err := api.Fetch(t.Context(), answering(403, nil, `{"error":"K3Y7 is not a key of somebody at turn"}`), "", testTime)
	if e := refused(t, err); e.Problem != `turn.example.org answered 403 Forbidden, saying "[redacted] is not a key of somebody at turn"` {
		t.Errorf("problem = %s", e.Problem)
	}
}
