package xep0215_test

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"mellium.im/xmpp/stanza"

	"extdisco/xep0215"
)

var now = time.Date(2026, 11, 21, 12, 0, 0, 500, time.UTC)

const requester = "juliet@example.org"

// mixedOffer has every kind of service, with credentials that expire, that do
// not, and that nobody needs.
func mixedOffer(t testing.TB) offer {
	return offer{
		xep0215.NewGroup(hourly(), services(t, "stun:turn.example.org", "turn:turn.example.org", "turn:turn.example.org?transport=tcp", "turns:turn.example.org")...),
		xep0215.NewGroup(account("us'er", "p<a>ss&"), services(t, "turn:192.0.2.1:443")...),
		xep0215.NewGroup(nil, services(t, "stun:[2001:db8::1]")...),
	}
}

func answer(t testing.TB, o xep0215.Offer, payload string) (string, error) {
	t.Helper()
	request, err := parse(payload)
	if err != nil {
		t.Fatal(err)
	}
	out, err := xep0215.NewHandler(o).AppendReply([]byte("before"), request, []byte(requester), now)
	text := string(out)
	if !strings.HasPrefix(text, "before") {
		t.Fatalf("what stood in the buffer was changed: %s", text)
	}
	if err != nil && text != "before" {
		t.Errorf("beside the error there is a reply: %s", text)
	}
	return strings.TrimPrefix(text, "before"), err
}

func TestReplyBytes(t *testing.T) {
	const (
		minted = " restricted='1' expires='2026-11-21T13:00:00Z' username='user-of-juliet@example.org' password='password-of-juliet@example.org'/>"
		stun   = "<service type='stun' host='turn.example.org' port='3478' transport='udp'/>"
		udp    = "<service type='turn' host='turn.example.org' port='3478' transport='udp'" + minted
		tcp    = "<service type='turn' host='turn.example.org' port='3478' transport='tcp'" + minted
		tls    = "<service type='turns' host='turn.example.org' port='5349' transport='tcp'" + minted
		fixed  = "<service type='turn' host='192.0.2.1' port='443' transport='udp' restricted='1' username='us&#39;er' password='p&lt;a>ss&amp;'/>"
		stun6  = "<service type='stun' host='2001:db8::1' port='3478' transport='udp'/>"
	)
	for _, ns := range []string{xep0215.NS, xep0215.NS1} {
		tests := []struct{ name, request, want string }{
			{"all services", "<services xmlns='NS'/>", "<services xmlns='NS'>" + stun + udp + tcp + tls + fixed + stun6 + "</services>"},
			{"one type, echoed", "<services xmlns='NS' type='turn'/>", "<services xmlns='NS' type='turn'>" + udp + tcp + fixed + "</services>"},
			{"STUN only", "<services xmlns='NS' type='stun'/>", "<services xmlns='NS' type='stun'>" + stun + stun6 + "</services>"},
			{"unknown type", "<services xmlns='NS' type='ftp'/>", "<services xmlns='NS' type='ftp'></services>"},
			{"credentials by host and type", "<credentials xmlns='NS'><service host='turn.example.org' type='turn'/></credentials>", "<credentials xmlns='NS'>" + udp + tcp + "</credentials>"},
			{"credentials by port", "<credentials xmlns='NS'><service host='192.0.2.1' type='turn' port='443'/></credentials>", "<credentials xmlns='NS'>" + fixed + "</credentials>"},
			{"credentials by transport", "<credentials xmlns='NS'><service host='TURN.example.org.' type='turn' transport='tcp'/></credentials>", "<credentials xmlns='NS'>" + tcp + "</credentials>"},
			{"several, each once, in our order", "<credentials xmlns='NS'><service host='192.0.2.1' type='turn'/><service host='turn.example.org' type='turns'/><service host='turn.example.org' type='turns'/></credentials>",
				"<credentials xmlns='NS'>" + tls + fixed + "</credentials>"},
			{"several, one of them unknown", "<credentials xmlns='NS'><service host='192.0.2.9' type='turn'/><service host='turn.example.org' type='turns'/></credentials>",
				"<credentials xmlns='NS'>" + tls + "</credentials>"},
		}
		for _, tt := range tests {
			t.Run(ns+" "+tt.name, func(t *testing.T) {
				got, err := answer(t, mixedOffer(t), strings.ReplaceAll(tt.request, "NS", ns))
				if err != nil {
					t.Fatal(err)
				}
				if want := strings.ReplaceAll(tt.want, "NS", ns); got != want {
					t.Errorf("reply\n%s\nwant\n%s", got, want)
				}
				readReply(t, []byte(got))
			})
		}
	}
}

