package daemon

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"extdisco/internal/config"
	"extdisco/internal/web"
)

// reload reads the configuration again and applies it. A link is kept unless
// its own settings changed. A configuration with faults changes nothing.
func (d *daemon) reload() {
	now, before := time.Now(), d.cfg
	next, plan, err := d.read(now)
	d.state.configRead(web.Reading{File: before.File, At: now, OK: err == nil}, true)
	if err != nil {
		for fault := range strings.SplitSeq(err.Error(), "\n") {
			d.log.Error("the configuration has a fault", "fault", fault)
		}
		d.log.Error("cannot reload the configuration; the previous one stays in force", "config", before.File)
		return
	}
	d.rotated.look()
	d.use(next, now)
	if d.options.Level != nil {
		d.options.Level.Set(next.Log.Level)
	}
	logWarnings(d.log, next)
	if next.Log.Format != before.Log.Format {
		d.log.Warn("log.format has changed; restart extdisco to use it")
	}
	switch {
	case !plan.changes():
		d.log.Info("reloaded the configuration", "config", next.File)
	case max(len(plan.next), len(before.Components)) > 1:
		d.log.Info("reloaded the configuration; links have changed", "config", next.File, "links", strings.Join(plan.changed(), " "))
	default:
		d.log.Info("reloaded the configuration; reconnecting, because [component] has changed", "config", next.File)
	}
	d.follow(plan)
	if len(plan.next) > 0 {
		d.manager.status(d.links.status)
	}
}

// use applies a configuration, except to the links and the HTTP server.
func (d *daemon) use(cfg *config.Config, now time.Time) {
	d.cfg = cfg
	d.rotated.use(cfg)
	d.offers.replace(func(previous *offer) *offer {
		return newOffer(cfg, d.servers(cfg), previous, d.log, now)
	})
}

// read returns the file's present configuration, and the plan of its links. By then the
// relay and the HTTP server have followed already.
func (d *daemon) read(now time.Time) (*config.Config, *linkPlan, error) {
	next, err := config.Load(d.cfg.File, now)
	if err != nil {
		return nil, nil, err
	}
	next = d.options.narrow(next)
	plan, err := d.planLinks(next.Components)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", next.File, err)
	}
	if err := d.relay.use(next, now); err != nil {
		return nil, nil, fmt.Errorf("%s: %w", next.File, err)
	}
	if err := d.site.use(next.HTTP, now); err != nil {
		return nil, nil, errors.Join(fmt.Errorf("%s: %w", next.File, err), d.relay.use(d.cfg, now))
	}
	return next, plan, nil
}
