package command

import (
	"fmt"
	"strconv"
	"time"

	"extdisco/internal/setup"
)

type ejabberdConfigCommand struct {
	Link string `help:"For which of several components: its name." placeholder:"NAME"`
}

// Help is printed below the flags.
func (ejabberdConfigCommand) Help() string {
	return `The parts name the same addresses and the same handshake secret as config.toml. Merge each into the section of the same name in ejabberd.yml: YAML takes only one of each, and the last one wins. The secret is printed too, so keep the output to yourself.

Example: extdisco ejabberd-config`
}

// ejabberdHeader stands above the parts.
const ejabberdHeader = `# For ejabberd.yml, from %s.
# Merge each part into the section of the same name that is there already: of two
# sections with one name, ejabberd takes only the last.

`

// Run prints the parts of ejabberd.yml that match the configuration.
func (c ejabberdConfigCommand) Run(env *environment) error {
	cfg, err := env.loadConfig(time.Now())
	if err != nil {
		return err
	}
	link, err := setup.ChooseComponent(cfg, c.Link)
	if err != nil {
		return err
	}
	parts, err := setup.EjabberdConfig(link, link.Secret.Reveal())
	if err != nil {
		return fmt.Errorf("%s: %w", cfg.File, err)
	}
	_, err = fmt.Fprintf(env.stdout, ejabberdHeader+"%s", strconv.QuoteToASCII(cfg.File), parts)
	return err
}
