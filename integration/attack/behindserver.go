package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"
)

const (
	batchSize  = 200
	floodEvery = 7 * time.Second
	breakEvery = 3 * time.Second
	// backWithin is how long extdisco may stay away from a server on this machine
	// that is there: its longest pause there is a second.
	backWithin = 3 * time.Second

	floodSize = 2000
	perJID    = 60 // limits.per_jid of the configuration, a minute
)

// hostileServer is a server that sends its component whatever it likes.
type hostileServer struct {
	*tally
	target
	listener *net.TCPListener
	stream   *stream
	gen      *generator
}

// attackFromServer attacks from behind a server that keeps no rules.
func attackFromServer(ctx context.Context, dir, binary string, duration time.Duration, seed uint64) (*tally, error) {
	listener, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, err
	}
	defer listener.Close()
	h := &hostileServer{tally: newTally(), listener: listener, gen: newGenerator(seed)}
	h.handshakeSecret, h.sharedSecret = rand.Text(), rand.Text()
	if err := h.start(ctx, dir, binary, listener.Addr().String(), true); err != nil {
		return nil, err
	}
	defer h.stop()
	if err := h.accept(); err != nil {
		return nil, err
	}
	defer func() { h.stream.Close() }()
	if err := h.attack(ctx, time.Now().Add(duration)); err != nil {
		return nil, err
	}
	h.inspect(ctx, h.tally)
	return h.tally, nil
}

// attack sends batches until the deadline. Now and then it floods, and breaks the link.
func (h *hostileServer) attack(ctx context.Context, deadline time.Time) error {
	flooded, broken := time.Now(), time.Now()
	for time.Now().Before(deadline) && ctx.Err() == nil {
		text, attacks, served, last := h.batch(h.gen, batchSize, h.next, h.user)
		if err := h.exchange(h.stream, text, attacks, served, last); err != nil {
			h.violation("the link ended without a reason: %v", err)
			if err := h.reconnect(); err != nil {
				return err
			}
		}
		if time.Since(flooded) > floodEvery {
			flooded = time.Now()
			if err := h.flood(); err != nil {
				return err
			}
		}
		if time.Since(broken) > breakEvery {
			broken = time.Now()
			if err := h.breakLink(); err != nil {
				return err
			}
		}
	}
	return nil
}

func (h *hostileServer) next() attack { return h.gen.hostile("evil.example", true) }

// user is a request of somebody who has not asked before.
func (h *hostileServer) user() (id, stanza string) {
	return h.gen.trusted(strings.ToLower(rand.Text()))
}

// flood has one user ask far over the limit, and others among that.
func (h *hostileServer) flood() error {
	begin := time.Now()
	var text strings.Builder
	flood, served := map[string]bool{}, map[string]bool{}
	name := "flood" + strings.ToLower(rand.Text())
	last := ""
	for i := range floodSize {
		id, stanza := h.gen.trusted(name)
		flood[id] = true
		text.WriteString(stanza)
		if i%100 == 99 {
			last, stanza = h.user()
			served[last] = true
			text.WriteString(stanza)
		}
	}
	granted, err := h.countServed(text.String(), flood, served, last)
	if err != nil {
		return fmt.Errorf("flood: %w", err)
	}
	h.add("requests of users who flood", floodSize)
	h.add("of these answered with a credential", granted)
	if most := perJID + int(time.Since(begin).Seconds()) + 1; granted > most {
		h.violation("a user got %d credentials, of %d at most", granted, most)
	}
	return nil
}

// countServed is exchange for a flood, whose requests may be refused.
func (h *hostileServer) countServed(text string, flood, served map[string]bool, last string) (granted int, err error) {
	var attacks []attack
	counter := newTally()
	all := map[string]bool{}
	for id := range flood {
		all[id] = true
	}
	for id := range served {
		all[id] = true
	}
	// As users' requests, each of which must be answered; refusals are counted apart.
	if err := counter.exchange(h.stream, text, attacks, all, last); err != nil {
		return 0, err
	}
	for _, v := range counter.first {
		if !strings.HasPrefix(v, "a user was refused") {
			h.violation("flood: %s", v)
		}
	}
	granted = counter.counts["users' requests answered"] - len(served)
	if granted < 0 || counter.wrong > len(flood) {
		h.violation("users beside a flood were refused")
	}
	for p := range counter.passwords {
		h.minted(p)
	}
	return granted, nil
}

// breakLink ends the connection as crashes and broken servers do.
func (h *hostileServer) breakLink() error {
	how, err := "connections broken off in a stanza", error(nil)
	if h.gen.rand.IntN(2) == 0 {
		_, err = h.stream.Write([]byte(h.next().stanza[:20]))
		err = errors.Join(err, h.stream.reset())
	} else {
		how = "connections with broken XML"
		err = h.stream.SetDeadline(time.Now().Add(patience))
		// It may have ended the stream before all was written.
		_, _ = h.stream.Write([]byte(h.gen.garbage() + "</a>"))
		for err == nil { // until it has
			if _, e := h.stream.read(); e != nil {
				break
			}
		}
		_ = h.stream.Close()
	}
	if err != nil {
		return err
	}
	h.add(how, 1)
	return h.reconnect()
}

// reconnect lets extdisco in again.
func (h *hostileServer) reconnect() error {
	begin := time.Now()
	if err := h.accept(); err != nil {
		return err
	}
	took := time.Since(begin)
	h.took("from a broken link to the next one", took)
	if took > backWithin {
		h.violation("extdisco was away for %v", took)
	}
	return nil
}

func (h *hostileServer) accept() error {
	if err := h.listener.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	conn, err := h.listener.Accept()
	if err != nil {
		return fmt.Errorf("extdisco does not connect: %w", err)
	}
	h.stream, err = serveComponent(conn, h.handshakeSecret)
	return err
}
