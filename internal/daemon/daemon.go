// Package daemon is what "extdisco serve" runs: the link to the XMPP server, the
// handlers that answer its requests (XEP-0215, directly or by XEP-0355), the offer in
// force, and what administrators see of it all.
//
// Calls run one way: the link asks the gate and the handlers, those ask the [Offer],
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

	"extdisco/component"
	"extdisco/internal/config"
	"extdisco/internal/web"
)

// Options is what a daemon is run with.
type Options struct {
	Config   *config.Config // the initial one; its file is read again on SIGHUP
	Version  string         // of the program
	Log      *slog.Logger
	Level    *slog.LevelVar // follows log.level of the configuration; nil where the command line rules
	Terminal io.Writer      // shows what must not be logged: a token made for the status page; nil for none
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
	link    *link
}

// Run runs the component until a signal other than SIGHUP arrives. SIGHUP reads the
// configuration again.
func Run(options Options, signals <-chan os.Signal) error {
	d, err := start(options, time.Now())
	if err != nil {
		return err
	}
	defer d.close()
	watchdog := d.manager.ticker()
	defer watchdog.Stop()
	looks := time.NewTicker(turnLookInterval)
	defer looks.Stop()
	for {
		select {
		case now := <-looks.C:
			d.state.lookAtTURN(now, d.log)
		case now := <-watchdog.C:
			d.manager.alive(d.link.component.LastTurn(), now)
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
	d := newDaemon(options, log, problems, now)
	c, err := d.component(cfg.Component)
	if err == nil {
		err = d.site.use(cfg.HTTP, now)
	}
	if err != nil {
		d.close()
		return nil, fmt.Errorf("%s: %w", cfg.File, err)
	}
	d.state.configRead(web.Reading{File: cfg.File, At: now, OK: true}, false)
	d.connect(c)
	d.manager.ready()
	return d, nil
}

// newDaemon puts the parts together. Nothing is connected yet.
func newDaemon(options Options, log *slog.Logger, problems *problemLog, now time.Time) *daemon {
	cfg := options.Config
	d := &daemon{options: options, log: log, cfg: cfg, manager: openServiceManager(log, cfg.Component.Server)}
	d.offers = newOffers(newOffer(cfg, nil, log, now))
	d.state = newState(options.Version, d.offers, problems, now)
	d.handle = newHandlers(d.offers, d.state, log)
	d.site = &webServer{
		backend: webBackend{d.state, d.offers, d.handle.gate, d.handle.audits}, metrics: d.state.metrics.Handler(),
		log: log, notice: options.Terminal,
	}
	return d
}

// component returns the component that cfg describes.
func (d *daemon) component(cfg config.Component) (*component.Component, error) {
	return component.New(component.Config{
		JID: cfg.JID, Server: cfg.Server, Secret: []byte(cfg.Secret.Reveal()), Hosts: cfg.Hosts,
		Namespaces: d.handle.namespaces(), Gate: d.handle.gate, Observer: observer{d.state, d.manager},
		Name: "extdisco", ServiceName: cfg.ServiceName, Version: d.options.Version, Log: d.log,
	})
}

// connect runs the component as the link.
func (d *daemon) connect(c *component.Component) {
	d.state.hosts.Store(c)
	d.link = startLink(c)
}

// close ends what runs, the link first.
func (d *daemon) close() {
	if d.link != nil {
		d.link.close()
	}
	d.site.close()
	d.offers.close()
	d.manager.close()
}

func logWarnings(log *slog.Logger, cfg *config.Config) {
	for _, w := range cfg.Warnings {
		log.Warn(w.Error())
	}
}
