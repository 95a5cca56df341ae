package command

import (
	"fmt"
	"strings"
	"time"

	"extdisco/internal/config"
	"extdisco/internal/daemon"
)

type relayCommand struct{}

// Help is printed below the flags.
func (relayCommand) Help() string {
	return `Runs the relay of [relay] and nothing else, with the same configuration and secrets as "extdisco serve --without-relay" beside it: then a restart of that ends no call. SIGTERM ends the relay after relay.drain; SIGHUP reloads the configuration. Health, metrics and the status page are at http.relay_listen.`
}

// Run runs the relay until SIGTERM or SIGINT.
func (relayCommand) Run(env *environment) error {
	return env.serve(daemon.Options{RelayOnly: true})
}

type relayConfigCommand struct{}

// Help is printed below the flags.
func (relayConfigCommand) Help() string {
	return `For a relay on a machine of its own. The table belongs into the config.toml on the machine of the XMPP server, and the file that relay.secret_file names is copied there under the name in the table.`
}

// Run prints an [[ice_server]] that stands for the relay.
func (relayConfigCommand) Run(env *environment) error {
	cfg, err := env.loadConfig(time.Now())
	if err != nil {
		return err
	}
	switch {
	case !cfg.Relay.On:
		return fmt.Errorf("%s has no [relay], so there is nothing for another machine to know", cfg.File)
	case cfg.Relay.Secret.IsEmpty():
		return fmt.Errorf("%s: relay.secret_file is missing; another machine needs the shared secret in a file that does not change: openssl rand -hex 32", cfg.File)
	}
	_, err = fmt.Fprint(env.stdout, relayTable(cfg.Relay))
	return err
}

// relayTable returns the table of TOML. What stands in it needs no escape: hosts and
// durations were found valid.
func relayTable(r config.Relay) string {
	var b strings.Builder
	b.WriteString("[[ice_server]]\nurls = [\n")
	for _, s := range r.Services() {
		fmt.Fprintf(&b, "  %q,\n", s.URI())
	}
	fmt.Fprintf(&b, "]\nsecret_file   = \"relay.secret\"\nusername_form = %q\nttl           = %q\n", config.FormRelay, config.FormatDuration(r.TTL))
	return b.String()
}
