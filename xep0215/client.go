package xep0215

import (
	"context"
	"encoding/xml"
	"fmt"

	"mellium.im/xmpp"
	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/stanza"
)

// Fetch asks the entity at to, usually the domain of the account or a component,
// and returns the services of its answer in their order. The session must be
// served ([xmpp.Session.Serve]) meanwhile. If the entity refuses, the error is a
// [stanza.Error]. Anything in the answer that is not in the namespace of the
// request is ignored. Give ctx a deadline: Fetch does not notice the end of the
// stream.
func Fetch(ctx context.Context, session *xmpp.Session, to jid.JID, r Request) (services []Service, err error) {
	response, err := session.SendIQElement(ctx, r.TokenReader(), stanza.IQ{Type: stanza.GetIQ, To: to, Lang: r.Lang})
	if err != nil {
		return nil, err
	}
	defer func() {
		if closeErr := response.Close(); err == nil {
			err = closeErr
		}
	}()
	var answer struct {
		XMLName  xml.Name      `xml:"iq"`
		Type     stanza.IQType `xml:"type,attr"`
		Error    stanza.Error  `xml:"error"`
		Payloads []struct {
			XMLName  xml.Name
			Services []Service `xml:"service"`
		} `xml:",any"`
	}
	if err := xml.NewTokenDecoder(response).Decode(&answer); err != nil {
		return nil, fmt.Errorf("the answer cannot be read: %w", err)
	}
	if answer.Type == stanza.ErrorIQ {
		if answer.Error.Condition == "" {
			answer.Error.Condition = stanza.UndefinedCondition // RFC 6120 §8.3.2 wants one
		}
		return nil, answer.Error
	}
	for _, p := range answer.Payloads {
		// ejabberd before 24.12 answers a request for credentials with a services
		// element, so the name does not matter.
		if p.XMLName.Space == r.namespace() {
			services = append(services, p.Services...)
		}
	}
	return services, nil
}
