package daemon

import (
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"extdisco/internal/testkit"
)

var passwordAttr = regexp.MustCompile(`password='([^']*)'`)

// TestServeShowsNoSecrets lets everything happen that may happen to a running
// component, and looks through its log.
func TestServeShowsNoSecrets(t *testing.T) {
	for _, format := range []string{"text", "json"} {
		t.Run(format, func(t *testing.T) {
			server := testkit.StartServer(t)
			content := server.Config(testkit.SecretServers)
			content = strings.Replace(content, `secret_file = "component.secret"`, `secret = "`+testkit.Handshake+`"`, 1)
			s := startServingWith(t, strings.ReplaceAll(content, "two.secret", "turn.secret"), format)
			testkit.WriteFile(t, filepath.Join(filepath.Dir(s.file), "two.secret"), testkit.SharedSecretTwo+"\n")

			if _, accepted := server.Accept("the server has another secret"); accepted {
				t.Fatal("a wrong handshake is accepted")
			}
			s.log.WaitFor(t, "refused the handshake secret", 1)
			s.reload(strings.Replace(content, "jid =", "hosts = [\"example.org\", \"example.net\"]\njid =", 1), "reconnecting")
			stream := s.connect(server, testkit.Handshake)
			var minted []string
			pages := provokeHTTP(t, s.site(1), &minted) // before the limit is reached
			minted = append(minted, provoke(t, stream)...)
			for _, broken := range testkit.BrokenWithSecrets(content) {
				s.reload(broken, notChanged)
			}
			s.reload(strings.Replace(content, "static.example.org", "other.example.org", 1), "reconnecting")
			stream.WantEnd()
			stream = s.connect(server, testkit.Handshake)
			minted = append(minted, provoke(t, stream)...)
			s.stop(syscall.SIGTERM, stream)

			if len(minted) < 8 {
				t.Fatalf("only %d passwords were handed out", len(minted))
			}
			if format == "json" && !strings.Contains(s.log.String(), "DEBUG") {
				t.Error("nothing is logged at level debug")
			}
			testkit.WantNoSecrets(t, "the log", s.log.String(), append(minted, testkit.Secrets...)...)
			testkit.WantNoSecrets(t, "the log", s.log.String(), server.Proofs()...)
			testkit.WantNoSecrets(t, "what is served over HTTP", pages, append(minted, testkit.Secrets...)...)
		})
	}
}

// provoke asks for services in every way, and for things that cannot be
// answered. It returns the passwords that were handed out.
func provoke(t *testing.T, stream *testkit.Stream) (passwords []string) {
	t.Helper()
	inner := "<iq xmlns='jabber:client' type='get' id='i1' from='romeo@example.org/1' to='example.org'>" + testkit.ServicesRequest + "</iq>"
	forwarded := func(from string) string {
		return "<iq type='set' id='d1' from='" + from + "' to='" + stream.To + "'><delegation xmlns='urn:xmpp:delegation:2'>" +
			"<forwarded xmlns='urn:xmpp:forward:0'>" + inner + "</forwarded></delegation></iq>"
	}
	direct := func(from, payload string) string {
		return "<iq type='get' id='q1' from='" + from + "' to='" + stream.To + "'>" + payload + "</iq>"
	}
	iqs := []string{
		direct("juliet@example.org/1", testkit.ServicesRequest),
		direct("juliet@example.org/1", "<credentials xmlns='urn:xmpp:extdisco:2'><service type='turn' host='one.example.org'/></credentials>"),
		direct("juliet@example.org/1", "<credentials xmlns='urn:xmpp:extdisco:1'><service host='two.example.org'/></credentials>"),
		direct("juliet@example.org/1", "<credentials xmlns='urn:xmpp:extdisco:2'><service type='turn'/></credentials>"),
		direct("juliet@example.org/1", "<services xmlns='urn:xmpp:extdisco:2'>&unknown;</services>"),
		direct("mallory@example.com/1", testkit.ServicesRequest),
		direct("juliet@example.org/1", "<query xmlns='jabber:iq:version'/>"),
		forwarded("example.org"),
		forwarded("example.com"),
		forwarded("mallory@example.com/1"),
	}
	for range 20 { // over the limit
		iqs = append(iqs, direct("nurse@example.org/1", testkit.ServicesRequest))
	}
	for _, iq := range iqs {
		for _, m := range passwordAttr.FindAllStringSubmatch(stream.RoundTrip(iq).Inner, -1) {
			passwords = append(passwords, m[1])
		}
	}
	return passwords
}

// provokeHTTP asks for everything over HTTP, with and without the right secrets, and
// returns all answers but those that must hold a password. Those passwords are
// added to minted.
func provokeHTTP(t *testing.T, base string, minted *[]string) (pages string) {
	t.Helper()
	for _, path := range []string{"/", "/page.js", "/page.css", "/healthz", "/readyz", "/nowhere",
		"/turn", "/turn?service=turn&key=" + testkit.Token, "/turn?key=" + testkit.RESTKey, "/ice?service=turn&api=" + testkit.SharedSecret,
		"/turn?service=turn&username=" + strings.Repeat("u", 300) + "&key=" + testkit.RESTKey} {
		pages += fetch(t, "GET", base+path).body
	}
	for _, token := range []string{"", testkit.Token + "x", testkit.RESTKey} {
		pages += fetch(t, "POST", base+"/try", "Authorization", "Bearer "+token).body
	}
	for _, given := range []fetched{
		fetch(t, "GET", base+"/ice?service=turn&key="+testkit.RESTKey),
		fetch(t, "POST", base+"/try", "Authorization", "Bearer "+testkit.Token),
	} {
		found := regexp.MustCompile(`"credential":"([^"]+)"`).FindAllStringSubmatch(given.body, -1)
		if len(found) < 2 {
			t.Fatalf("no credentials in %d %s", given.status, given.body)
		}
		for _, m := range found {
			*minted = append(*minted, m[1])
		}
	}
	return pages + fetch(t, "GET", base+"/").body + fetch(t, "GET", base+"/metrics").body
}
