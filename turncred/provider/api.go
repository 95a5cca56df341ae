package provider

import (
	"context"
	"encoding"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"time"
)

// API describes the request that asks a provider for credentials. Every field is
// given by the caller; presets fill them in for the vendors that are known. An
// API prints its method and address only.
type API struct {
	Method string
	// URL is where the provider is asked. It may hold {{ttl}} and {{user}} as Body
	// does, and secrets in its query.
	URL    Secret
	Header map[string]Secret
	// Body may hold {{ttl}} and {{user}}; they are replaced by the TTL in
	// seconds and by the requester's pseudonym, escaped for the content type.
	Body  Secret
	Query map[string]Secret // added to the URL when it is asked
	// User and Password are for Basic authentication, Bearer for a token. At
	// most one kind is set.
	User     string
	Password Secret
	Bearer   Secret

	// TTL is asked for, and bounds how long a Set is used; 0 when the provider
	// decides.
	TTL      time.Duration
	URLs     []string // ICE URIs for answers that hold credentials only
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

var (
	_ fmt.Formatter          = API{}
	_ slog.LogValuer         = API{}
	_ encoding.TextMarshaler = API{}
)

// String implements [fmt.Stringer]: the method and the address without its query.
func (a API) String() string {
	u, err := url.Parse(a.URL.reveal())
	if err != nil {
		return a.Method
	}
	return a.Method + " " + (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}

// Format implements [fmt.Formatter] for every verb.
func (a API) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, a.String()) }

// LogValue implements [slog.LogValuer].
func (a API) LogValue() slog.Value { return slog.StringValue(a.String()) }

// MarshalText implements [encoding.TextMarshaler].
func (a API) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// Fetch asks a provider once. user is the pseudonym to ask in the name of, or "".
// now is the time before the request is sent, from which a lifetime counts.
type Fetch func(ctx context.Context, user string, now time.Time) (Set, error)

// Fetcher returns [API.Fetch] with its client.
func (a *API) Fetcher(client *http.Client) Fetch {
	return func(ctx context.Context, user string, now time.Time) (Set, error) {
		return a.Fetch(ctx, client, user, now)
	}
}

// Fetch asks the provider once; see the type [Fetch]. Every error is an
// [*APIError]. Neither errors nor notes hold a secret.
func (a *API) Fetch(ctx context.Context, client *http.Client, user string, now time.Time) (Set, error) {
	r := newRedactor(a)
	set, err := a.fetch(ctx, client, user, now, r)
	if err != nil {
		return Set{}, r.failure(err)
	}
	set.Notes = r.notes(set.Notes)
	return set, nil
}

// Send asks the provider once for something that it answers with its status
// alone; see [CloudflareRevocation]. Errors are like those of [API.Fetch].
func (a *API) Send(ctx context.Context, client *http.Client) error {
	_, err := a.ask(ctx, client, "", http.StatusOK, http.StatusCreated, http.StatusAccepted, http.StatusNoContent)
	if err != nil {
		return newRedactor(a).failure(err)
	}
	return nil
}

// fetch asks and reads the answer. Its errors and notes are not redacted.
func (a *API) fetch(ctx context.Context, client *http.Client, user string, now time.Time, r *redactor) (Set, *APIError) {
	got, failure := a.ask(ctx, client, user, http.StatusOK, http.StatusCreated)
	if failure != nil {
		return Set{}, failure
	}
	document, err := decode(got)
	if err != nil {
		return Set{}, a.unusable(got, err)
	}
	if a.Then != nil {
		next, err := a.carry(document, now, r)
		if err != nil {
			return Set{}, a.unusable(got, err)
		}
		return next.fetch(ctx, client, user, now, r)
	}
	parsed, err := parseAnswer(document, a.Pointers, life{now: now, asked: a.TTL})
	if err != nil {
		return Set{}, a.unusable(got, err)
	}
	for _, e := range parsed.entries {
		r.addAll([]string{e.password})
	}
	r.addAll([]string{parsed.password})
	set, err := a.offer(parsed, now)
	if err != nil {
		return Set{}, a.unusable(got, err)
	}
	return set, nil
}

// carry returns the next request, with what it needs of this answer.
func (a *API) carry(document any, now time.Time, r *redactor) (*API, error) {
	if err := checkStatus(document); err != nil {
		return nil, err
	}
	next := *a.Then
	next.Query = map[string]Secret{}
	maps.Copy(next.Query, a.Then.Query)
	for name, at := range a.Carry {
		value, err := pointer(document, at)
		if err != nil {
			return nil, err
		}
		text, ok := value.(string)
		if !ok {
			return nil, fmt.Errorf("the answer has no text at %s", at)
		}
		r.add(text)
		next.Query[name] = NewSecret([]byte(text))
	}
	// What this answer says of the life of its credential holds for the next
	// one's too.
	stated := life{now: now, asked: a.TTL}
	object, _ := document.(map[string]any)
	stated.read(object)
	switch end := stated.end(); {
	case !end.IsZero() && !end.After(now):
		return nil, errExpired
	case !end.IsZero():
		next.TTL = shorter(next.TTL, end.Sub(now))
	case len(stated.unread) > 0:
		return nil, stated.fault()
	}
	return &next, nil
}

// shorter returns the shorter of two durations, of which a may be missing.
func shorter(a, b time.Duration) time.Duration {
	if a == 0 {
		return b
	}
	return min(a, b)
}

// maxAnswer is how many bytes of an answer are read.
const maxAnswer = 64 << 10

// received is an answer with a status of success.
type received struct {
	status int
	body   []byte
	kind   string        // its content type
	skew   time.Duration // how far the provider's clock is ahead of ours; 0 if not known
}

// ask sends the request and returns an answer whose status is among good.
func (a *API) ask(ctx context.Context, client *http.Client, user string, good ...int) (received, *APIError) {
	request, err := a.request(ctx, user)
	if err != nil {
		return received{}, &APIError{Permanent: true, Problem: err.Error(), Cure: "check url, method and headers"}
	}
	host := request.URL.Host
	response, err := client.Do(request)
	if err != nil {
		return received{}, noAnswer(host, err)
	}
	defer response.Body.Close()
	got := received{status: response.StatusCode, kind: response.Header.Get("Content-Type"), skew: skew(response.Header)}
	if !slices.Contains(good, got.status) {
		return received{}, a.refusal(response)
	}
	got.body, err = io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	switch {
	case err != nil:
		e := noAnswer(host, err)
		e.Status, e.Problem = got.status, "the answer of "+host+" was cut off: "+plain(err)
		return received{}, e
	case len(got.body) > maxAnswer:
		return received{}, &APIError{Status: got.status, Cure: "check url: this is not a list of ICE servers",
			Problem: fmt.Sprintf("the answer of %s has more than %d bytes", host, maxAnswer)}
	}
	return got, nil
}

// skew returns how far a provider's clock is ahead of ours, by its Date header.
func skew(header http.Header) time.Duration {
	date, err := http.ParseTime(header.Get("Date"))
	if err != nil {
		return 0
	}
	return time.Until(date)
}

// errExpired is an answer whose credentials are over.
var errExpired = errors.New("the credentials in the answer have expired already; is a clock wrong?")
