package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"extdisco/integration/lab"
)

// relaySecret is the shared secret of both relays.
const relaySecret = "bench-of-relays"

// relayServer is a relay that is measured.
type relayServer struct {
	name string
	addr string
	tls  string // the address for TLS
	pid  int
	stop func() error
}

// relayCase is one kind of load.
type relayCase struct {
	network string
	channel bool
	up      bool
	size    int
	clients int
	rate    int
}

func (c relayCase) String() string {
	way, kind := "peer to client", "indications"
	if c.up {
		way = "client to peer"
	}
	if c.channel {
		kind = "channels"
	}
	return fmt.Sprintf("relay, %s, %s, %s, %d bytes, %d clients, %d/s", c.network[:3], kind, way, c.size, c.clients, c.rate)
}

// measureRelay compares the relay with coturn: processor time per relayed packet,
// loss and delay, one after the other under the same load.
func (b *bench) measureRelay(ctx context.Context) error {
	ours, err := b.startOurRelay(ctx)
	if err != nil {
		return err
	}
	defer ours.stop()
	coturn, err := b.startCoturn(ctx)
	if err != nil {
		return err
	}
	defer coturn.stop()
	servers := []*relayServer{coturn, ours}
	for _, c := range b.relayCases() {
		if err := b.compareRelays(ctx, servers, c); err != nil {
			return fmt.Errorf("%s: %w", c, err)
		}
	}
	if err := b.compareAllocations(ctx, servers); err != nil {
		return err
	}
	if err := b.flood(ctx, servers); err != nil {
		return err
	}
	return b.answersBeside(ctx)
}

// floodRate is how many requests without a credential are sent in a second.
const floodRate = 100_000

// flood measures what a flood of requests without a credential costs, and what
// users notice of it.
func (b *bench) flood(ctx context.Context, servers []*relayServer) error {
	request, err := allocateRequest()
	if err != nil {
		return err
	}
	for _, s := range servers {
		what, err := s.flood(ctx, request)
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		b.table.add(row{"relay, under requests without a credential from one address", s.name, what, "", ""})
	}
	return nil
}

func (s *relayServer) flood(ctx context.Context, request []byte) (string, error) {
	users, err := s.users(ctx, relayCase{network: "udp4", channel: true, size: 172, clients: 4})
	if err != nil {
		return "", err
	}
	defer func() {
		for _, u := range users {
			u.close()
		}
	}()
	conn, err := net.Dial("udp4", s.addr)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	before, err := cpuTime(s.pid)
	if err != nil {
		return "", err
	}
	ctx, stop := context.WithCancel(ctx)
	sent, start := make(chan int), time.Now()
	go func() { sent <- floodUntil(ctx, conn, request) }()
	load := drive(users, true, 400, 2*time.Second)
	stop()
	n, took := <-sent, time.Since(start)
	after, err := cpuTime(s.pid)
	return fmt.Sprintf("%.0f/s, %.0f %% of one processor; users: %s", float64(n)/took.Seconds(), 100*(after-before).Seconds()/took.Seconds(), load), err
}

// floodUntil sends floodRate datagrams a second and returns how many it has sent.
func floodUntil(ctx context.Context, conn net.Conn, datagram []byte) int {
	start, n := time.Now(), 0
	for ctx.Err() == nil {
		for due := int(time.Since(start).Seconds() * floodRate); n < due; n++ {
			_, _ = conn.Write(datagram)
		}
		time.Sleep(100 * time.Microsecond)
	}
	return n
}

func (b *bench) relayCases() []relayCase {
	var cases []relayCase
	clients := []int{10, 200, 1000}
	if b.rounds == quickPlan.rounds {
		clients = []int{20, 1000}
	}
	for _, n := range clients {
		for _, channel := range []bool{true, false} {
			for _, size := range []int{172, 1200} {
				for _, up := range []bool{true, false} {
					cases = append(cases, relayCase{"udp4", channel, up, size, n, 20_000})
				}
			}
		}
	}
	cases = append(cases, relayCase{"udp4", true, true, 1200, 50, 50_000}, relayCase{"udp4", true, false, 1200, 50, 50_000})
	for _, network := range []string{"tcp4", "tls4"} {
		for _, up := range []bool{true, false} {
			cases = append(cases, relayCase{network, true, up, 172, 20, 20_000}, relayCase{network, true, up, 1200, 20, 20_000})
		}
	}
	return cases
}

// compareRelays measures both under one load in turns, and takes the round with the
// least processor time per packet of each: others on this machine only add to it.
func (b *bench) compareRelays(ctx context.Context, servers []*relayServer, c relayCase) error {
	best := make([]time.Duration, len(servers))
	loads := make([]relayLoad, len(servers))
	for round := range min(b.rounds, 3) {
		for i, s := range servers {
			cost, load, err := s.measure(ctx, c, b.latency)
			if err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
			if round == 0 || cost < best[i] {
				best[i], loads[i] = cost, load
			}
		}
	}
	for i, s := range servers {
		ratio := ""
		if i > 0 {
			ratio = fmt.Sprintf("%.2f", float64(best[i])/float64(best[0]))
		}
		b.table.add(row{c.String(), s.name, fmt.Sprintf("%.1f µs, %s", best[i].Seconds()*1e6, loads[i]), ratio, ""})
	}
	return nil
}

