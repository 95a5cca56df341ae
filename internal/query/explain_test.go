package query

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"testing"

	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/stream"

	"extdisco/internal/testkit"
	"extdisco/xep0215"
)

func TestExplainLogin(t *testing.T) {
	anonymous, account := jid.MustParse("example.org"), jid.MustParse("alice@example.org")
	offered := func(names ...string) error { return fmt.Errorf("negotiating: %w", mechanismError{names}) }
	for _, tt := range []struct {
		name  string
		login Login
		err   error
		want  string
	}{
		{"no STARTTLS", Login{Account: anonymous, TLS: "starttls"}, errNoSTARTTLS, "does not offer STARTTLS on this port; give it a certificate, or use --tls direct"},
		{"stream error", Login{Account: anonymous}, stream.HostUnknown, "check that it serves example.org"},
		{"unknown CA", Login{Account: anonymous}, x509.UnknownAuthorityError{}, "name it with --ca-file (on Debian /etc/prosody/certs/DOMAIN.crt), or skip the check with --insecure"},
		{"name of the certificate", Login{Account: anonymous}, x509.HostnameError{Certificate: &x509.Certificate{}, Host: "example.org"}, "is for another name"},
		{"expired certificate", Login{Account: anonymous}, x509.CertificateInvalidError{Reason: x509.Expired}, "is not valid"},
		{"nothing offered", Login{Account: anonymous, TLS: "starttls"}, errNoLogin, "check its configuration of authentication"},
		{"nothing offered without TLS", Login{Account: anonymous, TLS: "none"}, errNoLogin, "leave out --tls none"},
		{"not anonymously", Login{Account: anonymous, TLS: "starttls"}, offered("PLAIN"), "PLAIN only; log in with an account"},
		{"PLAIN without TLS", Login{Account: account, TLS: "none"}, offered("PLAIN", "X-OAUTH2"), "PLAIN, X-OAUTH2 only, which would send the password in the clear; use --tls starttls"},
		{"only anonymously", Login{Account: account, TLS: "starttls"}, offered("ANONYMOUS"), "leave out --jid and --password-file"},
		{"unknown mechanisms", Login{Account: account, TLS: "starttls"}, offered("GSSAPI"), "none of which is supported here"},
		{"wrong password", Login{Account: account}, refusedError{errors.New("not-authorized")}, "cannot log in as alice@example.org: not-authorized; check --jid, and the password in --password-file"},
		{"anonymous login refused", Login{Account: anonymous}, refusedError{errors.New("not-allowed")}, "refused the anonymous login: not-allowed; log in with an account"},
		{"anything else", Login{Account: anonymous}, errors.New("EOF"), "cannot log in at example.org: EOF; check --address and --tls"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.login.explainLogin(t.Context(), tt.err).Error(); !strings.Contains(got, tt.want) {
				t.Errorf("%s, want %s", got, tt.want)
			}
		})
	}
	late, cancel := context.WithCancel(t.Context())
	cancel()
	if got := (&Login{Account: account}).explainLogin(late, errors.New("i/o timeout")).Error(); !strings.Contains(got, "--timeout") {
		t.Errorf("too late: %s", got)
	}
}

func TestWebSocketErrorsHideTheQuery(t *testing.T) {
	l := &Login{Account: jid.MustParse("example.org"), WebSocket: "ws://127.0.0.1:1/xmpp-websocket?token=hidden"}
	_, err := l.Connect(t.Context())
	if err == nil || strings.Contains(err.Error(), "hidden") || !strings.Contains(err.Error(), "cannot connect to ws://127.0.0.1:1/xmpp-websocket: ") {
		t.Errorf("error %v", err)
	}
}

// madeUp is an offer of one service, made for one username.
type madeUp struct {
	key      xep0215.Key
	username string
}

func (m madeUp) Knows(k xep0215.Key) bool                 { return k == m.key }
func (m madeUp) Made(_ xep0215.Key, username string) bool { return username == m.username }

func TestCompare(t *testing.T) {
	turn := xep0215.Service{Type: "turn", Host: "turn.example.org", Port: 3478, Transport: "udp", Username: "1:a"}
	other := turn
	other.Host = "turn.example.net"
	old := turn
	old.Username = "1"
	for _, tt := range []struct {
		name     string
		services []xep0215.Service
		want     string
	}{
		{"ours", []xep0215.Service{turn}, ""},
		{"nothing", nil, ""},
		{"another server", []xep0215.Service{turn, other}, "example.org lists turn:turn.example.net:3478?transport=udp, which config.toml does not offer: the XMPP server answers itself; " + answersItself},
		{"another username", []xep0215.Service{old}, "example.org gives a credential for turn:turn.example.org:3478?transport=udp that was not made with config.toml: the XMPP server answers itself; " + answersItself},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := ""
			if err := Compare("example.org", "config.toml", madeUp{turn.Key(), turn.Username}, tt.services); err != nil {
				got = err.Error()
			}
			testkit.WantEqual(t, "error", got, tt.want)
		})
	}
}
