//go:build integration

package integration

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"extdisco/integration/lab"
	"extdisco/internal/relay"
	"extdisco/internal/secret"
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
	return &relayScene{r, ca, turncred.NewSharedSecret(secret.New(string(store.Current())), secret.New(string(store.PseudonymKey())), time.Hour)}
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
	peer := startCoturnPeer(t)
	for name, c := range map[string]struct {
		transport relay.Transport
		args      string
	}{
		"udp, channels":                  {relay.UDP, "-y -c"},
		"udp, indications":               {relay.UDP, "-y -c -s"},
		"udp, RTP and RTCP":              {relay.UDP, "-y"}, // EVEN-PORT and RESERVATION-TOKEN
		"udp, to a peer":                 {relay.UDP, "-e 127.0.0.1"},
		"udp, to a peer, by indications": {relay.UDP, "-s -e 127.0.0.1"},
		"udp, padded":                    {relay.UDP, "-y -c -D"},
		"udp, odd sizes":                 {relay.UDP, "-y -c -l 171"},
		"udp, large packets":             {relay.UDP, "-y -c -l 1400"},
		"udp, requests that are wrong":   {relay.UDP, "-y -c -R"},
		"udp, twice each request":        {relay.UDP, "-y -c -G"},
		"tcp, channels":                  {relay.TCP, "-y -c -t"},
		"tcp, indications":               {relay.TCP, "-y -c -s -t"},
		"tcp, RTP and RTCP":              {relay.TCP, "-y -t"},
		"tcp, odd sizes":                 {relay.TCP, "-y -c -t -l 171"},
		"tcp, to a peer":                 {relay.TCP, "-t -e 127.0.0.1"},
		"tcp, requests that are wrong":   {relay.TCP, "-y -c -t -R"},
		"tls, channels":                  {relay.TLS, "-y -c -t -S"},
		"tls, indications":               {relay.TLS, "-y -c -s -t -S"},
		"tls, to a peer":                 {relay.TLS, "-t -S -e 127.0.0.1"},
	} {
		t.Run(name, func(t *testing.T) {
			r := startRelay(t, func(cfg *relay.Config) { cfg.AllowPeers = []relay.Peer{peer} })
			username, password := r.credential("juliet@example.org")
			args := append(strings.Fields(c.args), "-n", "20", "-m", "4", "-z", "5", "-u", username, "-w", password,
				"-r", strconv.Itoa(int(peer.Port)), "-p", strconv.Itoa(r.port(t, c.transport)), "127.0.0.1")
			ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
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

var (
	_ = json.Marshal
	_ = http.StatusOK
	_ = httptest.NewServer
	_ = os.Args
)
