// Package query asks an XMPP server for its services (XEP-0215) as a client would: it
// logs in with SASL, anonymously or with an account, and asks in both versions of the
// protocol.
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
	"time"

	"extdisco/internal/secret"
	"extdisco/xep0215"

	"mellium.im/sasl"
	"mellium.im/xmpp"
	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/stream"
)

// Login is who logs in, and how.
type Login struct {
	Account  jid.JID // without a local part: anonymously
	Password secret.Secret
	Address  string         // HOST:PORT; empty to ask DNS
	TLS      string         // "starttls", "direct" or "none"
	Insecure bool           // whether the certificate of the server is not checked
	RootCAs  *x509.CertPool // nil means the system's
}

// Client is a session that is logged in. Its reader is a goroutine that Close waits
// for.
type Client struct {
	session *xmpp.Session
	conn    net.Conn
	stop    func() bool
	done    chan struct{}
}

// Connect logs in. When ctx ends the connection is cut, also later.
func (l *Login) Connect(ctx context.Context) (*Client, error) {
	conn, err := l.dial(ctx)
	if err != nil {
		return nil, fmt.Errorf("cannot connect to the XMPP server: %w; --address HOST:PORT names it when DNS does not", err)
	}
	// mellium does not heed the context while it reads.
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	session, err := l.negotiate(conn, l.tlsConfig())
	if err != nil {
		stop()
		_ = conn.Close()
		return nil, l.explainLogin(ctx, err)
	}
	c := &Client{session: session, conn: conn, stop: stop, done: make(chan struct{})}
	go func() {
		defer close(c.done)
		_ = session.Serve(nil) // how it ends does not matter, the answers do
	}()
	return c, nil
}

func (l *Login) negotiate(conn net.Conn, config *tls.Config) (*xmpp.Session, error) {
	var state xmpp.SessionState
	var features []xmpp.StreamFeature
	encrypted := l.TLS != "none"
	switch l.TLS {
	case "starttls":
		features = append(features, xmpp.StartTLS(config))
	case "direct":
		conn = tls.Client(conn, config)
		state = xmpp.Secure
	default:
		state = xmpp.Secure // or mellium would not log in; --insecure has allowed it
	}
	features = append(features, xmpp.SASL("", l.Password.Reveal(), l.mechanisms(encrypted)...), xmpp.BindResource())
	return xmpp.NewSession(context.Background(), l.Account.Domain(), l.Account, conn, state,
		xmpp.NewNegotiator(func(*xmpp.Session, *xmpp.StreamConfig) xmpp.StreamConfig {
			return xmpp.StreamConfig{Features: features}
		}))
}

// mechanisms returns how to log in, the best first. The password itself is sent
// over TLS only. Channel binding is left out: ejabberd 23 offers it and then
// refuses the kind that goes with TLS 1.3.
func (l *Login) mechanisms(encrypted bool) []sasl.Mechanism {
	if l.Account.Localpart() == "" {
		return []sasl.Mechanism{sasl.Anonymous}
	}
	if !encrypted {
		return []sasl.Mechanism{sasl.ScramSha256, sasl.ScramSha1}
	}
	return []sasl.Mechanism{sasl.ScramSha256, sasl.ScramSha1, sasl.Plain}
}

func (l *Login) tlsConfig() *tls.Config {
	config := &tls.Config{ServerName: l.Account.Domainpart(), MinVersion: tls.VersionTLS12, InsecureSkipVerify: l.Insecure, RootCAs: l.RootCAs}
	if l.TLS == "direct" {
		config.NextProtos = []string{"xmpp-client"} // XEP-0368 §4
	}
	return config
}

// dial connects to the address given, or to where DNS says that the domain's
// server is: its SRV records (RFC 6120 §3.2.1, XEP-0368), else its own name.
func (l *Login) dial(ctx context.Context) (net.Conn, error) {
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

// explainLogin says what a failed login means and what to change.
func (l *Login) explainLogin(ctx context.Context, err error) error {
	var unknownCA x509.UnknownAuthorityError
	var wrongName x509.HostnameError
	var invalid x509.CertificateInvalidError
	switch {
	case ctx.Err() != nil:
		return errors.New("the XMPP server did not finish the login in time; check --address and --tls, or wait longer with --timeout")
	case errors.As(err, &unknownCA), errors.As(err, &wrongName), errors.As(err, &invalid):
		return fmt.Errorf("the certificate of the XMPP server is not trusted: %w; name its CA with --ca-file, or in a lab use --insecure", err)
	case errors.As(err, new(stream.Error)):
		return fmt.Errorf("the XMPP server refused the stream: %w; check that --address is its port for clients", err)
	case l.Account.Localpart() == "":
		return fmt.Errorf("cannot log in anonymously at %s: %w; if the server wants accounts, use --jid and --password-file", l.Account, err)
	}
	return fmt.Errorf("cannot log in as %s: %w", l.Account, err)
}

// Ask requests the services in one namespace.
func (c *Client) Ask(ctx context.Context, to jid.JID, namespace string) Answer {
	start := time.Now()
	services, err := xep0215.Fetch(ctx, c.session, to, xep0215.Request{NS: namespace})
	return Answer{Namespace: namespace, Services: services, Err: err, Took: time.Since(start)}
}

// Close logs out and waits for the reader.
func (c *Client) Close() {
	_ = c.conn.SetDeadline(time.Now().Add(time.Second)) // a server that is gone must not hold us
	_ = c.session.Close()
	_ = c.conn.Close()
	c.stop()
	<-c.done
}
