package xep0215_test

import (
	"net/netip"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"mellium.im/xmpp/stanza"

	"extdisco/internal/xmltext"
	"extdisco/turncred"
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
		"<credentials xmlns='urn:xmpp:extdisco:1'><service host='.'/></credentials>",
		"<credentials xmlns='urn:xmpp:extdisco:2'><service host='a..' type='turn'/><service host='[FE80:0::1.' type='turns'/></credentials>",
		"<credentials xmlns='urn:xmpp:extdisco:2'><service host='&lt;&#39;&quot;&amp;&#9;&#10;' type='turn' port='065535' transport='größe'/></credentials>",
		"<credentials xmlns='urn:xmpp:extdisco:2'/>",
		"<credentials xmlns='urn:xmpp:extdisco:1' xml:lang='de'> <x/> </credentials>",
		"<?xml version='1.0'?><services xmlns='urn:xmpp:extdisco:2'/>",
		"text", "", "<services/>",
	} {
		f.Add(seed)
	}
	h := handlerFor(mixedOffer(f))
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
		wantRoundTrip(t, request)
		reply, err := h.reply(nil, request, []byte(requester), now)
		if err == nil {
			readReply(t, reply)
		} else {
			wantError(t, err, stanza.Cancel, stanza.ItemNotFound) // something is always on offer
		}

		// An offer of just what is asked for, with what the requester sent in
		// the credential.
		var asked []xep0215.Service
		for _, f := range request.Credentials {
			if f == (xep0215.Filter{}) { // everything
				f.Host = "h"
			}
			s := xep0215.Service{Type: f.Type, Host: f.Host, Port: f.Port, Transport: f.Transport}
			if s.Type == "" {
				s.Type = xep0215.TypeTURN
			}
			if xep0215.NeedsCredentials(s.Type) {
				s.Restricted = true
				asked = append(asked, with(s, payload, payload, inAnHour))
			}
		}
		if len(asked) == 0 {
			return
		}
		echo := issuer(func(c *turncred.Credential, requester []byte, now time.Time) {
			c.Expires = inAnHour
			account(payload, payload)(c, requester, now)
		})
		reply, err = handlerFor(offer{xep0215.NewGroup(echo, asked...)}).reply(nil, request, []byte(payload), now)
		if err != nil {
			t.Fatalf("%+v: %v", request, err)
		}
		if got := readReply(t, reply).Services; xmltext.IsValid(payload) && !reflect.DeepEqual(got, asked) {
			t.Fatalf("a client reads\n%+v, want\n%+v", got, asked)
		}
	})
}

// validHost is a host name or IPv4 address.
var validHost = regexp.MustCompile(`^[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*$`)

func FuzzParseURI(f *testing.F) {
	for _, seed := range []string{
		"stun:example.org", "stuns:example.org:443", "turn:example.org?transport=udp", "TURN:EXAMPLE.org.:1?transport=TCP",
		"turns:[2001:db8::1]:5349?transport=tcp", "turns:example.org?transport=udp", "turn:[::ffff:192.0.2.1]", "turn:", "turn://h", "stun:h?x",
		"turn:a@b", "turn:h:0", "turn:h:65536", "turn:h:+1", "turn:[fe80::1%25eth0]", "turn:a..b", "http://h", "turn:h?transport=", "\x00", "turn:h:1:2",
		"turn:192.0.2.256", "turn:1.2.3.4.", "turn:.", "turn:[::1", "turn:[1.2.3.4]", "turn:[FE80:0::1]x:1", "turn:münchen", "turn:a\nb", "turn:h?Transport=udp&x",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, uri string) {
		s, err := xep0215.ParseURI(uri)
		if err != nil {
			if !reflect.DeepEqual(s, xep0215.Service{}) || strings.ContainsAny(err.Error(), "\r\n") || len(err.Error()) > 500 {
				t.Fatalf("%q gives %+v and %v", uri, s, err)
			}
			return
		}
		if s.Host == "" || s.Port == 0 || s.Transport != "udp" && s.Transport != "tcp" || s.Restricted != xep0215.NeedsCredentials(s.Type) {
			t.Fatalf("%q gives %+v", uri, s)
		}
		again, err := xep0215.ParseURI(s.URI())
		if err != nil || !reflect.DeepEqual(again, s) {
			t.Fatalf("%q gives %+v, whose URI %q gives %+v, %v", uri, s, s.URI(), again, err)
		}
		canonical := xep0215.CanonicalHost(s.Host)
		if xep0215.CanonicalHost(canonical) != canonical || s.Key().Host != canonical {
			t.Fatalf("the canonical form of %q is not canonical", s.Host)
		}
		if !validHost.MatchString(s.Host) || len(s.Host) > 253 {
			if ip, err := netip.ParseAddr(s.Host); err != nil || !ip.Is6() || ip.Zone() != "" || s.Host != canonical {
				t.Fatalf("host %q is neither name nor address", s.Host)
			}
		}
	})
}
