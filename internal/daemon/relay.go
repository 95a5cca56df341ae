package daemon

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"extdisco/internal/config"
	"extdisco/internal/metrics"
	"extdisco/internal/relay"
	"extdisco/internal/source"
	"extdisco/internal/web"
)

// leastRenewal is how long a secret of the relay is in use at least.
const leastRenewal = 7 * 24 * time.Hour

// relayServer owns the relay of [relay], and the secrets that credentials for it are
// made with. Without [relay] it owns nothing. Its methods belong to one goroutine, but
// for snapshot.
type relayServer struct {
	log       *slog.Logger
	elsewhere bool // "extdisco relay" runs it, in a process of its own
	cfg       config.Relay
	store     *relay.Store // nil where the configuration has the secret
	keys      relay.Keys
	deny      []string // access.deny
	looked    time.Time
	running   atomic.Pointer[relay.Relay]
	valid     atomic.Pointer[func() [][]byte]
}

func newRelayServer(log *slog.Logger, elsewhere bool) *relayServer {
	return &relayServer{log: log, elsewhere: elsewhere}
}

// use puts [relay] of a configuration in force. Allocations go on unless what the relay
// is bound to has changed. After an error the relay is as it was before.
func (r *relayServer) use(cfg *config.Config, now time.Time) error {
	if !cfg.Relay.On {
		if old := r.running.Swap(nil); old != nil {
			r.log.Info("the relay stops, since [relay] was removed")
			_ = old.Close(0)
		}
		r.cfg, r.store, r.keys, r.deny = config.Relay{}, nil, relay.Keys{}, nil
		return nil
	}
	store, keys, valid, err := r.open(cfg.Relay)
	if err != nil {
		return fmt.Errorf("relay: %w", err)
	}
	if err := r.run(cfg.Relay, valid, deniedUsers(cfg.Relay, keys, cfg.Access.Deny)); err != nil {
		return err
	}
	r.cfg, r.store, r.keys, r.deny, r.looked = cfg.Relay, store, keys, cfg.Access.Deny, now
	return nil
}

// deniedUsers returns a function that reports whether a user of the relay is not served.
func deniedUsers(cfg config.Relay, keys relay.Keys, deny []string) func(user string) bool {
	return source.Denied(source.RelayServer(cfg, keys), deny)
}

// open returns the secrets that a configuration names, or those that are kept for it.
func (r *relayServer) open(cfg config.Relay) (*relay.Store, relay.Keys, func() [][]byte, error) {
	if !cfg.Secret.IsEmpty() {
		shared := []byte(cfg.Secret.Reveal())
		return nil, relay.Keys{Secret: shared}, relay.Fixed(shared), nil
	}
	store, err := relay.OpenStore(cfg.StateDir, max(leastRenewal, 2*cfg.TTL), r.log, time.Now)
	if err != nil {
		return nil, relay.Keys{}, nil, err
	}
	return store, store.Keys(), store.Valid, nil
}

// run has the relay run as cfg says.
func (r *relayServer) run(cfg config.Relay, valid func() [][]byte, denied func(string) bool) error {
	old := r.running.Load()
	switch {
	case r.elsewhere:
		return nil
	case old != nil && cfg.SameSockets(r.cfg):
		if err := old.Reload(cfg.Limits, denied); err != nil {
			return fmt.Errorf("relay: %w", err)
		}
		r.valid.Store(&valid)
		return nil
	}
	next, err := r.make(cfg, denied)
	if err != nil {
		return fmt.Errorf("relay: %w", err)
	}
	before := r.valid.Load()
	r.valid.Store(&valid)
	if old != nil {
		r.log.Warn("the relay starts anew, since its addresses, certificate files or peers changed: running allocations end")
		_ = old.Close(0)
	}
	if err := next.Start(); err != nil {
		r.valid.Store(before)
		r.running.Store(nil)
		if old != nil {
			r.restore()
		}
		return err
	}
	r.running.Store(next)
	return nil
}

// restore runs the relay as it was before.
func (r *relayServer) restore() {
	again, err := r.make(r.cfg, deniedUsers(r.cfg, r.keys, r.deny))
	if err == nil {
		err = again.Start()
	}
	if err != nil {
		r.log.Error("the relay is off: it cannot be started as it was before", "err", err.Error())
		return
	}
	r.running.Store(again)
}

func (r *relayServer) make(cfg config.Relay, denied func(string) bool) (*relay.Relay, error) {
	return relay.New(relay.Config{
		Host: cfg.Host, PublicIP: cfg.PublicIP, Listen: cfg.Listen, TLSListen: cfg.TLSListen, FirstPort: cfg.FirstPort, LastPort: cfg.LastPort,
		CertFile: cfg.Certificate.CertFile, KeyFile: cfg.Certificate.KeyFile, AllowPeers: cfg.AllowPeers,
		Secrets: func() [][]byte { return (*r.valid.Load())() }, Denied: denied, Ended: r.ended, Limits: cfg.Limits, Log: r.log,
	})
}

