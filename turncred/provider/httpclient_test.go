package provider_test

import (
	"bufio"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"extdisco/integration/vendors"
	"extdisco/turncred/provider"
)

func TestCheckURL(t *testing.T) {
	tests := []struct {
		name, url string
		insecure  bool
		want      string // "" for good
	}{
		{"HTTPS", "https://api.example.org/v1", false, ""},
		{"HTTPS with a port and a query", "https://api.example.org:8443/?a=b", false, ""},
		{"placeholder in the path", "https://api.example.org/{{user}}", false, ""},
		{"capitals", "HTTPS://API.example.org", false, ""},
		{"HTTP", "http://api.example.org/", false, "is not https"},
		{"HTTP, insecure", "http://api.example.org/", true, ""},
		{"HTTP to 127.0.0.1", "http://127.0.0.1:8080/", false, ""},
		{"HTTP to 127.1.2.3", "http://127.1.2.3/", false, ""},
		{"HTTP to ::1", "http://[::1]:8080/", false, ""},
		{"HTTP to localhost", "http://localhost:8080/", false, ""},
		{"HTTP to what begins like localhost", "http://localhost.example.org/", false, "is not https"},
		{"HTTP to what begins like 127", "http://127.0.0.1.example.org/", false, "is not https"},
		{"HTTP to 0.0.0.0", "http://0.0.0.0/", false, "is not https"},
		{"HTTP to another machine", "http://192.0.2.1/", false, "is not https"},
		{"user", "https://user@api.example.org/", false, "contains a user or password"},
		{"password", "https://user:" + wrongSecret[:5] + "@api.example.org/", true, "contains a user or password"},
		{"no scheme", "api.example.org/v1", false, "is not a URL"},
		{"other scheme", "ftp://api.example.org/", true, "is not a URL"},
		{"no host", "https:///v1", false, "is not a URL"},
		{"port alone", "https://:443/v1", false, "is not a URL"},
		{"blank", "https://exa mple/", false, "is not a URL"},
		{"placeholder in the host", "https://{{user}}.example.org/", false, "is not a URL"},
		{"empty", "", false, "is not a URL"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := provider.CheckURL(tt.url, tt.insecure)
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("CheckURL = %v, want %q", err, tt.want)
			}
			if errors.Is(err, provider.ErrInsecure) != (tt.want == "is not https") {
				t.Errorf("%v is not ErrInsecure", err)
			}
		})
	}
}

func TestCertificates(t *testing.T) {
	s := startVendors(t, vendors.Config{Dir: t.TempDir()})
	pem, err := os.ReadFile(s.CAFile())
	if err != nil {
		t.Fatal(err)
	}
	ours := x509.NewCertPool()
	if !ours.AppendCertsFromPEM(pem) {
		t.Fatal("no certificate in the CA file")
	}
	tests := []struct {
		name  string
		roots *x509.CertPool
		mode  vendors.Mode
		want  string
		cure  string
	}{
		{"own CA", ours, vendors.Working, "", ""},
		{"the system's CAs", nil, vendors.Working, "certificate signed by unknown authority", "ca_file"},
		{"certificate for another name", ours, vendors.WrongCertificate, "certificate", "its host must be one that the certificate names"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s.Fail(tt.mode)
			client := provider.NewHTTPClient(tt.roots, 10*time.Second)
			defer client.CloseIdleConnections()
			before := s.Count()
			for name, api := range presets(s.SecureURL()) {
				_, err := api.Fetch(t.Context(), client, "somebody", time.Now())
				if tt.want == "" {
					if err != nil {
						t.Errorf("%s: %v", name, err)
					}
					continue
				}
				e := refused(t, err)
				if e.Status != 0 || e.Permanent || !strings.Contains(e.Problem, tt.want) || !strings.Contains(e.Cure, tt.cure) {
					t.Errorf("%s: %+v", name, e)
				}
			}
			if tt.want != "" && s.Count() != before {
				t.Error("a request was sent to an unknown server")
			}
		})
	}
}

// What is redirected from HTTPS to plain HTTP is not sent there.
func TestRedirectToPlainHTTP(t *testing.T) {
	s := startVendors(t, vendors.Config{Dir: t.TempDir()})
	client := provider.NewHTTPClient(s.CA(), 10*time.Second)
	defer client.CloseIdleConnections()
	s.Fail(vendors.RedirectPlain)
	for name, api := range presets(s.SecureURL()) {
		_, err := api.Fetch(t.Context(), client, "somebody", time.Now())
		if e := refused(t, err); e.Status != 307 || !strings.Contains(e.Cure, "correct url") {
			t.Errorf("%s: %+v", name, e)
		}
	}
	for _, r := range s.Requests() {
		if !r.TLS {
			t.Errorf("%s %s came by plain HTTP", r.Method, r.Path)
		}
	}
}

