package provider_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"extdisco/integration/vendors"
	"extdisco/turncred/provider"
)

func TestMain(m *testing.M) {
	if address := os.Getenv(proxyChild); address != "" {
		os.Exit(fetchByProxy(address))
	}
	goleak.VerifyTestMain(m)
}

var testTime = time.Unix(1_800_000_000, 0).UTC()

// roundTrip answers requests without a network.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// hide returns a secret.
func hide(value string) provider.Secret { return provider.NewSecret([]byte(value)) }

// answering returns a client that gets one answer for whatever it asks.
func answering(status int, header http.Header, body string) *http.Client {
	if header == nil {
		header = http.Header{}
	}
	return &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		return &http.Response{
			StatusCode: status, Header: header.Clone(), Body: io.NopCloser(strings.NewReader(body)), Request: r,
			ProtoMajor: 1, ProtoMinor: 1,
		}, nil
	})}
}

// fetchBody has an API read a body as an answer.
func fetchBody(api provider.API, body string) (provider.Set, error) {
	if api.URL.IsEmpty() {
		api.Method, api.URL = http.MethodGet, hide("https://turn.example.org/")
	}
	return api.Fetch(context.Background(), answering(http.StatusOK, nil, body), "", testTime)
}

func startVendors(t *testing.T, cfg vendors.Config) *vendors.Server {
	t.Helper()
	s, err := vendors.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// newClient returns the client that is used for providers.
func newClient(t *testing.T, timeout time.Duration) *http.Client {
	t.Helper()
	client := provider.NewHTTPClient(nil, timeout)
	t.Cleanup(client.CloseIdleConnections)
	return client
}

// secrets of the requests in the tests. None of them may stand in any error.
var secrets = []string{
	vendors.CloudflareToken, vendors.TwilioAuthToken, vendors.TwilioKeySecret, vendors.MeteredAPIKey,
	vendors.MeteredSecretKey, vendors.XirsysSecret, vendors.RESTKey, vendors.MatrixToken, vendors.BearerToken,
	wrongSecret, "wrong+secret%2Fof+the+tests", // in a query
	"QUMwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMTp", // in Basic authentication: Twilio's account SID
	"dGVzdGVyOn", // and Xirsys' ident
}

// wrongSecret is wrong everywhere, and written differently in a query.
const wrongSecret = "wrong secret/of the tests"

// refused returns the error of a fetch that must have failed with an APIError,
// and looks for secrets in everything that could be printed of it.
func refused(t *testing.T, err error) *provider.APIError {
	t.Helper()
	var apiErr *provider.APIError
	if !errors.As(err, &apiErr) {
		t.Fatalf("error = %v (%T), want an APIError", err, err)
	}
	for e := err; e != nil; e = errors.Unwrap(e) {
		for _, verb := range []string{"%v", "%+v", "%#v", "%q", "%s"} {
			text := fmt.Sprintf(verb, e)
			for _, s := range secrets {
				if strings.Contains(text, s) {
					t.Errorf("%s of %T prints the secret %s: %s", verb, e, s, text)
				}
			}
			if len(text) > 1000 {
				t.Errorf("%s of %T prints %d bytes", verb, e, len(text))
			}
		}
	}
	return apiErr
}
