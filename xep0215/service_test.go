package xep0215_test

import (
	"encoding/xml"
	"reflect"
	"testing"
	"time"

	"extdisco/xep0215"
)

func TestServiceUnmarshalXML(t *testing.T) {
	noon := time.Date(2026, 8, 24, 12, 0, 0, 0, time.UTC)
	base := xep0215.Service{Type: "turn", Host: "turn.example.org"}
	with := func(change func(*xep0215.Service)) xep0215.Service {
		s := base
		change(&s)
		return s
	}
	expires := func(at time.Time) xep0215.Service {
		return with(func(s *xep0215.Service) { s.Expires = at })
	}
	restricted := with(func(s *xep0215.Service) { s.Restricted = true })
	tests := []struct {
		name, attrs string
		want        xep0215.Service
	}{
		{"type and host alone", ``, base},
		{"everything", `port='3478' transport='udp' restricted='1' username='u' password='p' expires='2026-08-24T12:00:00Z' name='a relay' action='add'`,
			xep0215.Service{Type: "turn", Host: "turn.example.org", Port: 3478, Transport: "udp", Restricted: true,
				Username: "u", Password: "p", Expires: noon, Name: "a relay", Action: "add"}},
		{"smallest port", `port='1'`, with(func(s *xep0215.Service) { s.Port = 1 })},
		{"largest port", `port='65535'`, with(func(s *xep0215.Service) { s.Port = 65535 })},
		{"port zero", `port='0'`, base},
		{"port too large", `port='65536'`, base},
		{"port of 65536 more", `port='69014'`, base},
		{"port that is empty", `port=''`, base},
		{"port that is no number", `port='x'`, base},
		{"port with a fraction", `port='3478.0'`, base},
		{"restricted true", `restricted='true'`, restricted},
		{"restricted 1", `restricted='1'`, restricted},
		{"restricted false", `restricted='false'`, base},
		{"restricted 0", `restricted='0'`, base},
		{"restricted and odd", `restricted='yes'`, base},
		{"restricted and empty", `restricted=''`, base},
		{"expires with a fraction", `expires='2026-08-24T12:00:00.25Z'`, expires(noon.Add(250 * time.Millisecond))},
		{"expires with an offset", `expires='2026-08-24T14:00:00+02:00'`, expires(noon)},
		{"expires without a zone", `expires='2026-08-24T12:00:00'`, base},
		{"expires as a number", `expires='1787572800'`, base},
		{"expires that is empty", `expires=''`, base},
		{"attributes of another namespace", `xmlns:x='urn:example' x:type='stun' x:host='evil.example.org' x:port='1' x:username='u'`, base},
		{"attributes that nobody knows", `ttl='86400' weight='1'`, base},
		{"credentials that are empty", `username='' password=''`, base},
		{"escaped values", `username='&lt;&amp;&#39;' password='&quot;>'`,
			with(func(s *xep0215.Service) { s.Username, s.Password = `<&'`, `">` })},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			doc := `<service type='turn' host='turn.example.org' ` + tt.attrs + `/>`
			got := xep0215.Service{Username: "left over", Port: 7, Restricted: true}
			if err := xml.Unmarshal([]byte(doc), &got); err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("%s\nis %+v,\nwant %+v", doc, got, tt.want)
			}
		})
	}
}

// One odd entry does not cost the list, nor does what stands inside of one.
func TestServiceUnmarshalXMLKeepsTheList(t *testing.T) {
	const doc = `<services xmlns='urn:xmpp:extdisco:2'>
		<service type='turn' host='a.example.org' port='many' expires='soon'>
			<x xmlns='jabber:x:data' type='result'><field var='v'><value>1</value></field></x>
		</service>
		<service/>
		text
		<service type='stun' host='b.example.org'/>
	</services>`
	got := readList(t, doc)
	info := []xep0215.Field{{Var: "v", Values: []string{"1"}}}
	want := []xep0215.Service{{Type: "turn", Host: "a.example.org", Info: info}, {}, {Type: "stun", Host: "b.example.org"}}
	if len(got) != len(want) {
		t.Fatalf("%d services, want %d: %+v", len(got), len(want), got)
	}
	for i := range want {
		if !reflect.DeepEqual(got[i], want[i]) {
			t.Errorf("service %d is %+v, want %+v", i, got[i], want[i])
		}
	}
}

