package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"extdisco/integration/lab"
)

// measureRestart measures how soon users are answered again after either side
// was away.
func (b *bench) measureRestart(ctx context.Context) (err error) {
	dir, err := b.folder("prosody")
	if err != nil {
		return err
	}
	server, err := lab.StartProsody(ctx, lab.XMPPConfig{
		Dir: dir, LogLevel: "warn",
		Hosts:      []lab.Host{{Name: host, Anonymous: true, DelegateTo: componentJID}},
		Components: []lab.Component{{JID: componentJID, Secret: handshakeSecret, Delegation: true}},
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Stop()) }()
	if dir, err = b.folder(extdisco); err != nil {
		return err
	}
	argv, err := b.command(extdisco, dir, server.ComponentAddr, componentJID, host, 2)
	if err != nil {
		return err
	}
	if err := b.measureOurRestart(ctx, server, argv, dir); err != nil {
		return err
	}
	return b.measureServerRestart(ctx, server, argv, dir)
}

// measureOurRestart starts extdisco again and again while a user asks without
// pause, and takes the first answer.
func (b *bench) measureOurRestart(ctx context.Context, server *lab.XMPPServer, argv []string, dir string) error {
	user, err := login(server.C2SAddr, host, componentJID, 2)
	if err != nil {
		return err
	}
	defer user.conn.Close()
	var sinceExec, sinceAsked []time.Duration
	for range b.restarts {
		if err := b.untilRefused(ctx, user); err != nil {
			return err
		}
		start := time.Now()
		process, err := lab.StartCommand(ctx, lab.CommandConfig{Name: extdisco, Argv: argv, Dir: dir})
		if err != nil {
			return err
		}
		for {
			asked := time.Now()
			if err := user.conn.SetDeadline(asked.Add(10 * time.Second)); err != nil {
				return err
			}
			if err = user.ask(); err == nil {
				sinceExec, sinceAsked = append(sinceExec, time.Since(start)), append(sinceAsked, time.Since(asked))
				break
			}
			if !errors.Is(err, errRefused) || time.Since(start) > 10*time.Second {
				return errors.Join(err, process.Kill())
			}
		}
		if err := process.Kill(); err != nil {
			return err
		}
	}
	b.reportTimes("from exec to the first answer, behind Prosody", sinceExec, "≤ 20 ms")
	b.reportTimes("first answer after a connect, from when it was asked", sinceAsked, "≤ 2 ms")
	return nil
}

// untilRefused asks until the server says that there is no component.
func (b *bench) untilRefused(ctx context.Context, user *client) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	return lab.Poll(ctx, func(context.Context) error {
		if err := user.conn.SetDeadline(time.Now().Add(time.Second)); err != nil {
			return err
		}
		switch err := user.ask(); {
		case errors.Is(err, errRefused):
			return nil
		case err == nil:
			return errors.New("the component is still there")
		default:
			return err
		}
	})
}

// away is how long the server is gone.
const away = 2 * time.Second

// measureServerRestart kills the server, lets it be away and starts it again.
func (b *bench) measureServerRestart(ctx context.Context, server *lab.XMPPServer, argv []string, dir string) error {
	var in, cpu []time.Duration
	for range b.restarts {
		took, used, err := restartServer(ctx, server, argv, dir)
		if err != nil {
			return err
		}
		in, cpu = append(in, took), append(cpu, used)
	}
	b.reportTimes("Prosody killed and started: in, since its port opened", in, "≤ 100 ms")
	b.reportTimes(fmt.Sprintf("CPU while Prosody is away, in %v", away), cpu, "no spinning")
	return nil
}

// restartServer does that once, to an extdisco that has been connected for a
// moment. It returns how long after its port opened the component was in, and what
// the component used while the server was away.
func restartServer(ctx context.Context, server *lab.XMPPServer, argv []string, dir string) (in, cpu time.Duration, err error) {
	started := time.Now()
	process, err := lab.StartCommand(ctx, lab.CommandConfig{Name: "connecting", Argv: argv, Dir: dir})
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, process.Kill()) }()
	log := filepath.Join(dir, "connecting.log")
	if _, err := waitForLink(ctx, log, started); err != nil {
		return 0, 0, err
	}
	if err := server.Kill(); err != nil {
		return 0, 0, err
	}
	before, err := cpuTime(process.PID())
	if err != nil {
		return 0, 0, err
	}
	time.Sleep(away)
	after, err := cpuTime(process.PID())
	if err != nil {
		return 0, 0, err
	}
	opened := make(chan time.Time, 1)
	go func() { opened <- whenOpen(server.ComponentAddr) }()
	if err := server.Start(ctx); err != nil {
		return 0, 0, err
	}
	open := <-opened
	linked, err := waitForLink(ctx, log, open)
	if err != nil {
		return 0, 0, fmt.Errorf("%w\n%s", err, process.Log())
	}
	return linked.Sub(open), after - before, nil
}

// whenOpen returns when the address accepts connections.
func whenOpen(address string) time.Time {
	for start := time.Now(); time.Since(start) < 30*time.Second; time.Sleep(time.Millisecond) {
		if conn, err := net.Dial("tcp", address); err == nil {
			conn.Close()
			break
		}
	}
	return time.Now()
}

var connectedLine = regexp.MustCompile(`time=(\S+) level=INFO msg="connected to the XMPP server"`)

// waitForLink waits until the log tells of a link that was made after an instant,
// give or take the resolution of the log, and returns when that was.
func waitForLink(ctx context.Context, log string, after time.Time) (linked time.Time, err error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	err = lab.Poll(ctx, func(context.Context) error {
		content, err := os.ReadFile(log)
		if err != nil {
			return err
		}
		lines := connectedLine.FindAllSubmatch(content, -1)
		if len(lines) == 0 {
			return errors.New("there was no link yet")
		}
		if linked, err = time.Parse(time.RFC3339Nano, string(lines[len(lines)-1][1])); err != nil {
			return err
		}
		if linked.Before(after.Add(-5 * time.Millisecond)) {
			return errors.New("there is no link yet")
		}
		return nil
	})
	return linked, err
}

func (b *bench) reportTimes(what string, took []time.Duration, target string) {
	millis := func(p float64) float64 { return float64(percentile(took, p).Nanoseconds()) / 1e6 }
	b.table.add(row{what: what, who: extdisco, value: fmt.Sprintf("median %.1f ms, worst %.1f", millis(50), millis(100)), target: target})
}
