package xep0215_test

import (
	"reflect"
	"strings"
	"testing"

	"extdisco/xep0215"
)

const (
	askServices    = "<services xmlns='urn:xmpp:extdisco:2'/>"
	askCredentials = "<credentials xmlns='urn:xmpp:extdisco:2'><service host='turn.example.org' type='turn' port='3478' transport='udp'/></credentials>"
)

func TestFastLen(t *testing.T) {
	h := handlerFor(mixedOffer(t))
	tests := []struct {
		name, element string
		fast          bool
	}{
		{"services", askServices, true},
		{"double quotes", `<services xmlns="urn:xmpp:extdisco:2"/>`, true},
		{"end tag", "<services xmlns='urn:xmpp:extdisco:2'></services>", true},
		{"type", "<services type='turns' xmlns='urn:xmpp:extdisco:2'/>", true},
		{"credentials", askCredentials, true},
		{"two credentials", "<credentials xmlns='urn:xmpp:extdisco:2'><service type='turn' host='a.example'></service><service host='b' type='turns'/></credentials>", true},
		{"all credentials", "<credentials xmlns='urn:xmpp:extdisco:2'/>", true},
		{"all credentials, end tag", "<credentials xmlns='urn:xmpp:extdisco:2'></credentials>", true},
		{"host of the outermost letters and digits", "<credentials xmlns='urn:xmpp:extdisco:2'><service type='turn' host='az09-_.az'/></credentials>", true},
		{"large port with zeros", "<credentials xmlns='urn:xmpp:extdisco:2'><service type='turn' host='a' port='50505'/></credentials>", true},
		{"largest port", "<credentials xmlns='urn:xmpp:extdisco:2'><service type='turn' host='a' port='65535'/></credentials>", true},
		{"value without quotes", "<services xmlns=urn:xmpp:extdisco:2/>", false},
		{"empty port", "<credentials xmlns='urn:xmpp:extdisco:2'><service type='turn' host='a' port=''/></credentials>", false},
		{"port of six digits", "<credentials xmlns='urn:xmpp:extdisco:2'><service type='turn' host='a' port='165535'/></credentials>", false},
		{"other version", "<services xmlns='urn:xmpp:extdisco:1'/>", false},
		{"other type", "<services xmlns='urn:xmpp:extdisco:2' type='sfu'/>", false},
		{"type twice", "<services xmlns='urn:xmpp:extdisco:2' type='turn' type='turn'/>", false},
		{"no namespace", "<services/>", false},
		{"namespace twice", "<services xmlns='urn:xmpp:extdisco:2' xmlns='urn:xmpp:extdisco:2'/>", false},
		{"other attribute", "<services xmlns='urn:xmpp:extdisco:2' a='b'/>", false},
		{"blank before the end", "<services xmlns='urn:xmpp:extdisco:2' />", false},
		{"text", "<services xmlns='urn:xmpp:extdisco:2'>a</services>", false},
		{"longer name", "<servicesx xmlns='urn:xmpp:extdisco:2'/>", false},
		{"blanks in credentials", "<credentials xmlns='urn:xmpp:extdisco:2'> </credentials>", false},
		{"language", "<services xmlns='urn:xmpp:extdisco:2' xml:lang='de'/>", false},
		{"no host", "<credentials xmlns='urn:xmpp:extdisco:2'><service type='turn'/></credentials>", false},
		{"empty host", "<credentials xmlns='urn:xmpp:extdisco:2'><service type='turn' host=''/></credentials>", false},
		{"host in capitals", "<credentials xmlns='urn:xmpp:extdisco:2'><service type='turn' host='A'/></credentials>", false},
		{"host with a dot at the end", "<credentials xmlns='urn:xmpp:extdisco:2'><service type='turn' host='a.'/></credentials>", false},
		{"IPv6 host", "<credentials xmlns='urn:xmpp:extdisco:2'><service type='turn' host='2001:db8::1'/></credentials>", false},
		{"no type", "<credentials xmlns='urn:xmpp:extdisco:2'><service host='a'/></credentials>", false},
		{"port 0", "<credentials xmlns='urn:xmpp:extdisco:2'><service host='a' type='turn' port='0'/></credentials>", false},
		{"large port", "<credentials xmlns='urn:xmpp:extdisco:2'><service host='a' type='turn' port='65536'/></credentials>", false},
		{"other transport", "<credentials xmlns='urn:xmpp:extdisco:2'><service host='a' type='turn' transport='sctp'/></credentials>", false},
		{"element inside", "<credentials xmlns='urn:xmpp:extdisco:2'><service host='a' type='turn'><b/></service></credentials>", false},
		{"cut off", askCredentials[:len(askCredentials)-1], false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			want := 0
			if tt.fast {
				want = len(tt.element)
			}
			if got := h.FastLen(xep0215.NS, []byte(tt.element+"</iq>")); got != want {
				t.Errorf("FastLen = %d, want %d", got, want)
			}
		})
	}
}

