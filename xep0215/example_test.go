package xep0215_test

import (
	"encoding/xml"
	"fmt"
	"strings"
	"time"

	"extdisco/turncred"
	"extdisco/xep0215"
)

func ExampleHandler() {
	turn, err := xep0215.ParseURI("turn:turn.example.org?transport=udp")
	if err != nil {
		fmt.Println(err)
		return
	}
	group := xep0215.NewGroup(turncred.NewStatic("user", []byte("pass")), turn)

	payload := xml.NewDecoder(strings.NewReader("<services xmlns='urn:xmpp:extdisco:2'/>"))
	request, err := xep0215.ParseRequest(payload)
	if err != nil {
		fmt.Println(err)
		return
	}
	var handler xep0215.Handler
	reply, err := handler.AppendReply(nil, request, xep0215.Offer{
		Groups: []*xep0215.Group{group}, Requester: []byte("juliet@example.org"), Now: time.Now(),
	})
	fmt.Println(string(reply), err)
	// Output: <services xmlns='urn:xmpp:extdisco:2'><service type='turn' host='turn.example.org' port='3478' transport='udp' restricted='true' username='user' password='pass'/></services> <nil>
}

func ExampleParseURI() {
	s, err := xep0215.ParseURI("turns:turn.example.org")
	fmt.Println(s.Host, s.Port, s.Transport, s.URI(), err)
	// Output: turn.example.org 5349 tcp turns:turn.example.org:5349?transport=tcp <nil>
}
