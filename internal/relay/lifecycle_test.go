package relay

import (
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pion/stun/v4"

	"extdisco/integration/lab"
)

// endings collects what Ended is told.
type endings struct {
	mu   sync.Mutex
	list []Ended
}

func (e *endings) add(ended Ended) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.list = append(e.list, ended)
}

func (e *endings) get() []Ended {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]Ended(nil), e.list...)
}

func TestReloadEndsAllocationsOfDeniedUsersAtOnce(t *testing.T) {
	var ends endings
	cfg := loopback(t)
	cfg.Ended = ends.add
	r := startRelay(t, cfg)
	mallory, alice, stream := r.raw(UDP, "mallory"), r.raw(UDP, "alice"), r.raw(TCP, "mallory")
	for _, c := range []*rawClient{mallory, alice, stream} {
		if code := c.allocate(); code != 0 {
			t.Fatalf("allocate: %d", code)
		}
	}
	if err := r.Reload(cfg.Limits, func(user string) bool { return user == "mallory" }); err != nil {
		t.Fatal(err)
	}
	if n := r.Snapshot().PortsInUse; n != 1 {
		t.Errorf("%d allocations are left", n)
	}
	for _, c := range []*rawClient{mallory, stream} {
		if code := c.request(stun.MethodRefresh); code != stun.CodeUnauthorized {
			t.Errorf("refresh of a denied user: %d", code)
		}
		if code := c.allocate(); code != stun.CodeUnauthorized {
			t.Errorf("allocate of a denied user: %d", code)
		}
	}
	if code := alice.request(stun.MethodRefresh); code != 0 {
		t.Errorf("refresh of another user: %d", code)
	}
	waitFor(t, "two reports", func() bool { return len(ends.get()) == 2 })
	for _, ended := range ends.get() {
		if ended.User != "mallory" || ended.Reason != "denied" || !ended.Client.IsValid() {
			t.Errorf("reported %+v", ended)
		}
	}
	if err := r.Reload(cfg.Limits, nil); err != nil {
		t.Fatal(err)
	}
	if code := mallory.allocate(); code != 0 {
		t.Errorf("allocate of a user who is served again: %d", code)
	}
}

func TestReloadTakesOverLimits(t *testing.T) {
	cfg := loopback(t)
	r := startRelay(t, cfg)
	c := r.raw(UDP, "alice")
	if code := c.allocate(); code != 0 {
		t.Fatalf("allocate: %d", code)
	}
	limits := cfg.Limits
	limits.PerUser = 1
	if err := r.Reload(limits, nil); err != nil {
		t.Fatal(err)
	}
	if code := r.raw(UDP, "alice").allocate(); code != stun.CodeAllocQuotaReached {
		t.Errorf("a second allocation: %d", code)
	}
	if code := c.request(stun.MethodRefresh); code != 0 {
		t.Errorf("refresh of the first: %d", code)
	}
	limits.PerUser = 0
	if err := r.Reload(limits, nil); err == nil || !strings.Contains(err.Error(), "limits.per_user") {
		t.Errorf("Reload with a limit of 0: %v", err)
	}
}

