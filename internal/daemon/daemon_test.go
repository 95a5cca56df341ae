package daemon

import (
	"encoding/xml"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"mellium.im/xmpp/stanza"

	"extdisco/component"
	"extdisco/internal/testkit"
	"extdisco/turncred"
)

const accessConfig = testkit.MinimalConfig + `
[access]
allow = ["example.org", "guest.example.org", "alice@example.net"]
`

func TestAdmitAccess(t *testing.T) {
	tests := []struct {
		name, requester string
		want            error
	}{
		{"user of an allowed domain", "juliet@example.org", nil},
		{"user of another allowed domain", "5f9f079f@guest.example.org", nil},
		{"allowed domain itself", "example.org", nil},
		{"allowed bare JID", "alice@example.net", nil},
		{"another user there", "bob@example.net", errNotAllowed},
		{"domain of an allowed bare JID", "example.net", errNotAllowed},
		{"outsider", "mallory@example.com", errNotAllowed},
		{"domain that ends like an allowed one", "mallory@notexample.org", errNotAllowed},
		{"domain below an allowed one", "mallory@sub.example.org", errNotAllowed},
		{"domain that begins like an allowed one", "mallory@example.org.example.com", errNotAllowed},
		{"allowed domain before a second @", "mallory@example.org@example.com", errNotAllowed},
		{"nobody", "", errNotAllowed},
	}
	d, _ := newTestDaemon(t, accessConfig)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := admit(d, []byte(tt.requester), testkit.Time); !sameError(err, tt.want) {
				t.Errorf("Admit(%q) = %v, want %v", tt.requester, err, tt.want)
			}
		})
	}
}

func sameError(got, want error) bool {
	if got == nil || want == nil {
		return got == want
	}
	var g, w stanza.Error
	return errors.As(got, &g) && errors.As(want, &w) && g.Type == w.Type && g.Condition == w.Condition
}

func TestAdmitLimits(t *testing.T) {
	d, _ := newTestDaemon(t, accessConfig+"[limits]\nper_jid = \"2/m\"\ntotal = \"5/m\"\n")
	steps := []struct {
		name, requester string
		after           time.Duration
		want            error
	}{
		{"first", "juliet@example.org", 0, nil},
		{"second", "juliet@example.org", 0, nil},
		{"third is over the limit of the JID", "juliet@example.org", 0, errTooMany},
		{"an outsider is told so and counts for nothing", "mallory@example.com", 0, errNotAllowed},
		{"another JID has its own", "romeo@example.org", 0, nil},
		{"and its second", "romeo@example.org", 0, nil},
		{"the last of all", "nurse@example.org", 0, nil},
		{"over the total", "tybalt@example.org", 0, errTooMany},
		{"one got free", "tybalt@example.org", 13 * time.Second, nil},
		{"all got free", "juliet@example.org", 2 * time.Minute, nil},
	}
	for _, tt := range steps { // in this order
		if err := admit(d, []byte(tt.requester), testkit.Time.Add(tt.after)); !sameError(err, tt.want) {
			t.Fatalf("%s: Admit(%s) = %v, want %v", tt.name, tt.requester, err, tt.want)
		}
	}
}

func TestAdmitLimitsPerDomain(t *testing.T) {
	d, log := newTestDaemon(t, accessConfig+"[limits]\nper_jid = \"2/m\"\nper_domain = \"3/m\"\n")
	for i, tt := range []struct {
		requester string
		want      error
	}{
		{"a@guest.example.org", nil},
		{"a@guest.example.org", nil},
		{"a@guest.example.org", errTooMany},
		{"b@guest.example.org", nil}, // what per_jid refused did not count
		{"c@guest.example.org", errTooMany},
		{"juliet@example.org", nil},
		{"alice@example.net", nil},
	} {
		if err := admit(d, []byte(tt.requester), testkit.Time); !sameError(err, tt.want) {
			t.Fatalf("request %d: Admit(%s) = %v, want %v", i, tt.requester, err, tt.want)
		}
	}
	for _, want := range []string{"limit=per_jid requester=a@", "limit=per_domain requester=c@"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log does not say %q", want)
		}
	}
}