func TestRedirectTargets(t *testing.T) {
	tests := []struct {
		name, from, to string
		follow         bool
	}{
		{"other path", "https://api.example.org/v1", "https://api.example.org/v2", true},
		{"other host", "https://api.example.org/v1", "https://example.org/v1", false},
		{"part of the host", "https://api.example.org/v1", "https://api.example.org.example.net/v1", false},
		{"other port", "https://api.example.org/v1", "https://api.example.org:8443/v1", false},
		{"no TLS any more", "https://api.example.org:8443/v1", "http://api.example.org:8443/v1", false},
		{"TLS now", "http://api.example.org/v1", "https://api.example.org/v1", false},
	}
	client := newClient(t, time.Minute)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := client.CheckRedirect(httptest.NewRequest("GET", tt.to, nil), []*http.Request{httptest.NewRequest("GET", tt.from, nil)})
			if tt.follow && err != nil || !tt.follow && !errors.Is(err, http.ErrUseLastResponse) {
				t.Errorf("CheckRedirect = %v", err)
			}
		})
	}
}

// The redirects that one answer may lead through are few.
func TestRedirectsEnd(t *testing.T) {
	s := startVendors(t, vendors.Config{})
	s.Fail(vendors.RedirectLoop)
	_, err := presets(s.URL())["Cloudflare"].Fetch(t.Context(), newClient(t, time.Minute), "", time.Now())
	refused(t, err)
	if n := s.Count(); n != 3 {
		t.Errorf("%d requests", n)
	}
}

func TestHTTP2(t *testing.T) {
	var proto atomic.Value
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		proto.Store(r.Proto)
		_, _ = io.WriteString(w, `{"uris":["stun:stun.example.org"],"ttl":60}`)
	}))
	s.EnableHTTP2 = true
	s.StartTLS()
	defer s.Close()
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	client := provider.NewHTTPClient(roots, 10*time.Second)
	defer client.CloseIdleConnections()
	api := provider.API{Method: http.MethodGet, URL: hide(s.URL)}
	if _, err := api.Fetch(t.Context(), client, "", time.Now()); err != nil || proto.Load() != "HTTP/2.0" {
		t.Errorf("%v, %v", proto.Load(), err)
	}
}

// answerRaw serves each connection by a function that has read the request.
func answerRaw(t *testing.T, answer func(net.Conn, []byte)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			r := bufio.NewReader(conn)
			var got []byte
			for line := ""; line != "\r\n" && err == nil; {
				line, err = r.ReadString('\n')
				got = append(got, line...)
			}
			answer(conn, got)
			conn.Close()
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return "http://" + l.Addr().String()
}

// Servers that speak no HTTP, or repeat in it what they were sent.
func TestNoSecretInTransportErrors(t *testing.T) {
	write := func(format string) func(net.Conn, []byte) {
		return func(conn net.Conn, request []byte) { fmt.Fprintf(conn, format, request) }
	}
	oneLine := func(format string) func(net.Conn, []byte) {
		return func(conn net.Conn, request []byte) {
			fmt.Fprintf(conn, format, strings.NewReplacer("\r", " ", "\n", " ").Replace(string(request)))
		}
	}
	tests := map[string]func(net.Conn, []byte){
		"echo":                   write("%s"),
		"echo in a status line":  oneLine("HTTP/1.1 %s\r\n\r\n"),
		"echo in a version":      oneLine("HTTP/%s 200 OK\r\n\r\n"),
		"echo in a header":       oneLine("HTTP/1.1 200 OK\r\n%s\r\n\r\n"),
		"echo in a length":       oneLine("HTTP/1.1 200 OK\r\nContent-Length: %s\r\n\r\n"),
		"echo in an encoding":    oneLine("HTTP/1.1 200 OK\r\nTransfer-Encoding: %s\r\n\r\n"),
		"echo in a location":     oneLine("HTTP/1.1 302 Found\r\nLocation: http://%%zz/%s\r\nContent-Length: 0\r\n\r\n"),
		"echo in a reason":       oneLine("HTTP/1.1 403 %s\r\nContent-Length: 0\r\n\r\n"),
		"echo in a Retry-After":  oneLine("HTTP/1.1 429 Slow\r\nRetry-After: %s\r\nContent-Length: 0\r\n\r\n"),
		"echo as text":           oneLine("HTTP/1.1 200 OK\r\n\r\n%s"),
		"echo in Xirsys' reason": oneLine("HTTP/1.1 200 OK\r\n\r\n{\"s\":\"error\",\"v\":\"%s\"}"),
		"control characters":     write("HTTP/1.1 200 OK\r\n\x1b[2J\x07%s"),
		"at length":              func(c net.Conn, _ []byte) { _, _ = io.WriteString(c, strings.Repeat("x", 20_000)) },
		"nothing":                func(net.Conn, []byte) {},
	}
	for name, answer := range tests {
		t.Run(name, func(t *testing.T) {
			base := answerRaw(t, answer)
			all := presets(base)
			all["odd key"] = provider.TURNREST(base, []byte(wrongSecret), "", time.Hour)
			for vendor, api := range all {
				_, err := api.Fetch(t.Context(), newClient(t, 10*time.Second), "somebody", time.Now())
				if e := refused(t, err); strings.ContainsAny(e.Error(), "\x1b\x07\r\n") {
					t.Errorf("%s: %q", vendor, e)
				}
			}
		})
	}
}

