package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"extdisco/integration/lab"
)

// Names of what is measured on the component's stream.
const (
	extdisco = "extdisco"
	minimal  = "minimal component"
	echo     = "echo"
)

var subjectNames = []string{extdisco, minimal, echo}

// subject is a program that is measured over a stream of its own, on the first
// processor.
type subject struct {
	name    string
	process *lab.Command
	stream  *stream
	traffic *traffic
	next    uint64 // number of the next request
	loads   []load
}

const manyUsers = 100_000

// startSubject starts a program and lets it in.
func (b *bench) startSubject(ctx context.Context, name string, delegated bool, services int) (*subject, error) {
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, err
	}
	defer l.Close()
	dir, err := b.folder(name)
	if err != nil {
		return nil, err
	}
	argv, err := b.command(name, dir, l.Addr().String(), componentJID, host, services)
	if err != nil {
		return nil, err
	}
	s := &subject{name: name, traffic: &traffic{delegated: delegated, users: manyUsers}}
	if name != echo {
		s.traffic.checker = newChecker(services)
	}
	s.process, err = lab.StartCommand(ctx, lab.CommandConfig{Name: strings.ReplaceAll(name, " ", "-"), Argv: append([]string{"taskset", "-c", "0"}, argv...), Dir: dir})
	if err != nil {
		return nil, err
	}
	if s.stream, err = accept(l, name != echo); err != nil {
		return nil, fmt.Errorf("%s: %w\n%s", name, err, s.process.Log())
	}
	return s, nil
}

// command returns the command line of a component that answers as jid for host.
func (b *bench) command(name, dir, address, jid, host string, services int) ([]string, error) {
	switch name {
	case echo:
		return []string{b.yardstick, "echo", address}, nil
	case minimal:
		return []string{b.yardstick, "minimal", address, jid, handshakeSecret, sharedSecret, fmt.Sprint(services)}, nil
	}
	config := filepath.Join(dir, "config.toml")
	return []string{b.extdisco, "serve", "--config", config}, os.WriteFile(config, []byte(b.extdiscoConfig(address, jid, host, services)), 0o600)
}

// extdiscoConfig has everything on: access control, pseudonyms, limits that are
// counted but not reached, metrics.
func (b *bench) extdiscoConfig(address, jid, host string, services int) string {
	urls := []string{`"stun:` + relay + `:3478"`}
	for i := 1; i < services; i++ {
		urls = append(urls, fmt.Sprintf(`"turn:%s:%d?transport=udp"`, relay, 3478+i))
	}
	return fmt.Sprintf(`[component]
jid    = %q
server = %q
secret = %q
hosts  = [%[4]q]

[access]
allow = [%[4]q, "guest.example.net", "someone@example.com"]

[limits]
per_jid = "1000000/m"
total   = "1000000000/s"
%[5]s
[[ice_server]]
urls   = [%[6]s]
secret = %[7]q
ttl    = "24h"
`, jid, address, handshakeSecret, host, b.metrics, strings.Join(urls, ", "), sharedSecret)
}

// stop ends the program and its stream.
func (s *subject) stop() error {
	s.stream.conn.Close()
	return s.process.Kill()
}

// cpuOf runs f and returns the processor time that the program used meanwhile.
func (s *subject) cpuOf(f func() (load, error)) (load, error) {
	before, err := cpuTime(s.process.PID())
	if err != nil {
		return load{}, err
	}
	l, err := f()
	if err != nil {
		return l, fmt.Errorf("%s: %w\n%s", s.name, err, s.process.Log())
	}
	after, err := cpuTime(s.process.PID())
	l.cpu = after - before
	return l, err
}

// metricsConfig turns the metrics on.
const metricsConfig = "[http]\nlisten = \"127.0.0.1:0\"\n"

// findMetrics leaves the metrics off when this extdisco has none.
func (b *bench) findMetrics(ctx context.Context) error {
	dir, err := b.folder("check")
	if err != nil {
		return err
	}
	b.metrics = metricsConfig
	argv, err := b.command(extdisco, dir, "127.0.0.1:5347", componentJID, host, 2)
	if err != nil {
		return err
	}
	if out, err := exec.CommandContext(ctx, argv[0], "check", "--config", argv[len(argv)-1]).CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "bench: without metrics, since\n%s", out)
		b.metrics = ""
	}
	return nil
}
