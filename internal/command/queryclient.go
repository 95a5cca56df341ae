package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"mellium.im/sasl"
	"mellium.im/xmpp"
	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/stream"

	"extdisco/internal/secret"
	"extdisco/xep0215"
)

// xmppLogin is who logs in, and how. An account without a local part logs in
// anonymously.
type xmppLogin struct {
	account  jid.JID
	password secret.Secret
	address  string // host:port, or "" to ask DNS
	tls      string // starttls, direct or none
	insecure bool
	caFile   string
}

// xmppClient is a session that is logged in. Its reader is a goroutine that
// close waits for.
type xmppClient struct {
	session *xmpp.Session
	conn    net.Conn
	stop    func() bool
	done    chan struct{}
}

// connect logs in. When ctx ends the connection is cut, also later.
func (l *xmppLogin) connect(ctx context.Context) (*xmppClient, error) {
	config, err := l.tlsConfig()
	if err != nil {
		return nil, err
	}
	conn, err := l.dial(ctx)
	if err != nil {
		return nil, fmt.Errorf("cannot connect to the XMPP server: %w; --address HOST:PORT names it when DNS does not", err)
	}
	// mellium does not heed the context while it reads.
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	session, err := l.negotiate(conn, config)
	if err != nil {
		stop()
		_ = conn.Close()
		return nil, l.explainLogin(ctx, err)
	}
	c := &xmppClient{session: session, conn: conn, stop: stop, done: make(chan struct{})}
	go func() {
		defer close(c.done)
		_ = session.Serve(nil) // how it ends does not matter, the answers do
	}()
	return c, nil
}

func (l *xmppLogin) negotiate(conn net.Conn, config *tls.Config) (*xmpp.Session, error) {
	var state xmpp.SessionState
	var features []xmpp.StreamFeature
	encrypted := l.tls != "none"
	switch l.tls {
	case "starttls":
		features = append(features, xmpp.StartTLS(config))
	case "direct":
		conn = tls.Client(conn, config)
		state = xmpp.Secure
	default:
		state = xmpp.Secure // or mellium would not log in; --insecure has allowed it
	}
	features = append(features, xmpp.SASL("", l.password.Reveal(), l.mechanisms(encrypted)...), xmpp.BindResource())
	return xmpp.NewSession(context.Background(), l.account.Domain(), l.account, conn, state,
		xmpp.NewNegotiator(func(*xmpp.Session, *xmpp.StreamConfig) xmpp.StreamConfig {
			return xmpp.StreamConfig{Features: features}
		}))
}

// mechanisms returns how to log in, the best first. The password itself is sent
// over TLS only. Channel binding is left out: ejabberd 23 offers it and then
// refuses the kind that goes with TLS 1.3.
func (l *xmppLogin) mechanisms(encrypted bool) []sasl.Mechanism {
	if l.account.Localpart() == "" {
		return []sasl.Mechanism{sasl.Anonymous}
	}
	if !encrypted {
		return []sasl.Mechanism{sasl.ScramSha256, sasl.ScramSha1}
	}
	return []sasl.Mechanism{sasl.ScramSha256, sasl.ScramSha1, sasl.Plain}
}

func (l *xmppLogin) tlsConfig() (*tls.Config, error) {
	config := &tls.Config{ServerName: l.account.Domainpart(), MinVersion: tls.VersionTLS12, InsecureSkipVerify: l.insecure}
	if l.tls == "direct" {
		config.NextProtos = []string{"xmpp-client"} // XEP-0368 §4
	}
	var err error
	config.RootCAs, err = rootCAs(l.caFile)
	return config, err
}

// rootCAs returns the authorities of the system and those in a file that the flag
// --ca-file names; nil, which means those of the system, without one.
func rootCAs(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("--ca-file: %w", err)
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("--ca-file: %s holds no certificate in PEM form", file)
	}
	return pool, nil
}

// dial connects to the address given, or to where DNS says that the domain's
// server is: its SRV records (RFC 6120 §3.2.1, XEP-0368), else its own name.
func (l *xmppLogin) dial(ctx context.Context) (net.Conn, error) {
	var d net.Dialer
	if l.address != "" {
		return d.DialContext(ctx, "tcp", l.address)
	}
	service, port := "xmpp-client", "5222"
	if l.tls == "direct" {
		service, port = "xmpps-client", "5223"
	}
	domain := l.account.Domainpart()
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
func (l *xmppLogin) explainLogin(ctx context.Context, err error) error {
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
	case l.account.Localpart() == "":
		return fmt.Errorf("cannot log in anonymously at %s: %w; if the server wants accounts, use --jid and --password-file", l.account, err)
	}
	return fmt.Errorf("cannot log in as %s: %w", l.account, err)
}

// ask requests the services in one namespace.
func (c *xmppClient) ask(ctx context.Context, to jid.JID, namespace string) answer {
	start := time.Now()
	services, err := xep0215.Fetch(ctx, c.session, to, xep0215.Request{NS: namespace})
	return answer{namespace: namespace, services: services, err: err, took: time.Since(start)}
}

// close logs out and waits for the reader.
func (c *xmppClient) close() {
	_ = c.conn.SetDeadline(time.Now().Add(time.Second)) // a server that is gone must not hold us
	_ = c.session.Close()
	_ = c.conn.Close()
	c.stop()
	<-c.done
}
