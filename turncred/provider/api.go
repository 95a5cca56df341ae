package provider

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"extdisco/turncred"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"extdisco/internal/secret"
)

// API asks a provider for credentials over HTTP. Every field is given by the
// caller; presets fill them in for the vendors that are known.
type API struct {
	Method string
	URL    string
	Header map[string]string
	// Body may hold {{ttl}} and {{user}}; they are replaced by the TTL in
	// seconds and by the requester's pseudonym, escaped for the content type.
	Body string
	// Query is added to the URL when it is asked, so that what is secret in it
	// stands in no URL that could be printed.
	Query map[string]secret.Secret
	// User and Password are for Basic authentication, Bearer for a token. At
	// most one kind is set.
	User     string
	Password secret.Secret
	Bearer   secret.Secret

	TTL      time.Duration // asked for; 0 when the provider decides
	URLs     []string      // for answers that hold credentials only
	Pointers Pointers
	// KeepPort53 keeps URLs on port 53, which browsers refuse to use.
	KeepPort53 bool
	// Cures says what to change for a status of the answer.
	Cures map[int]string
	// Then, when set, is asked next; its Query gets what Carry points at in the
	// answer of this one.
	Then  *API
	Carry map[string]string
}

// maxAnswer is how many bytes of an answer are read.
const maxAnswer = 64 << 10

// APIError is a refusal, or an answer that cannot be used.
type APIError struct {
	Status     int           // of HTTP; 0 when there was no answer
	RetryAfter time.Duration // what the provider asks for; 0 when it says nothing
	Permanent  bool          // asking again is of no use before somebody changes something
	Problem    string
	Cure       string
}

// Error implements error.
func (e *APIError) Error() string {
	if e.Cure == "" {
		return e.Problem
	}
	return e.Problem + "; " + e.Cure
}

// Fetch asks the provider once. now is the time before the request is sent, from
// which a TTL counts; user is the pseudonym to ask in the name of, or "". Every
// error is an [*APIError], and holds no secret.
func (a *API) Fetch(ctx context.Context, client *http.Client, user string, now time.Time) (Set, error) {
	body, status, err := a.ask(ctx, client, user, http.StatusOK, http.StatusCreated)
	if err != nil {
		return Set{}, err
	}
	if a.Then != nil {
		next, err := a.carry(body)
		if err != nil {
			return Set{}, a.unusable(status, err)
		}
		return next.Fetch(ctx, client, user, now)
	}
	parsed, err := parseAnswer(body, a.Pointers)
	if err != nil {
		return Set{}, a.unusable(status, err)
	}
	set, err := a.set(parsed, now)
	if err != nil {
		return Set{}, a.unusable(status, err)
	}
	return set, nil
}

// Send asks the provider once for something that it answers with its status
// alone; see [CloudflareRevocation]. Errors are like those of [API.Fetch].
func (a *API) Send(ctx context.Context, client *http.Client) error {
	_, _, err := a.ask(ctx, client, "", http.StatusOK, http.StatusCreated, http.StatusAccepted, http.StatusNoContent)
	return err
}

// unusable is what is wrong with an answer that came with a good status.
func (a *API) unusable(status int, err error) *APIError {
	e := &APIError{Status: status, Problem: a.redact(err.Error())}
	if errors.Is(err, errSaysNo) {
		e.Cure = a.Cures[status]
	}
	return e
}

