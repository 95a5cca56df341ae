//go:build integration

package integration

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"extdisco/integration/lab"
)

// TestIntegrationProbeOddServers tries servers that are there and still of no use to
// clients, or of use to too many.
func TestIntegrationProbeOddServers(t *testing.T) {
	tests := []struct {
		name    string
		config  lab.CoturnConfig
		url     string
		failure probedFailure // zero when it works
	}{
		{"open to everybody", lab.CoturnConfig{OpenRelay: true}, "turn:127.0.0.1:%d",
			probedFailure{Step: "allocate", Kind: "open-relay", Do: "use-auth-secret"}},
		{"open to everybody over tcp", lab.CoturnConfig{OpenRelay: true}, "turn:127.0.0.1:%d?transport=tcp",
			probedFailure{Step: "allocate", Kind: "open-relay", Do: "use-auth-secret"}},
		{"sends clients elsewhere", lab.CoturnConfig{Extra: "alternate-server=127.0.0.1:9"}, "turn:127.0.0.1:%d",
			probedFailure{Step: "allocate", Kind: "redirect", Code: 300, Do: "urls", Text: "127.0.0.1:9"}},
		{"names no realm", lab.CoturnConfig{NoRealm: true}, "turn:127.0.0.1:%d",
			probedFailure{Step: "allocate", Kind: "no-realm", Do: "realm="}},
		{"names no realm over tcp", lab.CoturnConfig{NoRealm: true}, "turn:127.0.0.1:%d?transport=tcp",
			probedFailure{Step: "allocate", Kind: "no-realm", Do: "realm="}},
		{"has fixed accounts", lab.CoturnConfig{Users: map[string]string{"user": "password"}}, "turn:127.0.0.1:%d",
			probedFailure{Step: "allocate", Kind: "unauthorized", Code: 401, Do: "lt-cred-mech"}},
		{"IPv6 to the server, IPv4 from the relay", lab.CoturnConfig{Extra: "listening-ip=::1"}, "turn:[::1]:%d", probedFailure{}},
		{"IPv6 over tcp, IPv4 from the relay", lab.CoturnConfig{Extra: "listening-ip=::1"}, "turn:[::1]:%d?transport=tcp", probedFailure{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.config.Dir = t.TempDir()
			if !tt.config.OpenRelay && tt.config.Users == nil {
				tt.config.Secrets = []string{sharedSecret}
			}
			server, err := lab.StartCoturn(t.Context(), tt.config)
			if err != nil {
				t.Fatal(err)
			}
			keep(t, server)
			servers, status := runProbe(t, fmt.Sprintf("urls = [%q]\nsecret = %q\n", fmt.Sprintf(tt.url, server.Port), sharedSecret))
			if len(servers) != 1 || servers[0].OK != (tt.failure.Step == "") || servers[0].OK != (status == 0) {
				t.Fatalf("status %d, %+v", status, servers)
			}
			f := servers[0].failure()
			if f.Step != tt.failure.Step || f.Kind != tt.failure.Kind || f.Code != tt.failure.Code || !strings.Contains(f.Do, tt.failure.Do) || !strings.Contains(f.Text, tt.failure.Text) {
				t.Errorf("%+v, want %+v", f, tt.failure)
			}
			made, freed := strings.Count(server.Log(), "ALLOCATE processed, success"), strings.Count(server.Log(), "REFRESH processed, success")
			if wanted := f.Kind == "" || f.Kind == "open-relay"; (made == 1) != wanted || freed != made {
				t.Errorf("%d allocations, %d of them freed", made, freed)
			}
		})
	}
}

// TestIntegrationProbeEjabberd tries ejabberd's own TURN server, which takes usernames
// of a form of its own.
func TestIntegrationProbeEjabberd(t *testing.T) {
	t.Parallel()
	port, err := lab.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	xmpp, err := lab.StartEjabberd(t.Context(), lab.XMPPConfig{
		Dir: t.TempDir(), Hosts: []lab.Host{{Name: meetHost, Anonymous: true}},
		Template: ejabberdWithTURN(t, port), STUNPort: port,
	})
	if err != nil {
		t.Fatal(err)
	}
	keep(t, xmpp)
	for _, tt := range []struct{ secret, kind, do string }{
		{sharedSecret, "username-form", `username_form = "ejabberd"`},
		{"another-secret-than-ejabberd-has", "unauthorized", "mod_stun_disco"},
	} {
		servers, status := runProbe(t, fmt.Sprintf("urls = [\"turn:127.0.0.1:%d\"]\nsecret = %q\n", port, tt.secret))
		if status != 1 || len(servers) != 1 {
			t.Fatalf("status %d, %+v", status, servers)
		}
		if f := servers[0].failure(); f.Kind != tt.kind || f.Code != 401 || !strings.Contains(f.Do, tt.do) || !strings.Contains(f.Text+f.Do, "ejabberd's own TURN server") {
			t.Errorf("%+v, want %+v", f, tt)
		}
	}
}

