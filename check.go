package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

type checkCommand struct {
	Fetch bool `help:"Also ask each provider once, and show what clients would get."`
}

// Run reports every fault of the configuration, or what it says.
func (c checkCommand) Run(env *environment) error {
	cfg, err := env.loadConfig(time.Now())
	if err != nil {
		return err
	}
	for _, w := range cfg.warnings {
		fmt.Fprintln(env.stderr, "extdisco: warning: "+w)
	}
	var offers []string
	for _, s := range cfg.iceServers {
		if s.provider != nil {
			offers = append(offers, "what "+s.provider.name+" gives ("+s.provider.key+")")
		}
		for _, service := range s.services {
			offers = append(offers, service.URI())
		}
	}
	_, err = fmt.Fprintf(env.stdout, "%s is right.\n  component  %s at %s\n  trusts     %s\n  serves     %s\n  offers     %s\n",
		cfg.file, cfg.component.jid, cfg.component.server, strings.Join(cfg.component.hosts, ", "),
		strings.Join(cfg.allow, ", "), strings.Join(offers, "\n             "))
	if err != nil || !c.Fetch {
		return err
	}
	return env.fetchAll(cfg)
}

// fetchAll asks each provider of the configuration.
func (e *environment) fetchAll(cfg *config) error {
	var failures []error
	asked := false
	for _, s := range cfg.iceServers {
		if s.provider == nil {
			continue
		}
		asked = true
		if err := e.fetchOne(s.provider); err != nil {
			failures = append(failures, fmt.Errorf("%s: %s: %w", s.provider.key, s.provider.name, err))
		}
	}
	if !asked {
		return errors.New("--fetch: the configuration names no provider")
	}
	return errors.Join(failures...)
}

func (e *environment) fetchOne(cfg *providerConfig) error {
	now := time.Now()
	set, err := e.fetchSet(cfg, now)
	if err != nil {
		return err
	}
	return printProviderSet(e.stdout, cfg, set, now)
}

// fetchSet asks a provider for what it offers at now.
func (e *environment) fetchSet(cfg *providerConfig, now time.Time) (*providerSet, error) {
	logger, _ := e.logger(logConfig{format: "text"})
	p := newProvider(cfg, logger)
	defer p.client.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(context.Background(), cfg.timeout)
	defer cancel()
	user := ""
	if cfg.perUser {
		user = "extdisco-check"
	}
	set, err := cfg.api.Fetch(ctx, p.client, user, now)
	if err != nil {
		return nil, err
	}
	return newProviderSet(set)
}

// printProviderSet prints what a provider gave, as clients would get it.
func printProviderSet(w io.Writer, cfg *providerConfig, offered *providerSet, now time.Time) error {
	if _, err := fmt.Fprintf(w, "\n%s: %s gives:\n", cfg.key, cfg.name); err != nil {
		return err
	}
	if err := printServices(w, offered.services, now); err != nil {
		return err
	}
	for _, note := range offered.Notes {
		if _, err := fmt.Fprintf(w, "  note: %s\n", note); err != nil {
			return err
		}
	}
	return nil
}

// loadConfig reads the configuration that the command line names.
func (e *environment) loadConfig(now time.Time) (*config, error) {
	file, err := findConfig(e.configFile)
	if err != nil {
		return nil, err
	}
	return loadConfig(file, now)
}