func TestServiceUnmarshalXMLReportsBrokenXML(t *testing.T) {
	var s xep0215.Service
	if err := xml.Unmarshal([]byte(`<service type='turn'><x></service>`), &s); err == nil {
		t.Error("no error for XML that is not well-formed")
	}
}

func readList(t *testing.T, doc string) []xep0215.Service {
	t.Helper()
	var list struct {
		Services []xep0215.Service `xml:"service"`
	}
	if err := xml.Unmarshal([]byte(doc), &list); err != nil {
		t.Fatal(err)
	}
	return list.Services
}

func TestCanonicalHost(t *testing.T) {
	tests := []struct{ name, host, want string }{
		{"name", "turn.example.org", "turn.example.org"},
		{"upper case", "TURN.Example.ORG", "turn.example.org"},
		{"trailing dot", "turn.example.org.", "turn.example.org"},
		{"trailing dots", "turn.example.org..", "turn.example.org"},
		{"dot alone", ".", ""},
		{"nothing", "", ""},
		{"leading dot", ".example.org", ".example.org"},
		{"IPv4", "192.0.2.1", "192.0.2.1"},
		{"IPv4 with a trailing dot", "192.0.2.1.", "192.0.2.1"},
		{"IPv6", "2001:db8::1", "2001:db8::1"},
		{"IPv6 in upper case", "2001:DB8::A", "2001:db8::a"},
		{"IPv6 written out", "2001:0db8:0:0:0:0:0:1", "2001:db8::1"},
		{"IPv6 with two runs of zeros", "2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"},
		{"IPv6 unspecified", "0:0:0:0:0:0:0:0", "::"},
		{"IPv6 in brackets", "[2001:DB8:0::1]", "2001:db8::1"},
		{"IPv6 in brackets with a trailing dot", "[2001:DB8:0::1].", "2001:db8::1"},
		{"IPv6 with a zone", "FE80:0::1%ETH0", "fe80::1%eth0"},
		{"IPv4 in IPv6", "::FFFF:192.0.2.1", "::ffff:192.0.2.1"},
		{"IPv4 in IPv6, in hexadecimal", "::ffff:c000:201", "::ffff:192.0.2.1"},
		{"no IPv6 address", "2001:DB8::XYZ", "2001:db8::xyz"},
		{"name in brackets", "[Turn.example.org]", "[turn.example.org]"},
		{"brackets twice", "[[2001:DB8:0::1]]", "[[2001:db8:0::1]]"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := xep0215.CanonicalHost(tt.host)
			if got != tt.want {
				t.Errorf("CanonicalHost(%q) = %q, want %q", tt.host, got, tt.want)
			}
			if again := xep0215.CanonicalHost(got); again != got {
				t.Errorf("the canonical form of %q is %q", got, again)
			}
		})
	}
}

func TestKeyHasTheCanonicalHost(t *testing.T) {
	s := xep0215.Service{Type: "turn", Host: "TURN.example.org.", Port: 3478, Transport: "udp", Username: "u", Name: "n"}
	want := xep0215.Key{Type: "turn", Host: "turn.example.org", Port: 3478, Transport: "udp"}
	if got := s.Key(); got != want {
		t.Errorf("Key = %+v, want %+v", got, want)
	}
}

func TestNeedsCredentials(t *testing.T) {
	for serviceType, want := range map[string]bool{"turn": true, "turns": true, "stun": false, "stuns": false, "xmpp": false, "": false} {
		if got := xep0215.NeedsCredentials(serviceType); got != want {
			t.Errorf("NeedsCredentials(%q) = %v, want %v", serviceType, got, want)
		}
	}
}
