package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/stanza"

	"extdisco/xep0215"
)

func stanzaErr(errType stanza.ErrorType, condition stanza.Condition, texts ...string) error {
	e := stanza.Error{Type: errType, Condition: condition}
	for i := 0; i+1 < len(texts); i += 2 {
		e.Text = map[string]string{texts[i]: texts[i+1]}
	}
	return e
}

// exampleServices are services as a good server answers them.
func exampleServices() []xep0215.Service {
	turn := xep0215.Service{Type: "turn", Host: "turn.example.org", Port: 3478, Transport: "udp", Restricted: true,
		Username: "1795352400:5f9f079fbd8d428d", Password: "efDZHmsYVke5QxS2bnTLxDh5PWM=", Expires: testTime.Add(24 * time.Hour)}
	turns := turn
	turns.Type, turns.Port, turns.Transport = "turns", 5349, "tcp"
	return []xep0215.Service{{Type: "stun", Host: "turn.example.org", Port: 3478, Transport: "udp"}, turn, turns}
}

type answersTest struct {
	name    string
	answers []answer
}

func answersTests() []answersTest {
	good := exampleServices()
	static := xep0215.Service{Type: "turn", Host: "2001:db8::1", Port: 3478, Transport: "tcp", Restricted: true, Username: "alice", Password: "<p&w>", Name: "A relay"}
	faulty := []xep0215.Service{
		{Type: "turn", Host: "turn.example.org", Port: 3478, Transport: "udp"},
		{Type: "stun", Host: "", Transport: "udp"},
		{Type: "stuns", Host: "turn.example.org", Port: 5349, Transport: "udp"},
		{Type: "turn", Host: "turn.example.net", Port: 3478, Restricted: true, Username: "1795233600:a", Password: "b", Expires: testTime.Add(-time.Minute)},
		{Type: "ftp", Host: "files.example.org", Port: 21, Transport: "tcp"},
	}
	forbidden := stanzaErr(stanza.Auth, stanza.Forbidden, "en", "this address is not served here")
	return []answersTest{
		{"both versions", []answer{{xep0215.NS, good, nil, 1234567 * time.Nanosecond}, {xep0215.NS1, good[:1], nil, 12 * time.Millisecond}}},
		{"fixed account", []answer{{xep0215.NS, []xep0215.Service{static}, nil, time.Millisecond}}},
		{"faulty services", []answer{{xep0215.NS, faulty, nil, time.Millisecond}}},
		{"empty list", []answer{{xep0215.NS, nil, nil, time.Millisecond}}},
		{"refused", []answer{{xep0215.NS, nil, forbidden, time.Millisecond}, {xep0215.NS1, nil, errors.New("connection lost"), 0}}},
		{"refused in one version", []answer{{xep0215.NS, nil, forbidden, time.Millisecond}, {xep0215.NS1, good, nil, time.Millisecond}}},
	}
}

// TestPrintAnswers compares with testdata/query/NAME.FORM.
func TestPrintAnswers(t *testing.T) {
	forms := map[string]func(io.Writer, []answer) error{
		"txt":  func(w io.Writer, a []answer) error { return printAnswers(w, "example.org", a, testTime) },
		"json": func(w io.Writer, a []answer) error { return printAnswersJSON(w, "example.org", a, nil) },
		"rtc":  printRTC,
	}
	for _, tt := range answersTests() {
		for form, print := range forms {
			t.Run(tt.name+" "+form, func(t *testing.T) {
				var b strings.Builder
				if err := print(&b, tt.answers); err != nil {
					t.Fatal(err)
				}
				wantEqual(t, "output", b.String(), readFile(t, "testdata/query/"+strings.ReplaceAll(tt.name, " ", "-")+"."+form))
				if err := print(brokenWriter{}, tt.answers[:1]); err == nil && len(tt.answers[0].services) > 0 {
					t.Error("services that cannot be written are no error")
				}
			})
		}
	}
}