// An anonymous domain makes a new address for each visit.
func TestAdmitMillionAddresses(t *testing.T) {
	d := quietDaemon(t, accessConfig+"[limits]\nper_jid = \"3/m\"\nper_domain = \"500000/h\"\n")
	for i := range 4 {
		if err := admit(d, []byte("abuser@example.org"), testkit.Time); (err != nil) != (i == 3) {
			t.Fatalf("request %d of one address: %v", i, err)
		}
	}
	before := heapInUse()
	var admitted, refused int
	requester := make([]byte, 0, 64)
	for i := range 1_000_000 {
		now := testkit.Time.Add(time.Duration(i) * 10 * time.Microsecond) // ten seconds in all
		requester = fmt.Appendf(requester[:0], "%x@guest.example.org", i)
		if admit(d, requester, now) == nil {
			admitted++
		} else {
			refused++
		}
	}
	if admitted < 500_000 || admitted > 502_000 {
		t.Errorf("%d of a million were admitted, %d refused; the domain has 500000", admitted, refused)
	}
	if grown := heapInUse() - before; grown > 1<<20 {
		t.Errorf("a million addresses took %d bytes", grown)
	}
	if err := admit(d, []byte("abuser@example.org"), testkit.Time.Add(10*time.Second)); !sameError(err, errTooMany) {
		t.Errorf("who was over the limit was forgotten among the others: %v", err)
	}
}

func heapInUse() int64 {
	var stats runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}

func TestAdmitAllocatesNothing(t *testing.T) {
	for name, rate := range map[string]string{"within the limits": "1000000/s", "over a limit": "1/h"} {
		t.Run(name, func(t *testing.T) {
			d := quietDaemon(t, accessConfig+fmt.Sprintf("[limits]\nper_jid = \"1000000/s\"\nper_domain = %q\ntotal = \"1000000/s\"\n", rate))
			requester := []byte("juliet@example.org")
			if n := testing.AllocsPerRun(100, func() { _ = admit(d, requester, testkit.Time) }); n != 0 {
				t.Errorf("%v allocations per request", n)
			}
		})
	}
}

func TestAdmitErrorsSayWhatIsWrong(t *testing.T) {
	for want, err := range map[string]error{"auth/forbidden": errNotAllowed, "wait/resource-constraint": errTooMany} {
		t.Run(want, func(t *testing.T) {
			err := err.(stanza.Error)
			if got := string(err.Type) + "/" + string(err.Condition); got != want || err.Text["en"] == "" {
				t.Errorf("%s %q", got, err.Text["en"])
			}
		})
	}
}

func TestReloadAndTheLimiter(t *testing.T) {
	const limits = "[limits]\nper_jid = \"1/h\"\n"
	tests := []struct {
		name, changed string
		keeps         bool
	}{
		{"nothing changed", accessConfig + limits, true},
		{"something else changed", strings.Replace(accessConfig, `"guest.example.org", `, "", 1) + limits, true},
		{"the same said in other words", accessConfig + limits + "total = \"none\"\n", true},
		{"per_jid changed", accessConfig + "[limits]\nper_jid = \"1/m\"\n", false},
		{"per_domain changed", accessConfig + limits + "per_domain = \"100/s\"\n", false},
		{"total changed", accessConfig + limits + "total = \"100/s\"\n", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d, _ := newTestDaemon(t, accessConfig+limits)
			if err := admit(d, []byte("juliet@example.org"), testkit.Time); err != nil {
				t.Fatal(err)
			}
			d.use(mustLoad(t, testkit.WriteConfig(t, tt.changed)), testkit.Time)
			err := admit(d, []byte("juliet@example.org"), testkit.Time)
			if refused := err != nil; refused != tt.keeps {
				t.Errorf("after the reload: %v", err)
			}
		})
	}
}

