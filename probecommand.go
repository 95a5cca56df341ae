package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"extdisco/internal/probe"
	"extdisco/internal/secret"
	"extdisco/turncred"
	"extdisco/xep0215"
)

type probeCommand struct {
	JSON    bool          `name:"json" help:"Print JSON."`
	Timeout time.Duration `help:"Give each address up after this time. Default: 5s." default:"5s" placeholder:"DURATION"`
	CAFile  string        `help:"Trust the certificates in this PEM file as well, instead of those in probe.ca_file." placeholder:"FILE"`
	Peer    string        `help:"Try whether each TURN server relays to this address, such as the video bridge's, in place of the echo." placeholder:"HOST:PORT"`
}

// Help is printed below the flags.
func (probeCommand) Help() string {
	return `Tries each address of each server from this machine: the name in the DNS, TLS with the certificate, a STUN binding request, an allocation with a credential like those that clients get (user healthcheck), and a datagram through the relay and back. Answers are judged as browsers judge them. Each failure is printed with what to change; the exit status is then 1.

A server that works from here need not work from where the users are.

Example: extdisco probe --timeout 3s`
}

// probeUser is the user part of the usernames that are tried, so that the TURN
// server's log and quotas show who it is.
const probeUser = "healthcheck"

// maxProbes is how many hosts are tried at once.
const maxProbes = 8

// probed is a server and what became of trying it.
type probed struct {
	key    string // where it stands: "ice_server[0]"
	result probe.Result
}

// Run tries all servers and prints how each fares.
func (c probeCommand) Run(env *environment) error {
	if c.Timeout <= 0 {
		return usageError{"--timeout: more than 0"}
	}
	if _, _, err := net.SplitHostPort(c.Peer); c.Peer != "" && err != nil {
		return usageError{"--peer: give HOST:PORT"}
	}
	now := time.Now()
	cfg, err := env.loadConfig(now)
	if err != nil {
		return err
	}
	authorities := cfg.probe.rootCAs
	if c.CAFile != "" {
		if authorities, err = rootCAs(c.CAFile); err != nil {
			return err
		}
	}
	targets, err := env.probeTargets(cfg, now)
	results := env.tryAll(targets, tryWith(probe.Options{Timeout: c.Timeout, RootCAs: authorities, Peer: c.Peer}))
	if c.JSON {
		err = errors.Join(printJSON(env.stdout, newProbedJSON(results)), err)
	} else {
		err = errors.Join(printProbed(env.stdout, results, now), err)
	}
	return errors.Join(err, probeFailure(results))
}

// probe tries what the first answer with services names.
func (q queryCommand) probe(env *environment, to string, answers []answer) error {
	authorities, err := rootCAs(q.CAFile)
	if err != nil {
		return err
	}
	var targets []probed
	for _, a := range answers {
		for _, s := range a.services {
			if server, ok := probeServer(s); ok {
				targets = append(targets, probed{key: a.namespace, result: probe.Result{Server: server}})
			}
		}
		if len(targets) > 0 {
			break
		}
	}
	results := env.tryAll(targets, tryWith(probe.Options{Timeout: q.Timeout, RootCAs: authorities}))
	if q.JSON {
		err = printAnswersJSON(env.stdout, to, answers, results)
	} else if err = printAnswers(env.stdout, to, answers, time.Now()); err == nil {
		fmt.Fprintln(env.stdout)
		err = printProbed(env.stdout, results, time.Now())
	}
	return errors.Join(err, probeFailure(results))
}

// probeServer returns what to try of a service, unless its type is none of ours.
func probeServer(s xep0215.Service) (probe.Server, bool) {
	switch s.Type {
	case xep0215.TypeSTUN, xep0215.TypeSTUNS, xep0215.TypeTURN, xep0215.TypeTURNS:
	default:
		return probe.Server{}, false
	}
	return probe.Server{Type: s.Type, Host: s.Host, Port: s.Port, Transport: s.Transport, Username: s.Username, Password: secret.New(s.Password)}, true
}