func TestExplain(t *testing.T) {
	tests := []struct {
		name string
		err  error
		want string
	}{
		{"service-unavailable", stanzaErr(stanza.Cancel, stanza.ServiceUnavailable),
			"service-unavailable: the server does not know the request; check that it delegates urn:xmpp:extdisco:2 to the component, and that extdisco is connected"},
		{"feature-not-implemented", stanzaErr(stanza.Cancel, stanza.FeatureNotImplemented),
			"feature-not-implemented: the server does not know the request; check that it delegates urn:xmpp:extdisco:2 to the component, and that extdisco is connected"},
		{"forbidden with text", stanzaErr(stanza.Auth, stanza.Forbidden, "en", "not you"),
			"forbidden (not you): this requester is not served; add its domain to access.allow"},
		{"remote-server-timeout", stanzaErr(stanza.Wait, stanza.RemoteServerTimeout),
			"remote-server-timeout: the component is not connected, or has nothing to offer; see the log of extdisco"},
		{"remote-server-not-found with text of no language", stanzaErr(stanza.Cancel, stanza.RemoteServerNotFound, "", "Server-to-server connection failed"),
			"remote-server-not-found (Server-to-server connection failed): the server does not know this address; check the component's name in its configuration"},
		{"resource-constraint", stanzaErr(stanza.Wait, stanza.ResourceConstraint), "resource-constraint: over the limit in [limits]"},
		{"another", stanzaErr(stanza.Cancel, stanza.ItemNotFound), "item-not-found"},
		{"without condition", stanza.Error{}, "an error without a condition"},
		{"wrapped", fmt.Errorf("asking: %w", stanzaErr(stanza.Wait, stanza.ResourceConstraint)), "resource-constraint: over the limit in [limits]"},
		{"deadline", fmt.Errorf("asking: %w", context.DeadlineExceeded),
			"no answer in time; see the logs of the XMPP server and of extdisco, or wait longer with --timeout"},
		{"anything else", errors.New("connection lost"), "connection lost"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			wantEqual(t, "explanation", explain(tt.err), tt.want)
		})
	}
}

func TestFailure(t *testing.T) {
	some := exampleServices()
	forbidden := stanzaErr(stanza.Auth, stanza.Forbidden)
	tests := []struct {
		name    string
		answers []answer
		want    string
	}{
		{"both answered", []answer{{services: some}, {services: some}}, ""},
		{"only the first answered", []answer{{services: some}, {err: forbidden}}, ""},
		{"only the second answered", []answer{{err: forbidden}, {services: some}}, ""},
		{"both refused", []answer{{err: forbidden}, {err: errors.New("another")}},
			"example.org gave no services: forbidden: this requester is not served; add its domain to access.allow"},
		{"both empty", []answer{{}, {}}, "example.org answered with an empty list"},
		{"empty and refused", []answer{{}, {err: forbidden}}, "example.org answered with an empty list"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := ""
			if err := failure(jid.MustParse("example.org"), tt.answers); err != nil {
				got = err.Error()
			}
			wantEqual(t, "failure", got, tt.want)
		})
	}
}

func TestProblems(t *testing.T) {
	good := exampleServices()[1]
	tests := []struct {
		name   string
		change func(*xep0215.Service)
		want   string
	}{
		{"none", func(*xep0215.Service) {}, ""},
		{"none without expiry", func(s *xep0215.Service) { s.Expires = time.Time{} }, ""},
		{"none for STUN", func(s *xep0215.Service) { *s = exampleServices()[0] }, ""},
		{"no username", func(s *xep0215.Service) { s.Username = "" }, "has no username or password; browsers refuse the whole list for it"},
		{"no password", func(s *xep0215.Service) { s.Password = "" }, "has no username or password; browsers refuse the whole list for it"},
		{"no host", func(s *xep0215.Service) { s.Host = "" }, "names no host"},
		{"no port", func(s *xep0215.Service) { s.Port = 0 }, "names no port; several clients drop it"},
		{"no transport", func(s *xep0215.Service) { s.Transport = "" }, "names no transport; several clients drop it"},
		{"turns over udp", func(s *xep0215.Service) { s.Type = "turns" }, "is TLS over udp, which clients cannot use"},
		{"stuns over udp", func(s *xep0215.Service) { s.Type = "stuns" }, "is TLS over udp, which clients cannot use"},
		{"expires now", func(s *xep0215.Service) { s.Expires = testTime }, "has expired; is a clock wrong?"},
		{"expires next", func(s *xep0215.Service) { s.Expires = testTime.Add(time.Second) }, ""},
		{"everything", func(s *xep0215.Service) { *s = xep0215.Service{Type: "turns", Transport: "udp", Expires: testTime} },
			"has no username or password; browsers refuse the whole list for it\nnames no host\nnames no port; several clients drop it\n" +
				"is TLS over udp, which clients cannot use\nhas expired; is a clock wrong?"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := good
			tt.change(&s)
			wantEqual(t, "problems", strings.Join(problems(s, testTime), "\n"), tt.want)
		})
	}
}

