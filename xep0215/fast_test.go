package xep0215_test

import (
	"testing"

	"extdisco/xep0215"
)

const (
	askServices    = "<services xmlns='urn:xmpp:extdisco:2'/>"
	askCredentials = "<credentials xmlns='urn:xmpp:extdisco:2'><service host='turn.example.org' type='turn' port='3478' transport='udp'/></credentials>"
)

func TestFastLen(t *testing.T) {
	h := xep0215.NewHandler(mixedOffer(t))
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
		{"other version", "<services xmlns='urn:xmpp:extdisco:1'/>", false},
		{"other type", "<services xmlns='urn:xmpp:extdisco:2' type='sfu'/>", false},
		{"type twice", "<services xmlns='urn:xmpp:extdisco:2' type='turn' type='turn'/>", false},
		{"no namespace", "<services/>", false},
		{"namespace twice", "<services xmlns='urn:xmpp:extdisco:2' xmlns='urn:xmpp:extdisco:2'/>", false},
		{"other attribute", "<services xmlns='urn:xmpp:extdisco:2' a='b'/>", false},
		{"blank before the end", "<services xmlns='urn:xmpp:extdisco:2' />", false},
		{"text", "<services xmlns='urn:xmpp:extdisco:2'>a</services>", false},
		{"longer name", "<servicesx xmlns='urn:xmpp:extdisco:2'/>", false},
		{"no credentials", "<credentials xmlns='urn:xmpp:extdisco:2'></credentials>", false},
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

// FuzzFast: what is read from its bytes is answered as what [xep0215.ParseRequest]
// reads.
func FuzzFast(f *testing.F) {
	for _, s := range []string{askServices, askCredentials, "<services xmlns='urn:xmpp:extdisco:1' type='stun'></services>",
		"<credentials xmlns='urn:xmpp:extdisco:1'><service host='stun.example.org'/><service host='x' port='1'/></credentials>",
		`<credentials xmlns="urn:xmpp:extdisco:2"><service host="turn.example.org" type="turns"></service></credentials>`} {
		f.Add(s, true)
		f.Add(s, false)
	}
	h := xep0215.NewHandler(mixedOffer(f))
	f.Fuzz(func(t *testing.T, payload string, old bool) {
		ns := xep0215.NS
		if old {
			ns = xep0215.NS1
		}
		n := h.FastLen(ns, []byte(payload))
		if n == 0 {
			return
		}
		fast, fastErr := h.AppendFast(nil, ns, []byte(payload[:n]), juliet, now)
		request, err := parse(payload[:n])
		if err != nil {
			t.Fatalf("%q is no request: %v", payload[:n], err)
		}
		slow, slowErr := h.AppendReply(nil, request, juliet, now)
		if string(fast) != string(slow) || (fastErr == nil) != (slowErr == nil) || fastErr != nil && fastErr.Error() != slowErr.Error() {
			t.Fatalf("%q is answered with %q (%v), not %q (%v)", payload[:n], fast, fastErr, slow, slowErr)
		}
	})
}
