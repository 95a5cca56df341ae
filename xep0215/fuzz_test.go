package xep0215_test

import (
	"encoding/xml"
	"reflect"
	"strings"
	"testing"

	"mellium.im/xmpp/stanza"

	"extdisco/xep0215"
)

func FuzzParseRequest(f *testing.F) {
	for _, seed := range []string{
		"<services xmlns='urn:xmpp:extdisco:2'/>",
		"<services xmlns='urn:xmpp:extdisco:1' type='turn'>text<a/></services>",
		"<s:services xmlns:s='urn:xmpp:extdisco:2' s:type='x' type='stun'/>",
		"<services xmlns='urn:xmpp:extdisco:2' type=''/>",
		"<credentials xmlns='urn:xmpp:extdisco:2'><service host='a.example' type='turn' port='3478' transport='udp'/></credentials>",
		"<credentials xmlns='urn:xmpp:extdisco:1'><service host='[2001:DB8::1]'/><service host='b.example.' type='turns'/></credentials>",
		"<credentials xmlns='urn:xmpp:extdisco:2'><service type='turn' port='1.5'/></credentials>",
		"<credentials xmlns='urn:xmpp:extdisco:2'><x/><service host='h' type='short-lived-token'><y/></service>",
		"<credentials xmlns='urn:xmpp:extdisco:2'>" + strings.Repeat("<service host='h' type='turn'/>", 101) + "</credentials>",
		"text", "", "<services/>",
	} {
		f.Add(seed)
	}
	h := xep0215.NewHandler(mixedOffer(f))
	f.Fuzz(func(t *testing.T, payload string) {
		request, err := parse(payload)
		if err != nil {
			if e, ok := err.(stanza.Error); !ok || e.Type == "" || e.Condition == "" {
				t.Fatalf("%v is no stanza error", err)
			}
			return
		}
		if request.NS != xep0215.NS && request.NS != xep0215.NS1 || len(request.Credentials) > xep0215.MaxFilters {
			t.Fatalf("accepted %+v", request)
		}
		again, err := xep0215.ParseRequest(request.TokenReader())
		if err != nil || !reflect.DeepEqual(again, request) {
			t.Fatalf("%+v came back as %+v, %v", request, again, err)
		}
		reply, err := h.AppendReply(nil, request, []byte(requester), now)
		if err == nil {
			readReply(t, reply)
		}
	})
}

func FuzzParseURI(f *testing.F) {
	for _, seed := range []string{
		"stun:example.org", "stuns:example.org:443", "turn:example.org?transport=udp", "TURN:EXAMPLE.org.:1?transport=TCP",
		"turns:[2001:db8::1]:5349?transport=tcp", "turns:example.org?transport=udp", "turn:[::ffff:192.0.2.1]", "turn:", "turn://h", "stun:h?x",
		"turn:a@b", "turn:h:0", "turn:h:65536", "turn:h:+1", "turn:[fe80::1%25eth0]", "turn:a..b", "http://h", "turn:h?transport=", "\x00", "turn:h:1:2",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, uri string) {
		s, err := xep0215.ParseURI(uri)
		if err != nil {
			return
		}
		if s.Host == "" || s.Port == 0 || s.Transport != "udp" && s.Transport != "tcp" || s.Restricted != xep0215.NeedsCredentials(s.Type) {
			t.Fatalf("%q gives %+v", uri, s)
		}
		again, err := xep0215.ParseURI(s.URI())
		if err != nil || again != s {
			t.Fatalf("%q gives %+v, whose URI %q gives %+v, %v", uri, s, s.URI(), again, err)
		}
		if xep0215.CanonicalHost(xep0215.CanonicalHost(s.Host)) != xep0215.CanonicalHost(s.Host) {
			t.Fatalf("the canonical form of %q is not canonical", s.Host)
		}
		var text strings.Builder
		if err := xml.EscapeText(&text, []byte(s.Host)); err != nil || text.String() != s.Host {
			t.Fatalf("host %q needs escaping", s.Host)
		}
	})
}
