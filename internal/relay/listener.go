package relay

import (
	"io"
	"maps"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/pion/logging"
	"github.com/pion/turn/v5"
)

// Transport is how clients reach the relay.
type Transport uint8

// The transports.
const (
	UDP Transport = iota
	TCP
	TLS
	transports
)

// String returns "udp", "tcp" or "tls".
func (t Transport) String() string { return [transports]string{"udp", "tcp", "tls"}[t] }

// listener is one address that clients come to, with a pion server of its own.
type listener struct {
	relay     *Relay
	addr      netip.AddrPort
	transport Transport
	conn      *packetConn // over UDP
	accept    *acceptor   // over TCP and TLS
	reading   sync.WaitGroup

	mu      sync.RWMutex
	clients map[netip.AddrPort]*allocation
	streams map[netip.AddrPort]*stream
}

func newListener(r *Relay, addr netip.AddrPort, transport Transport) *listener {
	return &listener{relay: r, addr: addr, transport: transport,
		clients: map[netip.AddrPort]*allocation{}, streams: map[netip.AddrPort]*stream{}}
}

// open binds the address and lets pion read from it.
func (l *listener) open() error {
	c := turn.ServerConfig{
		Realm:        l.relay.cfg.realm(),
		AuthHandler:  l.authorize,
		QuotaHandler: l.relay.hasQuota,
		// What matters is logged here, where it is known who can cause it.
		LoggerFactory: &logging.DefaultLoggerFactory{Writer: io.Discard, DefaultLogLevel: logging.LogLevelDisabled},
		EventHandler: turn.EventHandler{
			OnAllocationCreated: l.created,
			OnPermissionCreated: func(_, _ net.Addr, _, _, _ string, relayed net.Addr, peer net.IP) {
				l.relay.with(relayed, func(a *allocation) { a.permit(addrOf(peer)) })
			},
			OnPermissionDeleted: func(_, _ net.Addr, _, _, _ string, relayed net.Addr, peer net.IP) {
				l.relay.with(relayed, func(a *allocation) { a.forbid(addrOf(peer)) })
			},
			OnChannelCreated: func(_, _ net.Addr, _, _, _ string, relayed, peer net.Addr, number uint16) {
				l.relay.with(relayed, func(a *allocation) { a.bind(number, addrPort(peer)) })
			},
			OnChannelDeleted: func(_, _ net.Addr, _, _, _ string, relayed, peer net.Addr, number uint16) {
				l.relay.with(relayed, func(a *allocation) { a.unbind(number, addrPort(peer)) })
			},
		},
	}
	var err error
	if l.transport == UDP {
		if l.conn, err = listenPacket(l); err != nil {
			return err
		}
		c.PacketConnConfigs = []turn.PacketConnConfig{{PacketConn: l.conn, RelayAddressGenerator: generator{l}, PermissionHandler: l.mayReach}}
	} else {
		if l.accept, err = listenStream(l); err != nil {
			return err
		}
		c.ListenerConfigs = []turn.ListenerConfig{{Listener: l.accept, RelayAddressGenerator: generator{l}, PermissionHandler: l.mayReach}}
	}
	if _, err = turn.NewServer(c); err != nil {
		l.closeSocket()
		if l.conn != nil {
			l.reading.Done() // which pion would have done
		}
		return err
	}
	return nil
}

func (l *listener) closeSocket() {
	if l.conn != nil {
		_ = l.conn.Close()
	}
	if l.accept != nil {
		_ = l.accept.Close()
	}
}

// stopReading lets pion read no more: it answers what it has read, and lets go.
func (l *listener) stopReading() {
	if l.conn != nil {
		_ = l.conn.SetReadDeadline(time.Now())
	}
	if l.accept != nil {
		_ = l.accept.Close()
	}
	for _, s := range l.allStreams() {
		_ = s.SetReadDeadline(time.Now())
	}
}

// close ends the listener with everything behind it and waits for pion to let go.
func (l *listener) close() {
	l.closeSocket()
	for _, s := range l.allStreams() {
		s.shut()
	}
	l.reading.Wait()
}

func (l *listener) allStreams() []*stream {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return slices.Collect(maps.Values(l.streams))
}

// placeFor returns where an allocation of the family lives: the address the client
// came to, if there is a public one for it, or else the first of the family.
func (l *listener) placeFor(is6 bool) *place {
	var first *place
	for i := range l.relay.places {
		p := &l.relay.places[i]
		if p.public.Is6() != is6 {
			continue
		}
		if p.local == l.addr.Addr() {
			return p
		}
		if first == nil {
			first = p
		}
	}
	return first
}

// allocationOf returns the allocation of a client, or nil.
func (l *listener) allocationOf(client netip.AddrPort) *allocation {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.clients[client]
}

func (l *listener) streamOf(client netip.AddrPort) *stream {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.streams[client]
}

// authorize tells pion what look has found out about the request that pion handles
// in this very goroutine.
func (l *listener) authorize(ra *turn.RequestAttributes) (user string, key []byte, ok bool) {
	var who login
	if l.transport == UDP {
		who = l.conn.login
	} else if s := l.streamOf(addrPort(ra.SrcAddr)); s != nil {
		who = s.login
	}
	return who.user, who.key, who.user != "" && ra.Realm == l.relay.cfg.realm()
}

// mayReach is asked for each permission and channel; look has counted them.
func (l *listener) mayReach(_ net.Addr, peer net.IP) bool {
	return l.relay.policy.judge(addrOf(peer)) != denied
}

// created connects an allocation with its client. pion calls it before it reads
// from the relayed address.
func (l *listener) created(src, _ net.Addr, _, _, _ string, relayed net.Addr, _ int) {
	l.relay.with(relayed, func(a *allocation) {
		client := addrPort(src)
		l.mu.Lock()
		defer l.mu.Unlock()
		a.client = client
		s := l.streams[client]
		switch {
		case l.transport == UDP:
			a.out = l.conn
		case s != nil:
			a.out = s
		default:
			a.out = nobody{} // the connection is gone, and pion will see it
		}
		if a.closed { // meanwhile
			return
		}
		l.clients[client] = a
		if s != nil {
			s.keep()
		}
	})
}

// forget is the opposite of created.
func (l *listener) forget(a *allocation) {
	l.mu.Lock()
	defer l.mu.Unlock()
	a.closed = true
	if l.clients[a.client] != a {
		return
	}
	delete(l.clients, a.client)
	if s := l.streams[a.client]; s != nil {
		s.giveTime()
	}
}

type nobody struct{}

func (nobody) sendData([]byte, netip.AddrPort) {}

func addrOf(ip net.IP) netip.Addr {
	addr, _ := netip.AddrFromSlice(ip)
	return addr.Unmap()
}
