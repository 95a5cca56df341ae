package main

import (
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"extdisco/component"
	"extdisco/internal/web"
)

type serveCommand struct{}

// memoryLimit makes the garbage collector work harder when a burst of large
// stanzas has left much behind. What is in use at once is far below.
const memoryLimit = 40 << 20

// startEnds is when what only the start needed is given back to the system.
const startEnds = 5 * time.Second

// Run runs the component until SIGTERM or SIGINT.
func (serveCommand) Run(env *environment) error {
	// Before anything else, so that no signal kills a process that starts.
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	defer signal.Stop(signals)
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryLimit)
	}
	return env.serve(signals)
}

// serve runs the component until a signal says otherwise.
func (e *environment) serve(signals <-chan os.Signal) error {
	cfg, err := e.loadConfig(time.Now())
	if err != nil {
		return err
	}
	log, level := e.logger(cfg.log)
	log = keepProblems(log)
	log.Info("extdisco starts", "version", programVersion(), "config", cfg.file)
	logWarnings(log, cfg)
	manager := openServiceManager(log)
	defer manager.close()
	d := newDaemon(cfg, log, time.Now())
	d.manager = manager
	defer d.close()
	c, err := d.component(cfg.component)
	if err != nil {
		return fmt.Errorf("%s: %w", cfg.file, err)
	}
	site := &webServer{daemon: d, log: log, tell: e.stderr}
	defer site.close()
	if err := site.use(cfg.http, time.Now()); err != nil {
		return fmt.Errorf("%s: http.listen: %w", cfg.file, err)
	}
	d.watch.configRead(web.Reading{File: cfg.file, At: time.Now(), OK: true}, false)
	current := startLink(c)
	manager.ready()
	watchdog := manager.ticker()
	defer watchdog.Stop()
	started := time.NewTimer(startEnds)
	defer started.Stop()
	for {
		select {
		case <-started.C:
			debug.FreeOSMemory()
			if err := releaseProgramPages(); err != nil {
				log.Debug("the pages of the program file stay in memory", "err", err)
			}
		case now := <-watchdog.C:
			manager.alive(current, now)
		case s := <-signals:
			if s != syscall.SIGHUP {
				log.Info("extdisco stops", "signal", s.String())
				manager.stopping()
				current.close()
				return nil
			}
			manager.reloading()
			cfg, current = e.reload(d, cfg, current, site)
			level.Set(e.level(cfg.log))
			manager.ready()
		}
	}
}

// reload reads the configuration again and puts it in force. The link is kept
// unless its own settings changed. A configuration with faults changes nothing.
func (e *environment) reload(d *daemon, cfg *config, current *link, site *webServer) (*config, *link) {
	changed, err := loadConfig(cfg.file, time.Now())
	var reconnect *component.Component
	if err == nil && !changed.component.equal(cfg.component) {
		reconnect, err = d.component(changed.component)
	}
	if err == nil {
		if err = site.use(changed.http, time.Now()); err != nil {
			err = fmt.Errorf("%s: http.listen: %w", cfg.file, err)
		}
	}
	d.watch.configRead(web.Reading{File: cfg.file, At: time.Now(), OK: err == nil}, true)
	if err != nil {
		for fault := range strings.SplitSeq(err.Error(), "\n") {
			d.log.Error("the configuration is wrong", "fault", fault)
		}
		d.log.Error("the configuration was not reloaded; the one before stays in force", "config", cfg.file)
		return cfg, current
	}
	d.reload(changed, time.Now())
	logWarnings(d.log, changed)
	if changed.log.format != cfg.log.format {
		d.log.Warn("a change of log.format takes effect when extdisco is started again")
	}
	if reconnect == nil {
		d.log.Info("reloaded the configuration", "config", cfg.file)
		return changed, current
	}
	d.log.Info("reloaded the configuration; connecting again, since [component] changed", "config", cfg.file)
	current.close()
	return changed, startLink(reconnect)
}

func logWarnings(log *slog.Logger, cfg *config) {
	for _, w := range cfg.warnings {
		log.Warn(w)
	}
}
