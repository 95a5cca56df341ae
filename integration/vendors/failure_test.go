package vendors_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"extdisco/integration/vendors"
)

var query = request{"GET", vendors.RESTPath + "?service=turn&key=" + vendors.RESTKey, "Bearer token", "", ""}

func TestStatusModes(t *testing.T) {
	tests := []struct {
		mode   vendors.Mode
		status int
		body   string // part of it
	}{
		{vendors.Working, 200, `"uris"`},
		{vendors.OK, 200, `"uris"`},
		{vendors.Created, 201, `"uris"`},
		{vendors.NoContent, 204, ""},
		{vendors.BadRequest, 400, vendors.RESTKey},
		{vendors.Unauthorized, 401, "Bearer token"},
		{vendors.Forbidden, 403, ""},
		{vendors.NotFound, 404, ""},
		{vendors.RequestTimeout, 408, ""},
		{vendors.TooEarly, 425, ""},
		{vendors.InternalError, 500, ""},
		{vendors.BadGateway, 502, "<!DOCTYPE html>"},
		{vendors.RedirectSame, 200, `"uris"`},
		{vendors.NotJSON, 200, "undefined"},
		{vendors.HTML, 200, "<!DOCTYPE html>"},
		{vendors.WrongTypes, 200, `"username":12`},
		{vendors.NoServers, 200, `{"iceServers":[]}`},
		{vendors.SaysNo, 200, `"s":"error"`},
	}
	s := start(t, vendors.Config{})
	for _, tt := range tests {
		t.Run(string(tt.mode), func(t *testing.T) {
			s.Fail(tt.mode)
			if status, _, body := query.send(t, s); status != tt.status || !strings.Contains(body, tt.body) {
				t.Errorf("answer = %d %s, want %d %s", status, body, tt.status, tt.body)
			}
		})
	}
	s.Restore()
	if status, _, _ := query.send(t, s); status != 200 {
		t.Errorf("restored, it answers %d", status)
	}
}

func TestRetryAfterModes(t *testing.T) {
	s := start(t, vendors.Config{})
	for _, mode := range []vendors.Mode{vendors.TooMany, vendors.Unavailable} {
		s.Fail(mode)
		if _, header, _ := query.send(t, s); header.Get("Retry-After") != fmt.Sprint(vendors.RetrySeconds) {
			t.Errorf("%s: %v", mode, header)
		}
	}
	s.Fail(vendors.TooManyUntil)
	status, header, _ := query.send(t, s)
	at, err := http.ParseTime(header.Get("Retry-After"))
	if left := time.Until(at); status != 429 || err != nil || left <= 0 || left > vendors.RetrySeconds*time.Second {
		t.Errorf("%d %v: %v, %v", status, header, left, err)
	}
}

// get asks once, with a client that follows redirects.
func get(ctx context.Context, t *testing.T, client *http.Client, address string) (int, error) {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address+query.path, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := client.Do(r)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	n, err := io.Copy(io.Discard, response.Body)
	return int(n), err
}

func TestBrokenAnswers(t *testing.T) {
	s := start(t, vendors.Config{})
	for _, mode := range []vendors.Mode{vendors.Dropped, vendors.CutOff, vendors.RedirectLoop, vendors.RedirectNowhere} {
		t.Run(string(mode), func(t *testing.T) {
			s.Fail(mode)
			if n, err := get(t.Context(), t, http.DefaultClient, s.URL()); err == nil {
				t.Errorf("%d bytes and no error", n)
			}
		})
	}
	s.Fail(vendors.Huge)
	if n, err := get(t.Context(), t, http.DefaultClient, s.URL()); err != nil || n < 8<<20 {
		t.Errorf("huge: %d bytes, %v", n, err)
	}
}

