package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/pion/stun/v4"

	"extdisco/integration/lab"
)

// Loads of the relay while answers are measured: as much as one processor relays, and a
// flood of floodRate.
const (
	besideRate    = 50_000
	besideClients = 50
)

// answersBeside measures how long answers to the XMPP server take while the relay in the
// same process is idle, relays as much as it can, and is flooded.
func (b *bench) answersBeside(ctx context.Context) (err error) {
	s, relay, err := b.startWithRelay(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	for _, load := range []struct {
		name string
		run  func(ctx context.Context, started func()) (string, error)
	}{
		{"idle", func(context.Context, func()) (string, error) { return "", nil }},
		{fmt.Sprintf("at %d packets/s", besideRate), relay.relays},
		{fmt.Sprintf("under %d requests/s without a credential", floodRate), relay.isFlooded},
	} {
		var p50, p99 []float64
		said := ""
		for range b.rounds {
			during, stop := context.WithCancel(ctx)
			var running sync.WaitGroup
			var loadErr error
			started := make(chan struct{})
			running.Go(func() {
				start := sync.OnceFunc(func() { close(started) })
				defer start()
				said, loadErr = load.run(during, start)
			})
			<-started
			took, err := s.stream.openLoop(s.traffic, s.next, perSecond, b.latency)
			stop()
			running.Wait()
			if err := errors.Join(err, loadErr); err != nil {
				return fmt.Errorf("%s: %w\n%s", load.name, err, s.process.Log())
			}
			s.next += uint64(len(took))
			p50 = append(p50, float64(percentile(took, 50).Nanoseconds())/1000)
			p99 = append(p99, float64(percentile(took, 99).Nanoseconds())/1000)
		}
		b.table.add(row{"time to answer beside a relay, " + load.name, extdisco, fmt.Sprintf("p50 %.0f µs, p99 %.0f", median(p50), median(p99)), said, ""})
	}
	return nil
}

// startWithRelay starts extdisco with a relay, which is all that it offers.
func (b *bench) startWithRelay(ctx context.Context) (*subject, *relayServer, error) {
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, nil, err
	}
	defer l.Close()
	dir, err := b.folder("with-relay")
	if err != nil {
		return nil, nil, err
	}
	port, err := lab.FreePort()
	if err != nil {
		return nil, nil, err
	}
	file := filepath.Join(dir, "config.toml")
	content := fmt.Sprintf("[component]\njid = %q\nserver = %q\nsecret = %q\nhosts = [%q]\n[limits]\nper_jid = \"none\"\n"+
		"[relay]\nhost = \"127.0.0.1\"\npublic_ip = [\"127.0.0.1\"]\nlisten = [%q]\nports = \"40000-49999\"\nsecret = %q\nallow_peers = [\"127.0.0.1\"]\n[relay.limits]\nbandwidth = \"none\"\n",
		componentJID, l.Addr(), handshakeSecret, host, loopbackAddr(port), relaySecret)
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		return nil, nil, err
	}
	s := &subject{name: extdisco, traffic: &traffic{users: manyUsers, services: checkRelayServices}}
	s.process, err = lab.StartCommand(ctx, lab.CommandConfig{Name: "with-relay", Dir: dir, Argv: []string{b.extdisco, "serve", "--config", file}})
	if err != nil {
		return nil, nil, err
	}
	if s.stream, err = accept(l, true); err != nil {
		return nil, nil, errors.Join(fmt.Errorf("%w\n%s", err, s.process.Log()), s.process.Kill())
	}
	return s, &relayServer{name: extdisco, addr: loopbackAddr(port), pid: s.process.PID()}, nil
}

// checkRelayServices checks that an answer has the three services of the relay, two with
// a credential.
func checkRelayServices(b []byte, _ time.Time) error {
	if bytes.Count(b, []byte("<service ")) != 3 || bytes.Count(b, []byte(" password=")) != 2 {
		return errors.New("not all services of the relay")
	}
	return nil
}

// relays loads the relay until ctx ends, and says how much it relayed.
func (s *relayServer) relays(ctx context.Context, started func()) (string, error) {
	users, err := s.users(context.WithoutCancel(ctx), relayCase{network: "udp4", channel: true, size: 1200, clients: besideClients})
	defer func() {
		for _, u := range users {
			u.close()
		}
	}()
	if err != nil {
		return "", err
	}
	var sum relayLoad
	started()
	start := time.Now()
	for ctx.Err() == nil {
		load := drive(users, true, besideRate, 250*time.Millisecond)
		sum.sent, sum.received = sum.sent+load.sent, sum.received+load.received
	}
	return fmt.Sprintf("%.0f packets/s relayed", float64(sum.received)/time.Since(start).Seconds()), nil
}

// isFlooded sends requests without a credential until ctx ends, and says how many.
func (s *relayServer) isFlooded(ctx context.Context, started func()) (string, error) {
	request, err := allocateRequest()
	if err != nil {
		return "", err
	}
	conn, err := net.Dial("udp4", s.addr)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	started()
	start := time.Now()
	sent := floodUntil(ctx, conn, request)
	return fmt.Sprintf("%.0f/s sent", float64(sent)/time.Since(start).Seconds()), nil
}

// allocateRequest is the request that every client begins with.
func allocateRequest() ([]byte, error) {
	m, err := stun.Build(stun.TransactionID, stun.NewType(stun.MethodAllocate, stun.ClassRequest),
		stun.RawAttribute{Type: stun.AttrRequestedTransport, Value: []byte{17, 0, 0, 0}})
	if err != nil {
		return nil, err
	}
	return m.Raw, nil
}
