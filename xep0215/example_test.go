package xep0215_test

import (
	"encoding/xml"
	"fmt"
	"strings"
	"time"

	"extdisco/xep0215"
)

// fixedOffer offers the same to everybody.
type fixedOffer []*xep0215.Group

func (o fixedOffer) Groups([]byte, time.Time) []*xep0215.Group { return o }

// fixedAccount issues the same credential to everybody.
type fixedAccount struct{ username, password string }

func (a fixedAccount) Issue(c *xep0215.Credential, _ []byte, _ time.Time) error {
	c.Username = append(c.Username[:0], a.username...)
	c.Password = append(c.Password[:0], a.password...)
	return nil
}

func ExampleHandler() {
	turn, err := xep0215.ParseURI("turn:turn.example.org?transport=udp")
	if err != nil {
		fmt.Println(err)
		return
	}
	handler := xep0215.NewHandler(fixedOffer{xep0215.NewGroup(fixedAccount{"user", "pass"}, turn)})

	payload := xml.NewDecoder(strings.NewReader("<services xmlns='urn:xmpp:extdisco:2'/>"))
	request, err := xep0215.ParseRequest(payload)
	if err != nil {
		fmt.Println(err)
		return
	}
	reply, err := handler.AppendReply(nil, request, []byte("juliet@example.org"), time.Now())
	fmt.Println(string(reply), err)
	// Output: <services xmlns='urn:xmpp:extdisco:2'><service type='turn' host='turn.example.org' port='3478' transport='udp' restricted='1' username='user' password='pass'/></services> <nil>
}

func ExampleParseURI() {
	s, err := xep0215.ParseURI("turns:turn.example.org")
	fmt.Println(s.Host, s.Port, s.Transport, s.URI(), err)
	// Output: turn.example.org 5349 tcp turns:turn.example.org:5349?transport=tcp <nil>
}
