package provider_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"extdisco/turncred/provider"
)

// Every way in which a provider cannot be reached comes with what to do.
func TestConnectionCures(t *testing.T) {
	dial := func(err error) error {
		return &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", err)}
	}
	tests := []struct {
		name string
		err  error
		cure string
	}{
		{"no such host", &net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", Name: "x", IsNotFound: true}}, "check the host in url, and this machine's DNS"},
		{"DNS server away", &net.OpError{Op: "dial", Err: &net.DNSError{Err: "i/o timeout", Name: "x", IsTimeout: true}}, "DNS (/etc/resolv.conf): its server does not answer"},
		{"refused", dial(syscall.ECONNREFUSED), "check host and port in url"},
		{"no network", dial(syscall.ENETUNREACH), "check this machine's network and routes"},
		{"no host", dial(syscall.EHOSTUNREACH), "check this machine's network and routes"},
		{"packets dropped", &net.OpError{Op: "dial", Err: os.ErrDeadlineExceeded}, "check that a firewall lets us connect"},
		{"slow", context.DeadlineExceeded, "raise timeout if it only takes longer"},
		{"reset", &net.OpError{Op: "read", Err: os.NewSyscallError("read", syscall.ECONNRESET)}, "closed the connection"},
		{"end", io.EOF, "closed the connection"},
		{"end in the middle", io.ErrUnexpectedEOF, "closed the connection"},
		{"stopped", context.Canceled, "extdisco is stopping"},
		{"proxy away", &net.OpError{Op: "proxyconnect", Net: "tcp", Err: dial(syscall.ECONNREFUSED)}, "check the address of the proxy in HTTPS_PROXY"},
		{"certificate expired", &tls.CertificateVerificationError{Err: x509.CertificateInvalidError{Reason: x509.Expired}}, "check this machine's clock"},
		{"certificate of a CA", &tls.CertificateVerificationError{Err: x509.CertificateInvalidError{Reason: x509.NotAuthorizedToSign}}, "ca_file"},
		{"unknown CA", &tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}, "ca_file"},
		{"other name", &tls.CertificateVerificationError{Err: x509.HostnameError{Certificate: &x509.Certificate{}, Host: "x"}}, "its host must be one that the certificate names"},
		{"no TLS", tls.RecordHeaderError{Msg: "first record does not look like a TLS handshake"}, "check the port in url"},
		{"HTTP for HTTPS", errors.New("http: server gave HTTP response to HTTPS client"), "check the port in url"},
		{"old TLS", tls.AlertError(70), "TLS 1.2 or later"},
		{"anything else", errors.New("odd"), "check url, the network and a proxy"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			api := provider.API{Method: "GET", URL: hide("https://turn.example.org/")}
			client := &http.Client{Transport: roundTrip(func(*http.Request) (*http.Response, error) { return nil, tt.err })}
			_, err := api.Fetch(t.Context(), client, "", testTime)
			if e := refused(t, err); !strings.Contains(e.Cure, tt.cure) || e.Status != 0 || e.Permanent {
				t.Errorf("%+v, want %s", e, tt.cure)
			}
		})
	}
}

// The real errors of the HTTP client are recognised.
func TestRealConnectionCures(t *testing.T) {
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := listener.Addr().String()
	_ = listener.Close()
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusProxyAuthRequired) }))
	defer proxy.Close()
	tests := []struct{ name, url, proxy, cure string }{
		{"closed port", "http://" + closed, "", "check host and port in url"},
		{"no TLS", "https://" + strings.TrimPrefix(plain.URL, "http://"), "", "check the port in url"},
		{"proxy wants a password", "https://turn.example.org/", proxy.URL, "put the proxy's user and password into HTTPS_PROXY"},
		{"proxy wants a password, plain", "http://turn.example.org/", proxy.URL, "put the proxy's user and password into HTTPS_PROXY"},
		{"proxy away", "https://turn.example.org/", "http://" + closed, "check the address of the proxy in HTTPS_PROXY"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			client := newClient(t, 10*time.Second)
			if tt.proxy != "" {
				address, err := url.Parse(tt.proxy)
				if err != nil {
					t.Fatal(err)
				}
				client.Transport.(*http.Transport).Proxy = http.ProxyURL(address)
			}
			api := provider.API{Method: "GET", URL: hide(tt.url)}
			_, err := api.Fetch(t.Context(), client, "", time.Now())
			if e := refused(t, err); !strings.Contains(e.Cure, tt.cure) {
				t.Errorf("%+v, want %s", e, tt.cure)
			}
		})
	}
}

