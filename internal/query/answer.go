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

// FirstServices returns the services of the first answer that has any.
func FirstServices(answers []Answer) []xep0215.Service {
	for _, a := range answers {
		if len(a.Services) > 0 {
			return a.Services
		}
	}
	return nil
}

// Failure returns an error when no request was answered with services.
func Failure(to jid.JID, answers []Answer) error {
	var refused error
	for _, a := range answers {
		switch {
		case a.Err == nil && len(a.Services) > 0:
			return nil
		case a.Err == nil && refused == nil:
			return fmt.Errorf("%s answered with an empty list. Either the XMPP server answers itself (%s), or extdisco has nothing for this requester: \"extdisco check\" shows what it offers", to, answersItself)
		case refused == nil:
			refused = fmt.Errorf("%s gave no services: %s", to, a.Explain())
		}
	}
	return refused
}

// Explain says what the error of an answer means and what to change.
func (a Answer) Explain() string {
	var e stanza.Error
	if !errors.As(a.Err, &e) {
		if errors.Is(a.Err, context.DeadlineExceeded) {
			return "no answer in time; see the logs of the XMPP server and of extdisco, or allow more time with --timeout"
		}
		return a.Err.Error()
	}
	said := condition(e)
	switch e.Condition {
	case stanza.ServiceUnavailable, stanza.FeatureNotImplemented:
		return said + ": the server does not forward " + a.Namespace + "; check that it delegates this namespace to the component" +
			" (Prosody: delegations, or the bridge; ejabberd: mod_delegation), and that extdisco is connected"
	case stanza.Forbidden:
		if text(e) == deniedByEjabberd {
			return said + ": ejabberd answers itself; remove mod_stun_disco from its modules, and restart it"
		}
		return said + ": this requester is not served; add its domain to access.allow"
	case stanza.RemoteServerTimeout:
		return said + ": the component is not connected, or has nothing to offer; see the log of extdisco"
	case stanza.RemoteServerNotFound:
		return said + ": the server does not know this address; check the component's name in its configuration"
	case stanza.ResourceConstraint:
		return said + ": over a limit; raise it in [limits], or wait"
	}
	return said
}

// condition returns the condition of an error and the text with it.
func condition(e stanza.Error) string {
	said := cmp.Or(string(e.Condition), "an error without a condition")
	if text := text(e); text != "" {
		said += " (" + text + ")"
	}
	return said
}

// deniedByEjabberd is the text with which mod_stun_disco refuses users that its option
// access does not name.
const deniedByEjabberd = "Access denied by service policy"

// text returns what an error says. Prosody does not name the language of its texts.
func text(e stanza.Error) string { return cmp.Or(e.Text["en"], e.Text[""]) }
