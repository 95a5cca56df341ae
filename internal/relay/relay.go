// Package relay is a STUN and TURN server (RFC 8489, RFC 8656) for the credentials
// that this program issues, on github.com/pion/turn.
//
// pion does the protocol. This package is what stands around it where strangers can
// reach it: who is let in, where packets may go, how much of everything there may
// be. Three seams of pion carry that:
//
//   - the socket that clients come to (packetConn, stream): data is relayed there
//     and never reaches pion, and each request is judged before pion sees it;
//   - the relayed address (generator, allocation): which port, which destination,
//     how many bytes per second;
//   - events, which keep the permissions and channels that the data needs.
//
// Goroutines: pion runs one per UDP listener, one per connection and one per
// allocation; the relay runs one that accepts for each TCP and TLS listener, one
// that writes for each connection, one for each handshake, one that watches the
// certificate and one that tells of ended allocations. [Relay.Close] ends and
// awaits them all.
package relay

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"extdisco/internal/limit"
)

// Relay is a STUN and TURN server. Its methods may be called from several
// goroutines at once.
type Relay struct {
	cfg      Config
	now      func() time.Time
	epoch    time.Time
	timing   timing
	places   []place
	policy   *policy
	toLocal  map[netip.Addr]netip.Addr // public addresses behind NAT
	toPublic map[netip.Addr]netip.Addr
	mapped   bool
	tls      *tls.Config
	cert     *certificate

	say                *said
	refused            refusals
	answers, verifies  *limit.Limiter
	totalUp, totalDown bucket
	handshakes         chan struct{}
	bounds             atomic.Pointer[Limits]
	deny               atomic.Pointer[func(string) bool]
	smallestBuffer     int // of the listeners, as granted

	listeners []*listener
	work      sync.WaitGroup // the relay's own goroutines
	stopWork  context.CancelFunc
	running   sync.WaitGroup // pion's goroutines that read from relayed addresses

	mu          sync.Mutex // guards all below; it is taken last
	draining    bool
	byAddress   map[netip.AddrPort]*allocation
	total       int // allocations made or being made
	perUser     map[string]int
	connections int
	perSource   map[netip.Addr]int
	past        [transports]past
	reports     []Ended
	reported    chan struct{}
	empty       chan struct{} // closed once a draining relay has no allocation and makes none
}

// timing is how long strangers may take.
type timing struct {
	handshake time.Duration // for a TLS handshake
	unused    time.Duration // for a connection that has no allocation
	write     time.Duration // for what is written to a connection
}

var usualTiming = timing{handshake: 10 * time.Second, unused: 30 * time.Second, write: 15 * time.Second}

// past is the traffic of allocations that have ended.
type past struct {
	made     uint64
	up, down Traffic
}

// New checks the configuration and returns a relay that does nothing yet.
func New(cfg Config) (*Relay, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Interfaces == nil {
		cfg.Interfaces = InterfaceAddrs
	}
	if cfg.Denied == nil {
		cfg.Denied = func(string) bool { return false }
	}
	if err := cfg.check(); err != nil {
		return nil, err
	}
	now := cfg.Now()
	r := &Relay{
		cfg: cfg, now: cfg.Now, epoch: time.Now(), timing: usualTiming,
		say:        newSaid(cfg.Log, cfg.Now),
		answers:    limit.New(limit.Rates{Key: limit.Rate{Events: answersPerSource, Per: answersPer}, Total: limit.Rate{Events: answersTotal, Per: time.Second}}, now),
		verifies:   limit.New(limit.Rates{Total: limit.Rate{Events: verifiesTotal, Per: time.Second}}, now),
		handshakes: make(chan struct{}, cfg.Limits.Handshakes),
		toLocal:    map[netip.Addr]netip.Addr{}, toPublic: map[netip.Addr]netip.Addr{},
		byAddress: map[netip.AddrPort]*allocation{}, perUser: map[string]int{}, perSource: map[netip.Addr]int{},
		reported: make(chan struct{}, 1), empty: make(chan struct{}),
	}
	r.setLimits(cfg.Limits)
	r.deny.Store(&cfg.Denied)
	if len(cfg.TLSListen) > 0 {
		cert, err := loadCertificate(cfg.CertFile, cfg.KeyFile)
		if err != nil {
			return nil, err
		}
		r.cert = cert
		r.tls = &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: cert.get}
	}
	return r, r.findAddresses()
}