func TestRTCIceServers(t *testing.T) {
	stun := xep0215.Service{Type: "stun", Host: "a.example.org", Port: 3478, Transport: "udp"}
	alice := xep0215.Service{Type: "turn", Host: "a.example.org", Port: 3478, Transport: "udp", Username: "alice", Password: "1"}
	bob := xep0215.Service{Type: "turns", Host: "b.example.org", Port: 5349, Transport: "tcp", Username: "bob", Password: "1"}
	with := func(s xep0215.Service, change func(*xep0215.Service)) xep0215.Service {
		change(&s)
		return s
	}
	const aliceTCP = "turn:a.example.org:3478?transport=tcp"
	tests := []struct {
		name     string
		services []xep0215.Service
		want     string
	}{
		{"nothing", nil, ""},
		{"one credential, one entry", []xep0215.Service{alice, with(alice, func(s *xep0215.Service) { s.Transport = "tcp" })},
			"turn:a.example.org:3478?transport=udp " + aliceTCP + " alice 1"},
		{"two credentials", []xep0215.Service{alice, bob}, "turn:a.example.org:3478?transport=udp alice 1\nturns:b.example.org:5349?transport=tcp bob 1"},
		{"the order stays", []xep0215.Service{alice, bob, stun, alice},
			"turn:a.example.org:3478?transport=udp alice 1\nturns:b.example.org:5349?transport=tcp bob 1\nstun:a.example.org:3478  \nturn:a.example.org:3478?transport=udp alice 1"},
		{"the same user with another password", []xep0215.Service{alice, with(alice, func(s *xep0215.Service) { s.Password = "2" })},
			"turn:a.example.org:3478?transport=udp alice 1\nturn:a.example.org:3478?transport=udp alice 2"},
		{"STUN loses a credential", []xep0215.Service{stun, with(stun, func(s *xep0215.Service) { s.Username, s.Password = "alice", "1" })},
			"stun:a.example.org:3478 stun:a.example.org:3478  "},
		{"no port", []xep0215.Service{with(stun, func(s *xep0215.Service) { s.Port = 0 })}, "stun:a.example.org  "},
		{"left out: no username", []xep0215.Service{with(alice, func(s *xep0215.Service) { s.Username = "" })}, ""},
		{"left out: no password", []xep0215.Service{with(alice, func(s *xep0215.Service) { s.Password = "" })}, ""},
		{"left out: no host", []xep0215.Service{with(alice, func(s *xep0215.Service) { s.Host = "" })}, ""},
		{"left out: unknown transport", []xep0215.Service{with(alice, func(s *xep0215.Service) { s.Transport = "tls" })}, ""},
		{"left out: TLS over udp", []xep0215.Service{with(bob, func(s *xep0215.Service) { s.Transport = "udp" })}, ""},
		{"left out: unknown type", []xep0215.Service{with(alice, func(s *xep0215.Service) { s.Type = "ftp" })}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var lines []string
			for _, s := range xep0215.RTCIceServers(tt.services) {
				lines = append(lines, strings.Join(s.URLs, " ")+" "+s.Username+" "+s.Credential)
			}
			wantEqual(t, "list", strings.Join(lines, "\n"), tt.want)
		})
	}
}
