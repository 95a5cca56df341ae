//go:build integration

package integration

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"extdisco/integration/lab"
	"extdisco/internal/relay"
	"extdisco/turncred"
)

// relayScene is a relay at 127.0.0.1 with a certificate of a throw-away CA.
type relayScene struct {
	*relay.Relay
	ca     *lab.CA
	issuer *turncred.SharedSecret
}

func startRelay(t *testing.T, change func(*relay.Config)) *relayScene {
	t.Helper()
	dir := t.TempDir()
	ca, err := lab.NewCA(dir)
	if err != nil {
		t.Fatal(err)
	}
	cert, key, err := ca.Issue(dir, "127.0.0.1", "localhost")
	if err != nil {
		t.Fatal(err)
	}
	store, err := relay.OpenStore(dir, 7*24*time.Hour, slog.New(slog.NewTextHandler(t.Output(), nil)), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	cfg := relay.Config{
		Host: "localhost", PublicIP: []relay.PublicIP{{Public: netip.MustParseAddr("127.0.0.1")}},
		Listen: []string{"127.0.0.1:0"}, TLSListen: []string{"127.0.0.1:0"}, CertFile: cert, KeyFile: key,
		FirstPort: 10000, LastPort: 19999, Secrets: store.Valid, Limits: relay.DefaultLimits(),
		Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	}
	if change != nil {
		change(&cfg)
	}
	r, err := relay.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(0); err != nil {
			t.Error(err)
		}
	})
	keys := store.Keys()
	return &relayScene{r, ca, turncred.NewSharedSecret(keys.Secret, turncred.NewPseudonyms(keys.PseudonymKey), time.Hour)}
}

func (r *relayScene) port(t *testing.T, transport relay.Transport) int {
	t.Helper()
	for _, l := range r.Snapshot().Listening {
		if l.Transport == transport {
			return int(l.Addr.Port())
		}
	}
	t.Fatalf("the relay does not listen over %s", transport)
	return 0
}

func (r *relayScene) credential(requester string) (username, password string) {
	var c turncred.Credential
	r.issuer.Issue(&c, []byte(requester), time.Now())
	return string(c.Username), string(c.Password)
}

// TestRelayServesCoturnsClient relays with turnutils_uclient in its modes.
func TestRelayServesCoturnsClient(t *testing.T) {
	t.Parallel()
	peer := startCoturnPeer(t)
	for name, c := range map[string]struct {
		transport relay.Transport
		args      string
	}{
		"udp, channels":                  {relay.UDP, "-y -c"},
		"udp, indications":               {relay.UDP, "-y -c -s"},
		"udp, RTP and RTCP":              {relay.UDP, "-y"}, // EVEN-PORT and RESERVATION-TOKEN
		"udp, to a peer":                 {relay.UDP, "-c -e 127.0.0.1"},
		"udp, to a peer, by indications": {relay.UDP, "-c -s -e 127.0.0.1"},
		"udp, padded":                    {relay.UDP, "-y -c -D"},
		"udp, odd sizes":                 {relay.UDP, "-y -c -l 171"},
		"udp, large packets":             {relay.UDP, "-y -c -l 1400"},
		// Not -R (wrong requests): after these turnutils_uclient waits without end now and then,
		// with coturn as the server too.
		"udp, twice each request": {relay.UDP, "-y -c -G"},
		"tcp, channels":           {relay.TCP, "-y -c -t"},
		"tcp, indications":        {relay.TCP, "-y -c -s -t"},
		"tcp, RTP and RTCP":       {relay.TCP, "-y -t"},
		"tcp, odd sizes":          {relay.TCP, "-y -c -t -l 171"},
		"tcp, to a peer":          {relay.TCP, "-c -t -e 127.0.0.1"},
		// With REQUESTED-ADDRESS-FAMILY, to the relay's IPv6 address.
		"udp6, IPv6 relayed":              {relay.UDP, "-y -c -x"},
		"udp6, IPv6 relayed, indications": {relay.UDP, "-y -c -s -x"},
		"udp6, IPv4 relayed":              {relay.UDP, "-y -c -X"},
		"tcp6, IPv6 relayed":              {relay.TCP, "-y -c -t -x"},
		"tls, channels":                   {relay.TLS, "-y -c -t"},
		"tls, indications":                {relay.TLS, "-y -c -s -t"},
		"tls, to a peer":                  {relay.TLS, "-c -t -e 127.0.0.1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := "127.0.0.1"
			r := startRelay(t, func(cfg *relay.Config) {
				cfg.AllowPeers = []relay.Peer{{Prefix: peer.Prefix}} // it binds channels to ports of its own as well
				if _, _, isIPv6 := strings.Cut(name, "6, "); isIPv6 {
					server, cfg.Listen = "::1", []string{"[::1]:0"}
					cfg.PublicIP = append(cfg.PublicIP, relay.PublicIP{Public: netip.IPv6Loopback()})
				}
			})
			username, password := r.credential("juliet@example.org")
			port := r.port(t, c.transport)
			if c.transport == relay.TLS {
				port = r.encrypt(t, port)
			}
			args := append(strings.Fields(c.args), "-n", "20", "-m", "2", "-z", "5", "-u", username, "-w", password,
				"-r", strconv.Itoa(int(peer.Port)), "-p", strconv.Itoa(port), server)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			out, err := exec.CommandContext(ctx, "turnutils_uclient", args...).CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, tail(out))
			}
			sent, received := uclientCount(t, out)
			// Of UDP, a packet may be lost between the two allocations at the very start.
			if sent == 0 || received < sent*95/100 {
				t.Errorf("%d of %d packets came back\n%s\n%v", received, sent, tail(out), r.Snapshot().Refused)
			}
			waitUntil(t, "the client's allocations to end", func() bool { return r.Snapshot().PortsInUse == 0 || c.transport == relay.UDP })
		})
	}
}

