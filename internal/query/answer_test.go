package query

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/stanza"

	"extdisco/internal/testkit"
	"extdisco/xep0215"
)

func stanzaErr(errType stanza.ErrorType, condition stanza.Condition, texts ...string) error {
	e := stanza.Error{Type: errType, Condition: condition}
	for i := 0; i+1 < len(texts); i += 2 {
		e.Text = map[string]string{texts[i]: texts[i+1]}
	}
	return e
}

func TestExplain(t *testing.T) {
	tests := []struct {
		name string
		err  error
		want string
	}{
		{"service-unavailable", stanzaErr(stanza.Cancel, stanza.ServiceUnavailable),
			"service-unavailable: the server does not forward urn:xmpp:extdisco:1; check that it delegates this namespace to the component (Prosody: delegations, or the bridge; ejabberd: mod_delegation), and that extdisco is connected"},
		{"feature-not-implemented", stanzaErr(stanza.Cancel, stanza.FeatureNotImplemented),
			"feature-not-implemented: the server does not forward urn:xmpp:extdisco:1; check that it delegates this namespace to the component (Prosody: delegations, or the bridge; ejabberd: mod_delegation), and that extdisco is connected"},
		{"forbidden with text", stanzaErr(stanza.Auth, stanza.Forbidden, "en", "not you"),
			"forbidden (not you): this requester is not served; add its domain to access.allow"},
		{"forbidden by ejabberd", stanzaErr(stanza.Auth, stanza.Forbidden, "en", deniedByEjabberd),
			"forbidden (Access denied by service policy): ejabberd answers itself; remove mod_stun_disco from its modules, and restart it"},
		{"remote-server-timeout", stanzaErr(stanza.Wait, stanza.RemoteServerTimeout),
			"remote-server-timeout: the component is not connected, or has nothing to offer; see the log of extdisco"},
		{"remote-server-not-found with text of no language", stanzaErr(stanza.Cancel, stanza.RemoteServerNotFound, "", "Server-to-server connection failed"),
			"remote-server-not-found (Server-to-server connection failed): the server does not know this address; check the component's name in its configuration"},
		{"resource-constraint", stanzaErr(stanza.Wait, stanza.ResourceConstraint), "resource-constraint: over a limit; raise it in [limits], or wait"},
		{"another", stanzaErr(stanza.Cancel, stanza.ItemNotFound), "item-not-found"},
		{"without condition", stanza.Error{}, "an error without a condition"},
		{"wrapped", fmt.Errorf("asking: %w", stanzaErr(stanza.Wait, stanza.ResourceConstraint)), "resource-constraint: over a limit; raise it in [limits], or wait"},
		{"deadline", fmt.Errorf("asking: %w", context.DeadlineExceeded),
			"no answer in time; see the logs of the XMPP server and of extdisco, or allow more time with --timeout"},
		{"anything else", errors.New("connection lost"), "connection lost"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			testkit.WantEqual(t, "explanation", Answer{Namespace: xep0215.NS1, Err: tt.err}.Explain(), tt.want)
		})
	}
}

func TestFailure(t *testing.T) {
	some := []xep0215.Service{{Type: "stun", Host: "turn.example.org", Port: 3478, Transport: "udp"}}
	forbidden := stanzaErr(stanza.Auth, stanza.Forbidden)
	const empty = "example.org answered with an empty list. Either the XMPP server answers itself (" + answersItself +
		"), or extdisco has nothing for this requester: \"extdisco check\" shows what it offers"
	tests := []struct {
		name    string
		answers []Answer
		want    string
	}{
		{"both answered", []Answer{{Services: some}, {Services: some}}, ""},
		{"only the first answered", []Answer{{Services: some}, {Err: forbidden}}, ""},
		{"only the second answered", []Answer{{Err: forbidden}, {Services: some}}, ""},
		{"both refused", []Answer{{Err: forbidden}, {Err: errors.New("another")}},
			"example.org gave no services: forbidden: this requester is not served; add its domain to access.allow"},
		{"both empty", []Answer{{}, {}}, empty},
		{"empty and refused", []Answer{{}, {Err: forbidden}}, empty},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := ""
			if err := Failure(jid.MustParse("example.org"), tt.answers); err != nil {
				got = err.Error()
			}
			testkit.WantEqual(t, "failure", got, tt.want)
		})
	}
}