func TestReloadChangesAccess(t *testing.T) {
	d, _ := newTestDaemon(t, accessConfig)
	d.use(mustLoad(t, testkit.WriteConfig(t, strings.Replace(accessConfig, `"example.org"`, `"example.com"`, 1))), testkit.Time)
	if err := admit(d, []byte("juliet@example.org"), testkit.Time); !sameError(err, errNotAllowed) {
		t.Errorf("who is not served any more: %v", err)
	}
	if err := admit(d, []byte("mallory@example.com"), testkit.Time); err != nil {
		t.Errorf("who is served now: %v", err)
	}
}

func TestRefusalLog(t *testing.T) {
	d, log := newTestDaemon(t, accessConfig)
	told := func(domain, count string) string {
		return `level=INFO msg="refused requesters that are not in access.allow; if they are your users, add their domain to it" last_domain=` + domain +
			" refused=" + count + "\n"
	}
	want := ""
	for _, step := range []struct {
		requester string
		after     time.Duration
		told      string
	}{
		{"a@one.example.com", 0, told("one.example.com", "1")},
		{"b@two.example.com", time.Second, ""},
		{"three.example.com", 59 * time.Second, ""},
		{"d@four.example.com", time.Minute, told("four.example.com", "3")},
		{"e@five.example.com", 2*time.Minute - time.Nanosecond, ""},
		{"f@six.example.com", time.Hour, told("six.example.com", "2")},
		{"g@seven.example.com x=\n", 2 * time.Hour, told(`"seven.example.com x=\n"`, "1")},
	} {
		if err := admit(d, []byte(step.requester), testkit.Time.Add(step.after)); err == nil {
			t.Errorf("%s is served", step.requester)
		}
		want += step.told
		testkit.WantEqual(t, "log after "+step.requester, log.String(), want)
	}
}

// requestTokens returns the tokens of an XML element, as a component hands them
// over.
func requestTokens(t *testing.T, payload string) xml.TokenReader {
	t.Helper()
	return xml.NewDecoder(strings.NewReader(payload))
}

// ask returns the reply of the daemon's handler to a payload.
func ask(t *testing.T, d *daemon, payload, requester string) (string, error) {
	t.Helper()
	reply, err := answer(d, d.handle.discovery, []byte("before"),
		&component.Request{Requester: []byte(requester), Payload: requestTokens(t, payload), Now: testkit.Time})
	after, intact := strings.CutPrefix(string(reply), "before")
	if !intact || err != nil && after != "" {
		t.Errorf("what was gathered before became %q", reply)
	}
	return after, err
}

const fourServers = `[component]
jid = "turn.example.org"
secret_file = "component.secret"
[[ice_server]]
urls = ["stun:stun.example.org"]
[[ice_server]]
urls = ["turn:one.example.org", "turns:one.example.org"]
secret_file = "turn.secret"
ttl = "36h"
[[ice_server]]
urls = ["turn:two.example.org"]
secret = "` + testkit.SharedSecretTwo + `"
pseudonym_key_file = "pseudonym.key"
[[ice_server]]
urls = ["stun:static.example.org", "turn:static.example.org"]
username = "alice"
password_file = "static.password"
`