// findAddresses settles where the relay listens and what it relays to.
func (r *Relay) findAddresses() error {
	interfaces, err := r.cfg.Interfaces()
	if err != nil {
		return err
	}
	if r.places, err = places(r.cfg.PublicIP, interfaces, r.cfg.ports()); err != nil {
		return err
	}
	for _, p := range r.places {
		if p.public != p.local {
			r.mapped = true
			r.toLocal[p.public], r.toPublic[p.local] = p.local, p.public
		}
	}
	own, isolated := ownAddrs(interfaces, r.places)
	known := map[netip.Addr]bool{}
	for _, p := range r.places {
		known[p.public] = true
	}
	r.policy = &policy{allow: r.cfg.AllowPeers, own: own, known: known, isolated: isolated, relayed: r.isRelayed}
	var errs []error
	for _, group := range []struct {
		key        string
		entries    []string
		transports []Transport
	}{{"listen", r.cfg.Listen, []Transport{UDP, TCP}}, {"tls_listen", r.cfg.TLSListen, []Transport{TLS}}} {
		for _, entry := range group.entries {
			addrs, err := listenAddrs(entry, interfaces)
			if err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", group.key, err))
			}
			for _, addr := range addrs {
				for _, transport := range group.transports {
					r.listeners = append(r.listeners, newListener(r, addr, transport))
				}
			}
		}
	}
	return errors.Join(errs...)
}

// Start binds every address and begins to serve. If one cannot be bound, none is.
// After Start, Close must be called.
func (r *Relay) Start() error {
	ctx, cancel := context.WithCancel(context.Background())
	r.stopWork = cancel
	r.work.Go(func() { r.report(ctx) })
	if r.cert != nil {
		r.work.Go(func() { r.cert.watch(ctx, r.cfg.Log) })
	}
	for _, l := range r.listeners {
		if err := l.open(); err != nil {
			_ = r.Close(0)
			return fmt.Errorf("relay over %s: %w", l.transport, err)
		}
		r.cfg.Log.Info("relay: listening", "address", l.addr.String(), "transport", l.transport.String())
	}
	if r.smallestBuffer > 0 && r.smallestBuffer < ListenBuffer {
		r.cfg.Log.Warn("relay: the system grants small receive buffers, so that a busy relay loses packets; raise net.core.rmem_max",
			"granted", r.smallestBuffer, "wanted", ListenBuffer)
	}
	return nil
}

// Run starts the relay, serves until ctx is done, and closes it with drain.
func (r *Relay) Run(ctx context.Context, drain time.Duration) error {
	if err := r.Start(); err != nil {
		return err
	}
	<-ctx.Done()
	return r.Close(drain)
}

// Close ends the relay: no allocation is made any more, those that there are may go
// on for drain, and then everything ends. It may be called again to cut the drain
// short.
func (r *Relay) Close(drain time.Duration) error {
	r.mu.Lock()
	if !r.draining {
		r.draining = true
		if r.total == 0 {
			close(r.empty)
		}
	}
	r.mu.Unlock()
	var drained sync.WaitGroup
	if drain > 0 {
		finished := make(chan struct{})
		drained.Go(func() {
			defer close(finished)
			<-r.empty
			r.finish()
		})
		select {
		case <-finished:
		case <-time.After(drain):
		}
	}
	everybody := func(string) bool { return true }
	r.endAll("shutdown", everybody)
	for _, l := range r.listeners {
		l.close()
	}
	r.endAll("shutdown", everybody) // those that were being made
	drained.Wait()
	r.running.Wait()
	if r.stopWork != nil {
		r.stopWork()
	}
	r.work.Wait()
	return nil
}

// finish stops reading and waits until what was read is answered: pion ends an
// allocation before it says so to the client.
func (r *Relay) finish() {
	for _, l := range r.listeners {
		l.stopReading()
	}
	for _, l := range r.listeners {
		l.reading.Wait()
	}
}

// Reload takes over new limits and denied users, and reads the certificate again.
// The allocations of users who are denied now end at once; nobody else notices. After
// an error, such as a certificate that cannot be read, everything is as before.
func (r *Relay) Reload(limits Limits, isDenied func(user string) bool) error {
	if err := limits.check(); err != nil {
		return err
	}
	if r.cert != nil {
		if err := r.cert.reload(); err != nil {
			return err
		}
	}
	if isDenied == nil {
		isDenied = func(string) bool { return false }
	}
	r.setLimits(limits)
	r.deny.Store(&isDenied)
	r.endAll("denied", isDenied)
	return nil
}