// ejabberdWithTURN returns the lab's configuration with a TURN server in it.
func ejabberdWithTURN(t *testing.T, port int) string {
	t.Helper()
	config, err := os.ReadFile("lab/ejabberd.yml.tmpl")
	if err != nil {
		t.Fatal(err)
	}
	listener := fmt.Sprintf("listen:\n  - port: %d\n    ip: \"127.0.0.1\"\n    transport: udp\n    module: ejabberd_stun\n    use_turn: true\n    turn_ipv4_address: \"127.0.0.1\"\n", port)
	disco := fmt.Sprintf("modules:\n  mod_stun_disco:\n    secret: %q\n    offer_local_services: false\n", sharedSecret)
	text := strings.Replace(string(config), "listen:\n", listener, 1)
	return strings.Replace(text, "modules:\n", disco, 1)
}

// TestIntegrationProbePeer tries whether a relay reaches a peer, such as the video
// bridge.
func TestIntegrationProbePeer(t *testing.T) {
	t.Parallel()
	start := func(extra string) *lab.Coturn {
		server, err := lab.StartCoturn(t.Context(), lab.CoturnConfig{Dir: t.TempDir(), Secrets: []string{sharedSecret}, Extra: extra})
		if err != nil {
			t.Fatal(err)
		}
		keep(t, server)
		return server
	}
	peer := start("")
	quiet, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer quiet.Close()
	tests := []struct {
		name, extra, peer string
		failure           probedFailure
		steps, note       string
	}{
		{"a STUN server", "", fmt.Sprintf("127.0.0.1:%d", peer.Port), probedFailure{}, "permission peer", ""},
		{"one that is silent", "", quiet.LocalAddr().String(), probedFailure{}, "allocate permission", "did not answer"},
		{"a denied one", "denied-peer-ip=127.0.0.0-127.255.255.255", "127.0.0.1:10000", probedFailure{Step: "peer", Kind: "forbidden", Code: 403, Do: "allowed-peer-ip=127.0.0.1", Text: "127.0.0.1:10000"}, "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			relay := start(tt.extra)
			servers, status := runProbe(t, fmt.Sprintf("urls = [\"turn:127.0.0.1:%d\"]\nsecret = %q\n", relay.Port, sharedSecret), "--peer", tt.peer)
			if len(servers) != 1 || (status == 0) != (tt.failure.Step == "") {
				t.Fatalf("status %d, %+v", status, servers)
			}
			if f := servers[0].failure(); f.Step != tt.failure.Step || f.Kind != tt.failure.Kind || f.Code != tt.failure.Code || !strings.Contains(f.Do, tt.failure.Do) || !strings.Contains(f.Text, tt.failure.Text) {
				t.Errorf("%+v, want %+v", f, tt.failure)
			}
			var steps []string
			for _, s := range servers[0].Addresses[0].Steps {
				steps = append(steps, s.Step)
			}
			if notes := strings.Join(servers[0].Addresses[0].Notes, " "); !strings.HasSuffix(strings.Join(steps, " "), tt.steps) || !strings.Contains(notes, tt.note) {
				t.Errorf("%q, %q", steps, notes)
			}
		})
	}
}