// probeTargets returns all servers of the configuration with credentials for each.
// What a provider does not give is an error beside those of the others.
func (e *environment) probeTargets(cfg *config, now time.Time) ([]probed, error) {
	var targets []probed
	var errs []error
	for i, s := range cfg.iceServers {
		services, err := e.servicesToProbe(s, now)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %s: %w", s.provider.key, s.provider.name, err))
		}
		for _, service := range services {
			if server, ok := probeServer(service); ok {
				server.Sign = signer(s)
				targets = append(targets, probed{key: fmt.Sprintf("ice_server[%d]", i), result: probe.Result{Server: server}})
			}
		}
	}
	return targets, errors.Join(errs...)
}

// servicesToProbe returns the services of an [[ice_server]] with credentials.
func (e *environment) servicesToProbe(s iceServer, now time.Time) ([]xep0215.Service, error) {
	if s.provider != nil {
		set, err := e.fetchSet(s.provider, now)
		if err != nil {
			return nil, err
		}
		return set.services, nil
	}
	c, err := probeCredential(s, now)
	if err != nil {
		return nil, err
	}
	services := make([]xep0215.Service, len(s.services))
	for i, service := range s.services {
		if xep0215.NeedsCredentials(service.Type) {
			service.Username, service.Password = string(c.Username), string(c.Password)
		}
		services[i] = service
	}
	return services, nil
}

// probeCredential returns a credential of a server, none if it needs none.
func probeCredential(s iceServer, now time.Time) (turncred.Credential, error) {
	var c turncred.Credential
	switch {
	case !s.sharedSecret.IsEmpty():
		return c, turncred.NewSharedSecret(s.sharedSecret, s.pseudonymKey, s.ttl).IssueTo(&c, probeUser, now, s.ttl)
	case s.username != "":
		turncred.NewStatic(s.username, s.password).Issue(&c, nil, now)
	}
	return c, nil
}

// signer returns a function that signs usernames with the shared secret of a server,
// or nil if it has none.
func signer(s iceServer) func(username string) secret.Secret {
	if s.sharedSecret.IsEmpty() {
		return nil
	}
	issuer := turncred.NewSharedSecret(s.sharedSecret, s.pseudonymKey, s.ttl)
	return func(username string) secret.Secret {
		return secret.New(string(issuer.AppendPassword(nil, []byte(username))))
	}
}

// tryWith returns a function that tries a server as deep as possible.
func tryWith(o probe.Options) func(probe.Server) probe.Result {
	o.Depth = probe.Echo
	return func(s probe.Server) probe.Result { return probe.Try(context.Background(), s, o) }
}

// tryAll tries the servers and returns what became of each, in their order. Hosts are
// tried side by side, the servers of one host one after the other: they share the
// quota of our user.
func (e *environment) tryAll(targets []probed, try func(probe.Server) probe.Result) []probed {
	progress := newProgress(e.stderr, len(targets))
	defer progress.done()
	byHost := map[string][]int{}
	for i, t := range targets {
		host := xep0215.CanonicalHost(t.result.Server.Host)
		byHost[host] = append(byHost[host], i)
	}
	results := make([]probed, len(targets))
	slots := make(chan struct{}, maxProbes)
	var tries sync.WaitGroup
	for _, indexes := range byHost {
		tries.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			for _, i := range indexes {
				results[i] = probed{targets[i].key, try(targets[i].result.Server)}
				progress.step()
			}
		})
	}
	tries.Wait()
	return results
}

// probeFailure is the error that the command ends with when a server does not work.
func probeFailure(results []probed) error {
	broken := 0
	for _, p := range results {
		if !p.result.OK() {
			broken++
		}
	}
	if broken == 0 {
		return nil
	}
	return fmt.Errorf("%d of %d servers do not work from here", broken, len(results))
}
