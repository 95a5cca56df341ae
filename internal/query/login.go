package query

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"

	"extdisco/internal/secret"

	"mellium.im/sasl"
	"mellium.im/xmpp"
	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/websocket"
)

// Login says who logs in, and how.
type Login struct {
	Account   jid.JID // without a local part: log in anonymously
	Password  secret.Secret
	Address   string         // HOST:PORT; empty: from DNS
	WebSocket string         // ws:// or wss:// URL, in place of Address and TLS (RFC 7395)
	TLS       string         // "starttls", "direct" or "none"
	Insecure  bool           // accept any certificate
	RootCAs   *x509.CertPool // nil means the system's
}

// anonymous reports whether the login needs no account.
func (l *Login) anonymous() bool { return l.Account.Localpart() == "" }

// encrypted reports whether the password and the credentials are hidden from the network.
func (l *Login) encrypted() bool {
	if l.WebSocket != "" {
		return strings.HasPrefix(l.WebSocket, "wss:")
	}
	return l.TLS != "none"
}

// dial connects in the way that was asked for.
func (l *Login) dial(ctx context.Context) (net.Conn, error) {
	if l.WebSocket != "" {
		return l.dialWebSocket(ctx)
	}
	conn, err := l.dialTCP(ctx)
	if err != nil {
		return nil, fmt.Errorf("cannot connect to the XMPP server: %w; --address HOST:PORT says where it is if DNS does not", err)
	}
	return conn, nil
}

// dialTCP connects to the address given, or to the one in DNS: the SRV records of the
// domain (RFC 6120 §3.2.1, XEP-0368), or else the domain itself.
func (l *Login) dialTCP(ctx context.Context) (net.Conn, error) {
	var d net.Dialer
	if l.Address != "" {
		return d.DialContext(ctx, "tcp", l.Address)
	}
	service, port := "xmpp-client", "5222"
	if l.TLS == "direct" {
		service, port = "xmpps-client", "5223"
	}
	domain := l.Account.Domainpart()
	_, records, err := net.DefaultResolver.LookupSRV(ctx, service, "tcp", domain)
	if err != nil || len(records) == 0 {
		return d.DialContext(ctx, "tcp", net.JoinHostPort(domain, port))
	}
	var failures []error
	for _, r := range records {
		conn, err := d.DialContext(ctx, "tcp", net.JoinHostPort(strings.TrimSuffix(r.Target, "."), strconv.Itoa(int(r.Port))))
		if err == nil {
			return conn, nil
		}
		failures = append(failures, err)
	}
	return nil, errors.Join(failures...)
}

func (l *Login) tlsConfig() *tls.Config {
	config := &tls.Config{ServerName: l.Account.Domainpart(), MinVersion: tls.VersionTLS12, InsecureSkipVerify: l.Insecure, RootCAs: l.RootCAs}
	if l.TLS == "direct" {
		config.NextProtos = []string{"xmpp-client"} // XEP-0368 §4
	}
	return config
}

// mechanisms returns the ways to log in, best first. The password itself is only ever
// sent over TLS. Channel binding is left out: ejabberd 23 offers it, then refuses the
// kind that belongs to TLS 1.3.
func (l *Login) mechanisms() []sasl.Mechanism {
	switch {
	case l.anonymous():
		return []sasl.Mechanism{sasl.Anonymous}
	case !l.encrypted():
		return []sasl.Mechanism{sasl.ScramSha256, sasl.ScramSha1}
	}
	return []sasl.Mechanism{sasl.ScramSha256, sasl.ScramSha1, sasl.Plain}
}

// negotiate opens the stream on a connection, encrypts it and logs in.
func (l *Login) negotiate(conn net.Conn) (*xmpp.Session, error) {
	offer := &serverOffer{}
	var state xmpp.SessionState
	features := []xmpp.StreamFeature{}
	newNegotiator := xmpp.NewNegotiator
	switch {
	case l.WebSocket != "":
		state = xmpp.Secure // of wss; --insecure has allowed ws
		newNegotiator = websocket.Negotiator
	case l.TLS == "starttls":
		features = append(features, offer.startTLS(xmpp.StartTLS(l.tlsConfig())))
	case l.TLS == "direct":
		conn = tls.Client(conn, l.tlsConfig())
		state = xmpp.Secure
	default:
		state = xmpp.Secure // or mellium would not log in; --insecure has allowed it
	}
	mechanisms := l.mechanisms()
	features = append(features, offer.sasl(xmpp.SASL("", l.Password.Reveal(), mechanisms...), mechanisms), xmpp.BindResource())
	session, err := xmpp.NewSession(context.Background(), l.Account.Domain(), l.Account, conn, state,
		newNegotiator(func(*xmpp.Session, *xmpp.StreamConfig) xmpp.StreamConfig {
			return xmpp.StreamConfig{Features: features}
		}))
	if err == nil && session.State()&xmpp.Authn == 0 {
		return nil, errNoLogin
	}
	return session, err
}