// TestIntegrationProbeAgreesWithChromium: where probe fails for a missing realm Chromium
// gets no relay, and where it succeeds Chromium gets one.
func TestIntegrationProbeAgreesWithChromium(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	browser, err := lab.StartChromium(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	keep(t, browser)
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "<!doctype html><title>relay</title>")
	}))
	t.Cleanup(web.Close)
	page, err := browser.Open(browserContext(t), web.URL)
	if err != nil {
		t.Fatal(err)
	}
	for _, noRealm := range []bool{false, true} {
		t.Run(fmt.Sprintf("no realm %v", noRealm), func(t *testing.T) {
			server, err := lab.StartCoturn(t.Context(), lab.CoturnConfig{Dir: t.TempDir(), Secrets: []string{sharedSecret}, NoRealm: noRealm})
			if err != nil {
				t.Fatal(err)
			}
			keep(t, server)
			url := fmt.Sprintf("turn:127.0.0.1:%d?transport=udp", server.Port)
			_, status := runProbe(t, fmt.Sprintf("urls = [%q]\nsecret = %q\n", url, sharedSecret))
			if (status == 0) == noRealm {
				t.Errorf("probe ends with %d", status)
			}
			var candidates int
			username, password := mint(t, server)
			if err := page.Eval(browserContext(t), fmt.Sprintf(relayCandidates, url, username, password), &candidates); err != nil {
				t.Fatal(err)
			}
			if (candidates > 0) == noRealm {
				t.Errorf("Chromium has %d relay candidates", candidates)
			}
		})
	}
}

// relayCandidates is JavaScript that counts the relay candidates that a browser gets:
// until gathering ends, or for five seconds.
const relayCandidates = `(async () => {
	const pc = new RTCPeerConnection({iceTransportPolicy: "relay", iceServers: [{urls: %q, username: %q, credential: %q}]});
	let n = 0;
	const over = new Promise(done => {
		pc.onicecandidate = e => { if (!e.candidate) done(); else if (e.candidate.type === "relay") n++; };
		setTimeout(done, 5000);
	});
	pc.createDataChannel("x");
	await pc.setLocalDescription(await pc.createOffer());
	await over;
	pc.close();
	return n;
})()`

// TestIntegrationProbeTakesConfiguredCA trusts the authority that the checks trust.
func TestIntegrationProbeTakesConfiguredCA(t *testing.T) {
	ca, err := lab.NewCA(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	server, err := lab.StartCoturn(t.Context(), lab.CoturnConfig{Dir: t.TempDir(), Secrets: []string{sharedSecret}, CA: ca})
	if err != nil {
		t.Fatal(err)
	}
	keep(t, server)
	servers, status := runProbe(t, fmt.Sprintf("urls = [\"turns:127.0.0.1:%d\"]\nsecret = %q\n[probe]\nca_file = %q\n", server.TLSPort, sharedSecret, ca.CertFile))
	if status != 0 || len(servers) != 1 || !servers[0].OK {
		t.Errorf("status %d, %+v", status, servers)
	}
}

// TestIntegrationProbeKeepsTheLibrarySilent looks for what pion/turn would print when
// its variables are in the environment, and when a server says something odd.
func TestIntegrationProbeKeepsTheLibrarySilent(t *testing.T) {
	server, err := lab.StartCoturn(t.Context(), lab.CoturnConfig{Dir: t.TempDir(), Secrets: []string{sharedSecret}})
	if err != nil {
		t.Fatal(err)
	}
	keep(t, server)
	file := filepath.Join(t.TempDir(), "config.toml")
	write(t, file, fmt.Sprintf("[component]\njid = %q\nsecret = %q\n[[ice_server]]\nurls = [\"turn:127.0.0.1:%d\"]\nsecret = %q\n", turnJID, handshakeSecret, server.Port, sharedSecret))
	cmd := exec.CommandContext(stepContext(t), binary, "probe", "--config", file)
	cmd.Env = append(cmd.Environ(), "PION_LOG_TRACE=all", "PION_LOG_DEBUG=all")
	out, err := cmd.CombinedOutput()
	if err != nil || strings.Contains(string(out), "turnc") {
		t.Errorf("%v: %s", err, out)
	}
}

// TestIntegrationProbeMeetsAWebServer is sent to a port where something waits for a
// line that never comes.
func TestIntegrationProbeMeetsAWebServer(t *testing.T) {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	servers, status := runProbe(t, fmt.Sprintf("urls = [\"turn:%s?transport=tcp\"]\nsecret = %q\n", listener.Addr(), sharedSecret), "--timeout", "1s")
	if status != 1 || len(servers) != 1 || servers[0].failure().Kind != "silent" || !strings.Contains(servers[0].failure().Do, "web server") {
		t.Errorf("status %d, %+v", status, servers)
	}
}
