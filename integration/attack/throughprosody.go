package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"extdisco/integration/lab"
)

const (
	evil      = "evil.example.org" // a component that Prosody lets in, of somebody hostile
	killEvery = 10 * time.Second
	askEvery  = 400 * time.Millisecond
)

// prosodyScene is Prosody, extdisco, and a hostile component beside it.
type prosodyScene struct {
	*tally
	target
	binary string
	server *lab.XMPPServer
	secret string // of the hostile component
	gen    *generator

	away  sync.RWMutex // held while Prosody is being restarted: users do not ask then
	kills atomic.Int64 // counted before they are done, with away held
}

// attackThroughProsody attacks with what a real server lets through, while users ask
// and the server is killed.
func attackThroughProsody(ctx context.Context, dir, binary string, duration time.Duration, seed uint64) (*tally, error) {
	p := &prosodyScene{tally: newTally(), binary: binary, secret: rand.Text(), gen: newGenerator(seed)}
	p.handshakeSecret, p.sharedSecret = rand.Text(), rand.Text()
	serverDir, err := os.MkdirTemp(dir, "prosody-")
	if err != nil {
		return nil, err
	}
	p.server, err = lab.StartProsody(ctx, lab.XMPPConfig{
		Dir: serverDir, LogLevel: "warn",
		Hosts:      []lab.Host{{Name: host, Anonymous: true, DelegateTo: component}},
		Components: []lab.Component{{JID: component, Secret: p.handshakeSecret, Delegation: true}, {JID: evil, Secret: p.secret, KickOld: true}},
	})
	if err != nil {
		return nil, err
	}
	defer p.server.Stop()
	if err := p.start(ctx, dir, binary, p.server.ComponentAddr, false); err != nil {
		return nil, err
	}
	defer p.stop()
	ctx, cancel := context.WithTimeout(ctx, duration)
	defer cancel()
	var all sync.WaitGroup
	all.Go(func() { p.attack(ctx) })
	all.Go(func() { every(ctx, askEvery, func() { p.ask(ctx) }) })
	all.Go(func() { every(ctx, killEvery, func() { p.kill(ctx) }) })
	all.Wait()
	p.inspect(context.WithoutCancel(ctx), p.tally)
	return p.tally, nil
}

func every(ctx context.Context, d time.Duration, do func()) {
	tick := time.NewTicker(d)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			do()
		case <-ctx.Done():
			return
		}
	}
}

// attack sends batches over one connection after the other.
func (p *prosodyScene) attack(ctx context.Context) {
	for ctx.Err() == nil {
		p.away.RLock()
		kills := p.kills.Load()
		s, err := dialComponent(p.server.ComponentAddr, evil, p.secret)
		p.away.RUnlock()
		if err != nil {
			p.violation("the hostile component cannot connect: %v", err)
			return
		}
		p.attackOver(ctx, s, kills)
		_ = s.Close()
	}
}

// attackOver sends batches until Prosody is killed once more.
func (p *prosodyScene) attackOver(ctx context.Context, s *stream, kills int64) {
	for ctx.Err() == nil {
		text, attacks, _, last := p.batch(p.gen, batchSize/4, func() attack { return p.gen.hostile(evil, false) }, nil)
		err := p.exchange(s, text, attacks, nil, last)
		if err == nil {
			continue
		}
		if p.kills.Load() == kills && ctx.Err() == nil {
			p.violation("Prosody ended the hostile stream, or did not answer: %v", err)
		}
		return
	}
}

// ask asks as a user who logs in for it.
func (p *prosodyScene) ask(ctx context.Context) {
	p.away.RLock()
	defer p.away.RUnlock()
	out, err := exec.CommandContext(ctx, p.binary, "query", host, "--address", p.server.C2SAddr, "--tls", "none", "--insecure", "--json").CombinedOutput()
	switch {
	case ctx.Err() != nil:
	case err != nil:
		p.violation("a user was not served: %v: %.500s", err, out)
	default:
		p.add("users' requests answered", 1)
		p.minted(anyPassword.FindAllString(string(out), -1)...)
	}
}

// kill kills Prosody while the attack goes on, and starts it again.
func (p *prosodyScene) kill(ctx context.Context) {
	p.away.Lock()
	defer p.away.Unlock()
	p.kills.Add(1)
	if err := p.server.Kill(); err != nil {
		p.violation("%v", err)
		return
	}
	before := strings.Count(p.extdisco.Log(), connectedLine)
	if err := p.server.Start(context.WithoutCancel(ctx)); err != nil {
		p.violation("%v", err)
		return
	}
	begin := time.Now()
	if err := p.untilConnected(context.WithoutCancel(ctx), before+1); err != nil {
		p.violation("extdisco does not come back: %v", fmt.Errorf("%w: %s", err, lastLines(p.extdisco.Log())))
		return
	}
	took := time.Since(begin)
	p.add("kills of Prosody", 1)
	p.took("from the port of Prosody opening to the link", took)
	if took > backWithin {
		p.violation("extdisco was away for %v after Prosody was back", took)
	}
}
