package main

import (
	"fmt"
	"strings"
	"time"
)

type checkCommand struct{}

// Run reports every fault of the configuration, or what it says.
func (checkCommand) Run(env *environment) error {
	cfg, err := env.loadConfig(time.Now())
	if err != nil {
		return err
	}
	for _, w := range cfg.warnings {
		fmt.Fprintln(env.stderr, "extdisco: warning: "+w)
	}
	var services []string
	for _, s := range cfg.iceServers {
		for _, service := range s.services {
			services = append(services, service.URI())
		}
	}
	_, err = fmt.Fprintf(env.stdout, "%s is right.\n  component  %s at %s\n  trusts     %s\n  serves     %s\n  offers     %s\n",
		cfg.file, cfg.component.jid, cfg.component.server, strings.Join(cfg.component.hosts, ", "),
		strings.Join(cfg.allow, ", "), strings.Join(services, "\n             "))
	return err
}

// loadConfig reads the configuration that the command line names.
func (e *environment) loadConfig(now time.Time) (*config, error) {
	file, err := findConfig(e.configFile)
	if err != nil {
		return nil, err
	}
	return loadConfig(file, now)
}