func TestReportsWhatAnAllocationHasDone(t *testing.T) {
	var ends endings
	cfg := loopback(t)
	cfg.Ended = ends.add
	r := startRelay(t, cfg)
	one, other := r.pair(UDP, TLS)
	exchange(t, one, other, strings.Repeat("a", 1000))
	exchange(t, other, one, strings.Repeat("b", 10))
	if err := one.Close(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the report", func() bool { return len(ends.get()) == 1 })
	got := ends.get()[0]
	if got.User != "alice" || got.Transport != UDP || got.Reason != "client" || got.Up.Bytes != 1000 || got.Down.Bytes != 10 ||
		got.Up.Packets != 1 || got.Duration <= 0 || got.Relayed.String() != one.LocalAddr().String() {
		t.Errorf("reported %+v", got)
	}
	s := r.Snapshot()
	if u := s.ByTransport[UDP]; u.Allocations != 0 || u.Made != 1 || u.Up.Bytes != 1000 || u.Down.Bytes != 10 {
		t.Errorf("counted %+v over UDP", u)
	}
	if u := s.ByTransport[TLS]; u.Allocations != 1 || u.Made != 1 || u.Up.Bytes != 10 || u.Down.Bytes != 1000 {
		t.Errorf("counted %+v over TLS", u)
	}
}

func TestAnAllocationEndsWithItsConnection(t *testing.T) {
	r := startRelay(t, loopback(t))
	c := r.raw(TCP, "alice")
	if code := c.allocate(); code != 0 {
		t.Fatalf("allocate: %d", code)
	}
	_ = c.conn.Close()
	waitFor(t, "the allocation to end", func() bool { s := r.Snapshot(); return s.PortsInUse == 0 && s.Connections == 0 })
}

func TestAnAllocationEndsWithItsLifetime(t *testing.T) {
	r := startRelay(t, loopback(t))
	c := r.raw(UDP, "alice")
	if code := c.request(stun.MethodAllocate, requestedTransport(17), lifetime(1)); code != 0 {
		t.Fatalf("allocate: %d", code)
	}
	waitFor(t, "the allocation to end", func() bool { return r.Snapshot().PortsInUse == 0 })
}

func TestDrains(t *testing.T) {
	cfg := loopback(t)
	log := &logBuffer{}
	cfg.Log = newTestLog(log)
	relay, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	r := begin(t, relay, log)
	running, late := r.raw(UDP, "alice"), r.raw(UDP, "bob")
	if code := running.allocate(); code != 0 {
		t.Fatalf("allocate: %d", code)
	}
	closed := make(chan error)
	go func() { closed <- r.Close(time.Minute) }()
	waitFor(t, "the drain", func() bool { return r.Snapshot().Draining })
	if code := late.allocate(); code != stun.CodeAllocQuotaReached {
		t.Errorf("allocate while it drains: %d", code)
	}
	if code := running.request(stun.MethodRefresh); code != 0 {
		t.Errorf("refresh while it drains: %d", code)
	}
	select {
	case <-closed:
		t.Fatal("the relay did not wait for the allocation")
	default:
	}
	if code := running.request(stun.MethodRefresh, lifetime(0)); code != 0 {
		t.Errorf("the end of the allocation: %d", code)
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
}

func TestDrainIsBounded(t *testing.T) {
	r := startRelay(t, loopback(t))
	if code := r.raw(TLS, "alice").allocate(); code != 0 {
		t.Fatalf("allocate: %d", code)
	}
	if err := r.Close(time.Millisecond); err != nil {
		t.Fatal(err)
	}
	if n := r.Snapshot().PortsInUse; n != 0 {
		t.Errorf("%d ports are in use", n)
	}
}

func TestStartFailsAsAWhole(t *testing.T) {
	taken, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	cfg := loopback(t)
	cfg.TLSListen = []string{taken.Addr().String()}
	cfg.Log = newTestLog(&logBuffer{})
	r, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Start(); err == nil || !strings.Contains(err.Error(), taken.Addr().String()) {
		t.Errorf("Start() = %v", err)
	}
}

// Two users of one relay behind a NAT that maps addresses one to one know each other
// by its public address, which the relay itself does not have.
func TestUsersBehindNATReachEachOther(t *testing.T) {
	cfg := loopback(t)
	cfg.PublicIP = []PublicIP{{Public: netip.MustParseAddr("198.51.100.7"), Local: netip.MustParseAddr("127.0.0.1")}}
	r := startRelay(t, cfg)
	one, other := r.pair(UDP, UDP)
	if !strings.HasPrefix(one.LocalAddr().String(), "198.51.100.7:") {
		t.Fatalf("the relayed address is %s", one.LocalAddr())
	}
	for range 20 {
		exchange(t, one, other, "there")
		exchange(t, other, one, "back")
	}
}

func TestRelaysOverIPv6(t *testing.T) {
	cfg := loopback(t)
	cfg.PublicIP = append(cfg.PublicIP, PublicIP{Public: netip.MustParseAddr("::1")})
	cfg.Listen = append(cfg.Listen, "[::1]:0")
	r := startRelay(t, cfg)
	six := stun.RawAttribute{Type: stun.AttrRequestedAddressFamily, Value: []byte{familyIPv6, 0, 0, 0}}
	c := r.raw(UDP, "alice")
	if code := c.request(stun.MethodAllocate, requestedTransport(17), six); code != 0 {
		t.Fatalf("allocate: %d", code)
	}
	if a := r.allocations()[0]; a.address().Addr() != netip.IPv6Loopback() {
		t.Errorf("the relayed address is %s", a.address())
	}
	if code := c.request(stun.MethodCreatePermission, peerAddr("127.0.0.1:9")); code != stun.CodePeerAddrFamilyMismatch {
		t.Errorf("permission for IPv4: %d", code)
	}
	// An indication from itself to itself takes both ways through an IPv6 address.
	self := peerAddr(r.allocations()[0].address().String())
	if code := c.request(stun.MethodCreatePermission, self); code != 0 {
		t.Fatalf("permission: %d", code)
	}
	m, err := stun.Build(stun.TransactionID, stun.NewType(stun.MethodSend, stun.ClassIndication), self,
		stun.RawAttribute{Type: stun.AttrData, Value: []byte("hello")})
	if err != nil {
		t.Fatal(err)
	}
	c.send(m.Raw)
	got := c.read()
	if got == nil || got.Type != stun.NewType(stun.MethodData, stun.ClassIndication) {
		t.Fatalf("got %v", got)
	}
	var from stun.XORMappedAddress
	if data, err := got.Get(stun.AttrData); err != nil || string(data) != "hello" {
		t.Errorf("data %q, %v", data, err)
	}
	if err := from.GetFromAs(got, stun.AttrXORPeerAddress); err != nil || from.String() != string(self) {
		t.Errorf("from %s, %v, want %s", from, err, self)
	}
}

func TestRefusesAFamilyItHasNot(t *testing.T) {
	r := startRelay(t, loopback(t))
	six := stun.RawAttribute{Type: stun.AttrRequestedAddressFamily, Value: []byte{familyIPv6, 0, 0, 0}}
	if code := r.raw(UDP, "alice").request(stun.MethodAllocate, requestedTransport(17), six); code != stun.CodeAddrFamilyNotSupported {
		t.Errorf("allocate: %d", code)
	}
}

// EVEN-PORT, and the next port with the token that comes with it (RFC 8656 §7.2).
func TestReservesPortsInPairs(t *testing.T) {
	r := startRelay(t, loopback(t))
	c := r.raw(UDP, "alice")
	attrs := []stun.Setter{requestedTransport(17), stun.RawAttribute{Type: stun.AttrEvenPort, Value: []byte{0x80}},
		stun.NewUsername(c.username), stun.NewRealm("relay.example.org"), c.nonce, stun.MessageIntegrity(c.key)}
	response := c.roundtrip(c.build(stun.MethodAllocate, attrs...))
	token, err := response.Get(stun.AttrReservationToken)
	if err != nil {
		t.Fatalf("%d, %v", codeOf(response), err)
	}
	even := r.allocations()[0].port
	if even%2 != 0 {
		t.Errorf("the port is %d", even)
	}
	other := r.raw(UDP, "alice")
	if code := other.request(stun.MethodAllocate, requestedTransport(17), stun.RawAttribute{Type: stun.AttrReservationToken, Value: token}); code != 0 {
		t.Fatalf("allocate with the token: %d", code)
	}
	for _, a := range r.allocations() {
		if a.port != even && a.port != even+1 {
			t.Errorf("ports %d and %d", even, a.port)
		}
	}
}

func TestPassesOverPortsThatOthersUse(t *testing.T) {
	cfg := loopback(t)
	cfg.FirstPort, cfg.LastPort = 31000, 31039
	for port := cfg.FirstPort; port <= cfg.LastPort-2; port++ {
		if conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: int(port)}); err == nil {
			defer conn.Close()
		}
	}
	r := startRelay(t, cfg)
	for i := range 3 {
		want := stun.ErrorCode(0)
		if i == 2 {
			want = stun.CodeInsufficientCapacity
		}
		if code := r.raw(UDP, "alice").allocate(); code != want {
			t.Errorf("allocation %d: %d, want %d", i, code, want)
		}
	}
	if !strings.Contains(r.log.String(), "limit=relay.ports") {
		t.Error("the log does not say that no port is free")
	}
}

