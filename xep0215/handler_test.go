package xep0215_test

import (
	"bytes"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"mellium.im/xmpp/stanza"

	"extdisco/turncred"
	"extdisco/xep0215"
)

var now = time.Date(2026, 11, 21, 12, 0, 0, 500, time.UTC)

const requester = "juliet@example.org"

var juliet = []byte(requester)

// inAnHour is when the credentials of hourly expire, as a client reads it.
var inAnHour = time.Date(2026, 11, 21, 13, 0, 0, 0, time.UTC)

// mixedOffer has every kind of service, with credentials that expire, that do
// not, and that nobody needs.
func mixedOffer(t testing.TB) offer {
	return offer{
		xep0215.NewGroup(hourly(), services(t, "stun:turn.example.org", "turn:turn.example.org", "turn:turn.example.org?transport=tcp", "turns:turn.example.org")...),
		xep0215.NewGroup(account("us'er", "p<a>ss&"), services(t, "turn:192.0.2.1:443")...),
		xep0215.NewGroup(nil, services(t, "stun:[2001:db8::1]")...),
	}
}

// mixedServices is mixedOffer as a client reads it.
func mixedServices(t testing.TB) []xep0215.Service {
	relay := services(t, "turn:turn.example.org", "turn:turn.example.org?transport=tcp", "turns:turn.example.org")
	all := services(t, "stun:turn.example.org")
	for _, s := range relay {
		all = append(all, with(s, "user-of-"+requester, "password-of-"+requester, inAnHour))
	}
	all = append(all, with(service(t, "turn:192.0.2.1:443"), "us'er", "p<a>ss&", time.Time{}))
	return append(all, service(t, "stun:[2001:db8::1]"))
}

// with returns the service with a credential.
func with(s xep0215.Service, username, password string, expires time.Time) xep0215.Service {
	s.Username, s.Password, s.Expires = username, password, expires
	return s
}

