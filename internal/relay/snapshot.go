package relay

import (
	"context"
	"net/netip"
	"time"
)

// Ended is an allocation that has ended.
type Ended struct {
	User      string // the part of the username behind the colon: a pseudonym
	Transport Transport
	Client    netip.AddrPort
	Relayed   netip.AddrPort // as peers knew it
	Started   time.Time
	Duration  time.Duration
	Up, Down  Traffic // from and to the client
	// Reason is "client" where the client ended it, went away or let it expire,
	// "denied" or "shutdown".
	Reason string
}

// report tells of ended allocations until ctx is done and nothing is left to tell.
func (r *Relay) report(ctx context.Context) {
	for {
		select {
		case <-r.reported:
		case <-ctx.Done():
		}
		r.mu.Lock()
		reports := r.reports
		r.reports = nil
		r.mu.Unlock()
		for _, ended := range reports {
			r.cfg.Ended(ended)
		}
		if ctx.Err() != nil && len(reports) == 0 {
			return
		}
	}
}

// Snapshot is the state of a relay at one instant.
type Snapshot struct {
	ByTransport [3]TransportSnapshot // index: [UDP], [TCP], [TLS]
	Refused     map[Reason]uint64    // requests, packets and connections
	Users       int                  // who have an allocation
	Connections int                  // over TCP and TLS, with an allocation or not
	Ports       int                  // of all relay addresses together
	PortsInUse  int
	Draining    bool
	// ReceiveBuffer is what the system grants the listeners' sockets, in bytes; 0 if
	// that is not known. WantedBuffer is what was asked for.
	ReceiveBuffer, WantedBuffer int
	// CertificateExpires is zero without TLS. CertificateError says why the files
	// could not be read again, or is nil.
	CertificateExpires time.Time
	CertificateError   error
	Listening          []Listening
	Relaying           []PublicIP
}

// Listening is an address that clients can come to.
type Listening struct {
	Addr      netip.AddrPort
	Transport Transport
}

// TransportSnapshot is the traffic of clients that come over one transport.
type TransportSnapshot struct {
	Allocations int    // now
	Made        uint64 // ever
	Up, Down    Traffic
}

// Snapshot returns the state of the relay. It is good for metrics and pages: it
// looks at every allocation once.
func (r *Relay) Snapshot() Snapshot {
	s := Snapshot{Refused: r.refused.snapshot(), ReceiveBuffer: r.smallestBuffer, WantedBuffer: ListenBuffer}
	r.mu.Lock()
	s.Users, s.Connections, s.Draining = len(r.perUser), r.connections, r.draining
	for i, p := range r.past {
		s.ByTransport[i] = TransportSnapshot{Made: p.made, Up: p.up, Down: p.down}
	}
	for _, a := range r.byAddress {
		t := &s.ByTransport[a.transport]
		t.Allocations++
		t.Up, t.Down = t.Up.plus(a.upCount.traffic()), t.Down.plus(a.downCount.traffic())
	}
	r.mu.Unlock()
	for _, p := range r.places {
		s.Ports += len(p.ports.place)
		s.PortsInUse += p.ports.inUse()
		s.Relaying = append(s.Relaying, PublicIP{Public: p.public, Local: p.local})
	}
	for _, l := range r.listeners {
		s.Listening = append(s.Listening, Listening{l.addr, l.transport})
	}
	if r.cert != nil {
		s.CertificateExpires, s.CertificateError = r.cert.state()
	}
	return s
}