func TestServicesGetTheirOwnCredentials(t *testing.T) {
	d, _ := newTestDaemon(t, fourServers)
	reply, err := ask(t, d, "<services xmlns='urn:xmpp:extdisco:2'/>", "juliet@example.org")
	if err != nil {
		t.Fatal(err)
	}
	services := testkit.ParseServices(t, reply)
	var uris []string
	users := map[string]string{}
	for _, s := range services {
		uris = append(uris, s.URI())
		var secretOf string
		switch {
		case s.Type == "stun":
			if s.Restricted || s.Username != "" || s.Password != "" {
				t.Errorf("credentials for STUN: %+v", s)
			}
			continue
		case s.Host == "static.example.org":
			if s.Username != "alice" || s.Password != testkit.Password || !s.Expires.IsZero() || !s.Restricted {
				t.Errorf("fixed account: %+v", s)
			}
			continue
		case s.Host == "one.example.org":
			secretOf = testkit.SharedSecret
			if s.Expires != testkit.Time.Add(36*time.Hour) {
				t.Errorf("expires %v", s.Expires)
			}
		default:
			secretOf = testkit.SharedSecretTwo
			if s.Expires != testkit.Time.Add(24*time.Hour) {
				t.Errorf("expires %v", s.Expires)
			}
		}
		if s.Password != testkit.PasswordFor(secretOf, s.Username) || !s.Restricted {
			t.Errorf("%s has another server's credential", s.URI())
		}
		_, users[s.Host], _ = strings.Cut(s.Username, ":")
	}
	testkit.WantEqual(t, "order", strings.Join(uris, "\n"), `stun:stun.example.org:3478
turn:one.example.org:3478?transport=udp
turns:one.example.org:5349?transport=tcp
turn:two.example.org:3478?transport=udp
stun:static.example.org:3478
turn:static.example.org:3478?transport=udp`)
	keys := map[string][]byte{
		"one.example.org": turncred.DerivePseudonymKey([]byte(testkit.SharedSecret)),
		"two.example.org": []byte(testkit.PseudonymKey),
	}
	for host, key := range keys {
		if want := string(turncred.NewPseudonyms(key).Append(nil, []byte("juliet@example.org"))); users[host] != want {
			t.Errorf("the pseudonym at %s is %s, want %s", host, users[host], want)
		}
	}
	if strings.Contains(reply, "juliet") {
		t.Errorf("the requester's name is in %s", reply)
	}
}

func TestHandler(t *testing.T) {
	d, _ := newTestDaemon(t, fourServers)
	tests := []struct{ name, payload, wantRoot, wantServices, wantErr string }{
		{"version 1", "<services xmlns='urn:xmpp:extdisco:1'/>", "<services xmlns='urn:xmpp:extdisco:1'>",
			"stun stun.example.org, turn one.example.org, turns one.example.org, turn two.example.org, stun static.example.org, turn static.example.org", ""},
		{"one type", "<services xmlns='urn:xmpp:extdisco:2' type='turns'/>", "<services xmlns='urn:xmpp:extdisco:2' type='turns'>", "turns one.example.org", ""},
		{"unknown type", "<services xmlns='urn:xmpp:extdisco:2' type='ftp'/>", "<services xmlns='urn:xmpp:extdisco:2' type='ftp'>", "", ""},
		{"credentials", "<credentials xmlns='urn:xmpp:extdisco:2'><service host='ONE.example.org.' type='turn'/></credentials>",
			"<credentials xmlns='urn:xmpp:extdisco:2'>", "turn one.example.org", ""},
		{"credentials for STUN", "<credentials xmlns='urn:xmpp:extdisco:2'><service host='stun.example.org' type='stun'/></credentials>", "", "", "cancel/item-not-found"},
		{"all credentials", "<credentials xmlns='urn:xmpp:extdisco:2'/>", "<credentials xmlns='urn:xmpp:extdisco:2'>",
			"turn one.example.org, turns one.example.org, turn two.example.org, turn static.example.org", ""},
		{"another element", "<other xmlns='urn:xmpp:extdisco:2'/>", "", "", "cancel/service-unavailable"},
		{"empty type", "<services xmlns='urn:xmpp:extdisco:2' type=''/>", "", "", "modify/bad-request"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			reply, err := ask(t, d, tt.payload, "juliet@example.org")
			if tt.wantErr != "" {
				var e stanza.Error
				if !errors.As(err, &e) || string(e.Type)+"/"+string(e.Condition) != tt.wantErr {
					t.Errorf("error %v, want %s", err, tt.wantErr)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, s := range testkit.ParseServices(t, reply) {
				got = append(got, s.Type+" "+s.Host)
			}
			testkit.WantEqual(t, "services", strings.Join(got, ", "), tt.wantServices)
			if !strings.HasPrefix(reply, tt.wantRoot) {
				t.Errorf("%s does not begin with %s", reply, tt.wantRoot)
			}
		})
	}
}