// set turns an answer into a Set.
func (a *API) set(parsed answer, now time.Time) (Set, error) {
	servers := parsed.servers
	if len(servers) == 0 && len(a.URLs) > 0 {
		parsed.servers = []Server{{URLs: a.URLs, Username: parsed.username, Password: parsed.password}}
		if err := parsed.complete(); err != nil {
			return Set{}, err
		}
		servers = parsed.servers
	}
	var out Set
	for _, s := range servers {
		if !a.KeepPort53 {
			s.URLs = withoutPort53(s.URLs)
		}
		if len(s.URLs) > 0 {
			out.Servers = append(out.Servers, s)
		}
	}
	if len(out.Servers) == 0 {
		return Set{}, errors.New("the answer names no servers")
	}
	switch {
	case !parsed.expires.IsZero():
		out.Expires = parsed.expires
	case parsed.ttl > 0:
		out.Expires = now.Add(parsed.ttl)
	case a.TTL > 0:
		out.Expires = now.Add(a.TTL)
	default:
		return Set{}, errors.New("the answer does not say how long the credentials live; set ttl")
	}
	out.Expires = time.Unix(min(out.Expires.Unix(), turncred.MaxExpires), 0).UTC()
	if !out.Expires.After(now) {
		return Set{}, errors.New("the credentials in the answer have expired already; is a clock wrong?")
	}
	return out, nil
}

func withoutPort53(urls []string) []string {
	var out []string
	for _, u := range urls {
		address, _, _ := strings.Cut(u, "?")
		if !strings.HasSuffix(address, ":53") {
			out = append(out, u)
		}
	}
	return out
}

// carry returns the next request, with what it needs of this answer.
func (a *API) carry(body []byte) (*API, error) {
	document, err := decode(body)
	if err != nil {
		return nil, err
	}
	next := *a.Then
	next.Query = map[string]secret.Secret{}
	for name, value := range a.Then.Query {
		next.Query[name] = value
	}
	for name, at := range a.Carry {
		value, err := pointer(document, at)
		if err != nil {
			return nil, err
		}
		text, ok := value.(string)
		if !ok {
			return nil, fmt.Errorf("at %s of the answer there is not a text", at)
		}
		next.Query[name] = secret.New(text)
	}
	// What this answer says of the life of its credential counts, not what was
	// asked for.
	var stated answer
	if stated.readAround(document); stated.ttl > 0 {
		next.TTL = stated.ttl
	}
	return &next, nil
}

