package report

import (
	"errors"
	"flag"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"extdisco/internal/query"

	"go.uber.org/goleak"
	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/stanza"

	"extdisco/internal/testkit"
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
		Username: "1795352400:5f9f079fbd8d428d", Password: "efDZHmsYVke5QxS2bnTLxDh5PWM=", Expires: testkit.Time.Add(24 * time.Hour)}
	turns := turn
	turns.Type, turns.Port, turns.Transport = "turns", 5349, "tcp"
	return []xep0215.Service{{Type: "stun", Host: "turn.example.org", Port: 3478, Transport: "udp"}, turn, turns}
}

// described returns services with a name and extended information on the first relay.
func described(services []xep0215.Service) []xep0215.Service {
	out := slices.Clone(services)
	out[1].Name = "Relay"
	out[1].Info = []xep0215.Field{{Var: "FORM_TYPE", Type: "hidden", Values: []string{"urn:example:relay"}}, {Var: "operators", Type: "text-multi", Values: []string{"Alice", "Bob"}}, {Var: "empty"}}
	return out
}

type answersTest struct {
	name    string
	answers []query.Answer
}

func answersTests() []answersTest {
	good := exampleServices()
	static := xep0215.Service{Type: "turn", Host: "2001:db8::1", Port: 3478, Transport: "tcp", Restricted: true, Username: "alice", Password: "<p&w>", Name: "A relay"}
	faulty := []xep0215.Service{
		{Type: "turn", Host: "turn.example.org", Port: 3478, Transport: "udp"},
		{Type: "stun", Host: "", Transport: "udp"},
		{Type: "stuns", Host: "turn.example.org", Port: 5349, Transport: "udp"},
		{Type: "turn", Host: "turn.example.net", Port: 3478, Restricted: true, Username: "1795233600:a", Password: "b", Expires: testkit.Time.Add(-time.Minute)},
		{Type: "ftp", Host: "files.example.org", Port: 21, Transport: "tcp"},
	}
	forbidden := stanzaErr(stanza.Auth, stanza.Forbidden, "en", "this address is not served here")
	return []answersTest{
		{"both versions", []query.Answer{{Namespace: xep0215.NS, Services: good, Err: nil, Took: 1234567 * time.Nanosecond}, {Namespace: xep0215.NS1, Services: good[:1], Err: nil, Took: 12 * time.Millisecond}}},
		{"fixed account", []query.Answer{{Namespace: xep0215.NS, Services: []xep0215.Service{static}, Took: time.Millisecond}}},
		{"names and information", []query.Answer{{Namespace: xep0215.NS, Services: described(good), Took: time.Millisecond}}},
		{"faulty services", []query.Answer{{Namespace: xep0215.NS, Services: faulty, Err: nil, Took: time.Millisecond}}},
		{"empty list", []query.Answer{{Namespace: xep0215.NS, Services: nil, Err: nil, Took: time.Millisecond}}},
		{"refused", []query.Answer{{Namespace: xep0215.NS, Services: nil, Err: forbidden, Took: time.Millisecond}, {Namespace: xep0215.NS1, Services: nil, Err: errors.New("connection lost"), Took: 0}}},
		{"refused in one version", []query.Answer{{Namespace: xep0215.NS, Services: nil, Err: forbidden, Took: time.Millisecond}, {Namespace: xep0215.NS1, Services: good, Err: nil, Took: time.Millisecond}}},
	}
}

// TestPrintAnswers compares with testdata/query/NAME.FORM.
func TestPrintAnswers(t *testing.T) {
	forms := map[string]func(io.Writer, []query.Answer) error{
		"txt":  func(w io.Writer, a []query.Answer) error { return Answers(w, "example.org", a, nil, testkit.Time) },
		"json": func(w io.Writer, a []query.Answer) error { return AnswersJSON(w, "example.org", a, nil, nil) },
		"rtc":  func(w io.Writer, a []query.Answer) error { return RTC(w, query.FirstServices(a)) },
	}
	for _, tt := range answersTests() {
		for form, print := range forms {
			t.Run(tt.name+" "+form, func(t *testing.T) {
				var b strings.Builder
				if err := print(&b, tt.answers); err != nil {
					t.Fatal(err)
				}
				wantGolden(t, b.String(), "testdata/query/"+strings.ReplaceAll(tt.name, " ", "-")+"."+form)
				if err := print(brokenWriter{}, tt.answers[:1]); err == nil && len(tt.answers[0].Services) > 0 {
					t.Error("services that cannot be written are no error")
				}
			})
		}
	}
}

// TestPrintPush compares with testdata/query/pushed-NAME.FORM.
func TestPrintPush(t *testing.T) {
	asked := []query.Answer{{Namespace: xep0215.NS, Services: exampleServices(), Took: time.Millisecond}}
	room := jid.MustParse("test@conference.example.org")
	push := func(services []xep0215.Service, err error) *query.Push {
		return &query.Push{Room: room, From: "metadata.example.org", Services: services, Err: err, Took: 12 * time.Millisecond}
	}
	other := exampleServices()[:2]
	other[0].Host = "stun.example.net"
	for name, p := range map[string]*query.Push{
		"the same": push(exampleServices(), nil), "others": push(other, nil), "nothing": {Room: room, Err: errors.New("nothing was pushed")},
		"ignored": push(exampleServices(), errors.New("Jitsi Meet ignores it")),
	} {
		t.Run(name, func(t *testing.T) {
			var text, document strings.Builder
			err := errors.Join(Answers(&text, "example.org", asked, p, testkit.Time), AnswersJSON(&document, "example.org", asked, p, nil))
			if err != nil {
				t.Fatal(err)
			}
			file := "testdata/query/pushed-" + strings.ReplaceAll(name, " ", "-")
			wantGolden(t, text.String(), file+".txt")
			wantGolden(t, document.String(), file+".json")
		})
	}
}

func TestFromNow(t *testing.T) {
	for d, want := range map[time.Duration]string{
		24 * time.Hour: "in 24h", 24*time.Hour - 4*time.Second: "in 24h", 90 * time.Minute: "in 1h30m", 5 * time.Minute: "in 5m",
		90*time.Second + 400*time.Millisecond: "in 1m30s", 0: "in 0s", -time.Minute: "1m ago", -26 * time.Hour: "26h ago",
	} {
		testkit.WantEqual(t, d.String(), fromNow(d), want)
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
		{"expires now", func(s *xep0215.Service) { s.Expires = testkit.Time }, "has expired; is a clock wrong?"},
		{"expires next", func(s *xep0215.Service) { s.Expires = testkit.Time.Add(time.Second) }, ""},
		{"everything", func(s *xep0215.Service) { *s = xep0215.Service{Type: "turns", Transport: "udp", Expires: testkit.Time} },
			"has no username or password; browsers refuse the whole list for it\nnames no host\nnames no port; several clients drop it\n" +
				"is TLS over udp, which clients cannot use\nhas expired; is a clock wrong?"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := good
			tt.change(&s)
			testkit.WantEqual(t, "problems", strings.Join(problems(s, testkit.Time), "\n"), tt.want)
		})
	}
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, errors.New("no space left") }

func readFile(t testing.TB, file string) string {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

var update = flag.Bool("update", false, "write the golden files of testdata")

// wantGolden compares with a file, or writes it.
func wantGolden(t *testing.T, got, file string) {
	t.Helper()
	if *update {
		testkit.WriteFile(t, file, got)
	}
	testkit.WantEqual(t, file, got, readFile(t, file))
}

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
