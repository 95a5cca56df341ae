package daemon

import (
	"context"
	"log/slog"
	"time"

	"extdisco/internal/config"
	"extdisco/internal/probe"
	"extdisco/internal/secret"
	"extdisco/internal/source"
	"extdisco/xep0215"
)

// health is the continuous checks of the configured servers. What providers give is
// the vendors' to watch.
type health struct{ monitor *probe.Monitor }

// startHealth starts the checks. hide is told which services to leave out of lists, if
// that is asked for. Of servers that previous checked too, what it knew is kept; its own
// checks end, so that no server is tried by both at once.
func startHealth(cfg *config.Config, servers []config.ICEServer, previous *offer, log *slog.Logger, hide func(map[xep0215.Key]bool)) *health {
	var known *probe.Monitor
	if previous != nil && previous.health != nil {
		known = previous.health.monitor
		known.Close()
	}
	changed := func(all []probe.Health) {
		if cfg.Probe.HideUnhealthy {
			hide(unhealthy(all))
		}
	}
	h := &health{probe.NewMonitor(probe.MonitorConfig{
		Interval: cfg.Probe.Interval, AllocateInterval: cfg.Probe.AllocateInterval,
		Options: probe.Options{Timeout: cfg.Probe.Timeout, RootCAs: cfg.Probe.RootCAs},
		Changed: func(one probe.Health, all []probe.Health) {
			logHealth(log, one)
			changed(all)
		},
	}, monitorTargets(servers), known)}
	changed(h.monitor.Snapshot())
	h.monitor.Start()
	return h
}

// snapshot returns what the checks know; nothing without checks.
func (h *health) snapshot() []probe.Health {
	if h == nil {
		return nil
	}
	return h.monitor.Snapshot()
}

// unhealthy returns the servers to hide: those that are down. Should all be down, none
// is hidden: then it is more likely us than all of them. The same goes for all that
// relay, since a list without any would cost the calls that need one.
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
			server, ok := source.ProbeServer(service)
			if !ok {
				continue
			}
			t := probe.Target{ID: server.URI(), Where: s.Key, Server: server}
			if xep0215.NeedsCredentials(service.Type) {
				t.Server.Sign = source.Signer(s)
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

// logHealth tells of a change.
func logHealth(log *slog.Logger, h probe.Health) {
	attrs := []any{"server", h.Server.URI(), "config", h.Where}
	level, message := slog.LevelInfo, "a server works"
	switch {
	case h.State == probe.Down:
		level, message = slog.LevelWarn, "a server does not work"
	case h.State == probe.Misconfigured:
		level, message = slog.LevelError, "a server refuses the credentials that are given out for it"
	case h.Impaired:
		level, message = slog.LevelWarn, "a server works, but not as it should"
	}
	if level > slog.LevelInfo {
		attrs = append(attrs, "do", h.Failure.Cure(), "err", h.Failure.Error())
	}
	log.Log(context.Background(), level, message, attrs...)
}
