package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"extdisco/internal/probe"
	"extdisco/internal/secret"
	"extdisco/xep0215"
)

// shownGroups is what of the configured servers is given out at present: all, or
// all but those that are down.
type shownGroups struct {
	bySource []*xep0215.Group // nil where a source is a provider
	fixed    []*xep0215.Group // the same, when no source is a provider
}

// show puts in force what is given out without the hidden services.
func (o *offer) show(hidden map[xep0215.Key]bool) {
	shown := &shownGroups{bySource: make([]*xep0215.Group, len(o.sources))}
	hasProvider := false
	for i, s := range o.sources {
		switch {
		case s.provider != nil:
			hasProvider = true
		case len(hidden) == 0:
			shown.bySource[i] = s.group
		default:
			shown.bySource[i] = s.group.Hide(func(k xep0215.Key) bool { return hidden[k] })
		}
	}
	if !hasProvider {
		shown.fixed = shown.bySource
	}
	o.shown.Store(shown)
}

// newMonitor returns the monitor of the configured servers. What providers give is
// the vendors' to watch. Of servers that previous had too, what it knew is kept; its
// own monitor ends, so that no server is tried by both at once.
func (o *offer) newMonitor(cfg *config, previous *offer, log *slog.Logger) *probe.Monitor {
	var known *probe.Monitor
	if previous != nil && previous.monitor != nil {
		known = previous.monitor
		known.Close()
	}
	return probe.NewMonitor(probe.MonitorConfig{
		Interval: cfg.probe.interval, AllocateInterval: cfg.probe.allocateInterval,
		Options: probe.Options{Timeout: cfg.probe.timeout, RootCAs: cfg.probe.rootCAs},
		Changed: func(changed probe.Health, all []probe.Health) {
			logHealth(log, changed)
			o.hideUnhealthy(cfg.probe, all)
		},
	}, monitorTargets(cfg), known)
}

// hideUnhealthy hides the servers that are down, if that is asked for. Should all be
// down, all are offered: then it is more likely us than all of them. The same goes for
// all that relay, since a list without any would cost the calls that need one.
func (o *offer) hideUnhealthy(cfg probeConfig, all []probe.Health) {
	if !cfg.hideUnhealthy {
		return
	}
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
	o.show(hidden)
}

func keyOf(s probe.Server) xep0215.Key {
	return xep0215.Service{Type: s.Type, Host: s.Host, Port: s.Port, Transport: s.Transport}.Key()
}

// monitorTargets returns the servers that are configured, each with how to get a
// credential for it.
func monitorTargets(cfg *config) []probe.Target {
	var targets []probe.Target
	for i, s := range cfg.iceServers {
		for _, service := range s.services {
			server, ok := probeServer(service)
			if !ok {
				continue
			}
			t := probe.Target{ID: server.URI(), Where: fmt.Sprintf("ice_server[%d]", i), Server: server}
			if xep0215.NeedsCredentials(service.Type) {
				t.Server.Sign = signer(s)
				t.Credential = func(now time.Time) (username string, password secret.Secret, err error) {
					c, err := probeCredential(s, now)
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
