package xep0215_test

import (
	"encoding/xml"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"mellium.im/xmpp/stanza"

	"extdisco/turncred"
	"extdisco/xep0215"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// offer is what everybody is offered at any time.
type offer []*xep0215.Group

// answering is a handler and what it answers from.
type answering struct {
	*xep0215.Handler
	offer offer
}

func handlerFor(o offer) answering { return answering{new(xep0215.Handler), o} }

func (a answering) reply(dst []byte, r xep0215.Request, requester []byte, at time.Time) ([]byte, error) {
	return a.AppendReply(dst, r, xep0215.Offer{Groups: a.offer, Requester: requester, Now: at})
}

func (a answering) fast(dst []byte, ns string, element, requester []byte, at time.Time) ([]byte, error) {
	return a.AppendFast(dst, ns, element, xep0215.Offer{Groups: a.offer, Requester: requester, Now: at})
}

// The issuers of package turncred are issuers here.
var (
	_ xep0215.Issuer = (*turncred.SharedSecret)(nil)
	_ xep0215.Issuer = (*turncred.Static)(nil)
)

// issuer is a function as an [xep0215.Issuer].
type issuer func(c *turncred.Credential, requester []byte, now time.Time)

func (f issuer) Issue(c *turncred.Credential, requester []byte, now time.Time) { f(c, requester, now) }

// failing has no credential.
func failing() issuer {
	return func(*turncred.Credential, []byte, time.Time) {}
}

// account issues a credential that does not expire.
func account(username, password string) issuer {
	return func(c *turncred.Credential, _ []byte, _ time.Time) {
		c.Username = append(c.Username, username...)
		c.Password = append(c.Password, password...)
	}
}

// hourly issues a credential that is valid for an hour and names the requester.
func hourly() issuer {
	return func(c *turncred.Credential, requester []byte, now time.Time) {
		c.Username = append(append(c.Username, "user-of-"...), requester...)
		c.Password = append(append(c.Password, "password-of-"...), requester...)
		c.Expires = now.Add(time.Hour)
	}
}

func parse(payload string) (xep0215.Request, error) {
	return xep0215.ParseRequest(xml.NewDecoder(strings.NewReader(payload)))
}

// service reads an ICE URI.
func service(t testing.TB, uri string) xep0215.Service {
	t.Helper()
	s, err := xep0215.ParseURI(uri)
	if err != nil {
		t.Fatalf("%q %v", uri, err)
	}
	return s
}

func services(t testing.TB, uris ...string) []xep0215.Service {
	t.Helper()
	var all []xep0215.Service
	for _, uri := range uris {
		all = append(all, service(t, uri))
	}
	return all
}

// reply is a reply as a client reads it.
type reply struct {
	XMLName  xml.Name
	Type     string            `xml:"type,attr"`
	Services []xep0215.Service `xml:"service"`
	Rest     []struct {
		XMLName xml.Name
	} `xml:",any"`
}

// readReply reads a whole reply and fails where it is not well-formed or holds
// what a reply never holds: something else than services in the namespace of the
// root, or a TURN service without a credential.
func readReply(t testing.TB, payload []byte) reply {
	t.Helper()
	var r reply
	if err := xml.Unmarshal(payload, &r); err != nil {
		t.Fatalf("the reply is not XML: %v\n%s", err, payload)
	}
	if len(r.Rest) > 0 {
		t.Errorf("the reply holds %v", r.Rest)
	}
	for _, s := range r.Services {
		if s.Type == "" || s.Host == "" {
			t.Errorf("a service without type or host: %+v", s)
		}
		if xep0215.NeedsCredentials(s.Type) && (s.Username == "" || s.Password == "" || !s.Restricted) {
			t.Errorf("a TURN service without credential: %+v", s)
		}
	}
	return r
}

// wantError fails unless err is a stanza error, not wrapped, of that type and
// condition.
func wantError(t testing.TB, err error, errorType stanza.ErrorType, condition stanza.Condition) {
	t.Helper()
	stanzaError, ok := err.(stanza.Error)
	if !ok {
		t.Fatalf("error %v of type %T, want a stanza error %s/%s", err, err, errorType, condition)
	}
	if stanzaError.Type != errorType || stanzaError.Condition != condition {
		t.Errorf("stanza error %s/%s, want %s/%s", stanzaError.Type, stanzaError.Condition, errorType, condition)
	}
}