func TestConnectionErrors(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	plain := httptest.NewServer(http.NotFoundHandler())
	plain.Config.ErrorLog = log.New(io.Discard, "", 0)
	defer plain.Close()
	tests := []struct{ name, base, want string }{
		{"connection refused", "http://" + closed.Addr().String(), "connection refused"},
		{"connection refused, TLS", "https://" + closed.Addr().String(), "connection refused"},
		{"no TLS", strings.Replace(plain.URL, "http:", "https:", 1), "HTTP response to HTTPS client"},
		{"port that there is not", "http://127.0.0.1:99999", "invalid port"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for name, api := range presets(tt.base) {
				_, err := api.Fetch(t.Context(), newClient(t, 10*time.Second), "somebody", time.Now())
				if e := refused(t, err); e.Status != 0 || e.Permanent || !strings.Contains(e.Problem, tt.want) {
					t.Errorf("%s: %+v", name, e)
				}
			}
		})
	}
}

// Errors of one cause have one text, so that a log can be short.
func TestErrorsAlike(t *testing.T) {
	base := answerRaw(t, func(conn net.Conn, _ []byte) {
		if tcp, ok := conn.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0) // the connection is reset
		}
	})
	api := presets(base)["Metered"]
	texts := map[string]bool{}
	for range 5 {
		_, err := api.Fetch(t.Context(), newClient(t, 10*time.Second), "", time.Now())
		texts[refused(t, err).Error()] = true
	}
	if len(texts) != 1 {
		t.Errorf("errors = %v", texts)
	}
}

// A proxy of the environment is asked. The environment is read once in the life
// of a process, and so this takes one of its own.
const proxyChild = "EXTDISCO_TEST_PROXY_CHILD"

func fetchByProxy(address string) int {
	client := provider.NewHTTPClient(nil, 10*time.Second)
	api := provider.TURNREST(address, []byte(vendors.RESTKey), "", time.Minute)
	set, err := api.Fetch(context.Background(), client, "", time.Now())
	if err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Println(set.Servers[0].URLs)
	return 0
}

func TestProxy(t *testing.T) {
	var asked atomic.Value
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Store(r.Method + " " + r.Host)
		if r.Method == http.MethodConnect {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		_, _ = io.WriteString(w, `{"uris":["stun:by-proxy.example.org"]}`)
	}))
	defer proxy.Close()
	tests := []struct{ name, variable, url, asked, output string }{
		{"plain", "HTTP_PROXY", "http://provider.example.org/turn", "GET provider.example.org", "[stun:by-proxy.example.org]"},
		{"TLS", "HTTPS_PROXY", "https://provider.example.org/turn", "CONNECT provider.example.org:443", "no answer from provider.example.org: the proxy answered 403 Forbidden; have the proxy in HTTPS_PROXY allow this host, or name the host in NO_PROXY"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			command := exec.CommandContext(t.Context(), os.Args[0])
			command.Env = append(os.Environ(), "NO_PROXY=", "no_proxy=", proxyChild+"="+tt.url, tt.variable+"="+proxy.URL)
			out, _ := command.CombinedOutput() // ends with 1 where the proxy says no
			if got := strings.TrimSpace(string(out)); got != tt.output || asked.Load() != tt.asked {
				t.Errorf("the proxy was asked %v, and the output is %s", asked.Load(), got)
			}
		})
	}
}