// encrypt returns the port of a proxy that speaks TLS to the relay: coturn's client
// tries versions of TLS at random that are no longer to be used (RFC 8996).
func (r *relayScene) encrypt(t *testing.T, port int) int {
	t.Helper()
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			plain, err := listener.Accept()
			if err != nil {
				return
			}
			secured, err := tls.Dial("tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), &tls.Config{RootCAs: r.ca.Pool})
			if err != nil {
				_ = plain.Close()
				continue
			}
			for _, pair := range [][2]net.Conn{{plain, secured}, {secured, plain}} {
				go func() {
					_, _ = io.Copy(pair[0], pair[1])
					_ = plain.Close()
					_ = secured.Close()
				}()
			}
		}
	}()
	return listener.Addr().(*net.TCPAddr).Port
}

// startCoturnPeer starts coturn's echo server.
func startCoturnPeer(t *testing.T) relay.Peer {
	t.Helper()
	port, err := lab.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	// It wants the next port as well.
	cmd := exec.CommandContext(t.Context(), "turnutils_peer", "-p", strconv.Itoa(port), "-L", "127.0.0.1")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	conn, err := net.Dial("udp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	waitUntil(t, "the echo server", func() bool {
		_, _ = conn.Write([]byte("hello"))
		_ = conn.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
		_, err := conn.Read(make([]byte, 10))
		return err == nil
	})
	return relay.Peer{Prefix: netip.MustParsePrefix("127.0.0.1/32"), Port: uint16(port)}
}

func waitUntil(t *testing.T, what string, isSo func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := lab.Poll(ctx, func(context.Context) error {
		if isSo() {
			return nil
		}
		return fmt.Errorf("still waiting for %s", what)
	}); err != nil {
		t.Fatal(err)
	}
}

var uclientTotals = regexp.MustCompile(`tot_send_msgs=(\d+), tot_recv_msgs=(\d+)`)

func uclientCount(t *testing.T, out []byte) (sent, received int) {
	t.Helper()
	all := uclientTotals.FindAllSubmatch(out, -1)
	if len(all) == 0 {
		t.Fatalf("turnutils_uclient counts nothing:\n%s", tail(out))
	}
	last := all[len(all)-1]
	sent, _ = strconv.Atoi(string(last[1]))
	received, _ = strconv.Atoi(string(last[2]))
	return sent, received
}

func tail(out []byte) string {
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	return strings.Join(lines[max(0, len(lines)-12):], "\n")
}

// keyHash identifies the key of the relay's certificate, which is all that the browser
// needs to trust it.
func (r *relayScene) keyHash(t *testing.T) string {
	t.Helper()
	addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(r.port(t, relay.TLS)))
	conn, err := tls.Dial("tcp4", addr, &tls.Config{RootCAs: r.ca.Pool})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	sum := sha256.Sum256(conn.ConnectionState().PeerCertificates[0].RawSubjectPublicKeyInfo)
	return base64.StdEncoding.EncodeToString(sum[:])
}

// relayCall is what the page tells of a call.
type relayCall struct {
	Local, Remote string // the kinds of the candidates in use
	Protocol      string // between the browser and the relay
	Received      int    // bytes of media
	Message       string // what came over the data channel
}

// callOverRelays lets two connections of one browser call each other on relaycall.html, one
// with each of the servers.
func callOverRelays(t *testing.T, page *lab.Page, servers []map[string]string) relayCall {
	t.Helper()
	arg, err := json.Marshal(servers)
	if err != nil {
		t.Fatal(err)
	}
	var call relayCall
	if err := page.Eval(browserContext(t), fmt.Sprintf("relayCall(%s)", arg), &call); err != nil {
		t.Fatal(err)
	}
	if call.Local != "relay" || call.Remote != "relay" || call.Received == 0 || call.Message != "hello" {
		t.Errorf("the call is %+v", call)
	}
	return call
}

