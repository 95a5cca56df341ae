package query

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestAskReady(t *testing.T) {
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprintf(w, "%s: there is no connection\n  to the XMPP server\n", r.URL.Path)
	})
	plain, encrypted := httptest.NewServer(handler), httptest.NewTLSServer(handler)
	defer plain.Close()
	defer encrypted.Close()
	for _, tt := range []struct {
		name, listen string
		encrypted    bool
	}{
		{"plain", plain.Listener.Addr().String(), false},
		{"TLS", encrypted.Listener.Addr().String(), true},
		{"all addresses", strings.Replace(plain.Listener.Addr().String(), "127.0.0.1", "0.0.0.0", 1), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := AskReady(t.Context(), tt.listen, tt.encrypted)
			if err != nil || got != "/readyz: there is no connection to the XMPP server" {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
	for _, listen := range []string{"127.0.0.1:1", "nonsense"} {
		if _, err := AskReady(t.Context(), listen, false); err == nil {
			t.Errorf("%s answered", listen)
		}
	}
}