func TestReadsTheCertificateAgain(t *testing.T) {
	cfg := loopback(t)
	r := startRelay(t, cfg)
	running := r.raw(TLS, "alice")
	if code := running.allocate(); code != 0 {
		t.Fatalf("allocate: %d", code)
	}
	serial := func() string {
		conn := r.connect(TLS).(*tls.Conn)
		defer conn.Close()
		return conn.ConnectionState().PeerCertificates[0].SerialNumber.String()
	}
	old := serial()
	if s := r.Snapshot(); s.CertificateError != nil || time.Until(s.CertificateExpires) < time.Hour {
		t.Errorf("%v, %v", s.CertificateExpires, s.CertificateError)
	}

	// A key that does not fit, as between the two steps of a renewal.
	dir := t.TempDir()
	ca, err := lab.NewCA(dir)
	if err != nil {
		t.Fatal(err)
	}
	cert, key, err := ca.Issue(dir, "relay.example.org")
	if err != nil {
		t.Fatal(err)
	}
	move(t, key, cfg.KeyFile)
	if err := r.Reload(cfg.Limits, nil); err == nil || !strings.Contains(err.Error(), cfg.KeyFile) {
		t.Errorf("Reload() = %v", err)
	}
	if r.Snapshot().CertificateError == nil || serial() != old {
		t.Error("the old certificate is not in use any more")
	}

	move(t, cert, cfg.CertFile)
	if !r.cert.hasChanged() {
		t.Error("the change is not seen")
	}
	if err := r.Reload(cfg.Limits, nil); err != nil {
		t.Fatal(err)
	}
	if r.Snapshot().CertificateError != nil || serial() == old || r.cert.hasChanged() {
		t.Error("the new certificate is not in use")
	}
	if code := running.request(stun.MethodRefresh); code != 0 {
		t.Errorf("refresh over the old connection: %d", code)
	}
}