// ask sends the request and returns the body and the status of an answer whose
// status is among good.
func (a *API) ask(ctx context.Context, client *http.Client, user string, good ...int) ([]byte, int, error) {
	request, err := a.request(ctx, user)
	if err != nil {
		return nil, 0, &APIError{Permanent: true, Problem: err.Error()}
	}
	host := request.URL.Host
	response, err := client.Do(request)
	if err != nil {
		return nil, 0, a.noAnswer(host, err)
	}
	defer response.Body.Close()
	status := response.StatusCode
	if !slices.Contains(good, status) {
		return nil, status, a.refusal(response)
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	switch {
	case err != nil:
		return nil, status, &APIError{Status: status, Problem: "the answer of " + host + " was cut off: " + a.plain(err)}
	case len(body) > maxAnswer:
		return nil, status, &APIError{Status: status, Problem: fmt.Sprintf("the answer of %s has more than %d bytes", host, maxAnswer)}
	}
	return body, status, nil
}

func (a *API) noAnswer(host string, err error) *APIError {
	e := &APIError{Problem: "no answer from " + host + ": " + a.plain(err)}
	var untrusted *tls.CertificateVerificationError
	if errors.As(err, &untrusted) {
		e.Cure = "check url; a CA of your own is added by ca_file"
	}
	return e
}

func (a *API) request(ctx context.Context, user string) (*http.Request, error) {
	body := a.fill(a.Body, user)
	var reader io.Reader
	if body != "" {
		reader = bytes.NewReader([]byte(body))
	}
	request, err := http.NewRequestWithContext(ctx, a.Method, a.fillPlain(a.URL, url.QueryEscape(user)), reader)
	if err != nil {
		return nil, errors.New("the url of the provider is wrong")
	}
	request.Header.Set("User-Agent", "extdisco")
	request.Header.Set("Accept", "application/json")
	for name, value := range a.Header {
		request.Header.Set(name, value)
	}
	if !a.Bearer.IsEmpty() {
		request.Header.Set("Authorization", "Bearer "+a.Bearer.Reveal())
	}
	if !a.Password.IsEmpty() {
		request.SetBasicAuth(a.User, a.Password.Reveal())
	}
	if len(a.Query) > 0 {
		query := request.URL.Query()
		for name, value := range a.Query {
			query.Set(name, a.fillPlain(value.Reveal(), user))
		}
		request.URL.RawQuery = query.Encode()
	}
	return request, nil
}

// fill replaces the placeholders of the body.
func (a *API) fill(text, user string) string {
	switch kind := strings.ToLower(a.contentType()); {
	case strings.Contains(kind, "urlencoded"):
		user = url.QueryEscape(user)
	case strings.Contains(kind, "json"):
		if quoted, err := json.Marshal(user); err == nil {
			user = string(quoted[1 : len(quoted)-1])
		}
	}
	return a.fillPlain(text, user)
}

func (a *API) contentType() string {
	for name, value := range a.Header {
		if http.CanonicalHeaderKey(name) == "Content-Type" {
			return value
		}
	}
	return ""
}

func (a *API) fillPlain(text, user string) string {
	ttl := strconv.FormatInt(int64(a.TTL/time.Second), 10)
	return strings.NewReplacer("{{ttl}}", ttl, "{{user}}", user).Replace(text)
}

// refusal says what a status that is not success means. The body is not looked
// at: it may be a page of a proxy, and it may repeat what is secret.
func (a *API) refusal(response *http.Response) *APIError {
	e := &APIError{
		Status:     response.StatusCode,
		RetryAfter: retryAfter(response.Header.Get("Retry-After"), time.Now()),
		Problem:    strings.TrimSpace(fmt.Sprintf("%s answered %d %s", response.Request.URL.Host, response.StatusCode, http.StatusText(response.StatusCode))),
		Cure:       a.Cures[response.StatusCode],
	}
	switch code := response.StatusCode; {
	case code == http.StatusRequestTimeout, code == http.StatusTooEarly, code == http.StatusTooManyRequests, code >= 500:
	default:
		e.Permanent = true
	}
	if response.StatusCode >= 300 && response.StatusCode < 400 {
		e.Cure = "it wants to send us elsewhere, and a secret is not taken along; correct url"
	}
	return e
}

// retryAfter reads the header of that name: seconds or a date. RFC 9110 §10.2.3.
func retryAfter(value string, now time.Time) time.Duration {
	const longest = time.Hour
	if seconds, err := strconv.Atoi(value); err == nil && seconds > 0 {
		return time.Duration(min(seconds, int(longest/time.Second))) * time.Second
	}
	if date, err := http.ParseTime(value); err == nil && date.After(now) {
		return min(date.Sub(now), longest)
	}
	return 0
}

// plain says what an error of the HTTP client is, short, without what is secret
// and without what differs between two errors of one cause. It leaves out the URL
// that the client quotes, whose query may hold a secret.
func (a *API) plain(err error) string {
	var urlErr *url.Error
	if errors.As(err, &urlErr) {
		err = urlErr.Err
	}
	var netErr net.Error
	if errors.Is(err, context.DeadlineExceeded) || errors.As(err, &netErr) && netErr.Timeout() {
		return "time-out"
	}
	var op *net.OpError
	if errors.As(err, &op) {
		ours := *op
		ours.Source = nil // the port is another one each time
		err = &ours
	}
	text := strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, a.redact(err.Error()))
	return fmt.Sprintf("%.300s", text)
}

// redact takes what is secret in the request out of a text, which may quote an
// answer that repeats it. What is very short is no secret and could be part of
// any word.
func (a *API) redact(text string) string {
	const shortest = 6
	hide := []string{a.Bearer.Reveal(), a.Password.Reveal()}
	if !a.Password.IsEmpty() {
		hide = append(hide, base64.StdEncoding.EncodeToString([]byte(a.User+":"+a.Password.Reveal())))
	}
	for _, value := range a.Query {
		hide = append(hide, value.Reveal(), url.QueryEscape(value.Reveal()))
	}
	for _, value := range hide {
		if len(value) >= shortest {
			text = strings.ReplaceAll(text, value, secret.Redacted)
		}
	}
	return text
}
