package provider

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/url"
	"time"
)

// ErrInsecure is why [CheckURL] refuses plain HTTP.
var ErrInsecure = errors.New("is not https, and secrets would be sent there")

// CheckURL reports why a provider must not be asked at this URL: it is no HTTP
// URL, or plain HTTP to another machine and insecure is not set.
func CheckURL(text string, insecure bool) error {
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" || u.Scheme != "https" && u.Scheme != "http" {
		return errors.New("is not a URL; write https://HOST/PATH")
	}
	if u.User != nil {
		return errors.New("contains a user or password; set them with keys of their own")
	}
	ip := net.ParseIP(u.Hostname())
	loopback := u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
	if u.Scheme == "http" && !insecure && !loopback {
		return ErrInsecure
	}
	return nil
}

// maxHeader bounds the header of an answer.
const maxHeader = 64 << 10

// NewHTTPClient returns a client for providers. It verifies certificates against
// roots (the system's CAs when nil), uses the system's proxy (HTTPS_PROXY), gives
// up after timeout, and does not follow redirects to another host, which would
// send secrets there.
func NewHTTPClient(roots *x509.CertPool, timeout time.Duration) *http.Client {
	transport := &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		OnProxyConnectResponse: checkProxy,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots},
		ForceAttemptHTTP2:      true,
		MaxIdleConns:           2,
		IdleConnTimeout:        30 * time.Second,
		TLSHandshakeTimeout:    timeout,
		ResponseHeaderTimeout:  timeout,
		MaxResponseHeaderBytes: maxHeader,
	}
	return &http.Client{
		Transport: transport,
		Timeout:   timeout,
		CheckRedirect: func(next *http.Request, via []*http.Request) error {
			if len(via) >= 3 || next.URL.Host != via[0].URL.Host || next.URL.Scheme != via[0].URL.Scheme {
				return http.ErrUseLastResponse
			}
			return nil
		},
	}
}
