package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"extdisco/integration/lab"
)

// clients is how many users ask at the same time, each one question after the
// other.
const clients = 50

// route is one way in which users of a real server are answered. Each has a host
// of its own on the server, so that all can be measured in turns.
type route struct {
	who      string
	ejabberd bool
	services int
	host     string
	to       string // whom the users ask: the host or the component
	program  string // behind the server, with a component of its own; empty for none

	users   []*client
	process *lab.Command // the program
	loads   []load
	server  []load // the same, with the processor time of the server
	target  string // against the one before, if set
}

// routes are those that are measured.
func routes() []*route {
	list := []*route{
		{who: "Prosody → minimal component, direct", program: minimal, services: 2},
		{who: "Prosody → extdisco, direct", program: extdisco, services: 2, target: "≥ 0.98"},
		{who: "Prosody, mod_delegation → minimal component", program: minimal, services: 2},
		{who: "Prosody, mod_delegation → extdisco", program: extdisco, services: 2, target: "≥ 0.98"},
		{who: "Prosody, mod_external_services", services: 2},
		{who: "Prosody, mod_extdisco_bridge → extdisco", program: extdisco, services: 2, target: "≥ 1.0"},
		{who: "Prosody, mod_external_services, 8 services", services: 8},
		{who: "Prosody, mod_extdisco_bridge → extdisco, 8 services", program: extdisco, services: 8, target: "≥ 1.0"},
		{who: "Prosody, mod_delegation → extdisco, 8 services", program: extdisco, services: 8},
		{who: "ejabberd, mod_stun_disco", ejabberd: true, services: 2},
		{who: "ejabberd, mod_stun_disco, 8 services", ejabberd: true, services: 8},
	}
	for i, r := range list {
		r.host = fmt.Sprintf("host%d.example.org", i)
		r.to = r.host
		if strings.Contains(r.who, "direct") {
			r.to = r.component()
		}
	}
	return list
}

func (r *route) component() string { return "turn." + r.host }
func (r *route) bridged() bool     { return strings.Contains(r.who, "bridge") }
func (r *route) delegated() bool   { return strings.Contains(r.who, "delegation") }

// hostConfig describes the host to the server.
func (r *route) hostConfig() lab.Host {
	h := lab.Host{Name: r.host, Anonymous: true}
	switch {
	case r.delegated():
		h.DelegateTo = r.component()
	case r.bridged():
		h.Modules = []string{"external_services"}
	case r.ejabberd:
		h.Extra = stunDisco(r.services)
	case r.program == "":
		h.Modules = []string{"external_services"}
		h.Extra = externalServices(r.services)
	}
	return h
}

// externalServices configures Prosody's own module.
func externalServices(services int) string {
	var b strings.Builder
	b.WriteString("\texternal_services = {\n")
	for i := range services {
		kind, secret := "turn", fmt.Sprintf("; secret = %q; algorithm = \"turn\"; ttl = %d", sharedSecret, int(ttl.Seconds()))
		if i == 0 {
			kind, secret = "stun", ""
		}
		fmt.Fprintf(&b, "\t\t{ type = %q; host = %q; port = %d; transport = \"udp\"%s };\n", kind, relay, 3478+i, secret)
	}
	return b.String() + "\t}\n"
}

// stunDisco configures ejabberd's own module, beside those of all hosts.
func stunDisco(services int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "modules:\n  mod_disco: {}\n  mod_ping: {}\n  mod_stun_disco:\n    access: all\n    credentials_lifetime: %d\n    offer_local_services: false\n    secret: %q\n    services:\n",
		int(ttl.Seconds()), sharedSecret)
	for i := range services {
		kind := "turn"
		if i == 0 {
			kind = "stun"
		}
		fmt.Fprintf(&b, "      - { host: %q, port: %d, type: %s, transport: udp, restricted: %t }\n", relay, 3478+i, kind, i > 0)
	}
	return b.String()
}

// measureServers measures what users of real servers get.
func (b *bench) measureServers(ctx context.Context) (err error) {
	list := routes()
	bridge, err := bridgeFolder()
	if err != nil {
		return err
	}
	if bridge == "" {
		list = without(list, (*route).bridged)
	}
	for _, kind := range []struct {
		name  string
		start func(context.Context, lab.XMPPConfig) (*lab.XMPPServer, error)
	}{{"Prosody", lab.StartProsody}, {"ejabberd", lab.StartEjabberd}} {
		ejabberd := kind.name == "ejabberd"
		mine := without(list, func(r *route) bool { return r.ejabberd != ejabberd })
		if err := b.measureServer(ctx, mine, kind.start, bridge); err != nil {
			return fmt.Errorf("%s: %w", kind.name, err)
		}
	}
	b.reportServers(list)
	return nil
}

// bridgeFolder returns the folder of this project's module for Prosody, or "".
func bridgeFolder() (string, error) {
	folder, err := filepath.Abs("prosody")
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(filepath.Join(folder, "mod_extdisco_bridge")); errors.Is(err, os.ErrNotExist) {
		return "", nil
	}
	return folder, nil
}

