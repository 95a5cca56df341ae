package xep0215_test

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net"
	"reflect"
	"strings"
	"testing"
	"time"

	"mellium.im/xmpp"
	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/stanza"
	"mellium.im/xmpp/stream"

	"extdisco/xep0215"
)

// dialog is a client session, and the other end of its connection.
func dialog(t *testing.T) (*xmpp.Session, net.Conn) {
	t.Helper()
	client, server := net.Pipe()
	ready := func(context.Context, *stream.Info, *stream.Info, *xmpp.Session, any) (xmpp.SessionState, io.ReadWriter, any, error) {
		return xmpp.Ready, nil, nil, nil
	}
	session, err := xmpp.NewSession(context.Background(), jid.MustParse("example.org"), jid.MustParse("juliet@example.org"), client, 0, ready)
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = session.Serve(nil)
	}()
	t.Cleanup(func() {
		client.Close()
		server.Close()
		<-served
	})
	return session, server
}

// request is an IQ as the server reads it.
type request struct {
	ID      string `xml:"id,attr"`
	To      string `xml:"to,attr"`
	Type    string `xml:"type,attr"`
	Payload struct {
		XMLName xml.Name
		Type    string `xml:"type,attr"`
		Inner   string `xml:",innerxml"`
	} `xml:",any"`
}

func TestFetch(t *testing.T) {
	fixed := xep0215.Service{Type: "turn", Host: "192.0.2.1", Port: 443, Transport: "udp", Restricted: true,
		Username: "u", Password: "p", Expires: time.Date(2026, 11, 21, 13, 0, 0, 0, time.UTC)}
	const fixedXML = "<service type='turn' host='192.0.2.1' port='443' transport='udp' restricted='1' username='u' password='p' expires='2026-11-21T13:00:00Z'/>"
	filter := xep0215.Filter{Type: "turn", Host: "192.0.2.1"}
	refused := stanza.Error{Type: stanza.Auth, Condition: stanza.Forbidden}
	tests := []struct {
		name    string
		request xep0215.Request
		asks    string // the payload's name and namespace
		answer  string // everything inside the answer
		want    []xep0215.Service
		err     error
	}{
		{"services", xep0215.Request{}, "services " + xep0215.NS, "<services xmlns='" + xep0215.NS + "'>" + fixedXML + "</services>", []xep0215.Service{fixed}, nil},
		{"version 1", xep0215.Request{NS: xep0215.NS1}, "services " + xep0215.NS1, "<services xmlns='" + xep0215.NS1 + "'>" + fixedXML + "</services>", []xep0215.Service{fixed}, nil},
		{"credentials", xep0215.Request{Credentials: []xep0215.Filter{filter}}, "credentials " + xep0215.NS, "<credentials xmlns='" + xep0215.NS + "'>" + fixedXML + "</credentials>", []xep0215.Service{fixed}, nil},
		{"credentials answered as services", xep0215.Request{Credentials: []xep0215.Filter{filter}}, "credentials " + xep0215.NS, "<services xmlns='" + xep0215.NS + "'>" + fixedXML + "</services>", []xep0215.Service{fixed}, nil},
		{"nothing", xep0215.Request{Type: "turn"}, "services " + xep0215.NS, "<services xmlns='" + xep0215.NS + "'/>", nil, nil},
		{"no payload", xep0215.Request{}, "services " + xep0215.NS, "", nil, nil},
		{"blanks around everything", xep0215.Request{}, "services " + xep0215.NS, "\n <services xmlns='" + xep0215.NS + "'>\n " + fixedXML + "\n</services>\n", []xep0215.Service{fixed}, nil},
		{"payloads of other namespaces", xep0215.Request{}, "services " + xep0215.NS, "<services xmlns='urn:example'><service type='turn' host='evil.example.org'/></services>" +
			"<services xmlns='" + xep0215.NS1 + "'><service type='turn' host='evil.example.org'/></services><services xmlns='" + xep0215.NS + "'>" + fixedXML + "</services>", []xep0215.Service{fixed}, nil},
		{"one odd entry", xep0215.Request{}, "services " + xep0215.NS, "<services xmlns='" + xep0215.NS + "'>" + fixedXML + "<service port='x'><x xmlns='jabber:x:data'/></service></services>", []xep0215.Service{fixed, {}}, nil},
		{"refusal with a text and an echo of the request", xep0215.Request{}, "services " + xep0215.NS, "<error type='wait'><resource-constraint xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>" +
			"<text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>later</text></error><services xmlns='" + xep0215.NS + "'/>", nil, stanza.Error{Type: stanza.Wait, Condition: stanza.ResourceConstraint}},
		{"refusal without a reason", xep0215.Request{}, "services " + xep0215.NS, "<error type='cancel'/>", nil, stanza.Error{Type: stanza.Cancel, Condition: stanza.UndefinedCondition}},
		{"text where an element belongs", xep0215.Request{}, "services " + xep0215.NS, "text", nil, nil},
		{"refusal", xep0215.Request{}, "services " + xep0215.NS, "<error type='auth'><forbidden xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>", nil, refused},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			session, server := dialog(t)
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			asked := make(chan error, 1)
			go func() {
				err := answerOne(server, tt.asks, tt.answer)
				if err != nil {
					cancel() // there is no answer to wait for
				}
				asked <- err
			}()
			got, err := xep0215.Fetch(ctx, session, jid.MustParse("turn.example.org"), tt.request)
			if askErr := <-asked; askErr != nil {
				t.Fatal(askErr)
			}
			if e, ok := err.(stanza.Error); ok && e.Error() == "" {
				t.Error("the refusal has no words")
			}
			if tt.err != nil && !errors.Is(err, tt.err) || tt.err == nil && err != nil {
				t.Fatalf("error %v, want %v", err, tt.err)
			}
			if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("services %+v, want %+v", got, tt.want)
			}
		})
	}
}

// answerOne reads a request and answers it.
func answerOne(server net.Conn, asks, answer string) error {
	var r request
	if err := xml.NewDecoder(server).Decode(&r); err != nil {
		return err
	}
	if got := r.Payload.XMLName.Local + " " + r.Payload.XMLName.Space; got != asks || r.Type != "get" || r.To != "turn.example.org" {
		return fmt.Errorf("asked %+v, want %s", r, asks)
	}
	iqType := "result"
	if strings.HasPrefix(answer, "<error") {
		iqType = "error"
	}
	_, err := fmt.Fprintf(server, "<iq xmlns='jabber:client' type='%s' id='%s' from='turn.example.org' to='juliet@example.org'>%s</iq>", iqType, r.ID, answer)
	return err
}

func TestFetchEndsWithContext(t *testing.T) {
	session, server := dialog(t)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		var r request
		_ = xml.NewDecoder(server).Decode(&r)
		cancel() // the request has arrived, and nobody answers
	}()
	if _, err := xep0215.Fetch(ctx, session, jid.MustParse("turn.example.org"), xep0215.Request{}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want context.Canceled", err)
	}
}