func move(t *testing.T, from, to string) {
	t.Helper()
	text, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to+".new", text, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(to+".new", to); err != nil {
		t.Fatal(err)
	}
}

func TestNewReportsEveryMistake(t *testing.T) {
	good := func(t *testing.T) Config {
		cfg := loopback(t)
		cfg.Log = newTestLog(&logBuffer{})
		return cfg
	}
	private := func() ([]netip.Prefix, error) {
		return []netip.Prefix{netip.MustParsePrefix("127.0.0.1/8"), netip.MustParsePrefix("10.0.0.5/24")}, nil
	}
	for name, c := range map[string]struct {
		change func(*Config)
		want   []string
	}{
		"empty":                  {func(c *Config) { *c = Config{} }, []string{"host:", "listen:", "ports:", "secret", "limits.per_user", "limits.queue"}},
		"behind NAT":             {func(c *Config) { c.PublicIP, c.Interfaces = nil, private }, []string{"set public_ip"}},
		"an address of others":   {func(c *Config) { c.PublicIP[0].Local = netip.MustParseAddr("10.9.9.9") }, []string{"public_ip: this machine has no address 10.9.9.9"}},
		"twice":                  {func(c *Config) { c.PublicIP = append(c.PublicIP, c.PublicIP[0]) }, []string{"named twice"}},
		"TLS without files":      {func(c *Config) { c.CertFile = "" }, []string{"tls_listen needs cert_file and key_file"}},
		"no such certificate":    {func(c *Config) { c.CertFile = "/nonexistent/cert.pem" }, []string{"cert_file /nonexistent/cert.pem"}},
		"ports the wrong way":    {func(c *Config) { c.FirstPort, c.LastPort = 5000, 4000 }, []string{"ports: 5000-4000"}},
		"a name to listen at":    {func(c *Config) { c.Listen = []string{"turn.example.org:3478"} }, []string{`listen: "turn.example.org:3478"`}},
		"an address and no port": {func(c *Config) { c.TLSListen = []string{"127.0.0.1"} }, []string{`tls_listen: "127.0.0.1"`}},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := good(t)
			c.change(&cfg)
			_, err := New(cfg)
			if err == nil {
				t.Fatal("New accepts it")
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not say %q", err, want)
				}
			}
		})
	}
}

