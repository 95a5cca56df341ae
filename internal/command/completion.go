package command

import (
	"io"

	"github.com/alecthomas/kong"

	"extdisco/internal/manual"
)

type completionCommand struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"Shell to complete commands and flags in."`
}

// Help is printed below the flags.
func (completionCommand) Help() string {
	return `The packages install it. To try it:

  source <(extdisco completion bash)
  source <(extdisco completion zsh)
  extdisco completion fish | source`
}

// Run prints the completion for a shell.
func (c completionCommand) Run(env *environment, parser *kong.Kong) error {
	grammar := manual.GrammarOf(parser.Model)
	write := map[string]func() string{"bash": grammar.Bash, "zsh": grammar.Zsh, "fish": grammar.Fish}[c.Shell]
	_, err := io.WriteString(env.stdout, write())
	return err
}

// manCommand prints the manual pages, for make install and for packages.
type manCommand struct {
	Page string `arg:"" enum:"extdisco.1,extdisco.toml.5" help:"Page to print."`
}

// Run prints a manual page in mdoc(7).
func (c manCommand) Run(env *environment, parser *kong.Kong) error {
	page, err := manual.ConfigPage(env.program.ConfigExample)
	if c.Page == "extdisco.1" {
		page, err = manual.GrammarOf(parser.Model).CommandPage()
	}
	if err != nil {
		return err
	}
	_, err = io.WriteString(env.stdout, page)
	return err
}
