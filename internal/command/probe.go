package command

import (
	"errors"
	"net"
	"time"

	"extdisco/internal/probe"
	"extdisco/internal/report"
	"extdisco/internal/source"
)

type probeCommand struct {
	JSON    bool     `name:"json" help:"Print JSON."`
	Timeout duration `help:"Give each address up after this time. Default: 5s." default:"5s" placeholder:"DURATION"`
	Peer    string   `help:"Test whether each TURN server relays to this address, such as the video bridge's, instead of an echo." placeholder:"HOST:PORT"`
	CAFile  string   `help:"Trust the certificates in this PEM file as well, instead of those in probe.ca_file." placeholder:"FILE"`
}

// Help is printed below the flags.
func (probeCommand) Help() string {
	return `Tries each address of each server from this machine: the name in the DNS, TLS with the certificate, a STUN binding request, an allocation with a credential like those that clients get (user healthcheck), and a datagram through the relay and back. Answers are judged as browsers judge them. Each failure is printed with what to change; the exit status is then 1.

A server that works from here need not work from where the users are.

Example: extdisco probe --timeout 3s`
}

// Run tries all servers and prints how each fares.
func (c probeCommand) Run(env *environment) error {
	if _, _, err := net.SplitHostPort(c.Peer); c.Peer != "" && err != nil {
		return usageError{"--peer: give HOST:PORT"}
	}
	now := time.Now()
	cfg, err := env.loadConfig(now)
	if err != nil {
		return err
	}
	options := probe.Options{Depth: probe.Echo, Timeout: time.Duration(c.Timeout), RootCAs: cfg.Probe.RootCAs, Peer: c.Peer}
	if c.CAFile != "" {
		if options.RootCAs, err = rootCAs(c.CAFile); err != nil {
			return err
		}
	}
	configured, err := source.Servers(cfg, now)
	if err != nil {
		return err
	}
	targets, providerErr := probeTargets(configured, now)
	results := report.TryAll(env.stderr, targets, options)
	if c.JSON {
		err = report.ProbedJSON(env.stdout, results)
	} else {
		err = report.Probed(env.stdout, results, now)
	}
	return errors.Join(err, providerErr, report.ProbeFailure(results))
}