func (r *Relay) setLimits(l Limits) {
	r.bounds.Store(&l)
	r.totalUp.setRate(l.TotalBandwidth)
	r.totalDown.setRate(l.TotalBandwidth)
	for _, a := range r.allocations() {
		a.setRate(l.Bandwidth)
	}
}

func (r *Relay) limits() *Limits { return r.bounds.Load() }

func (r *Relay) isDenied(user string) bool { return (*r.deny.Load())(user) }

// endAll ends the allocations of those users.
func (r *Relay) endAll(reason string, of func(user string) bool) {
	for _, a := range r.allocations() {
		if of(a.user) {
			a.end(reason)
		}
	}
}

func (r *Relay) allocations() []*allocation {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := make([]*allocation, 0, len(r.byAddress))
	for _, a := range r.byAddress {
		list = append(list, a)
	}
	return list
}

// hasQuota is pion's question whether a user may have one more allocation; if not,
// the client is told 486 (Allocation Quota Reached).
func (r *Relay) hasQuota(user, _ string, _ net.Addr) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.draining {
		r.refused.add(draining)
		return false
	}
	if limit := r.limits().PerUser; r.perUser[user] >= limit {
		r.refused.add(overUser)
		r.say.reached("limits.per_user", "user", user, "allocations", limit)
		return false
	}
	return true
}

// admit counts an allocation that is about to be made.
func (r *Relay) admit(user string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	bounds := r.limits()
	switch {
	case r.draining:
		r.refused.add(draining)
		return errNoRoom
	case r.total >= bounds.Total:
		r.refused.add(overTotal)
		r.say.reached("limits.total", "allocations", bounds.Total)
		return errNoRoom
	case r.perUser[user] >= bounds.PerUser: // another connection was faster
		r.refused.add(overUser)
		return errNoRoom
	}
	r.total++
	r.perUser[user]++
	r.running.Add(1)
	return nil
}

// leave takes admit back.
func (r *Relay) leave(user string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.discount(user)
	r.running.Done()
}

func (r *Relay) discount(user string) {
	if r.total--; r.total == 0 && r.draining { // and none is made any more
		close(r.empty)
	}
	if r.perUser[user]--; r.perUser[user] == 0 {
		delete(r.perUser, user)
	}
}

// register makes an admitted allocation known. What a reload says meanwhile holds for it:
// either the reload finds it, or it finds what was reloaded.
func (r *Relay) register(a *allocation) {
	r.mu.Lock()
	r.byAddress[a.address()] = a
	r.past[a.transport].made++
	r.mu.Unlock()
	a.setRate(r.limits().Bandwidth)
	if r.isDenied(a.user) {
		a.end("denied")
	}
}

// ended takes an allocation out, and its port back.
func (r *Relay) ended(a *allocation) {
	now := r.now()
	a.listener.forget(a)
	a.place.ports.release(a.port, now)
	reason, _ := a.reason.Load().(string)
	if reason == "" {
		reason = "client"
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.byAddress, a.address())
	r.discount(a.user)
	p := &r.past[a.transport]
	p.up, p.down = p.up.plus(a.upCount.traffic()), p.down.plus(a.downCount.traffic())
	if r.cfg.Ended == nil {
		return
	}
	r.reports = append(r.reports, Ended{User: a.user, Transport: a.transport, Client: a.client, Relayed: a.address(),
		Started: a.started, Duration: now.Sub(a.started), Up: a.upCount.traffic(), Down: a.downCount.traffic(), Reason: reason})
	select {
	case r.reported <- struct{}{}:
	default:
	}
}

// with calls f for the allocation that has the relayed address, if there is one.
func (r *Relay) with(relayed net.Addr, f func(*allocation)) {
	r.mu.Lock()
	a := r.byAddress[addrPort(relayed)]
	r.mu.Unlock()
	if a != nil {
		f(a)
	}
}

// isRelayed reports whether an allocation of ours has the address.
func (r *Relay) isRelayed(ap netip.AddrPort) bool {
	for i := range r.places {
		if p := &r.places[i]; p.public == ap.Addr() && p.ports.isUsed(ap.Port()) {
			return true
		}
	}
	return false
}

func (r *Relay) noteBuffer(conn net.Conn) {
	if n := receiveBuffer(conn); n > 0 && (r.smallestBuffer == 0 || n < r.smallestBuffer) {
		r.smallestBuffer = n
	}
}
