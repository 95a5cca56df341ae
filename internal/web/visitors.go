package web

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"time"

	"extdisco/internal/limit"
)

const (
	// maxVisitors bounds the connections that are open at a time.
	maxVisitors = 256
	// maxBusy bounds the requests that are worked on at a time. It is well below
	// maxVisitors, so that there is always a connection that can be closed to make
	// room, and health checks are not counted in it.
	maxBusy = 64
	// busyWait is how long a request waits until it may be worked on.
	busyWait = time.Second
)

// visitors is a listener that never makes a new connection wait. When too many are
// open it closes one that has no request being worked on: idle, or slow to send or
// to read. The address with the most of those gives one up, its oldest. So whoever
// opens many connections, and leaves them idle or feeds them slowly, takes room
// from nobody else.
type visitors struct {
	net.Listener

	slots chan struct{} // has an element for each request that is worked on

	mu   sync.Mutex
	open map[*visitor]struct{}
	turn uint64 // counts what has happened, to tell who has waited longest
}

func newVisitors(l net.Listener) *visitors {
	return &visitors{Listener: l, slots: make(chan struct{}, maxBusy), open: map[*visitor]struct{}{}}
}

// Accept returns the next connection, if need be in place of another.
func (v *visitors) Accept() (net.Conn, error) {
	conn, err := v.Listener.Accept()
	if err != nil {
		return nil, err
	}
	visitor := &visitor{Conn: conn, from: networkOf(conn.RemoteAddr().String()), among: v}
	if loser := v.add(visitor); loser != nil {
		_ = loser.Close()
	}
	return visitor, nil
}

// add adds a visitor and returns the one that has to go, if one has to.
func (v *visitors) add(new *visitor) (loser *visitor) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.open) >= maxVisitors {
		loser = v.mostDispensable()
	}
	v.turn++
	new.since = v.turn
	v.open[new] = struct{}{}
	return loser
}

// mostDispensable returns the oldest of the waiting connections of the network that
// has the most of them.
func (v *visitors) mostDispensable() (loser *visitor) {
	waiting := map[netip.Prefix]int{}
	for c := range v.open {
		if !c.busy {
			waiting[c.from]++
		}
	}
	for c := range v.open {
		if c.busy {
			continue
		}
		if loser == nil || waiting[c.from] > waiting[loser.from] || waiting[c.from] == waiting[loser.from] && c.since < loser.since {
			loser = c
		}
	}
	return loser
}

// visitor is a connection of somebody.
type visitor struct {
	net.Conn
	from  netip.Prefix
	among *visitors

	busy  bool   // its request is worked on
	since uint64 // when it began to wait
}

// Close closes the connection and makes room.
func (c *visitor) Close() error {
	c.among.mu.Lock()
	delete(c.among.open, c)
	c.among.mu.Unlock()
	return c.Conn.Close()
}

// begin waits until the connection's request may be worked on, and reports whether
// it may. A health check need not wait. [visitor.end] must follow when begin returns
// true. HTTP/1.1 has one request at a time.
func (c *visitor) begin(ctx context.Context, health bool) bool {
	if !health {
		wait := time.NewTimer(busyWait)
		defer wait.Stop()
		select {
		case c.among.slots <- struct{}{}:
		case <-wait.C:
			return false
		case <-ctx.Done():
			return false
		}
	}
	c.setBusy(true)
	return true
}

// end undoes [visitor.begin].
func (c *visitor) end(health bool) {
	c.setBusy(false)
	if !health {
		<-c.among.slots
	}
}

func (c *visitor) setBusy(busy bool) {
	c.among.mu.Lock()
	defer c.among.mu.Unlock()
	c.among.turn++
	c.busy, c.since = busy, c.among.turn
}

type visitorKey struct{}

// withVisitor is an [http.Server.ConnContext].
func withVisitor(ctx context.Context, conn net.Conn) context.Context {
	if t, ok := conn.(interface{ NetConn() net.Conn }); ok { // TLS
		conn = t.NetConn()
	}
	return context.WithValue(ctx, visitorKey{}, conn)
}

// visitorOf returns the connection of a request, or nil when it did not come
// through a [Server].
func visitorOf(ctx context.Context) *visitor {
	c, _ := ctx.Value(visitorKey{}).(*visitor)
	return c
}

// networkOf returns whom an address HOST:PORT belongs to; see [limit.Network].
func networkOf(hostPort string) netip.Prefix {
	a, _ := netip.ParseAddrPort(hostPort) // what is no address belongs to nobody
	return limit.Network(a.Addr())
}
