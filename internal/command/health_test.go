package command

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestHealth(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("alive\n")) })
	mux.HandleFunc("/readyz", func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "not connected to the XMPP server", http.StatusServiceUnavailable)
	})
	server := httptest.NewServer(mux)
	defer server.Close()
	t.Setenv("HTTP_PROXY", "http://127.0.0.1:1") // must not be used

	if r := runCommand(t, "", "health", server.URL+"/healthz"); r != (result{statusOK, "alive\n", ""}) {
		t.Errorf("alive: %+v", r)
	}
	want := "extdisco: " + server.URL + "/readyz: 503 Service Unavailable: not connected to the XMPP server\n"
	if r := runCommand(t, "", "health", server.URL+"/readyz"); r != (result{statusFailed, "", want}) {
		t.Errorf("not ready: %+v, want %q", r, want)
	}
	server.Close()
	r := runCommand(t, "", "health", server.URL+"/healthz")
	if r.status != statusFailed || r.stdout != "" || !strings.Contains(r.stderr, "connection refused; is extdisco running, with [http] in its configuration?") {
		t.Errorf("nobody there: %+v", r)
	}
}

// On this machine the certificate of the instance is not checked.
func TestHealthOverTLS(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok\n")) }))
	defer server.Close()
	if r := runCommand(t, "", "health", server.URL+"/healthz"); r != (result{statusOK, "ok\n", ""}) {
		t.Errorf("%+v", r)
	}
	for address, unchecked := range map[string]bool{"https://127.0.0.1:9215/healthz": true, "https://[::1]/": true, "https://localhost/": true,
		"https://status.example.org/": false, "https://192.0.2.1/": false, "https://localhost.example.org/": false} {
		if got := healthTLS(address).InsecureSkipVerify; got != unchecked {
			t.Errorf("%s: unchecked %v, want %v", address, got, unchecked)
		}
	}
}