func without(list []*route, drop func(*route) bool) []*route {
	var kept []*route
	for _, r := range list {
		if !drop(r) {
			kept = append(kept, r)
		}
	}
	return kept
}

func (b *bench) measureServer(ctx context.Context, list []*route, start func(context.Context, lab.XMPPConfig) (*lab.XMPPServer, error), bridge string) (err error) {
	dir, err := b.folder("server")
	if err != nil {
		return err
	}
	cfg := lab.XMPPConfig{Dir: dir, LogLevel: "warn"}
	if bridge != "" {
		cfg.Extra = fmt.Sprintf("plugin_paths = { %q }\n", bridge)
	}
	for _, r := range list {
		cfg.Hosts = append(cfg.Hosts, r.hostConfig())
		if r.program != "" {
			c := lab.Component{JID: r.component(), Secret: handshakeSecret, Delegation: r.delegated()}
			if r.bridged() {
				c.Modules = []string{"extdisco_bridge"}
			}
			cfg.Components = append(cfg.Components, c)
		}
	}
	if list[0].ejabberd {
		cfg.LogLevel, cfg.Extra = "warning", ""
	}
	server, err := start(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() {
		for _, r := range list {
			r.close()
		}
		// Prosody 0.12 may never end when SIGTERM comes while so many clients leave.
		err = errors.Join(err, server.Kill())
	}()
	for _, r := range list {
		if err := b.openRoute(ctx, r, server); err != nil {
			return fmt.Errorf("%s: %w", r.who, err)
		}
	}
	for round := range b.serverRounds {
		b.noise.sample()
		for i := range list {
			r := list[(i+round)%len(list)]
			if err := r.measure(server, b.server); err != nil {
				return fmt.Errorf("%s: %w\n%s", r.who, err, server.Log())
			}
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}

// openRoute starts the program of a route, logs its users in and waits until one
// of them is answered.
func (b *bench) openRoute(ctx context.Context, r *route, server *lab.XMPPServer) error {
	if r.program != "" {
		dir, err := b.folder(r.program)
		if err != nil {
			return err
		}
		argv, err := b.command(r.program, dir, server.ComponentAddr, r.component(), r.host, r.services)
		if err != nil {
			return err
		}
		if r.process, err = lab.StartCommand(ctx, lab.CommandConfig{Name: strings.ReplaceAll(r.program, " ", "-"), Argv: argv, Dir: dir}); err != nil {
			return err
		}
	}
	for range clients {
		c, err := login(server.C2SAddr, r.host, r.to, r.services)
		if err != nil {
			return err
		}
		r.users = append(r.users, c)
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if err := lab.Poll(ctx, func(context.Context) error { return r.users[0].ask() }); err != nil {
		return fmt.Errorf("%w\n%s", err, server.Log())
	}
	return nil
}

func (r *route) close() {
	for _, c := range r.users {
		c.conn.Close()
	}
	if r.process != nil {
		_ = r.process.Kill()
	}
}

// measure lets all users ask.
func (r *route) measure(server *lab.XMPPServer, for_ time.Duration) error {
	used := func() (program, whole time.Duration, err error) {
		if r.process != nil {
			if program, err = cpuTime(r.process.PID()); err != nil {
				return 0, 0, err
			}
		}
		whole, err = cpuTime(server.PID())
		return program, whole, err
	}
	program, whole, err := used()
	if err != nil {
		return err
	}
	var asking sync.WaitGroup
	answers, errs := make([]uint64, len(r.users)), make([]error, len(r.users))
	start := time.Now()
	for i, c := range r.users {
		asking.Go(func() { answers[i], errs[i] = c.askRepeatedly(start.Add(for_)) })
	}
	asking.Wait()
	l := load{took: time.Since(start)}
	for _, n := range answers {
		l.answers += n
	}
	programAfter, wholeAfter, err := used()
	if err = errors.Join(append(errs, err)...); err != nil {
		return err
	}
	l.cpu = programAfter - program
	r.loads = append(r.loads, l)
	l.cpu = wholeAfter - whole
	r.server = append(r.server, l)
	return nil
}

func (b *bench) reportServers(list []*route) {
	for i, r := range list {
		value := fmt.Sprintf("%.0f answers/s, server %.0f µs", median(each(r.loads, load.perSecond)), median(each(r.server, load.cpuPerAnswer)))
		if r.process != nil {
			value += fmt.Sprintf(", %s %.1f µs", r.program, median(each(r.loads, load.cpuPerAnswer)))
		}
		ratio := ""
		if r.target != "" {
			ratio = fmt.Sprintf("%.2f × %s", median(ratios(r.loads, list[i-1].loads, load.perSecond)), list[i-1].short())
		}
		b.table.add(row{what: fmt.Sprintf("%d clients of a real server", clients), who: r.who, value: value, ratio: ratio, target: r.target})
	}
}

// short says what a route is compared with.
func (r *route) short() string {
	if r.program == minimal {
		return "minimal"
	}
	return "built in"
}