// TestRelayCarriesChromiumsCalls lets two connections of one browser call each other
// over relays only, each with a credential of its own.
func TestRelayCarriesChromiumsCalls(t *testing.T) {
	t.Parallel()
	r := startRelay(t, nil)
	browser, err := lab.StartChromium(t.Context(), t.TempDir(), "--ignore-certificate-errors-spki-list="+r.keyHash(t))
	if err != nil {
		t.Fatal(err)
	}
	keep(t, browser)
	web := httptest.NewServer(http.FileServer(http.Dir("clients")))
	defer web.Close()
	page, err := browser.Open(browserContext(t), web.URL+"/browser/relaycall.html")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		url       string
		transport relay.Transport
	}{
		"udp": {fmt.Sprintf("turn:127.0.0.1:%d?transport=udp", r.port(t, relay.UDP)), relay.UDP},
		"tcp": {fmt.Sprintf("turn:127.0.0.1:%d?transport=tcp", r.port(t, relay.TCP)), relay.TCP},
		"tls": {fmt.Sprintf("turns:localhost:%d?transport=tcp", r.port(t, relay.TLS)), relay.TLS},
	} {
		t.Run(name, func(t *testing.T) {
			before := r.Snapshot().ByTransport[c.transport]
			var servers []map[string]string
			for _, requester := range []string{"romeo@example.org", "juliet@example.org"} {
				username, password := r.credential(requester)
				servers = append(servers, map[string]string{"urls": c.url, "username": username, "credential": password})
			}
			call := callOverRelays(t, page, servers)
			if call.Protocol != name {
				t.Errorf("the call is %+v", call)
			}
			after := r.Snapshot().ByTransport[c.transport]
			if after.Made < before.Made+2 || after.Up.Bytes-before.Up.Bytes < uint64(call.Received) {
				t.Errorf("the relay counts %+v, before the call %+v", after, before)
			}
		})
	}
}

// TestRelayBehindNAT runs relaynat.sh: users of a relay behind a 1:1 NAT reach each
// other and a peer outside, and probe beside the relay tells a NAT that does not send
// packets back from a relay that does not work.
func TestRelayBehindNAT(t *testing.T) {
	t.Parallel()
	server := filepath.Join(t.TempDir(), "relayserver")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", server, "extdisco/integration/bench/relayserver").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	config := filepath.Join(t.TempDir(), "config.toml")
	write(t, config, "[relay]\nhost = \"203.0.113.5\"\npublic_ip = [\"203.0.113.5\"]\nports = \"50000-59999\"\nsecret = \"of-this-test, and long enough\"\n")
	cmd := exec.CommandContext(ctx, "unshare", "--map-root-user", "--net", "./relaynat.sh", server, binary, config)
	cmd.WaitDelay = 5 * time.Second // what it started may have its output open
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, tail(out))
	}
	relayed, probed, _ := strings.Cut(string(out), "\nprobe ")
	checkProbesBehindNAT(t, strings.Split(probed, "\nprobe "))
	modes := strings.Split(relayed, "\nmode ")[1:]
	if len(modes) != 4 {
		t.Fatalf("%d modes were run:\n%s", len(modes), tail(out))
	}
	for _, mode := range modes {
		name, _, _ := strings.Cut(mode, "\n")
		if sent, received := uclientCount(t, []byte(mode)); sent == 0 || received < sent*95/100 {
			t.Errorf("turnutils_uclient %s: %d of %d packets came back", name, received, sent)
		}
	}
}

// checkProbesBehindNAT looks at what probe says beside a relay behind a NAT.
func checkProbesBehindNAT(t *testing.T, probes []string) {
	t.Helper()
	const noHairpin = "cannot be reached at 203.0.113.5, but at 10.0.0.5, where all is well"
	want := []struct {
		name   string
		fails  bool
		says   string
		unsaid string
	}{
		{"without hairpin", false, noHairpin, "FAILED"},
		{"with hairpin", false, "echo", "10.0.0.5"},
		{"without the relay", true, "at 10.0.0.5 behind the NAT", "no hairpin"},
	}
	if len(probes) != len(want) {
		t.Fatalf("%d probes: %q", len(probes), probes)
	}
	for i, w := range want {
		out := probes[i]
		if !strings.HasPrefix(out, w.name+"\n") || strings.Contains(out, "\nstatus 1") != w.fails || !strings.Contains(out, w.says) || strings.Contains(out, w.unsaid) {
			t.Errorf("probe %s", out)
		}
	}
}
