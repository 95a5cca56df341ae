package command

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"extdisco/internal/config"
	"extdisco/internal/report"
	"extdisco/internal/source"
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
	for _, w := range cfg.Warnings {
		fmt.Fprintln(env.stderr, "extdisco: warning: "+w)
	}
	var offers []string
	for _, s := range cfg.ICEServers {
		if s.Provider != nil {
			offers = append(offers, "what "+s.Provider.Name+" gives ("+s.Key+")")
		}
		for _, service := range s.Services {
			offers = append(offers, service.URI())
		}
	}
	_, err = fmt.Fprintf(env.stdout, "%s is right.\n  component  %s at %s\n  trusts     %s\n  serves     %s\n  offers     %s\n",
		cfg.File, cfg.Component.JID, cfg.Component.Server, strings.Join(cfg.Component.Hosts, ", "),
		strings.Join(cfg.Access.Allow, ", "), strings.Join(offers, "\n             "))
	if err != nil || !c.Fetch {
		return err
	}
	return env.fetchAll(cfg)
}

// fetchAll asks each provider of the configuration, and prints what it gave as clients
// would get it.
func (e *environment) fetchAll(cfg *config.Config) error {
	var failures []error
	asked := false
	for _, s := range cfg.ICEServers {
		if s.Provider == nil {
			continue
		}
		asked = true
		now := time.Now()
		set, err := source.FetchOnce(s.Provider, now)
		if err != nil {
			failures = append(failures, fmt.Errorf("%s: %s: %w", s.Key, s.Provider.Name, err))
			continue
		}
		if _, err := fmt.Fprintf(e.stdout, "\n%s: %s gives:\n", s.Key, s.Provider.Name); err != nil {
			return err
		}
		if err := report.Services(e.stdout, set.Services, now); err != nil {
			return err
		}
		for _, note := range set.Notes {
			if _, err := fmt.Fprintf(e.stdout, "  note: %s\n", note); err != nil {
				return err
			}
		}
	}
	if !asked {
		return errors.New("--fetch: the configuration names no provider")
	}
	return errors.Join(failures...)
}
