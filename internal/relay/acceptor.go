package relay

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"
)

const (
	maxAcceptPause = time.Second
	// lowWater keeps what waits in the system's own queue for a client short.
	lowWater = 32 << 10
)

// acceptor takes connections in, within bounds, and makes streams of them. It is
// the net.Listener that pion has.
type acceptor struct {
	net.Listener
	l       *listener
	ready   chan *stream
	ctx     context.Context
	stop    context.CancelFunc
	working sync.WaitGroup // handshakes and writers
}

func listenStream(l *listener) (*acceptor, error) {
	network := "tcp4"
	if l.addr.Addr().Is6() {
		network = "tcp6"
	}
	inner, err := net.Listen(network, l.addr.String())
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	l.addr = addrPort(inner.Addr())
	acc := &acceptor{Listener: inner, l: l, ready: make(chan *stream)}
	acc.ctx, acc.stop = context.WithCancel(context.Background())
	l.reading.Go(func() {
		acc.run()
		acc.working.Wait()
	})
	return acc, nil
}

// Accept hands pion a connection that is within all bounds and, over TLS, greeted.
func (acc *acceptor) Accept() (net.Conn, error) {
	select {
	case s := <-acc.ready:
		return s, nil
	case <-acc.ctx.Done():
		return nil, net.ErrClosed
	}
}

// Close ends accepting. Connections stay.
func (acc *acceptor) Close() error {
	acc.stop()
	return acc.Listener.Close()
}

// run accepts until the listener is closed. Whatever else goes wrong, such as too
// many open files, goes by.
func (acc *acceptor) run() {
	wait := time.Duration(0)
	for {
		conn, err := acc.Listener.Accept()
		if acc.ctx.Err() != nil {
			if err == nil {
				_ = conn.Close()
			}
			return
		}
		if err != nil {
			acc.l.relay.say.warn("cannot accept a connection, trying again", "listen", acc.l.addr, "err", err)
			wait = min(max(2*wait, 5*time.Millisecond), maxAcceptPause)
			select {
			case <-time.After(wait):
			case <-acc.ctx.Done():
			}
			continue
		}
		wait = 0
		acc.take(conn)
	}
}

// take decides about a fresh connection.
func (acc *acceptor) take(conn net.Conn) {
	client := addrPort(conn.RemoteAddr())
	if !acc.l.relay.enter(sourceOf(client.Addr())) {
		abort(conn)
		return
	}
	_ = conn.SetReadDeadline(time.Now().Add(acc.l.relay.timing.unused))
	setLowWater(conn, lowWater)
	if acc.l.transport != TLS {
		acc.start(conn, client)
		return
	}
	r := acc.l.relay
	select {
	case r.handshakes <- struct{}{}:
	default:
		r.refused.add(overHandshakes)
		r.say.reached("limits.handshakes", "handshakes", cap(r.handshakes))
		r.exit(sourceOf(client.Addr()))
		abort(conn)
		return
	}
	acc.working.Go(func() {
		defer func() { <-r.handshakes }()
		acc.greet(conn, client)
	})
}

// greet shakes hands, and closes the connection if that fails.
func (acc *acceptor) greet(conn net.Conn, client netip.AddrPort) {
	secured := tls.Server(conn, acc.l.relay.tls)
	ctx, cancel := context.WithTimeout(acc.ctx, acc.l.relay.timing.handshake)
	defer cancel()
	if err := secured.HandshakeContext(ctx); err != nil {
		acc.l.relay.refused.add(handshakeFailed)
		acc.l.relay.exit(sourceOf(client.Addr()))
		_ = conn.Close()
		return
	}
	acc.start(secured, client)
}

// start hands a connection over to pion.
func (acc *acceptor) start(conn net.Conn, client netip.AddrPort) {
	l := acc.l
	s := newStream(l, conn, client)
	l.mu.Lock()
	l.streams[client] = s
	l.reading.Add(1)
	l.mu.Unlock()
	acc.working.Go(s.send)
	if acc.ctx.Err() != nil { // whoever ended the streams that there were has not seen it
		_ = s.Close()
		return
	}
	select {
	case acc.ready <- s:
	case <-acc.ctx.Done():
		_ = s.Close()
	}
}

// left forgets a connection that pion has closed.
func (acc *acceptor) left(s *stream) {
	acc.l.mu.Lock()
	if acc.l.streams[s.client] == s {
		delete(acc.l.streams, s.client)
	}
	acc.l.mu.Unlock()
	acc.l.relay.exit(s.source)
}

// abort closes a connection without waiting for anything, and lets the system
// forget it at once.
func abort(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}
