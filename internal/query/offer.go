package query

import (
	"context"
	"encoding/xml"
	"errors"
	"io"
	"slices"
	"strings"

	"mellium.im/sasl"
	"mellium.im/xmpp"
)

// serverOffer is what a server offers before the login. It is noted here because the
// errors of the library do not say.
type serverOffer struct {
	tls bool
}

// What can be wrong with the offer of a server.
var (
	errNoSTARTTLS = errors.New("the server does not offer STARTTLS")
	errNoLogin    = errors.New("the server offers no way to log in")
)

// mechanismError is a server that offers no mechanism that could be used.
type mechanismError struct{ offered []string }

func (e mechanismError) Error() string {
	if len(e.offered) == 0 {
		return errNoLogin.Error()
	}
	return "the server offers " + strings.Join(e.offered, ", ") + " only"
}

// refusedError is a login that the server refused.
type refusedError struct{ err error }

func (e refusedError) Error() string { return e.err.Error() }
func (e refusedError) Unwrap() error { return e.err }

// startTLS fails where STARTTLS is not offered. The library would try regardless.
func (o *serverOffer) startTLS(feature xmpp.StreamFeature) xmpp.StreamFeature {
	parse, negotiate := feature.Parse, feature.Negotiate
	feature.Parse = func(ctx context.Context, d *xml.Decoder, start *xml.StartElement) (bool, any, error) {
		o.tls = true
		return parse(ctx, d, start)
	}
	feature.Negotiate = func(ctx context.Context, s *xmpp.Session, data any) (xmpp.SessionState, io.ReadWriter, error) {
		if !o.tls {
			return 0, nil, errNoSTARTTLS
		}
		return negotiate(ctx, s, data)
	}
	return feature
}

// sasl tells a server without a usable mechanism from one that refuses the login.
func (o *serverOffer) sasl(feature xmpp.StreamFeature, usable []sasl.Mechanism) xmpp.StreamFeature {
	negotiate := feature.Negotiate
	feature.Negotiate = func(ctx context.Context, s *xmpp.Session, data any) (xmpp.SessionState, io.ReadWriter, error) {
		offered, _ := data.([]string)
		if !slices.ContainsFunc(usable, func(m sasl.Mechanism) bool { return slices.Contains(offered, m.Name) }) {
			return 0, nil, mechanismError{offered}
		}
		mask, rw, err := negotiate(ctx, s, data)
		if err != nil {
			err = refusedError{err}
		}
		return mask, rw, err
	}
	return feature
}