func TestListensAtEachAddressByItself(t *testing.T) {
	interfaces := func() ([]netip.Prefix, error) {
		return []netip.Prefix{netip.MustParsePrefix("127.0.0.1/8"), netip.MustParsePrefix("127.0.0.2/8"), netip.MustParsePrefix("fe80::1/64")}, nil
	}
	cfg := loopback(t)
	cfg.Interfaces = interfaces
	port, err := lab.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	cfg.Listen = []string{net.JoinHostPort("", strconv.Itoa(port))}
	r := startRelay(t, cfg)
	for _, addr := range []string{"127.0.0.1", "127.0.0.2"} {
		conn, err := net.Dial("udp4", net.JoinHostPort(addr, strconv.Itoa(port)))
		if err != nil {
			t.Fatal(err)
		}
		// A connected socket hears only the address that it has asked.
		c := &rawClient{t: t, conn: conn}
		if code := codeOf(c.roundtrip(c.build(stun.MethodBinding))); code != 0 {
			t.Errorf("%s: %d", addr, code)
		}
		_ = conn.Close()
	}
	if n := len(r.Snapshot().Listening); n != 5 {
		t.Errorf("it listens at %d addresses: %v", n, r.Snapshot().Listening)
	}
}

func TestSecretsAreNotLogged(t *testing.T) {
	cfg := loopback(t)
	r := startRelay(t, cfg)
	for transport := range transports {
		c := r.raw(transport, "alice")
		c.allocate()
		c.key[0]++
		c.request(stun.MethodRefresh)
	}
	username, password := credential("alice", time.Now(), testSecret)
	for _, hidden := range []string{testSecret, password, username} {
		if strings.Contains(r.log.String(), hidden) {
			t.Errorf("the log holds %q", hidden)
		}
	}
}

