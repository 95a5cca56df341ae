package daemon

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"extdisco/component"
	"extdisco/internal/config"
	"extdisco/internal/source"
	"extdisco/internal/web"
)

// reload reads the configuration again and applies it. The link is kept unless
// its own settings changed. A configuration with faults changes nothing.
func (d *daemon) reload() {
	now, before := time.Now(), d.cfg
	next, c, err := d.read(now)
	d.state.configRead(web.Reading{File: before.File, At: now, OK: err == nil}, true)
	if err != nil {
		for fault := range strings.SplitSeq(err.Error(), "\n") {
			d.log.Error("the configuration has a fault", "fault", fault)
		}
		d.log.Error("cannot reload the configuration; the previous one stays in force", "config", before.File)
		return
	}
	d.use(next, now)
	if d.options.Level != nil {
		d.options.Level.Set(next.Log.Level)
	}
	logWarnings(d.log, next)
	if next.Log.Format != before.Log.Format {
		d.log.Warn("log.format has changed; restart extdisco to use it")
	}
	if next.Component.Equal(before.Component) {
		d.log.Info("reloaded the configuration", "config", next.File)
		return
	}
	d.log.Info("reloaded the configuration; reconnecting, because [component] has changed", "config", next.File)
	d.disconnect()
	d.manager.server = next.Component.Server
	d.connect(c)
}

// use applies a configuration, except to the link and the HTTP server.
func (d *daemon) use(cfg *config.Config, now time.Time) {
	d.cfg = cfg
	d.offers.replace(func(previous *offer) *offer {
		return newOffer(cfg, source.WithRelay(cfg, d.relay.keys), previous, d.log, now)
	})
}

// read returns the file's present configuration, and a component to connect with if
// [component] has changed. By then the relay and the HTTP server
// have followed already.
func (d *daemon) read(now time.Time) (*config.Config, *component.Component, error) {
	next, err := config.Load(d.cfg.File, now)
	if err != nil {
		return nil, nil, err
	}
	next = d.options.narrow(next)
	var c *component.Component
	if !next.Component.Equal(d.cfg.Component) {
		if c, err = d.component(next.Component); err != nil {
			return nil, nil, err
		}
	}
	if err := d.relay.use(next, now); err != nil {
		return nil, nil, fmt.Errorf("%s: %w", next.File, err)
	}
	if err := d.site.use(next.HTTP, now); err != nil {
		return nil, nil, errors.Join(fmt.Errorf("%s: %w", next.File, err), d.relay.use(d.cfg, now))
	}
	return next, c, nil
}
