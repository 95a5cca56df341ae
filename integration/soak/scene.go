package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"extdisco/integration/lab"
)

const (
	host      = "meet.example.org"
	component = "turn.meet.example.org"
)

// scene is what runs.
type scene struct {
	binary   string
	turn     *lab.Coturn
	xmpp     *lab.XMPPServer
	extdisco *lab.Extdisco
	http     string // address of extdisco's own pages
	ca       *lab.CA
	relay    int // the port of extdisco's own relay, over udp and tcp
	servers  []server

	// away is held while a server is being restarted: what is asked then need
	// not be answered.
	away     sync.RWMutex
	answered atomic.Int64
	called   atomic.Int64
	failed   atomic.Int64
	mu       sync.Mutex
	failures []string // the first few
}

type server interface {
	Stop() error
	Log() string
}

func start(ctx context.Context, dir string) (*scene, error) {
	s := &scene{binary: filepath.Join(dir, "extdisco")}
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", s.binary, "extdisco").CombinedOutput(); err != nil {
		return s, fmt.Errorf("cannot build extdisco: %w\n%s", err, out)
	}
	handshake, shared := rand.Text(), rand.Text()
	var err error
	if s.turn, err = lab.StartCoturn(ctx, lab.CoturnConfig{Dir: dir, Secrets: []string{shared}}); err != nil {
		return s, err
	}
	s.servers = append(s.servers, s.turn)
	s.xmpp, err = lab.StartProsody(ctx, lab.XMPPConfig{
		Dir: dir, LogLevel: "warn",
		Hosts:      []lab.Host{{Name: host, Anonymous: true, DelegateTo: component}},
		Components: []lab.Component{{JID: component, Secret: handshake, Delegation: true}},
	})
	if err != nil {
		return s, err
	}
	s.servers = append(s.servers, s.xmpp)
	var ports [3]int
	for i := range ports {
		if ports[i], err = lab.FreePort(); err != nil {
			return s, err
		}
	}
	s.http, s.relay = net.JoinHostPort("127.0.0.1", strconv.Itoa(ports[0])), ports[1]
	if s.ca, err = lab.NewCA(dir); err != nil {
		return s, err
	}
	cert, key, err := s.ca.Issue(dir, "127.0.0.1")
	if err != nil {
		return s, err
	}
	s.extdisco, err = lab.StartExtdisco(ctx, lab.ExtdiscoConfig{Binary: s.binary, Dir: dir, Config: fmt.Sprintf(`
[component]
jid = %q
server = %q
secret = %q
[[ice_server]]
urls = ["stun:127.0.0.1:%d", "turn:127.0.0.1:%d?transport=udp", "turn:127.0.0.1:%d?transport=tcp"]
secret = %q
[relay]
host = "127.0.0.1"
public_ip = ["127.0.0.1"]
listen = ["127.0.0.1:%d"]
tls_listen = ["127.0.0.1:%d"]
ports = "36000-36999"
cert_file = %q
key_file = %q
[probe]
interval = "2s"
allocate_interval = "10s"
ca_file = %q
[http]
listen = %q
`, component, s.xmpp.ComponentAddr, handshake, s.turn.Port, s.turn.Port, s.turn.Port, shared, ports[1], ports[2], cert, key, s.ca.CertFile, s.http)})
	if err != nil {
		return s, err
	}
	s.servers = append(s.servers, s.extdisco)
	return s, nil
}

func (s *scene) stop() error {
	var errs []error
	for i := len(s.servers) - 1; i >= 0; i-- {
		errs = append(errs, s.servers[i].Stop())
	}
	return errors.Join(errs...)
}

func (s *scene) logs() string {
	var b strings.Builder
	for _, server := range s.servers {
		log := server.Log()
		b.WriteString(log[max(0, len(log)-20_000):])
	}
	return b.String()
}
