package daemon

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"extdisco/internal/config"
	"extdisco/internal/metrics"
	"extdisco/internal/probe"
	"extdisco/internal/relay"
	"extdisco/internal/source"
	"extdisco/internal/testkit"
	"extdisco/internal/web"
	"extdisco/xep0215"
)

const relayComponent = "[component]\njid = \"turn.example.org\"\nsecret_file = \"component.secret\"\n"

// relayTable is a [relay] at a port of loopback.
func relayTable(t *testing.T, more string) string {
	t.Helper()
	return fmt.Sprintf("[relay]\nhost = \"127.0.0.1\"\npublic_ip = [\"127.0.0.1\"]\nlisten = [\"127.0.0.1:%d\"]\nports = \"30000-31000\"\n%s\n", testkit.FreePort(t), more)
}

// startTestDaemon starts a daemon, which is not connected and ends with the test.
func startTestDaemon(t *testing.T, content string, options Options) (*daemon, *testkit.LogBuffer) {
	t.Helper()
	log := testkit.NewLogBuffer()
	options.Config, options.Log, options.Version = mustLoadNow(t, testkit.WriteConfig(t, content)), testkit.NewLog(log), "test"
	d, err := start(options, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.close)
	return d, log
}

func mustLoadNow(t *testing.T, file string) *config.Config {
	t.Helper()
	cfg, err := config.Load(file, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// tryRelay makes an allocation at the relay over udp with what the requester is given.
func tryRelay(t *testing.T, d *daemon, requester string) *probe.Failure {
	t.Helper()
	for _, g := range groupsOf(d, requester, time.Now()) {
		services, _ := g.Services([]byte(requester), time.Now())
		for _, s := range services {
			if s.Type == xep0215.TypeTURN && s.Transport == xep0215.TransportUDP {
				server, _ := source.ProbeServer(s)
				return probe.Try(t.Context(), server, probe.Options{Depth: probe.Allocate, Timeout: 5 * time.Second}).Worst()
			}
		}
	}
	t.Fatal("no TURN over udp is on offer")
	return nil
}

func wantWorks(t *testing.T, d *daemon, requester string) {
	t.Helper()
	if f := tryRelay(t, d, requester); f != nil {
		t.Errorf("the relay refuses %s: %v", requester, f)
	}
}

func TestRelayAcceptsWhatIsGivenOut(t *testing.T) {
	d, log := startTestDaemon(t, relayComponent+relayTable(t, ""), Options{})
	wantWorks(t, d, "alice@example.org")
	store := filepath.Join(filepath.Dir(d.cfg.File), "relay-secrets.json")
	if info, err := os.Stat(store); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	if text := log.String(); strings.Contains(text, string(d.relay.keys.Secret)) {
		t.Error("the log holds the secret")
	}
	if m := d.relay.forMetrics(true); m == nil || m.Transports[0].Made != 1 || m.Transports[0].Name != "udp" {
		t.Errorf("metrics %+v", m)
	}
	if p := d.state.Status(time.Now()).Relay; p == nil || p.Addresses[0] != "127.0.0.1" {
		t.Errorf("page %+v", p)
	}
}

func TestRelayIsShown(t *testing.T) {
	expires := time.Unix(1_800_000_000, 0)
	s := relay.Snapshot{
		ByTransport: [3]relay.TransportSnapshot{
			relay.UDP: {Allocations: 1, Made: 2, Up: relay.Traffic{Packets: 3, Bytes: 4}, Down: relay.Traffic{Packets: 5, Bytes: 6}}, relay.TLS: {Made: 7},
		},
		Refused: map[relay.Reason]uint64{0: 8}, Users: 9, Connections: 10, Ports: 11, PortsInUse: 12, Draining: true, ReceiveBuffer: 13, WantedBuffer: 14,
		CertificateExpires: expires, CertificateError: errors.New("they do not match"), Relaying: []relay.PublicIP{{Public: netip.MustParseAddr("203.0.113.5")}},
	}
	metricsWant := &metrics.Relay{
		Transports: []metrics.RelayTransport{{Name: "udp", Allocations: 1, Made: 2, PacketsIn: 3, PacketsOut: 5, BytesIn: 4, BytesOut: 6}, {Name: "tcp"}, {Name: "tls", Made: 7}},
		Refused:    map[string]uint64{"malformed": 8}, Users: 9, Connections: 10, Ports: 11, PortsInUse: 12, CertificateExpires: expires,
	}
	if got := relayForMetrics(s); !reflect.DeepEqual(got, metricsWant) {
		t.Errorf("metrics %+v, want %+v", got, metricsWant)
	}
	pageWant := &web.OwnRelay{
		Addresses: []string{"203.0.113.5"}, Transports: []web.OwnRelayTransport{{Name: "udp", Allocations: 1, BytesIn: 4, BytesOut: 6}, {Name: "tcp"}, {Name: "tls"}},
		Users: 9, Ports: 11, PortsInUse: 12, Draining: true, SmallBuffer: 13, CertificateExpires: expires, CertificateError: "they do not match",
	}
	if got := relayForPage(s); !reflect.DeepEqual(got, pageWant) {
		t.Errorf("page %+v, want %+v", got, pageWant)
	}
}

func TestRelayComesFirst(t *testing.T) {
	d, _ := startTestDaemon(t, relayComponent+relayTable(t, "")+"[[ice_server]]\nurls = [\"stun:stun.example.net\"]\n", Options{})
	var uris []string
	for _, s := range d.offers.now().sources {
		for _, service := range s.Status(time.Now()).Services {
			uris = append(uris, service.URI)
		}
	}
	if len(uris) != 4 || !strings.HasPrefix(uris[0], "stun:127.0.0.1:") || uris[3] != "stun:stun.example.net:3478" {
		t.Errorf("%q", uris)
	}
}

func TestRelayReload(t *testing.T) {
	const deny = "[access]\ndeny = [\"mallory@example.org\"]\n"
	table := relayTable(t, "")
	d, log := startTestDaemon(t, relayComponent+table, Options{})
	before := d.relay.running.Load()
	reload := func(content string) {
		t.Helper()
		testkit.WriteFile(t, d.cfg.File, content)
		d.reload()
	}

	reload(relayComponent + table + "[relay.limits]\nper_user = 3\n" + deny)
	if d.relay.running.Load() != before {
		t.Error("new limits start the relay anew")
	}
	wantWorks(t, d, "alice@example.org")
	if f := tryRelay(t, d, "mallory@example.org"); f == nil {
		t.Error("a denied user gets an allocation")
	}

	const wholeDomain = "[access]\nallow = [\"example.org\", \"example.net\"]\ndeny = [\"example.net\"]\n"
	reload(relayComponent + table + wholeDomain)
	if f := tryRelay(t, d, "mallory@example.net"); f == nil {
		t.Error("a user of a denied domain gets an allocation")
	}
	wantWorks(t, d, "alice@example.org")

	reload(relayComponent + relayTable(t, "") + deny)
	if d.relay.running.Load() == before || !strings.Contains(log.String(), "the relay starts anew") {
		t.Error("a new port does not start the relay anew")
	}
	wantWorks(t, d, "alice@example.org")

	taken, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	reload(relayComponent + fmt.Sprintf("[relay]\npublic_ip = [\"127.0.0.1\"]\nlisten = [%q]\n", taken.LocalAddr()))
	if !strings.Contains(log.String(), "cannot reload the configuration") {
		t.Error("an address that is taken is no fault")
	}
	wantWorks(t, d, "alice@example.org") // as before
	if f := tryRelay(t, d, "mallory@example.org"); f == nil {
		t.Error("a denied user gets an allocation after a reload that failed")
	}

	reload(testkit.MinimalConfig)
	if d.relay.running.Load() != nil || d.relay.forMetrics(false) != nil {
		t.Error("the relay runs without [relay]")
	}
}

func TestRelaySecretIsRenewed(t *testing.T) {
	d, _ := startTestDaemon(t, relayComponent+relayTable(t, ""), Options{})
	now := time.Now()
	markBefore := d.offers.now().mark([]byte("example.org"), now)
	if d.relay.renew(now.Add(2 * relay.StoreInterval)) {
		t.Error("the secret is renewed at once")
	}
	first := d.relay.keys.Secret
	state := filepath.Join(filepath.Dir(d.cfg.File), "relay-secrets.json")
	madeAt := func(at time.Time) { // the newest secret
		text := readFile(t, state)
		made := regexp.MustCompile(`"made":"[^"]*"`).FindString(text)
		text = strings.Replace(text, made, fmt.Sprintf("%q:%q", "made", at.UTC().Format(time.RFC3339)), 1)
		for _, file := range []string{state, state + ".copy"} {
			testkit.WriteFile(t, file, text)
		}
	}
	madeAt(now.Add(-2 * leastRenewal))
	if d.relay.renew(now.Add(4 * relay.StoreInterval)) {
		t.Error("the new secret makes credentials before others can know it")
	}
	if len(d.relay.store.Valid()) != 2 {
		t.Fatal("the secret is not renewed")
	}
	wantWorks(t, d, "alice@example.org")
	madeAt(now.Add(-time.Hour))
	if !d.relay.renew(now.Add(6*relay.StoreInterval)) || bytes.Equal(d.relay.keys.Secret, first) {
		t.Fatal("the new secret never makes credentials")
	}
	d.use(d.cfg, now)
	wantWorks(t, d, "alice@example.org")
	if got := d.offers.now().mark([]byte("example.org"), now); got != markBefore {
		t.Error("a renewal changes the mark of the offer")
	}
}

// TestRelayForCredentialsMadeElsewhere is a daemon without [component].
func TestRelayForCredentialsMadeElsewhere(t *testing.T) {
	d, _ := startTestDaemon(t, relayTable(t, "secret = \"a secret that is long enough\""), Options{})
	if len(d.links.all()) > 0 {
		t.Error("there is a link")
	}
	if why := d.state.Unready(time.Now()); why != "" {
		t.Errorf("not ready: %s", why)
	}
	if len(d.state.Status(time.Now()).Links) > 0 {
		t.Error("the page shows a link")
	}
	wantWorks(t, d, "alice@example.org")
	d.reload()
	wantWorks(t, d, "alice@example.org")
}

// TestRelayInAProcessOfItsOwn has one daemon run the relay, and another give out
// credentials for it.
func TestRelayInAProcessOfItsOwn(t *testing.T) {
	content := relayComponent + relayTable(t, "state_dir = \""+t.TempDir()+"\"")
	content += "[http]\nlisten = \"127.0.0.1:0\"\nrelay_listen = \"localhost:0\"\n[[rest_client]]\nname = \"janus\"\nkey = \"0123456789abcdef\"\n[probe]\n"
	alone, log := startTestDaemon(t, content, Options{RelayOnly: true})
	other, _ := startTestDaemon(t, content, Options{WithoutRelay: true})
	if len(alone.links.all()) > 0 || other.relay.running.Load() != nil {
		t.Error("both run what one should")
	}
	wantWorks(t, other, "alice@example.org")
	alone.reload()
	other.reload()
	wantWorks(t, other, "alice@example.org")

	base := regexp.MustCompile(`url=(http://\S+)/`).FindStringSubmatch(log.String())[1]
	if r := fetch(t, "GET", base+"/readyz"); r.status != 200 || r.body != "ready\n" {
		t.Errorf("readyz: %d %q", r.status, r.body)
	}
	wantMetrics(t, base, "extdisco_ready 1", "extdisco_relay_up 1", `extdisco_relay_allocations_made_total{transport="udp"} 2`)
	if r := fetch(t, "GET", base+"/metrics"); strings.Contains(r.body, "extdisco_link_up") || strings.Contains(r.body, "extdisco_probe") {
		t.Error("the relay has metrics of what is not there")
	}
	if r := fetch(t, "GET", base+"/turn?service=turn&key=0123456789abcdef"); r.status != 404 {
		t.Errorf("the relay gives credentials: %d", r.status)
	}
	page := fetch(t, "GET", base+"/")
	if page.status != 200 || !strings.Contains(page.body, "this process is a relay") || strings.Contains(page.body, "Requests in the last hour") {
		t.Errorf("page: %d %s", page.status, page.body)
	}
	if m := other.relay.forMetrics(true); m != nil {
		t.Errorf("the other process has metrics of the relay: %+v", m)
	}
	alone.relay.running.Swap(nil).Close(0) // as after a reload that failed twice
	wantMetrics(t, base, "extdisco_ready 0", "extdisco_relay_up 0")
	if r := fetch(t, "GET", base+"/readyz"); r.status != 503 || !strings.Contains(r.body, "the relay is off") {
		t.Errorf("readyz: %d %q", r.status, r.body)
	}
	if p := alone.relay.forPage(true); p == nil || !p.Off {
		t.Errorf("page %+v", p)
	}
}