// Every status has a cure, also without a preset.
func TestStatusCures(t *testing.T) {
	api := provider.API{Method: http.MethodGet, URL: hide("https://turn.example.org/")}
	for status := 202; status < 600; status++ {
		_, err := api.Fetch(t.Context(), answering(status, nil, ""), "", testTime)
		if e := refused(t, err); e.Cure == "" {
			t.Errorf("%d has no cure", status)
		}
	}
	for status, want := range map[int]string{
		204: "check url and method", 302: "correct url", 400: "check ttl, body and query", 401: "check the token", 402: "billing", 403: "check the token", 404: "check url",
		405: "check method", 407: "HTTPS_PROXY", 410: "given it up", 415: "Content-Type", 418: "documentation", 429: "per_user_rate", 500: "on the provider's side", 502: "a proxy before it", 504: "status page",
	} {
		_, err := api.Fetch(t.Context(), answering(status, nil, ""), "", testTime)
		if e := refused(t, err); !strings.Contains(e.Cure, want) {
			t.Errorf("%d: %s, want %s", status, e.Cure, want)
		}
	}
}

// What an API says in JSON of its refusal is told; a page is not.
func TestReasons(t *testing.T) {
	tests := []struct {
		name   string
		status int
		body   string
		want   string
	}{
		{"error", 403, `{"error":"Invalid API Key"}`, `answered 403 Forbidden, saying "Invalid API Key"; the key is wrong`},
		{"Matrix", 401, `{"errcode":"M_MISSING_TOKEN","error":"Missing access token"}`, `saying "Missing access token"`},
		{"Cloudflare", 403, `{"success":false,"errors":[{"code":10000,"message":"Authentication error"}]}`, `saying "Authentication error"`},
		{"object", 400, `{"error":{"code":"invalid","message":"no such user"}}`, `saying "no such user"`},
		{"Nextcloud", 404, `{"code":"not_found","message":"No TURN servers configured."}`, `answered 404 Not Found, saying "No TURN servers configured."; check url; the address itself may be right, since an API answered`},
		{"list", 400, `[{"message":"bad"}]`, `saying "bad"`},
		{"too deep", 400, `{"error":{"error":{"error":{"error":{"error":"x"}}}}}`, `answered 400 Bad Request; `},
		{"empty", 404, `{}`, `answered 404 Not Found; check url`},
		{"page", 404, `<html>error</html>`, `answered 404 Not Found; check url`},
		{"text", 404, `"error"`, `answered 404 Not Found; check url`},
		{"long", 500, `{"error":"` + strings.Repeat("long ", 100) + `"}`, `saying "long long`},
	}
	api := provider.TURNREST("https://turn.example.org/", []byte("0123456789abcdef"), "", time.Hour)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := api.Fetch(t.Context(), answering(tt.status, nil, tt.body), "", testTime)
			if e := refused(t, err); !strings.Contains(e.Error(), tt.want) || len(e.Problem) > 250 {
				t.Errorf("error = %v, want %s", e, tt.want)
			}
		})
	}
}

// What comes instead of JSON has a cure of its own.
func TestContentCures(t *testing.T) {
	for _, tt := range []struct{ name, kind, body, want string }{
		{"page", "text/html", "sign in", "the answer is a web page, not JSON; check url; a proxy or a captive portal"},
		{"page without a type", "", "\n <!DOCTYPE html>", "the answer is a web page, not JSON"},
		{"text", "text/plain", "hello", "the answer is not JSON: invalid character 'h' looking for beginning of value; check url"},
		{"too much", "", strings.Repeat(" ", 70_000), "more than 65536 bytes; check url"},
	} {
		api := provider.API{Method: "GET", URL: hide("https://turn.example.org/"), TTL: time.Hour}
		_, err := api.Fetch(t.Context(), answering(200, http.Header{"Content-Type": {tt.kind}}, tt.body), "", testTime)
		if e := refused(t, err); !strings.Contains(e.Error(), tt.want) {
			t.Errorf("%s: %v, want %s", tt.name, e, tt.want)
		}
	}
}

// An answer that is over says how far the clocks are apart.
func TestClockCure(t *testing.T) {
	for _, tt := range []struct {
		ahead time.Duration
		want  string
	}{
		{-2 * time.Hour, "is a clock wrong? (the provider's differs from ours by -2h0m0s); check this machine's clock"},
		{30 * time.Second, "is a clock wrong?; check this machine's clock"},
	} {
		header := http.Header{"Date": {time.Now().Add(tt.ahead).UTC().Format(http.TimeFormat)}}
		api := provider.API{Method: "GET", URL: hide("https://turn.example.org/"), TTL: time.Hour}
		_, err := api.Fetch(t.Context(), answering(200, header, fmt.Sprintf(`{"uris":["stun:stun.example.org"],"expires":%d}`, testTime.Unix()-600)), "", testTime)
		if e := refused(t, err); !strings.Contains(e.Error(), tt.want) {
			t.Errorf("%v, want %s", e, tt.want)
		}
	}
}