// An element that is cut off is not for the fast path, wherever that is.
func TestFastLenOfTheBeginning(t *testing.T) {
	h := handlerFor(mixedOffer(t))
	for _, element := range fastRequests(xep0215.NS) {
		for n := range len(element) {
			if got := h.FastLen(xep0215.NS, []byte(element[:n])); got != 0 {
				t.Errorf("FastLen(%q) = %d", element[:n], got)
			}
		}
	}
}

// FuzzFast: what is read from its bytes is answered as what [xep0215.ParseRequest]
// reads.
func FuzzFast(f *testing.F) {
	for _, s := range []string{askServices, askCredentials, "<services xmlns='urn:xmpp:extdisco:1' type='stun'></services>",
		"<credentials xmlns='urn:xmpp:extdisco:1'><service host='stun.example.org'/><service host='x' port='1'/></credentials>",
		`<credentials xmlns="urn:xmpp:extdisco:2"><service host="turn.example.org" type="turns"></service></credentials>`} {
		f.Add(s, true)
		f.Add(s, false)
	}
	for _, ns := range []string{xep0215.NS, xep0215.NS1} {
		for _, s := range fastRequests(ns) {
			f.Add(s, ns == xep0215.NS1)
		}
	}
	h := handlerFor(mixedOffer(f))
	f.Fuzz(func(t *testing.T, payload string, old bool) {
		ns := xep0215.NS
		if old {
			ns = xep0215.NS1
		}
		if n := h.FastLen(ns, []byte(payload)); n > 0 {
			wantSameAnswer(t, h, ns, payload[:n])
		}
	})
}

// wantSameAnswer fails unless the element is answered alike on both paths.
func wantSameAnswer(t *testing.T, h answering, ns, element string) {
	t.Helper()
	fast, fastErr := h.fast(nil, ns, []byte(element), juliet, now)
	request, err := parse(element)
	if err != nil {
		t.Fatalf("%q is no request: %v", element, err)
	}
	slow, slowErr := h.reply(nil, request, juliet, now)
	if string(fast) != string(slow) || !reflect.DeepEqual(fastErr, slowErr) {
		t.Fatalf("%q is answered with %q (%v), not %q (%v)", element, fast, fastErr, slow, slowErr)
	}
}

// fastRequests returns requests of every form that the fast path takes.
func fastRequests(ns string) []string {
	all := []string{"<services xmlns='NS'/>", `<services xmlns="NS"></services>`, "<credentials xmlns='NS'/>", `<credentials xmlns="NS"></credentials>`}
	for _, t := range []string{"stun", "stuns", "turn", "turns"} {
		all = append(all, "<services xmlns='NS' type='"+t+"'/>")
		for _, host := range []string{"turn.example.org", "192.0.2.1", "nowhere.example.org"} {
			for _, rest := range []string{"", " port='3478'", " port='443'", " transport='tcp'", " port='5349' transport='tcp'"} {
				service := "<service type='" + t + "' host='" + host + "'" + rest + "/>"
				all = append(all, "<credentials xmlns='NS'>"+service+"</credentials>",
					"<credentials xmlns='NS'><service host='192.0.2.1' type='turn'></service>"+service+"</credentials>")
			}
		}
	}
	if ns == xep0215.NS1 {
		all = append(all, "<credentials xmlns='NS'><service host='turn.example.org'/></credentials>")
	}
	for i := range all {
		all[i] = strings.ReplaceAll(all[i], "NS", ns)
	}
	return all
}

func TestFastAnswersAlike(t *testing.T) {
	named := service(t, "turn:turn.example.org")
	named.Name, named.Names = "Relay", map[string]string{"de": "Umsetzer"}
	offers := map[string]offer{
		"everything": mixedOffer(t), "nothing": nil,
		"no credential": {xep0215.NewGroup(failing(), services(t, "stun:turn.example.org", "turn:turn.example.org")...)},
		"STUN only":     {xep0215.NewGroup(nil, services(t, "stun:turn.example.org")...)},
		"names":         {xep0215.NewGroup(hourly(), named)},
	}
	for name, o := range offers {
		h := handlerFor(o)
		for _, ns := range []string{xep0215.NS, xep0215.NS1} {
			for _, element := range fastRequests(ns) {
				t.Run(name+" "+element, func(t *testing.T) {
					if n := h.FastLen(ns, []byte(element+"</iq>")); n != len(element) {
						t.Fatalf("FastLen = %d, want %d", n, len(element))
					}
					wantSameAnswer(t, h, ns, element)
				})
			}
		}
	}
}
