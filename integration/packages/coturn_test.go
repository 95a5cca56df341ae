//go:build integration

package packages

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pion/stun/v4"
	"github.com/pion/turn/v5"

	"extdisco/integration/lab"
)

// special are the address blocks that a relay must not reach: the IANA registries
// of special-purpose addresses for IPv4 and IPv6 and what they used to have,
// multicast, and IPv4 addresses inside IPv6 ones.
var special = []string{
	"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24",
	"192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24",
	"203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
	"::/96", "::ffff:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "100:0:0:1::/64", "2001::/23", "2001:db8::/32", "2002::/16",
	"2620:4f:8000::/48", "3fff::/20", "5f00::/16", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8",
}

// last returns the last address of a block.
func last(p netip.Prefix) netip.Addr {
	b := p.Masked().Addr().AsSlice()
	for i := p.Bits(); i < 8*len(b); i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

func isSpecial(a netip.Addr) bool {
	for _, s := range special {
		if netip.MustParsePrefix(s).Contains(a) {
			return true
		}
	}
	return false
}

// coturnExample is the example, adapted to a test: only what it marks with CHANGE,
// the ports, and files that it writes are others.
type coturnExample struct {
	dir, config   string // the configuration is in dir/turnserver.conf
	port, tlsPort int
	ca            *lab.CA
}

func newCoturnExample(t *testing.T, sharedSecret string) coturnExample {
	t.Helper()
	e := coturnExample{dir: t.TempDir(), port: freePort(t), tlsPort: freePort(t)}
	var err error
	if e.ca, err = lab.NewCA(e.dir); err != nil {
		t.Fatal(err)
	}
	cert, key, err := e.ca.Issue(e.dir, "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	config := readFile(t, "contrib/turnserver.conf.example")
	for old, new := range map[string]string{
		"\nlistening-port=3478": fmt.Sprint("\nlistening-port=", e.port), "\ntls-listening-port=5349": fmt.Sprint("\ntls-listening-port=", e.tlsPort),
		"\nlistening-ip=192.0.2.10": "\nlistening-ip=127.0.0.1", "\nrelay-ip=192.0.2.10": "\nrelay-ip=127.0.0.1\nrelay-ip=::1",
		"/etc/turnserver/fullchain.pem": cert, "/etc/turnserver/privkey.pem": key,
		"CHANGE-the-content-of-turn.secret": sharedSecret,
	} {
		config = replace(t, config, old, new)
	}
	config += fmt.Sprintf("userdb=%[1]s/turndb\npidfile=%[1]s/pid\nlog-file=stdout\n", e.dir)
	e.config = filepath.Join(e.dir, "turnserver.conf")
	writeFile(t, e.config, config, 0o600)
	return e
}

func TestIntegrationExampleForCoturn(t *testing.T) {
	const sharedSecret = "shared-secret-of-the-example-0123456789"
	e := newCoturnExample(t, sharedSecret)
	port, tlsPort, ca := e.port, e.tlsPort, e.ca
	startCoturn(t, e.dir, port, "turnserver", "-c", e.config)

	username, password := credential(t, port, sharedSecret)
	for _, a := range []lab.Allocation{
		{Type: "turn", Host: "127.0.0.1", Port: port, Transport: "udp"}, {Type: "turn", Host: "127.0.0.1", Port: port, Transport: "tcp"},
		{Type: "turns", Host: "127.0.0.1", Port: tlsPort, RootCAs: ca.Pool},
	} {
		a.Username, a.Password = username, password
		if _, _, err := a.Do(t.Context()); err != nil {
			t.Errorf("%s over %s: %v", a.Type, a.Transport, err)
		}
	}
	t.Run("IPv4", func(t *testing.T) { wantDenied(t, port, username, password, turn.RequestedAddressFamilyIPv4) })
	t.Run("IPv6", func(t *testing.T) { wantDenied(t, port, username, password, turn.RequestedAddressFamilyIPv6) })
}

// wantDenied asks for permissions at the edges of each special block, and beside
// them.
func wantDenied(t *testing.T, port int, username, password string, family turn.RequestedAddressFamily) {
	client := allocate(t, port, username, password, family)
	asked := 0
	if family == turn.RequestedAddressFamilyIPv6 {
		for _, a := range []string{"::", "::1", "::127.0.0.1", "::127.0.0.0", "::10.0.0.0", "::10.1.0.0",
			"::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:8.8.8.8", "::ffff:0.0.0.0", "::ffff:255.255.255.255"} {
			if code := permissionFor(t, client, password, netip.MustParseAddr(a)); code != 403 {
				t.Errorf("%s: %d, want 403", a, code)
			}
		}
		if code := permissionFor(t, client, password, netip.MustParseAddr("2600::1")); code != 0 {
			t.Errorf("a public address is refused with %d", code)
		}
	}
	for _, s := range special {
		block := netip.MustParsePrefix(s)
		if block.Addr().Is4() != (family == turn.RequestedAddressFamilyIPv4) {
			continue
		}
		first, last := block.Addr(), last(block)
		for _, a := range []netip.Addr{first, last, first.Prev(), last.Next()} {
			if !a.IsValid() || a.Is4In6() { // which pion writes as IPv4
				continue
			}
			err := client.CreatePermission(&net.UDPAddr{IP: a.AsSlice(), Port: 9})
			var refused *stun.TurnError
			denied := errors.As(err, &refused) && refused.ErrorCodeAttr.Code == 403
			if denied != isSpecial(a) || err != nil && !denied {
				t.Errorf("%v, at the edge of %s: denied = %v, %v", a, s, denied, err)
			}
			asked++
		}
	}
	if asked < 30 {
		t.Errorf("asked about %d addresses only", asked)
	}
}

// permissionFor asks for a permission for an IPv6 address, also one that pion would
// write as IPv4. It returns the error code, or 0. RFC 8656 §9.
func permissionFor(t *testing.T, client *turn.Client, password string, peer netip.Addr) stun.ErrorCode {
	t.Helper()
	ask := func(more ...stun.Setter) *stun.Message {
		t.Helper()
		setters := append([]stun.Setter{stun.TransactionID, stun.NewType(stun.MethodCreatePermission, stun.ClassRequest), ipv6Peer(peer)}, more...)
		request, err := stun.Build(append(setters, stun.Fingerprint)...)
		if err != nil {
			t.Fatal(err)
		}
		result, err := client.PerformTransaction(request, client.TURNServerAddr(), false)
		if err != nil {
			t.Fatal(err)
		}
		return result.Msg
	}
	var nonce stun.Nonce
	var realm stun.Realm
	refusal := ask()
	if err := refusal.Parse(&nonce, &realm); err != nil {
		t.Fatal(err)
	}
	answer := ask(client.Username(), realm, nonce, stun.NewLongTermIntegrity(client.Username().String(), realm.String(), password))
	if answer.Type.Class == stun.ClassSuccessResponse {
		return 0
	}
	var code stun.ErrorCodeAttribute
	if err := code.GetFrom(answer); err != nil {
		t.Fatal(err)
	}
	return code.Code
}

// ipv6Peer is an XOR-PEER-ADDRESS of the family IPv6. RFC 8489 §14.2.
type ipv6Peer netip.Addr

// AddTo implements [stun.Setter].
func (p ipv6Peer) AddTo(m *stun.Message) error {
	const port = 9
	mask := append(binary.BigEndian.AppendUint32(nil, 0x2112A442), m.TransactionID[:]...)
	value := binary.BigEndian.AppendUint16([]byte{0, 2}, port^0x2112)
	for i, b := range netip.Addr(p).As16() {
		value = append(value, b^mask[i])
	}
	m.Add(stun.AttrXORPeerAddress, value)
	return nil
}

// allocate returns a client that has an allocation, until the test ends.
func allocate(t *testing.T, port int, username, password string, family turn.RequestedAddressFamily) *turn.Client {
	t.Helper()
	conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	client, err := turn.NewClient(&turn.ClientConfig{STUNServerAddr: address, TURNServerAddr: address,
		Username: username, Password: password, Conn: conn, RequestedAddressFamily: family})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	if err := client.Listen(); err != nil {
		t.Fatal(err)
	}
	relay, err := client.Allocate()
	if err != nil {
		t.Fatalf("no allocation of family %v: %v (for IPv6 this machine needs the address ::1)", family, err)
	}
	t.Cleanup(func() { relay.Close() })
	return client
}

// credential lets extdisco make a credential for the server on this port.
func credential(t *testing.T, port int, sharedSecret string) (username, password string) {
	t.Helper()
	dir := t.TempDir()
	config := filepath.Join(dir, "config.toml")
	writeFile(t, config, fmt.Sprintf("[component]\njid = \"turn.example.org\"\nsecret = \"unused-secret-of-the-test\"\n"+
		"[[ice_server]]\nurls = [\"turn:127.0.0.1:%d\"]\nsecret = %q\n", port, sharedSecret), 0o600)
	out := run(t, command, "credential", "--config", config)
	find := func(name string) string {
		m := regexp.MustCompile(`(?m)^ *` + name + ` +(\S+)$`).FindStringSubmatch(out)
		if m == nil {
			t.Fatalf("no %s in\n%s", name, regexp.MustCompile(`\S+=`).ReplaceAllString(out, "…"))
		}
		return m[1]
	}
	return find("username"), find("password")
}

func freePort(t *testing.T) int {
	t.Helper()
	port, err := lab.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// startCoturn runs a command that starts coturn, until the test ends.
func startCoturn(t *testing.T, dir string, port int, argv ...string) {
	t.Helper()
	log := new(output)
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		<-ended
		if t.Failed() {
			t.Log(log)
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := lab.Poll(ctx, func(ctx context.Context) error {
		var dialer net.Dialer
		conn, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err == nil {
			conn.Close()
		}
		return err
	}); err != nil {
		t.Fatalf("coturn did not start: %v\n%s", err, log)
	}
	for line := range strings.SplitSeq(log.String(), "\n") {
		if strings.Contains(line, "Bad configuration format") || strings.Contains(line, "Unknown argument") {
			t.Errorf("coturn says %s", line)
		}
	}
}
