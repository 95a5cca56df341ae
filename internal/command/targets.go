package command

import (
	"errors"
	"time"

	"extdisco/internal/config"
	"extdisco/internal/probe"
	"extdisco/internal/report"
	"extdisco/internal/source"
)

// probeTargets returns the servers to be tried. The error is about
// providers that gave none; the others are returned all the same.
func probeTargets(configured []config.ICEServer, now time.Time) ([]report.Tried, error) {
	var targets []report.Tried
	var errs []error
	for _, s := range configured {
		servers, err := source.ProbeServers(s, now)
		errs = append(errs, err)
		for _, server := range servers {
			targets = append(targets, report.Tried{Where: s.Key, Result: probe.Result{Server: server}})
		}
	}
	return targets, errors.Join(errs...)
}
