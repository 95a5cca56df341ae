package command

import (
	"errors"
	"time"

	"extdisco/internal/probe"
	"extdisco/internal/report"
	"extdisco/internal/source"
)

type probeCommand struct {
	JSON    bool          `name:"json" help:"Print JSON."`
	Timeout time.Duration `help:"Give each address up after this time. Default: 5s." default:"5s" placeholder:"DURATION"`
	CAFile  string        `help:"Trust the certificates in this PEM file as well, instead of those in probe.ca_file." placeholder:"FILE"`
}

// Help is printed below the flags.
func (probeCommand) Help() string {
	return `Each address of each server is tried from this machine: its name in the DNS, a STUN binding request, TLS with the certificate, an allocation with a credential as clients get it (user healthcheck), and a datagram through the relay and back where the server relays to its own address. What fails is printed with what to change, and the exit status is 1.

That a server works from here does not mean that it does from where the users are.

Example: extdisco probe --timeout 3s`
}

// Run tries all servers and prints how each fares.
func (c probeCommand) Run(env *environment) error {
	if c.Timeout <= 0 {
		return usageError{"--timeout: more than 0"}
	}
	now := time.Now()
	cfg, err := env.loadConfig(now)
	if err != nil {
		return err
	}
	options := probe.Options{Depth: probe.Echo, Timeout: c.Timeout, RootCAs: cfg.Probe.RootCAs}
	if c.CAFile != "" {
		if options.RootCAs, err = rootCAs(c.CAFile); err != nil {
			return err
		}
	}
	var targets []report.Tried
	var errs []error // of providers, beside what the others give
	for _, s := range cfg.ICEServers {
		servers, err := source.ProbeServers(s, now)
		errs = append(errs, err)
		for _, server := range servers {
			targets = append(targets, report.Tried{Where: s.Key, Result: probe.Result{Server: server}})
		}
	}
	results := report.TryAll(env.stderr, targets, options)
	if c.JSON {
		err = report.ProbedJSON(env.stdout, results)
	} else {
		err = report.Probed(env.stdout, results, now)
	}
	return errors.Join(err, errors.Join(errs...), report.ProbeFailure(results))
}