// measure returns the processor time per packet that arrived.
func (s *relayServer) measure(ctx context.Context, c relayCase, during time.Duration) (time.Duration, relayLoad, error) {
	users, err := s.users(ctx, c)
	defer func() {
		for _, u := range users {
			u.close()
		}
	}()
	if err != nil {
		return 0, relayLoad{}, err
	}
	before, err := cpuTime(s.pid)
	if err != nil {
		return 0, relayLoad{}, err
	}
	load := drive(users, c.up, c.rate, during)
	after, err := cpuTime(s.pid)
	if err != nil {
		return 0, relayLoad{}, err
	}
	if load.received == 0 {
		return 0, load, fmt.Errorf("nothing was relayed")
	}
	return (after - before) / time.Duration(load.received), load, nil
}

// users allocates for all clients, sixteen at a time.
func (s *relayServer) users(ctx context.Context, c relayCase) ([]*relayUser, error) {
	users := make([]*relayUser, c.clients)
	errs := make(chan error, c.clients)
	var all sync.WaitGroup
	slots := make(chan struct{}, 16)
	for i := range users {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			addr := s.addr
			if c.network == "tls4" {
				addr = s.tls
			}
			u, err := newRelayUser(c.network, addr, relaySecret, "user"+strconv.Itoa(i), c.channel, c.size)
			if err != nil {
				errs <- err
				return
			}
			users[i] = u
		})
	}
	all.Wait()
	made := users[:0]
	for _, u := range users {
		if u != nil {
			made = append(made, u)
		}
	}
	select {
	case err := <-errs:
		return made, err
	default:
		return made, ctx.Err()
	}
}

// compareAllocations measures how long 1,000 allocations take and how much memory.
func (b *bench) compareAllocations(ctx context.Context, servers []*relayServer) error {
	c := relayCase{network: "udp4", channel: true, size: 172, clients: 1000}
	for _, s := range servers {
		before, _, err := resident(s.pid)
		if err != nil {
			return err
		}
		cpu, err := cpuTime(s.pid)
		if err != nil {
			return err
		}
		start := time.Now()
		users, err := s.users(ctx, c)
		took := time.Since(start)
		after, _, rssErr := resident(s.pid)
		used, cpuErr := cpuTime(s.pid)
		for _, u := range users {
			u.close()
		}
		for _, err := range []error{err, rssErr, cpuErr} {
			if err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
		}
		b.table.add(row{"relay, 1,000 allocations with a channel each", s.name, fmt.Sprintf("%.0f/s, %.2f ms of CPU each, %.1f MB more than before, %.1f MB in all",
			1000/took.Seconds(), (used - cpu).Seconds(), float64(after-before)/1e6, float64(after)/1e6), "", ""})
	}
	return nil
}

func (b *bench) startOurRelay(ctx context.Context) (*relayServer, error) {
	binary := filepath.Join(b.dir, "relayserver")
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", binary, "extdisco/integration/bench/relayserver").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("cannot build the relay: %w\n%s", err, out)
	}
	var ports [2]int
	for i := range ports {
		var err error
		if ports[i], err = lab.FreePort(); err != nil {
			return nil, err
		}
	}
	dir, err := b.folder("relay")
	if err != nil {
		return nil, err
	}
	ca, err := lab.NewCA(dir)
	if err != nil {
		return nil, err
	}
	cert, key, err := ca.Issue(dir, "127.0.0.1")
	if err != nil {
		return nil, err
	}
	addr, tlsAddr := loopbackAddr(ports[0]), loopbackAddr(ports[1])
	process, err := lab.StartCommand(ctx, lab.CommandConfig{Name: "relay", Dir: dir,
		Argv: []string{binary, addr, "127.0.0.1", "127.0.0.1", "40000", "49999", relaySecret, tlsAddr, cert, key}})
	if err != nil {
		return nil, err
	}
	if err := lab.Poll(ctx, func(context.Context) error { return errors.Join(connects(addr), connects(tlsAddr)) }); err != nil {
		return nil, err
	}
	return &relayServer{"extdisco", addr, tlsAddr, process.PID(), process.Stop}, nil
}

func loopbackAddr(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

func connects(addr string) error {
	conn, err := net.Dial("tcp4", addr)
	if err != nil {
		return err
	}
	return conn.Close()
}

func (b *bench) startCoturn(ctx context.Context) (*relayServer, error) {
	dir, err := b.folder("coturn")
	if err != nil {
		return nil, err
	}
	ca, err := lab.NewCA(dir)
	if err != nil {
		return nil, err
	}
	coturn, err := lab.StartCoturn(ctx, lab.CoturnConfig{Dir: dir, Secrets: []string{relaySecret}, CA: ca,
		Extra: "min-port=50000\nmax-port=59999\nrelay-threads=2\n"})
	if err != nil {
		return nil, err
	}
	return &relayServer{"coturn", loopbackAddr(coturn.Port), loopbackAddr(coturn.TLSPort), coturn.PID(), coturn.Stop}, nil
}
