package query

import (
	"crypto/tls"
	"crypto/x509"
	"strings"
	"testing"

	"go.uber.org/goleak"
	"mellium.im/xmpp/jid"

	"extdisco/internal/testkit"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestMechanisms checks that a password never crosses the network in the clear.
func TestMechanisms(t *testing.T) {
	for _, tt := range []struct {
		name, account, tls, webSocket string
		want                          string
	}{
		{"anonymously", "example.org", "starttls", "", "ANONYMOUS"},
		{"anonymously in the clear", "example.org", "none", "", "ANONYMOUS"},
		{"account", "alice@example.org", "direct", "", "SCRAM-SHA-256 SCRAM-SHA-1 PLAIN"},
		{"account in the clear", "alice@example.org", "none", "", "SCRAM-SHA-256 SCRAM-SHA-1"},
		{"account over wss", "alice@example.org", "starttls", "wss://example.org/xmpp-websocket", "SCRAM-SHA-256 SCRAM-SHA-1 PLAIN"},
		{"account over ws", "alice@example.org", "starttls", "ws://example.org/xmpp-websocket", "SCRAM-SHA-256 SCRAM-SHA-1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := &Login{Account: jid.MustParse(tt.account), TLS: tt.tls, WebSocket: tt.webSocket}
			var names []string
			for _, m := range l.mechanisms() {
				names = append(names, m.Name)
			}
			testkit.WantEqual(t, "mechanisms", strings.Join(names, " "), tt.want)
		})
	}
}

func TestTLSConfig(t *testing.T) {
	for _, tt := range []struct {
		name, mode string
		insecure   bool
		alpn       string
	}{
		{"starttls", "starttls", false, ""},
		{"direct", "direct", false, "xmpp-client"},
		{"insecure", "starttls", true, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			l := &Login{Account: jid.MustParse("example.org"), TLS: tt.mode, Insecure: tt.insecure, RootCAs: x509.NewCertPool()}
			config := l.tlsConfig()
			if config.ServerName != "example.org" || config.InsecureSkipVerify != tt.insecure || config.MinVersion < tls.VersionTLS12 ||
				strings.Join(config.NextProtos, " ") != tt.alpn || config.RootCAs != l.RootCAs {
				t.Errorf("config for %s, insecure %v, from %#x, ALPN %q", config.ServerName, config.InsecureSkipVerify, config.MinVersion, config.NextProtos)
			}
		})
	}
}