func answer(t testing.TB, o offer, payload string) (string, error) {
	t.Helper()
	request, err := parse(payload)
	if err != nil {
		t.Fatal(err)
	}
	out, err := handlerFor(o).reply(append(make([]byte, 0, 4096), "before"...), request, []byte(requester), now)
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
		minted = " restricted='true' expires='2026-11-21T13:00:00Z' username='user-of-juliet@example.org' password='password-of-juliet@example.org'/>"
		stun   = "<service type='stun' host='turn.example.org' port='3478' transport='udp'/>"
		udp    = "<service type='turn' host='turn.example.org' port='3478' transport='udp'" + minted
		tcp    = "<service type='turn' host='turn.example.org' port='3478' transport='tcp'" + minted
		tls    = "<service type='turns' host='turn.example.org' port='5349' transport='tcp'" + minted
		fixed  = "<service type='turn' host='192.0.2.1' port='443' transport='udp' restricted='true' username='us&#39;er' password='p&lt;a>ss&amp;'/>"
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
			{"all credentials", "<credentials xmlns='NS'/>", "<credentials xmlns='NS'>" + udp + tcp + tls + fixed + "</credentials>"},
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
				r, err := parse(strings.ReplaceAll(tt.request, "NS", ns))
				if err != nil {
					t.Fatal(err)
				}
				read := readReply(t, []byte(got))
				if read.XMLName.Space != ns || read.Type != r.Type {
					t.Errorf("a client reads %v of type %q", read.XMLName, read.Type)
				}
				if want := xep0215.Select(mixedServices(t), r); !reflect.DeepEqual(read.Services, want) {
					t.Errorf("a client reads\n%+v, want\n%+v", read.Services, want)
				}
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
	downWithSTUN := offer{xep0215.NewGroup(failing(), services(t, "stun:turn.example.org", "turn:turn.example.org")...)}
	tests := []struct {
		name      string
		offer     offer
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
		{"a group of nothing", offer{xep0215.NewGroup(hourly())}, all, stanza.Wait, stanza.RemoteServerTimeout},
		{"TURN without issuer", offer{xep0215.NewGroup(nil, services(t, "turn:turn.example.org")...)}, all, stanza.Wait, stanza.RemoteServerTimeout},
		{"TURN without issuer, its type", offer{xep0215.NewGroup(nil, services(t, "turn:turn.example.org")...)}, "<services xmlns='" + xep0215.NS + "' type='turn'/>", stanza.Wait, stanza.RemoteServerTimeout},
		{"no credential to be had, its type where STUN is left", downWithSTUN, "<services xmlns='" + xep0215.NS + "' type='turn'/>", stanza.Wait, stanza.RemoteServerTimeout},
		{"no credential to be had, asked for where STUN is left", downWithSTUN, credentials("host='turn.example.org' type='turn'"), stanza.Wait, stanza.RemoteServerTimeout},
		{"no credential to be had, and none asked for that is ours", downWithSTUN, credentials("host='192.0.2.9' type='turn'"), stanza.Cancel, stanza.ItemNotFound},
		{"all credentials where there is STUN only", offer{xep0215.NewGroup(nil, services(t, "stun:turn.example.org")...)}, "<credentials xmlns='" + xep0215.NS + "'/>", stanza.Cancel, stanza.ItemNotFound},
		{"all credentials, and none to be had", downWithSTUN, "<credentials xmlns='" + xep0215.NS + "'/>", stanza.Wait, stanza.RemoteServerTimeout},
		{"all credentials, nothing on offer", offer{}, "<credentials xmlns='" + xep0215.NS + "'/>", stanza.Wait, stanza.RemoteServerTimeout},
		{"credentials where there is STUN only", offer{xep0215.NewGroup(nil, services(t, "stun:turn.example.org")...)}, credentials("host='turn.example.org' type='stun'"), stanza.Cancel, stanza.ItemNotFound},
		{"credential without username", offer{xep0215.NewGroup(account("", "p"), services(t, "turn:h")...)}, all, stanza.Wait, stanza.RemoteServerTimeout},
		{"credential without password", offer{xep0215.NewGroup(account("u", ""), services(t, "turn:h")...)}, all, stanza.Wait, stanza.RemoteServerTimeout},
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

func TestReplyByHostAloneInVersion1(t *testing.T) {
	r, err := parse(`<credentials xmlns='urn:xmpp:extdisco:1'><service host='turn.example.org'/></credentials>`)
	if err != nil {
		t.Fatal(err)
	}
	payload, err := handlerFor(mixedOffer(t)).reply(nil, r, juliet, now)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := readReply(t, payload).Services, mixedServices(t)[1:4]; !reflect.DeepEqual(got, want) {
		t.Errorf("services\n%+v, want\n%+v", got, want)
	}
}

// A request that was not parsed need not name its namespace, and its type is
// escaped.
func TestReplyToARequestMadeByHand(t *testing.T) {
	h := handlerFor(mixedOffer(t))
	payload, err := h.reply(nil, xep0215.Request{Type: `<'">&`}, juliet, now)
	if err != nil {
		t.Fatal(err)
	}
	got := readReply(t, payload)
	if got.XMLName.Space != xep0215.NS || got.Type != `<'">&` || got.Services != nil {
		t.Errorf("a client reads %+v of %s", got, payload)
	}
	credentials := xep0215.Request{Type: "stun", Credentials: []xep0215.Filter{{Host: "192.0.2.1"}}}
	payload, err = h.reply(nil, credentials, juliet, now)
	if err != nil {
		t.Fatal(err)
	}
	if got := readReply(t, payload); got.XMLName.Local != "credentials" || got.Type != "" || len(got.Services) != 1 {
		t.Errorf("a client reads %+v of %s", got, payload)
	}
}

func TestReplyAppends(t *testing.T) {
	h := handlerFor(mixedOffer(t))
	alone, err := h.reply(nil, xep0215.Request{}, juliet, now)
	if err != nil {
		t.Fatal(err)
	}
	for _, room := range []int{0, 100, 4096} {
		dst := append(make([]byte, 0, len("<iq>")+room), "<iq>"...)
		got, err := h.reply(dst, xep0215.Request{}, juliet, now)
		if err != nil {
			t.Fatal(err)
		}
		if want := "<iq>" + string(alone); string(got) != want {
			t.Errorf("with room for %d bytes: %s, want %s", room, got, want)
		}
	}
}

// One provider that is down costs its own TURN services, not its STUN services
// and nothing of the others.
func TestReplyLeavesOutWhatHasNoCredential(t *testing.T) {
	relay := services(t, "stun:down.example.org", "turn:down.example.org", "turns:down.example.org")
	issuers := map[string]xep0215.Issuer{
		"no credential": failing(),
		"no username":   account("", "p"),
		"no password":   account("u", ""),
		"no issuer":     nil,
	}
	for name, broken := range issuers {
		t.Run(name, func(t *testing.T) {
			up := services(t, "stun:up.example.org", "turn:up.example.org")
			h := handlerFor(offer{
				xep0215.NewGroup(account("before", "pw"), up...),
				xep0215.NewGroup(broken, relay...),
				xep0215.NewGroup(account("after", "pw"), up...),
			})
			payload, err := h.reply(nil, xep0215.Request{}, juliet, now)
			if err != nil {
				t.Fatal(err)
			}
			want := []xep0215.Service{
				up[0], with(up[1], "before", "pw", time.Time{}),
				relay[0],
				up[0], with(up[1], "after", "pw", time.Time{}),
			}
			if got := readReply(t, payload).Services; !reflect.DeepEqual(got, want) {
				t.Errorf("services\n%+v, want\n%+v", got, want)
			}
		})
	}
}

// What an issuer does not fill in is empty, not what another issuer left behind,
// perhaps for another requester.
func TestReplyForgetsTheLastCredential(t *testing.T) {
	turn := services(t, "turn:a.example.org", "turn:b.example.org", "turn:c.example.org")
	empty := failing()
	h := handlerFor(offer{
		xep0215.NewGroup(hourly(), turn[0]),
		xep0215.NewGroup(account("u", "p"), turn[1]),
		xep0215.NewGroup(empty, turn[2]),
	})
	payload, err := h.reply(nil, xep0215.Request{}, juliet, now)
	if err != nil {
		t.Fatal(err)
	}
	want := []xep0215.Service{
		with(turn[0], "user-of-juliet@example.org", "password-of-juliet@example.org", inAnHour),
		with(turn[1], "u", "p", time.Time{}),
	}
	if got := readReply(t, payload).Services; !reflect.DeepEqual(got, want) {
		t.Errorf("services\n%+v, want\n%+v", got, want)
	}
}

// An issuer is asked once per group and reply, and not for groups of which
// nothing is sent that needs it.
func TestReplyIssuesOncePerGroup(t *testing.T) {
	relay := services(t, "turn:turn.example.org", "turn:turn.example.org?transport=tcp", "stun:turn.example.org", "turns:turn.example.org")
	tests := []struct {
		name    string
		request xep0215.Request
		want    [2]int // calls for the groups
	}{
		{"all services", xep0215.Request{}, [2]int{1, 1}},
		{"STUN", xep0215.Request{Type: "stun"}, [2]int{0, 0}},
		{"a type that is not on offer", xep0215.Request{Type: "xmpp"}, [2]int{0, 0}},
		{"credentials of one group", xep0215.Request{Credentials: []xep0215.Filter{{Host: "other.example.org"}}}, [2]int{0, 1}},
		{"credentials, asked twice", xep0215.Request{Credentials: []xep0215.Filter{{Host: "turn.example.org"}, {Type: "turn"}}}, [2]int{1, 1}},
		{"credentials of nothing", xep0215.Request{Credentials: []xep0215.Filter{{Host: "nowhere.example.org"}}}, [2]int{0, 0}},
	}
	for _, down := range []bool{false, true} {
		for _, tt := range tests {
			t.Run(fmt.Sprintf("%s, down %v", tt.name, down), func(t *testing.T) {
				var calls [2]int
				count := func(group int) issuer {
					return func(c *turncred.Credential, requester []byte, at time.Time) {
						calls[group]++
						if !bytes.Equal(requester, juliet) || !at.Equal(now) {
							t.Errorf("issue for %q at %v", requester, at)
						}
						if !down {
							account("u", "p")(c, requester, at)
						}
					}
				}
				h := handlerFor(offer{
					xep0215.NewGroup(count(0), relay...),
					xep0215.NewGroup(count(1), service(t, "turn:other.example.org")),
				})
				_, _ = h.reply(nil, tt.request, juliet, now) // which error, other tests say
				if calls != tt.want {
					t.Errorf("Issue was called %v times, want %v", calls, tt.want)
				}
			})
		}
	}
}

func TestReplyEscapes(t *testing.T) {
	const odd = "<a>&'\"\t\r\n]]>" + "zoë\U0001F4DE"
	s := xep0215.Service{Type: "turn", Host: "h" + odd, Port: 3478, Transport: "t" + odd, Name: "n" + odd}
	h := handlerFor(offer{xep0215.NewGroup(account("u"+odd, "p"+odd), s)})
	payload, err := h.reply(nil, xep0215.Request{}, juliet, now)
	if err != nil {
		t.Fatal(err)
	}
	s.Restricted = true
	want := []xep0215.Service{with(s, "u"+odd, "p"+odd, time.Time{})}
	if got := readReply(t, payload).Services; !reflect.DeepEqual(got, want) {
		t.Errorf("a client reads\n%+v, want\n%+v", got, want)
	}
}

func TestReplyExpires(t *testing.T) {
	tests := []struct {
		name    string
		expires time.Time
		want    string
	}{
		{"UTC", inAnHour, ` expires='2026-11-21T13:00:00Z'`},
		{"another zone", inAnHour.In(time.FixedZone("CEST", 7200)), ` expires='2026-11-21T13:00:00Z'`},
		{"a fraction is cut", inAnHour.Add(time.Second - 1), ` expires='2026-11-21T13:00:00Z'`},
		{"the last second that coturn takes", time.Unix(1<<31-1, 0), ` expires='2038-01-19T03:14:07Z'`},
		{"never", time.Time{}, ``},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			until := issuer(func(c *turncred.Credential, requester []byte, now time.Time) {
				c.Expires = tt.expires
				account("u", "p")(c, requester, now)
			})
			h := handlerFor(offer{xep0215.NewGroup(until, service(t, "turn:h"))})
			got, err := h.reply(nil, xep0215.Request{}, juliet, now)
			if err != nil {
				t.Fatal(err)
			}
			want := `<services xmlns='urn:xmpp:extdisco:2'><service type='turn' host='h' port='3478' transport='udp' restricted='true'` +
				tt.want + ` username='u' password='p'/></services>`
			if string(got) != want {
				t.Errorf("reply\n%s, want\n%s", got, want)
			}
		})
	}
}

