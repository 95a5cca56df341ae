package provider

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// APIError is a refusal, or an answer that cannot be used.
type APIError struct {
	Status     int           // of HTTP; 0 when there was no answer
	RetryAfter time.Duration // what the provider asks for; 0 when it says nothing
	Permanent  bool          // asking again is of no use before somebody changes something
	Problem    string
	Cure       string // what to do about it
}

// Error implements error.
func (e *APIError) Error() string {
	if e.Cure == "" {
		return e.Problem
	}
	return e.Problem + "; " + e.Cure
}

const cureClock = "check this machine's clock (timedatectl), and that no cache stands before the provider"

// unusable is what is wrong with an answer that came with a good status.
func (a *API) unusable(got received, err error) *APIError {
	e := &APIError{Status: got.status, Problem: err.Error(), Cure: "extdisco check --fetch asks again; see url and docs/providers.md, \"Any other API\""}
	var says saysNoError
	switch {
	case errors.As(err, &says):
		e.Cure = a.Cures[got.status]
		if e.Cure == "" {
			e.Cure = "check the credentials in the configuration, and the provider's dashboard"
		}
	case errors.Is(err, errNotJSON) && got.isPage():
		e.Problem = "the answer is a web page, not JSON"
		e.Cure = "check url; a proxy or a captive portal may have answered in the provider's place"
	case errors.Is(err, errNotJSON):
		e.Cure = "check url: an API that answers in JSON is asked"
	case errors.Is(err, errExpired):
		e.Cure = cureClock
		if skew := got.skew.Round(time.Minute); skew.Abs() > time.Minute {
			e.Problem += fmt.Sprintf(" (the provider's differs from ours by %v)", skew)
		}
	}
	return e
}

// isPage reports whether an answer is HTML.
func (r received) isPage() bool {
	return strings.Contains(strings.ToLower(r.kind), "html") || strings.HasPrefix(strings.TrimSpace(string(r.body)), "<")
}

// Cures of statuses for which the API has none of its own.
var statusCures = map[int]string{
	http.StatusNoContent:            "check url and method: the provider had nothing to say",
	http.StatusBadRequest:           "check ttl, body and query",
	http.StatusUnauthorized:         "check the token, key or password",
	http.StatusPaymentRequired:      "check the account's billing in the provider's dashboard",
	http.StatusForbidden:            "check the token, key or password and what it is allowed to do; a firewall for web applications may refuse us too",
	http.StatusNotFound:             "check url",
	http.StatusMethodNotAllowed:     "check method",
	http.StatusNotAcceptable:        "check url: JSON is asked for",
	http.StatusProxyAuthRequired:    "put the proxy's user and password into HTTPS_PROXY, as in http://user:password@proxy:3128",
	http.StatusRequestTimeout:       "the provider is slow; extdisco asks again later",
	http.StatusGone:                 "check url: the provider has given it up",
	http.StatusUnsupportedMediaType: "check Content-Type in headers",
	http.StatusUnprocessableEntity:  "check ttl, body and query",
	http.StatusTooEarly:             "extdisco asks again later",
	http.StatusTooManyRequests:      "too many requests; extdisco asks again later; lower per_user_rate if this goes on",
}

// refusal says what a status that is not success means. Of the body the reason
// that an API gives in JSON is taken, and nothing of any other: it may be the page
// of a proxy.
func (a *API) refusal(response *http.Response) *APIError {
	code := response.StatusCode
	e := &APIError{
		Status:     code,
		RetryAfter: retryAfter(response.Header.Get("Retry-After"), time.Now()),
		Problem:    strings.TrimSpace(fmt.Sprintf("%s answered %d %s", response.Request.URL.Host, code, http.StatusText(code))),
		Cure:       a.Cures[code],
	}
	switch {
	case code == http.StatusRequestTimeout, code == http.StatusTooEarly, code == http.StatusTooManyRequests, code >= 500:
	default:
		e.Permanent = true
	}
	body, _ := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	reason := reasonIn(body)
	if reason != "" {
		e.Problem += ", " + reason
	}
	switch {
	case code >= 300 && code < 400:
		e.Cure = "correct url: the provider redirects to another host, and secrets are not sent there"
	case code == http.StatusNotFound && reason != "":
		e.Cure = strings.TrimSuffix(e.Cure+"; the address itself may be right, since an API answered", "; ")
		e.Cure = strings.TrimPrefix(e.Cure, "; ")
	case e.Cure != "":
	case code >= 500:
		e.Cure = "the fault is on the provider's side, or in a proxy before it; extdisco asks again, see the provider's status page"
	default:
		e.Cure = statusCures[code]
		if e.Cure == "" {
			e.Cure = "check url and what the provider's documentation says of this status"
		}
	}
	return e
}

// reasonNames are the members in which APIs say why they refuse.
var reasonNames = []string{"error", "message", "error_description", "errcode", "detail", "reason", "title", "description", "code"}