// ended writes a line for an allocation, as the log of any TURN server has it.
func (r *relayServer) ended(e relay.Ended) {
	if e.User == source.ProbeUser {
		return
	}
	r.log.Info("an allocation ended", "pseudonym", e.User, "transport", e.Transport.String(), "duration", e.Duration.Round(time.Second).String(),
		"bytes_from_client", e.Up.Bytes, "bytes_to_client", e.Down.Bytes, "ended_by", e.Reason)
}

// renew renews the relay's secret where that is due, and reports whether credentials
// are made with another one now.
func (r *relayServer) renew(now time.Time) bool {
	if r.store == nil || now.Sub(r.looked) < relay.StoreInterval {
		return false
	}
	r.looked = now
	if err := r.store.RenewIfDue(); err != nil {
		r.log.Error("cannot renew the relay's secret; the one before stays in use", "err", err.Error())
		return false
	}
	keys := r.store.Keys()
	changed := !bytes.Equal(keys.Secret, r.keys.Secret) || !bytes.Equal(keys.PseudonymKey, r.keys.PseudonymKey)
	r.keys = keys
	return changed
}

// snapshot returns the state of the relay; false where none runs here.
func (r *relayServer) snapshot() (relay.Snapshot, bool) {
	if running := r.running.Load(); running != nil {
		return running.Snapshot(), true
	}
	return relay.Snapshot{}, false
}

// close ends the relay. Running allocations may go on for the configured drain, or until
// another signal. alive is called now and then meanwhile.
func (r *relayServer) close(signals <-chan os.Signal, ticks <-chan time.Time, alive func()) {
	running := r.running.Load()
	if running == nil {
		return
	}
	defer r.running.Store(nil)
	if n := allocations(running.Snapshot()); r.cfg.Drain > 0 && n > 0 {
		r.log.Info("the relay takes no new allocations, and waits for those that there are", "allocations", n, "drain", config.FormatDuration(r.cfg.Drain))
	}
	var drain sync.WaitGroup
	done := make(chan struct{})
	drain.Go(func() {
		defer close(done)
		_ = running.Close(r.cfg.Drain)
	})
	defer drain.Wait()
	for {
		select {
		case <-done:
			return
		case <-ticks:
			alive()
		case s := <-signals:
			if s != syscall.SIGHUP {
				_ = running.Close(0)
				return
			}
		}
	}
}

func allocations(s relay.Snapshot) int {
	n := 0
	for _, t := range s.ByTransport {
		n += t.Allocations
	}
	return n
}

// forMetrics returns the state of the relay as the metrics show it; nil without one, or
// with one in another process. configured says that there is a [relay].
func (r *relayServer) forMetrics(configured bool) *metrics.Relay {
	if s, runs := r.snapshot(); runs {
		return relayForMetrics(s)
	}
	if configured && !r.elsewhere {
		return &metrics.Relay{Off: true}
	}
	return nil
}

// forPage is forMetrics for the page.
func (r *relayServer) forPage(configured bool) *web.OwnRelay {
	if s, runs := r.snapshot(); runs {
		return relayForPage(s)
	}
	if configured && !r.elsewhere {
		return &web.OwnRelay{Off: true}
	}
	return nil
}

func relayForMetrics(s relay.Snapshot) *metrics.Relay {
	out := &metrics.Relay{
		Refused: map[string]uint64{}, Users: s.Users, Connections: s.Connections,
		Ports: s.Ports, PortsInUse: s.PortsInUse, CertificateExpires: s.CertificateExpires,
	}
	for reason, times := range s.Refused {
		out.Refused[reason.String()] = times
	}
	for i, t := range s.ByTransport {
		out.Transports = append(out.Transports, metrics.RelayTransport{
			Name: relay.Transport(i).String(), Allocations: t.Allocations, Made: t.Made,
			PacketsIn: t.Up.Packets, PacketsOut: t.Down.Packets, BytesIn: t.Up.Bytes, BytesOut: t.Down.Bytes,
		})
	}
	return out
}

func relayForPage(s relay.Snapshot) *web.OwnRelay {
	out := &web.OwnRelay{Users: s.Users, Ports: s.Ports, PortsInUse: s.PortsInUse, Draining: s.Draining, CertificateExpires: s.CertificateExpires}
	if s.CertificateError != nil {
		out.CertificateError = s.CertificateError.Error()
	}
	if s.ReceiveBuffer < s.WantedBuffer {
		out.SmallBuffer = s.ReceiveBuffer
	}
	for i, t := range s.ByTransport {
		out.Transports = append(out.Transports, web.OwnRelayTransport{Name: relay.Transport(i).String(), Allocations: t.Allocations, BytesIn: t.Up.Bytes, BytesOut: t.Down.Bytes})
	}
	for _, p := range s.Relaying {
		out.Addresses = append(out.Addresses, p.Public.String())
	}
	return out
}
