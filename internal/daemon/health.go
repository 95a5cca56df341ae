package daemon

import (
	"context"
	"log/slog"
	"maps"
	"time"

	"extdisco/internal/config"
	"extdisco/internal/probe"
	"extdisco/internal/secret"
	"extdisco/internal/source"
	"extdisco/xep0215"
)

// health is the continuous checks of the configured servers. What providers give is
// theirs to monitor.
type health struct{ monitor *probe.Monitor }

// startHealth starts the checks of what o offers. They say which services o leaves out of
// lists, if that is configured, and which secrets are in force. Of servers that previous
// checked too, what it knew is kept; its own checks end, so that no server is tried by both
// at once.
func startHealth(o, previous *offer, log *slog.Logger) *health {
	var change *secretChange
	cfg, said := o.cfg, map[string]healthSaid{}
	var known *probe.Monitor
	if previous != nil && previous.health != nil {
		known = previous.health.monitor
		known.Close()
	}
	changed := func(all []probe.Health) {
		change.follow(all)
		o.follow(all)
	}
	h := &health{probe.NewMonitor(probe.MonitorConfig{
		Interval: cfg.Probe.Interval, AllocateInterval: cfg.Probe.AllocateInterval,
		Options: probe.Options{Timeout: cfg.Probe.Timeout, RootCAs: cfg.Probe.RootCAs},
		Changed: func(one probe.Health, all []probe.Health) {
			changed(all)
			now := healthSaid{one.State, one.Impaired}
			if one.State != probe.Undecided && said[one.ID] != now && !change.explains(one, all) {
				said[one.ID] = now
				logHealth(log, one)
			}
		},
	}, monitorTargets(o.servers), known)}
	kept := h.monitor.Snapshot()
	change = newSecretChange(o, log, kept)
	for _, one := range kept {
		said[one.ID] = healthSaid{one.State, one.Impaired}
	}
	changed(kept)
	h.monitor.Start()
	return h
}

// follow leaves out of lists what does not work, if that is configured, and has servers
// chosen that do.
func (o *offer) follow(all []probe.Health) {
	hidden := map[xep0215.Key]bool{}
	choosesSTUN := o.choice != nil && o.choice.limited
	if o.cfg.Probe.HideUnhealthy || choosesSTUN {
		hidden = unhealthy(all)
	}
	if o.choice != nil {
		o.choice.follow(o.servers, all)
	}
	maps.DeleteFunc(hidden, func(k xep0215.Key, _ bool) bool {
		switch {
		case !xep0215.NeedsCredentials(k.Type):
			return !o.cfg.Probe.HideUnhealthy && !choosesSTUN
		case !o.cfg.Probe.HideUnhealthy:
			return true
		}
		return o.choice.isDown(o.servers, k)
	})
	o.hide(hidden)
}

// healthSaid is what was logged last of a server.
type healthSaid struct {
	state    probe.State
	impaired bool
}

// snapshot returns what the checks know; nothing without checks.
func (h *health) snapshot() []probe.Health {
	if h == nil {
		return nil
	}
	return h.monitor.Snapshot()
}

// unhealthy returns the servers to hide: those that are down. If all are down, none
// is hidden: then the fault is more likely ours. The same goes for all TURN servers,
// because without any, calls that need a relay fail.
func unhealthy(all []probe.Health) map[xep0215.Key]bool {
	relays := func(h probe.Health) bool { return xep0215.NeedsCredentials(h.Server.Type) }
	someWork := map[bool]bool{} // of those that relay, and of the others
	for _, h := range all {
		if h.State == probe.Up || h.State == probe.Unknown || h.State == probe.Undecided {
			someWork[relays(h)] = true
		}
	}
	hidden := map[xep0215.Key]bool{}
	for _, h := range all {
		if h.State == probe.Down && someWork[relays(h)] {
			hidden[keyOf(h.Server)] = true
		}
	}
	return hidden
}

func keyOf(s probe.Server) xep0215.Key {
	return xep0215.Service{Type: s.Type, Host: s.Host, Port: s.Port, Transport: s.Transport}.Key()
}

// monitorTargets returns the servers that are configured, each with how to get a
// credential for it.
func monitorTargets(servers []config.ICEServer) []probe.Target {
	var targets []probe.Target
	for _, s := range servers {
		for _, service := range s.Services {
			server, ok := source.ConfiguredServer(s, service)
			if !ok || xep0215.NeedsCredentials(service.Type) && s.Rotation != nil && s.SharedSecret.IsEmpty() {
				continue
			}
			t := probe.Target{ID: server.URI(), Where: s.Key, Server: server}
			if xep0215.NeedsCredentials(service.Type) {
				t.Secret = s.SharedSecret
				t.Credential = func(now time.Time) (username string, password secret.Secret, err error) {
					c, err := source.IssueTo(s, source.ProbeUser, now, s.TTL)
					return string(c.Username), secret.New(string(c.Password)), err
				}
			}
			targets = append(targets, t)
		}
	}
	return targets
}

// logHealth logs a change.
func logHealth(log *slog.Logger, h probe.Health) {
	attrs := []any{"server", h.Server.URI(), "config", h.Where}
	level, message := slog.LevelInfo, "a server works"
	switch {
	case h.State == probe.Down:
		level, message = slog.LevelWarn, "a server does not work"
	case h.State == probe.Misconfigured:
		level, message = slog.LevelError, "a server refuses the credentials issued for it"
	case h.Impaired:
		level, message = slog.LevelWarn, "a server works, but needs attention"
	}
	if level > slog.LevelInfo {
		attrs = append(attrs, "do", h.Failure.Cure(), "err", h.Failure.Error())
	}
	log.Log(context.Background(), level, message, attrs...)
}
