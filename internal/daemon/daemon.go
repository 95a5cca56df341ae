// Package daemon is what "extdisco serve" runs: the links to the XMPP servers, the
// handlers that answer its requests (XEP-0215, directly or by XEP-0355), the offer in
// force, and what administrators see of it all.
//
// Calls run one way: a link asks the gate and the handlers, those ask the [Offer],
// and an Offer asks its sources. Events are reported to an observer; status, metrics and
// the page are rendered from snapshots when somebody asks.
package daemon

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"syscall"
	"time"

	"extdisco/internal/config"
	"extdisco/internal/source"
	"extdisco/internal/web"
)

// Options is what a daemon is run with.
type Options struct {
	Config  *config.Config // the initial one; its file is read again on SIGHUP
	Version string         // of the program
	Log     *slog.Logger
	Level   *slog.LevelVar // follows log.level of the configuration; nil where the command line rules
	// WithoutRelay leaves [relay] to another process, and RelayOnly runs nothing else.
	WithoutRelay, RelayOnly bool
	Terminal                io.Writer // shows what must not be logged: a token made for the status page; nil for none
}

// daemon owns everything that runs.
type daemon struct {
	options Options
	log     *slog.Logger
	cfg     *config.Config // in force
	offers  *offers
	state   *state
	manager *serviceManager
	site    *webServer
	handle  handlers
	relay   *relayServer
	links   *links
	rotated *rotators
}

// Run runs the component, the relay or both until a signal other than SIGHUP arrives. SIGHUP reads the
// configuration again.
func Run(options Options, signals <-chan os.Signal) error {
	d, err := start(options, time.Now())
	if err != nil {
		return err
	}
	watchdog := d.manager.ticker()
	defer watchdog.Stop()
	defer func() { d.drain(signals, watchdog.C) }()
	looks := time.NewTicker(turnLookInterval)
	defer looks.Stop()
	for {
		select {
		case now := <-looks.C:
			d.state.lookAtTURN(now, d.log)
			if d.relay.renew(now) {
				d.use(d.cfg, now)
			}
		case <-d.rotated.changed:
			d.use(d.cfg, time.Now())
		case now := <-watchdog.C:
			d.manager.alive(d.links.lastTurn(now), now)
		case s := <-signals:
			if s != syscall.SIGHUP {
				d.log.Info("stopping extdisco", "signal", s.String())
				d.manager.stopping()
				return nil
			}
			d.manager.reloading()
			d.reload()
			d.manager.ready()
		}
	}
}

// start applies the configuration and starts everything.
func start(options Options, now time.Time) (*daemon, error) {
	problems := new(problemLog)
	cfg, log := options.Config, slog.New(problemHandler{Handler: options.Log.Handler(), problems: problems})
	log.Info("starting extdisco", "version", options.Version, "config", cfg.File)
	logWarnings(log, cfg)
	cfg = options.narrow(cfg)
	options.Config = cfg
	own := newRelayServer(log, options.WithoutRelay)
	if err := own.use(cfg, now); err != nil {
		return nil, fmt.Errorf("%s: %w", cfg.File, err)
	}
	d := newDaemon(options, log, problems, own, now)
	plan, err := d.planLinks(cfg.Components)
	if err == nil {
		err = d.site.use(cfg.HTTP, now)
	}
	if err != nil {
		d.close()
		return nil, fmt.Errorf("%s: %w", cfg.File, err)
	}
	d.state.configRead(web.Reading{File: cfg.File, At: now, OK: true}, false)
	d.follow(plan)
	d.manager.ready()
	return d, nil
}

// narrow returns what the options leave of a configuration.
func (o Options) narrow(cfg *config.Config) *config.Config {
	if !o.RelayOnly {
		return cfg
	}
	only := *cfg
	only.Components, only.ICEServers, only.Probe = nil, nil, config.Probe{}
	only.HTTP.Listen, only.HTTP.Clients = cfg.HTTP.RelayListen, nil
	return &only
}

// newDaemon puts the parts together. Nothing is connected yet.
func newDaemon(options Options, log *slog.Logger, problems *problemLog, own *relayServer, now time.Time) *daemon {
	cfg := options.Config
	d := &daemon{options: options, log: log, cfg: cfg, relay: own, links: new(links), rotated: newRotators(log), manager: openServiceManager(log)}
	d.rotated.use(cfg)
	d.offers = newOffers(newOffer(cfg, d.servers(cfg), nil, log, now))
	d.state = newState(options.Version, d.offers, d.links, problems, own, d.rotated, now)
	d.handle = newHandlers(d.offers, d.state, log)
	d.site = &webServer{
		backend: webBackend{d.state, d.offers, d.handle.gate, d.handle.audits}, metrics: d.state.metrics.Handler(),
		log: log, notice: options.Terminal,
	}
	return d
}

// servers returns the servers of a configuration in the order of the answer, with the secrets that are
// not in it.
func (d *daemon) servers(cfg *config.Config) []config.ICEServer {
	return source.WithRotation(source.WithRelay(cfg, d.relay.keys), cfg.Probe.On, d.rotated.keys)
}

// close ends what runs.
func (d *daemon) close() { d.drain(nil, nil) }

// drain is close that a signal can cut short while the relay waits for its allocations;
// ticks are when the service manager wants a sign of life. The links end first.
func (d *daemon) drain(signals <-chan os.Signal, ticks <-chan time.Time) {
	closeAll(d.links.all())
	d.relay.close(signals, ticks, d.manager.draining)
	d.site.close()
	d.offers.close()
	d.rotated.close()
	d.manager.close()
}

func logWarnings(log *slog.Logger, cfg *config.Config) {
	for _, w := range cfg.Warnings {
		log.Warn(w.Error())
	}
}