// Of a service that is offered, only what names it is used.
func TestNewGroupUsesNoCredentialOfTheService(t *testing.T) {
	stun := xep0215.Service{Type: "stun", Host: "h", Restricted: true, Username: "u", Password: "p", Expires: inAnHour, Action: "add"}
	turn := stun
	turn.Type = "turn"
	h := handlerFor(offer{xep0215.NewGroup(account("issued", "pw"), stun, turn)})
	got, err := h.reply(nil, xep0215.Request{}, juliet, now)
	if err != nil {
		t.Fatal(err)
	}
	const want = `<services xmlns='urn:xmpp:extdisco:2'><service type='stun' host='h'/>` +
		`<service type='turn' host='h' restricted='true' username='issued' password='pw'/></services>`
	if string(got) != want {
		t.Errorf("reply\n%s, want\n%s", got, want)
	}
}

// A provider that goes down is noticed, whatever was sent before.
func TestReplyWhenTheIssuerGoesDown(t *testing.T) {
	down := false
	h := handlerFor(offer{xep0215.NewGroup(issuer(func(c *turncred.Credential, requester []byte, now time.Time) {
		if !down {
			hourly()(c, requester, now)
		}
	}), service(t, "turn:h"))})
	for range 20 {
		down = false
		if _, err := h.reply(nil, xep0215.Request{}, juliet, now); err != nil {
			t.Fatal(err)
		}
		down = true
		_, err := h.reply(nil, xep0215.Request{}, juliet, now)
		wantError(t, err, stanza.Wait, stanza.RemoteServerTimeout)
	}
}

