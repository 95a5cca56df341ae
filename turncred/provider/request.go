package provider

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// request returns the request in the name of user. Its errors quote nothing.
func (a *API) request(ctx context.Context, user string) (*http.Request, error) {
	body := a.fill(a.Body.reveal(), user)
	var reader io.Reader
	if body != "" {
		reader = bytes.NewReader([]byte(body))
	}
	request, err := http.NewRequestWithContext(ctx, a.Method, a.fillPlain(a.URL.reveal(), url.QueryEscape(user)), reader)
	if err != nil {
		return nil, errors.New("the provider's url or method is not valid")
	}
	request.Header.Set("User-Agent", "extdisco")
	request.Header.Set("Accept", "application/json")
	for name, value := range a.Header {
		request.Header.Set(name, value.reveal())
	}
	if !a.Bearer.IsEmpty() {
		request.Header.Set("Authorization", "Bearer "+a.Bearer.reveal())
	}
	if !a.Password.IsEmpty() {
		request.SetBasicAuth(a.User, a.Password.reveal())
	}
	if len(a.Query) > 0 {
		query := request.URL.Query()
		for name, value := range a.Query {
			query.Set(name, a.fillPlain(value.reveal(), user))
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
			return value.reveal()
		}
	}
	return ""
}

func (a *API) fillPlain(text, user string) string {
	ttl := strconv.FormatInt(int64(a.TTL/time.Second), 10)
	return strings.NewReplacer("{{ttl}}", ttl, "{{user}}", user).Replace(text)
}