func TestStore(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	clock := func() time.Time { return now }
	open := func(t *testing.T, dir string) (*Store, *logBuffer) {
		t.Helper()
		log := &logBuffer{}
		s, err := OpenStore(dir, 7*24*time.Hour, newTestLog(log), clock)
		if err != nil {
			t.Fatal(err)
		}
		return s, log
	}

	t.Run("survives a restart", func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "state")
		first, _ := open(t, dir)
		again, log := open(t, dir)
		if string(first.Current()) != string(again.Current()) || string(first.PseudonymKey()) != string(again.PseudonymKey()) || len(first.Current()) != secretSize {
			t.Error("the secret is another one")
		}
		if log.String() != "" {
			t.Errorf("logged %s", log)
		}
		files, err := os.ReadDir(dir)
		if err != nil || len(files) != 2 {
			t.Fatalf("%v, %v", files, err)
		}
		for _, file := range files {
			if info, err := file.Info(); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("%s has mode %v, %v", file.Name(), info.Mode(), err)
			}
		}
	})

	t.Run("is shared by two processes", func(t *testing.T) {
		dir := t.TempDir()
		one, _ := open(t, dir)
		two, _ := open(t, dir)
		now = now.Add(7 * 24 * time.Hour)
		for _, s := range []*Store{one, two} {
			if err := s.RenewIfDue(); err != nil {
				t.Fatal(err)
			}
		}
		now = now.Add(settles)
		keys, err := ReadKeys(dir, now)
		if err != nil || string(one.Current()) != string(two.Current()) || string(keys.Secret) != string(one.Current()) || string(keys.PseudonymKey) != string(two.PseudonymKey()) {
			t.Errorf("the secrets differ, %v", err)
		}
	})

	t.Run("cannot be read before there is one", func(t *testing.T) {
		if _, err := ReadKeys(t.TempDir(), now); err == nil || !strings.Contains(err.Error(), "no secret") {
			t.Errorf("ReadKeys() = %v", err)
		}
	})

	t.Run("renews, and the one before stays good", func(t *testing.T) {
		dir := t.TempDir()
		s, _ := open(t, dir)
		first, key := s.Current(), s.PseudonymKey()
		for range 3 {
			before := s.Valid()[0]
			now = now.Add(7 * 24 * time.Hour)
			if err := s.RenewIfDue(); err != nil {
				t.Fatal(err)
			}
			if string(s.Current()) != string(before) {
				t.Error("the new secret makes credentials before another process can know it")
			}
			valid := s.Valid()
			if len(valid) != 2 || string(valid[0]) == string(before) || string(valid[1]) != string(before) {
				t.Fatalf("%d secrets are valid, or not the right ones", len(valid))
			}
			if again, _ := open(t, dir); string(again.Valid()[1]) != string(before) {
				t.Error("the one before is forgotten over a restart")
			}
		}
		now = now.Add(settles)
		if string(s.Current()) != string(s.Valid()[0]) {
			t.Error("the new secret makes no credentials")
		}
		if string(s.Current()) == string(first) || string(s.PseudonymKey()) != string(key) {
			t.Error("the pseudonym key changed, or the secret did not")
		}
	})

	for name, damage := range map[string]string{"empty": "", "cut off": `{"pseudonym_key":"AAAA`, "of another kind": "[]", "zeros": strings.Repeat("\x00", 300),
		"short secrets": `{"pseudonym_key":"AAAA","secrets":[{"secret":"AAAA"}]}`, "no secrets": `{"pseudonym_key":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}`} {
		t.Run("file "+name, func(t *testing.T) {
			dir := t.TempDir()
			first, _ := open(t, dir)
			if err := os.WriteFile(filepath.Join(dir, storeName), []byte(damage), 0o600); err != nil {
				t.Fatal(err)
			}
			again, log := open(t, dir)
			if string(first.Current()) != string(again.Current()) {
				t.Error("the secret is lost although there is a copy")
			}
			if !strings.Contains(log.String(), "damaged") || !strings.Contains(log.String(), "copy") {
				t.Errorf("logged %s", log)
			}
			if third, log := open(t, dir); string(third.Current()) != string(first.Current()) || log.String() != "" {
				t.Errorf("the file is not mended; logged %s", log)
			}
			for _, suffix := range []string{"", copySuffix} {
				if err := os.WriteFile(filepath.Join(dir, storeName+suffix), []byte(damage), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			fresh, log := open(t, dir)
			if len(fresh.Current()) != secretSize || !strings.Contains(log.String(), "void") {
				t.Errorf("logged %s", log)
			}
		})
	}

	t.Run("says what it cannot do", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := OpenStore(filepath.Join(file, "state"), time.Hour, newTestLog(&logBuffer{}), clock)
		if err == nil || !strings.Contains(err.Error(), "state_dir") {
			t.Errorf("OpenStore() = %v", err)
		}
		var path *os.PathError
		if !errors.As(err, &path) {
			t.Errorf("%v does not name the file", err)
		}
	})
}

// FuzzReadState reads a file that holds anything.
func FuzzReadState(f *testing.F) {
	f.Add([]byte(`{"pseudonym_key":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=","secrets":[{"made":"2026-11-29T00:00:00Z","secret":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		file := filepath.Join(t.TempDir(), storeName)
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
		state, err := readState(file)
		if err == nil && (len(state.Secrets) == 0 || len(state.PseudonymKey) != secretSize) {
			t.Errorf("%q is taken for %v", text, state)
		}
	})
}

func TestTwoSecretsAreGood(t *testing.T) {
	cfg := loopback(t)
	cfg.Secrets = Fixed([]byte("the new one"), []byte("the old one"))
	r := startRelay(t, cfg)
	username, _ := credential("alice", time.Now().Add(time.Hour), "")
	for secret, want := range map[string]stun.ErrorCode{"the new one": 0, "the old one": 0, "another one": stun.CodeUnauthorized} {
		for transport := range transports {
			if code := r.rawWith(transport, username, secret).allocate(); code != want {
				t.Errorf("%s with %s: %d, want %d", transport, secret, code, want)
			}
		}
	}
}
