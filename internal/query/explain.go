package query

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"

	"mellium.im/xmpp/stream"
)

// explainLogin says what a failed login means and what to change.
func (l *Login) explainLogin(ctx context.Context, err error) error {
	var mechanism mechanismError
	var refused refusedError
	switch {
	case ctx.Err() != nil:
		return errors.New("the XMPP server did not finish the login in time; check --address and --tls, or allow more time with --timeout")
	case isCertificate(err):
		return certificateError("the XMPP server", err)
	case errors.As(err, new(stream.Error)):
		return fmt.Errorf("the XMPP server refused the stream: %w; check that it serves %s, and that --address is its port for clients", err, l.Account.Domain())
	case errors.Is(err, errNoSTARTTLS):
		return errors.New("the XMPP server does not offer STARTTLS on this port; give it a certificate, or use --tls direct with --address HOST:5223; in a lab, --tls none --insecure does without encryption")
	case errors.As(err, &mechanism):
		return l.explainMechanisms(mechanism)
	case errors.Is(err, errNoLogin):
		return l.explainMechanisms(mechanismError{})
	case errors.As(err, &refused):
		return l.explainRefusal(err)
	}
	return fmt.Errorf("cannot log in at %s: %w; check --address and --tls", l.Account.Domain(), err)
}

// ErrNotAnonymous is that a domain lets nobody in without an account.
var ErrNotAnonymous = errors.New("cannot log in anonymously")

// explainMechanisms explains that none of the ways to log in can be used.
func (l *Login) explainMechanisms(e mechanismError) error {
	domain := l.Account.Domain()
	switch {
	case len(e.offered) == 0 && !l.encrypted():
		return fmt.Errorf("%s offers no way to log in without encryption; leave out --tls none", domain)
	case len(e.offered) == 0:
		return fmt.Errorf("%s offers no way to log in; check its configuration of authentication", domain)
	case l.anonymous():
		return fmt.Errorf("%w at %s: %w; log in with an account (--jid and --password-file), or name a domain for guests", ErrNotAnonymous, domain, e)
	case slices.Contains(e.offered, "PLAIN"):
		return fmt.Errorf("cannot log in at %s: %w, which would send the password in the clear; use --tls starttls or --tls direct", domain, e)
	case slices.Contains(e.offered, "ANONYMOUS"):
		return fmt.Errorf("cannot log in with an account at %s: %w; leave out --jid and --password-file", domain, e)
	}
	return fmt.Errorf("cannot log in at %s: %w, none of which is supported here; allow SCRAM-SHA-1 or PLAIN for this account", domain, e)
}

// explainRefusal explains that the server did not accept who logs in.
func (l *Login) explainRefusal(err error) error {
	if l.anonymous() {
		return fmt.Errorf("%s refused the anonymous login: %w; log in with an account (--jid and --password-file), or name a domain for guests", l.Account.Domain(), err)
	}
	return fmt.Errorf("cannot log in as %s: %w; check --jid, and the password in --password-file (one line, without quotes)", l.Account, err)
}

// isCertificate reports whether an error is about the certificate of the server.
func isCertificate(err error) bool {
	var unknownCA x509.UnknownAuthorityError
	var wrongName x509.HostnameError
	var invalid x509.CertificateInvalidError
	return errors.As(err, &unknownCA) || errors.As(err, &wrongName) || errors.As(err, &invalid)
}

// certificateError says what to do about a certificate: it is self-signed on a new
// Debian, where Prosody makes one itself.
func certificateError(who string, err error) error {
	var wrongName x509.HostnameError
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, &wrongName):
		return fmt.Errorf("the certificate of %s is for another name: %w; get one for this name, or skip the check with --insecure", who, wrongName)
	case errors.As(err, &invalid):
		return fmt.Errorf("the certificate of %s is not valid: %w; renew it, or skip the check with --insecure", who, invalid)
	}
	return fmt.Errorf("the certificate of %s is not trusted: it is self-signed, or its CA is unknown here; name it with --ca-file (on Debian /etc/prosody/certs/DOMAIN.crt), or skip the check with --insecure", who)
}