func TestHandlerConcurrently(t *testing.T) {
	h := handlerFor(mixedOffer(t))
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			name := fmt.Sprintf("user%d@example.org", i)
			var reply []byte
			for range 200 {
				var err error
				if reply, err = h.reply(reply[:0], xep0215.Request{}, []byte(name), now); err != nil {
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

// A hidden service is not listed, and its credentials can be asked for.
func TestHide(t *testing.T) {
	group := xep0215.NewGroup(hourly(), services(t, "stun:a.example.org", "turn:a.example.org", "turn:b.example.org")...)
	hidden := group.Hide(func(k xep0215.Key) bool { return k.Host == "b.example.org" })
	tests := []struct {
		name, payload string
		group         *xep0215.Group
		want          string // hosts
	}{
		{"list", "<services xmlns='urn:xmpp:extdisco:2'/>", hidden, "a.example.org a.example.org"},
		{"list of a type", "<services xmlns='urn:xmpp:extdisco:2' type='turn'/>", hidden, "a.example.org"},
		{"credentials", "<credentials xmlns='urn:xmpp:extdisco:2'><service host='b.example.org' type='turn'/></credentials>", hidden, "b.example.org"},
		{"all credentials, which is a list", "<credentials xmlns='urn:xmpp:extdisco:2'/>", hidden, "a.example.org"},
		{"the group itself has not changed", "<services xmlns='urn:xmpp:extdisco:2' type='turn'/>", group, "a.example.org b.example.org"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			reply, err := answer(t, offer{tt.group}, tt.payload)
			if err != nil {
				t.Fatal(err)
			}
			var hosts []string
			for _, s := range readReply(t, []byte(reply)).Services {
				hosts = append(hosts, s.Host)
			}
			if got := strings.Join(hosts, " "); got != tt.want {
				t.Errorf("answered %s, want %s", got, tt.want)
			}
		})
	}
	if listed, _ := hidden.Services(juliet, now); len(listed) != 2 || listed[1].Host != "a.example.org" {
		t.Errorf("Services has %+v", listed)
	}
}