// reasonIn returns what an API says in JSON of a refusal, or "".
func reasonIn(body []byte) string {
	var document any
	if json.Unmarshal(body, &document) != nil {
		return ""
	}
	return reasonOf(document, 0)
}

func reasonOf(value any, depth int) string {
	const deepest = 3
	if list, ok := value.([]any); ok && len(list) > 0 {
		value = list[0]
	}
	object, ok := value.(map[string]any)
	if !ok || depth > deepest {
		return ""
	}
	for _, name := range reasonNames {
		if text, ok := lookup(object, name).(string); ok && text != "" {
			return fmt.Sprintf("saying %.150q", text)
		}
	}
	for _, name := range []string{"error", "errors"} {
		if reason := reasonOf(lookup(object, name), depth+1); reason != "" {
			return reason
		}
	}
	return ""
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

// noAnswer says why there was no answer, and what to do.
func noAnswer(host string, err error) *APIError {
	e := &APIError{Problem: "no answer from " + host + ": " + plain(err), Cure: connectionCure(err)}
	if e.Cure == "" {
		e.Cure = tlsCure(err)
	}
	if e.Cure == "" {
		e.Cure = "check url, the network and a proxy (HTTPS_PROXY); extdisco asks again"
	}
	return e
}

// connectionCure is the cure of a connection that failed, or "".
func connectionCure(err error) string {
	var proxy *proxyError
	var dns *net.DNSError
	var op *net.OpError
	errors.As(err, &op)
	switch {
	case errors.As(err, &proxy) && proxy.status == http.StatusProxyAuthRequired:
		return statusCures[http.StatusProxyAuthRequired]
	case errors.As(err, &proxy):
		return "have the proxy in HTTPS_PROXY allow this host, or name the host in NO_PROXY"
	case op != nil && op.Op == "proxyconnect":
		return "check the address of the proxy in HTTPS_PROXY, or take it out of the service's environment"
	case errors.As(err, &dns) && dns.IsNotFound:
		return "check the host in url, and this machine's DNS (/etc/resolv.conf)"
	case errors.As(err, &dns):
		return "check this machine's DNS (/etc/resolv.conf): its server does not answer"
	case isTimeout(err) && op != nil && op.Op == "dial":
		return "check that a firewall lets us connect to this host and port"
	case isTimeout(err):
		return "the provider is slow, or a firewall drops our packets; raise timeout if it only takes longer"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "check host and port in url: nothing listens there, or a firewall refuses us"
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH):
		return "check this machine's network and routes, for IPv4 and IPv6"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "the provider or a firewall closed the connection; check url and its port; extdisco asks again"
	case errors.Is(err, context.Canceled):
		return "extdisco is stopping or was reloaded"
	}
	return ""
}

// tlsCure is the cure of a TLS handshake that failed, or "".
func tlsCure(err error) string {
	var invalid x509.CertificateInvalidError
	var name x509.HostnameError
	var untrusted *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var alert tls.AlertError
	switch {
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "check this machine's clock (timedatectl); if it is right, the provider has to renew its certificate"
	case errors.As(err, &name):
		return "check url: its host must be one that the certificate names"
	case errors.As(err, &untrusted):
		return "check url; a CA of your own, or of a proxy that inspects TLS, is added by ca_file"
	case errors.As(err, &record), strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		return "check the port in url: the server does not speak TLS there"
	case errors.As(err, &alert):
		return "the server refuses our TLS; TLS 1.2 or later is needed"
	}
	return ""
}

func isTimeout(err error) bool {
	var netErr net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &netErr) && netErr.Timeout()
}

// plain says what an error of the HTTP client is, short and without what differs
// between two errors of one cause. It leaves out the URL that the client quotes,
// whose query may hold a secret.
func plain(err error) string {
	var urlErr *url.Error
	if errors.As(err, &urlErr) {
		if inner := urlErr.Err; strings.HasPrefix(inner.Error(), "failed to parse Location header") {
			return "it redirects to what is not a URL"
		}
		err = urlErr.Err
	}
	if isTimeout(err) {
		return "time-out"
	}
	var op *net.OpError
	if errors.As(err, &op) {
		ours := *op
		ours.Source = nil // the port is another one each time
		err = &ours
	}
	return clip(err.Error(), 300)
}

// proxyError is a proxy's refusal to connect us.
type proxyError struct{ status int }

// Error implements error.
func (e *proxyError) Error() string {
	return fmt.Sprintf("the proxy answered %d %s", e.status, http.StatusText(e.status))
}

// checkProxy implements [http.Transport.OnProxyConnectResponse].
func checkProxy(_ context.Context, _ *url.URL, _ *http.Request, response *http.Response) error {
	if response.StatusCode != http.StatusOK {
		return &proxyError{response.StatusCode}
	}
	return nil
}
