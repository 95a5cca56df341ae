package relay

import (
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// counter counts packets and their bytes.
type counter struct{ packets, bytes atomic.Uint64 }

func (c *counter) add(n int) {
	c.packets.Add(1)
	c.bytes.Add(uint64(n))
}

func (c *counter) traffic() Traffic { return Traffic{c.packets.Load(), c.bytes.Load()} }

// Traffic is what passed in one direction, without the headers of TURN.
type Traffic struct{ Packets, Bytes uint64 }

func (t Traffic) plus(other Traffic) Traffic {
	return Traffic{t.Packets + other.Packets, t.Bytes + other.Bytes}
}

// Reason is why something was refused or dropped.
type Reason uint8

// The reasons, whose String is a label for metrics.
const (
	malformed       Reason = iota // no STUN, no ChannelData, or cut off
	notSupported                  // a method or transport that is off
	unauthenticated               // over the rate of answers to one source, or to all
	badCredential
	expiredCredential
	deniedUser
	wrongUser // a request for somebody else's allocation
	noAllocation
	draining
	overUser        // allocations of one user
	overTotal       // allocations
	overPermissions // of one allocation
	overBandwidth
	overConnections // TCP and TLS together
	overSource      // connections of one source
	overHandshakes
	handshakeFailed
	idle // a connection without an allocation
	slowClient
	noPermission
	forbiddenPeer
	noPort
	sendFailed
	reasons
)

var reasonNames = [reasons]string{
	malformed: "malformed", notSupported: "not_supported", unauthenticated: "unauthenticated_rate",
	badCredential: "bad_credential", expiredCredential: "expired_credential", deniedUser: "denied_user",
	wrongUser: "wrong_user", noAllocation: "no_allocation", draining: "draining",
	overUser: "per_user", overTotal: "total", overPermissions: "permissions", overBandwidth: "bandwidth",
	overConnections: "connections", overSource: "connections_per_source", overHandshakes: "handshakes",
	handshakeFailed: "handshake_failed", idle: "idle", slowClient: "slow_client",
	noPermission: "no_permission", forbiddenPeer: "forbidden_peer", noPort: "no_port", sendFailed: "send_failed",
}

// String returns a name that fits a label of a metric.
func (r Reason) String() string { return reasonNames[r] }

// refusals counts by reason.
type refusals [reasons]atomic.Uint64

func (r *refusals) add(why Reason) { r[why].Add(1) }

func (r *refusals) snapshot() map[Reason]uint64 {
	m := make(map[Reason]uint64, reasons)
	for why := range reasons {
		m[why] = r[why].Load()
	}
	return m
}

// sayEvery is how often one and the same bound is mentioned in the log.
const sayEvery = time.Minute

// said writes warnings that strangers can provoke, each at most once a minute.
type said struct {
	log *slog.Logger
	now func() time.Time

	mu   sync.Mutex
	last map[string]time.Time
}

func newSaid(log *slog.Logger, now func() time.Time) *said {
	return &said{log: log, now: now, last: map[string]time.Time{}}
}

// reached says that a bound is reached, which is called as in [relay] of the
// configuration.
func (s *said) reached(limit string, args ...any) {
	if s.due(limit) {
		s.log.Warn("relay: a limit is reached", append([]any{"limit", "relay." + limit}, args...)...)
	}
}

func (s *said) warn(message string, args ...any) {
	if s.due(message) {
		s.log.Warn("relay: "+message, args...)
	}
}

func (s *said) due(key string) bool {
	now := s.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if last, ok := s.last[key]; ok && now.Sub(last) < sayEvery {
		return false
	}
	s.last[key] = now
	return true
}