// A request that waits is answered when the mode ends, and let go when the client
// goes or the server is closed.
func TestSlow(t *testing.T) {
	s := start(t, vendors.Config{})
	ask := func(ctx context.Context) <-chan error {
		before, done := s.Count(), make(chan error, 1)
		go func() {
			_, err := get(ctx, t, http.DefaultClient, s.URL())
			done <- err
		}()
		if err := s.Await(ctx, before+1); err != nil {
			t.Fatal(err)
		}
		return done
	}
	s.Fail(vendors.Slow)
	done := ask(t.Context())
	s.Restore()
	if err := <-done; err != nil {
		t.Errorf("released: %v", err)
	}
	s.Fail(vendors.Slow)
	ctx, cancel := context.WithCancel(t.Context())
	done = ask(ctx)
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	s.Fail(vendors.SlowBody)
	done = ask(t.Context())
	s.Close()
	if err := <-done; err == nil {
		t.Error("half of a body is taken for a whole one")
	}
}

func TestRedirectAway(t *testing.T) {
	s := start(t, vendors.Config{})
	s.Fail(vendors.RedirectAway)
	if _, err := get(t.Context(), t, http.DefaultClient, s.URL()); err != nil {
		t.Fatal(err)
	}
	if strays := s.Strays(); len(strays) != 1 || strays[0].Query.Get("key") != vendors.RESTKey {
		t.Errorf("strays = %v", strays)
	}
	if s.Count() != 1 {
		t.Errorf("%d requests", s.Count())
	}
}

func TestHTTPS(t *testing.T) {
	s := start(t, vendors.Config{Dir: t.TempDir()})
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: s.CA(), MinVersion: tls.VersionTLS12}}
	client := &http.Client{Transport: transport}
	defer transport.CloseIdleConnections()
	if _, err := get(t.Context(), t, client, s.SecureURL()); err != nil {
		t.Fatal(err)
	}
	if last := s.Requests()[0]; !last.TLS {
		t.Errorf("%+v", last)
	}
	var untrusted *tls.CertificateVerificationError
	if _, err := get(t.Context(), t, http.DefaultClient, s.SecureURL()); !errors.As(err, &untrusted) {
		t.Errorf("without the authority: %v", err)
	}
	s.Fail(vendors.WrongCertificate)
	if _, err := get(t.Context(), t, client, s.SecureURL()); !errors.As(err, &untrusted) {
		t.Errorf("wrong certificate: %v", err)
	}
	s.Fail(vendors.RedirectPlain)
	if _, err := get(t.Context(), t, client, s.SecureURL()); err == nil {
		t.Error("the redirect to plain HTTP, which redirects to itself, ended")
	}
}

func TestRemembersRequests(t *testing.T) {
	s := start(t, vendors.Config{})
	q := request{"POST", strings.Replace(mintPath, "generate-ice-servers", "1800000060:u/revoke", 1), bearer, "", "body"}
	if status, _, body := q.send(t, s); status != 204 || body != "" {
		t.Errorf("revoked: %d %s", status, body)
	}
	got := s.Requests()[0]
	if got.Method != "POST" || got.Path != q.path || got.Header.Get("Authorization") != bearer || got.Body != "body" {
		t.Errorf("remembered %+v", got)
	}
	if revoked := s.Revoked(); len(revoked) != 1 || revoked[0] != "1800000060:u" {
		t.Errorf("revoked = %s", revoked)
	}
	for range 120 {
		query.send(t, s)
	}
	if last := s.Requests(); s.Count() != 121 || len(last) != 100 || last[99].Path != vendors.RESTPath {
		t.Errorf("%d requests, %d remembered", s.Count(), len(last))
	}
}

func TestCloseTwice(t *testing.T) {
	s := start(t, vendors.Config{})
	s.Close()
	s.Fail(vendors.Slow)
	s.Close()
}

func TestAwaitEnds(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("enough")
	cancel(why)
	if err := start(t, vendors.Config{}).Await(ctx, 1); !errors.Is(err, why) {
		t.Error(err)
	}
}
