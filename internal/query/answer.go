package query

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"extdisco/xep0215"

	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/stanza"
)

// Answer is what an entity said to a request in one namespace.
type Answer struct {
	Namespace string
	Services  []xep0215.Service
	Err       error
	Took      time.Duration
}

// Failure returns an error when no request was answered with services.
func Failure(to jid.JID, answers []Answer) error {
	for _, a := range answers {
		if a.Err == nil && len(a.Services) > 0 {
			return nil
		}
	}
	if err := answers[0].Err; err != nil {
		return fmt.Errorf("%s gave no services: %s", to, Explain(err))
	}
	return fmt.Errorf("%s answered with an empty list", to)
}

// Explain says what an error means and what to change.
func Explain(err error) string {
	var e stanza.Error
	if !errors.As(err, &e) {
		if errors.Is(err, context.DeadlineExceeded) {
			return "no answer in time; see the logs of the XMPP server and of extdisco, or wait longer with --timeout"
		}
		return err.Error()
	}
	said := cmp.Or(string(e.Condition), "an error without a condition")
	// Prosody does not say in which language its texts are.
	if text := cmp.Or(e.Text["en"], e.Text[""]); text != "" {
		said += " (" + text + ")"
	}
	switch e.Condition {
	case stanza.ServiceUnavailable, stanza.FeatureNotImplemented:
		return said + ": the server does not know the request; check that it delegates urn:xmpp:extdisco:2 to the component, and that extdisco is connected"
	case stanza.Forbidden:
		return said + ": this requester is not served; add its domain to access.allow"
	case stanza.RemoteServerTimeout:
		return said + ": the component is not connected, or has nothing to offer; see the log of extdisco"
	case stanza.RemoteServerNotFound:
		return said + ": the server does not know this address; check the component's name in its configuration"
	case stanza.ResourceConstraint:
		return said + ": over the limit in [limits]"
	}
	return said
}