func TestReplyErrors(t *testing.T) {
	credentials := func(service string) string {
		return "<credentials xmlns='" + xep0215.NS + "'><service " + service + "/></credentials>"
	}
	all := "<services xmlns='" + xep0215.NS + "'/>"
	down := offer{xep0215.NewGroup(failing(), services(t, "turn:turn.example.org")...)}
	tests := []struct {
		name      string
		offer     xep0215.Offer
		request   string
		errorType stanza.ErrorType
		condition stanza.Condition
	}{
		{"credentials for STUN", mixedOffer(t), credentials("host='turn.example.org' type='stun'"), stanza.Cancel, stanza.ItemNotFound},
		{"a type that is not ours", mixedOffer(t), credentials("host='jitsi' type='short-lived-token'"), stanza.Cancel, stanza.ItemNotFound},
		{"an unknown host", mixedOffer(t), credentials("host='192.0.2.9' type='turn'"), stanza.Cancel, stanza.ItemNotFound},
		{"another port", mixedOffer(t), credentials("host='turn.example.org' type='turn' port='443'"), stanza.Cancel, stanza.ItemNotFound},
		{"nothing on offer", offer{}, all, stanza.Wait, stanza.RemoteServerTimeout},
		{"nothing on offer, unknown type", offer{}, "<services xmlns='" + xep0215.NS + "' type='ftp'/>", stanza.Wait, stanza.RemoteServerTimeout},
		{"nothing on offer, credentials", offer{}, credentials("host='turn.example.org' type='turn'"), stanza.Wait, stanza.RemoteServerTimeout},
		{"no credential to be had", down, all, stanza.Wait, stanza.RemoteServerTimeout},
		{"no credential to be had, asked for", down, credentials("host='turn.example.org' type='turn'"), stanza.Wait, stanza.RemoteServerTimeout},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := answer(t, tt.offer, tt.request)
			if err == nil {
				t.Fatalf("reply %s, want an error", got)
			}
			wantError(t, err, tt.errorType, tt.condition)
		})
	}
}

func TestFailingIssuerCostsOnlyItsTURN(t *testing.T) {
	o := offer{
		xep0215.NewGroup(failing(), services(t, "stun:down.example.org", "turn:down.example.org")...),
		xep0215.NewGroup(hourly(), services(t, "turn:turn.example.org")...),
	}
	got, err := answer(t, o, "<services xmlns='"+xep0215.NS+"'/>")
	if err != nil {
		t.Fatal(err)
	}
	var uris []string
	for _, s := range readReply(t, []byte(got)).Services {
		uris = append(uris, s.URI())
	}
	if want := "stun:down.example.org:3478 turn:turn.example.org:3478?transport=udp"; strings.Join(uris, " ") != want {
		t.Errorf("services %v, want %s", uris, want)
	}
}

func TestTURNNeverWithoutCredential(t *testing.T) {
	for name, credential := range map[string]issuer{"no username": account("", "password"), "no password": account("user", ""), "neither": account("", "")} {
		t.Run(name, func(t *testing.T) {
			o := offer{xep0215.NewGroup(credential, services(t, "stun:turn.example.org", "turn:turn.example.org", "turns:turn.example.org")...)}
			got, err := answer(t, o, "<services xmlns='"+xep0215.NS+"'/>")
			if err != nil {
				t.Fatal(err)
			}
			if r := readReply(t, []byte(got)); len(r.Services) != 1 || r.Services[0].Type != "stun" {
				t.Errorf("services %+v, want STUN only", r.Services)
			}
		})
	}
	t.Run("no issuer", func(t *testing.T) {
		_, err := answer(t, offer{xep0215.NewGroup(nil, services(t, "turn:turn.example.org")...)}, "<services xmlns='"+xep0215.NS+"' type='turn'/>")
		if err != nil {
			wantError(t, err, stanza.Wait, stanza.RemoteServerTimeout)
		}
	})
}

func TestOneCredentialPerGroupAndReply(t *testing.T) {
	issued := 0
	counting := issuer(func(c *xep0215.Credential, requester []byte, now time.Time) error {
		issued++
		return hourly()(c, requester, now)
	})
	o := offer{xep0215.NewGroup(counting, services(t, "stun:turn.example.org", "turn:turn.example.org", "turns:turn.example.org")...)}
	for _, tt := range []struct {
		request string
		want    int
	}{{"<services xmlns='" + xep0215.NS + "'/>", 1}, {"<services xmlns='" + xep0215.NS + "' type='stun'/>", 0}} {
		issued = 0
		if _, err := answer(t, o, tt.request); err != nil {
			t.Fatal(err)
		}
		if issued != tt.want {
			t.Errorf("%s: issued %d times, want %d", tt.request, issued, tt.want)
		}
	}
}

func TestHandlerConcurrently(t *testing.T) {
	h := xep0215.NewHandler(mixedOffer(t))
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			name := fmt.Sprintf("user%d@example.org", i)
			var reply []byte
			for range 200 {
				var err error
				if reply, err = h.AppendReply(reply[:0], xep0215.Request{}, []byte(name), now); err != nil {
					t.Error(err)
					return
				}
				if n := bytes.Count(reply, []byte("'user-of-"+name+"'")); n != 3 {
					t.Errorf("%s is named %d times in %s", name, n, reply)
					return
				}
			}
		})
	}
	all.Wait()
}
