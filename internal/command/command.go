// Package command is the command line of extdisco: one file for each subcommand, which
// parses its flags, calls another package and prints what that returns.
//
// Results go to standard output, everything else to standard error. The exit status is
// 0 when all is well, 1 when something failed, and 2 when the command was called
// wrongly.
package command

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"

	"extdisco/internal/config"

	"github.com/alecthomas/kong"
)

// Exit statuses.
const (
	statusOK     = 0
	statusFailed = 1
	statusUsage  = 2
)

// Program is what main knows of the program.
type Program struct {
	Version       string // empty when the linker was told none
	SystemConfig  string // the configuration of the installed service
	ServiceUser   string // whom the installed service runs as; empty when not known
	ConfigExample string // config.toml.example
}

// commandLine is the grammar of the command. A field of type …Command is a
// subcommand, and its method Run runs it.
type commandLine struct {
	Config    string `short:"c" help:"Configuration file. Default: config.toml, then /etc/extdisco/config.toml." placeholder:"FILE"`
	LogLevel  string `help:"Lowest level to log: debug, info, warn or error, overriding log.level." enum:",debug,info,warn,error" default:"" placeholder:"LEVEL"`
	LogFormat string `help:"Log as text or json, overriding log.format." enum:",text,json" default:"" placeholder:"FORMAT"`

	ShowVersion versionFlag `name:"version" help:"Print the version."`

	Serve      serveCommand      `cmd:"" help:"Run the component. SIGTERM answers pending requests and exits; SIGHUP reloads the configuration."`
	Check      checkCommand      `cmd:"" help:"Check the configuration and report every fault. Does not touch the network."`
	Credential credentialCommand `cmd:"" help:"Print a credential for each TURN server, and a command to try it with."`
	Probe      probeCommand      `cmd:"" help:"Test every configured STUN and TURN server, as a client would use it."`
	Query      queryCommand      `cmd:"" help:"Log in as an XMPP client, ask for the services, and print them."`
	Whois      whoisCommand      `cmd:"" help:"Find the user behind a pseudonym in the TURN server's log."`
	Setup      setupCommand      `cmd:"" help:"Set up extdisco on this machine: find the XMPP server and the TURN server, write what is needed, try it. --undo takes it back."`
	Import     importCommand     `cmd:"" help:"Convert other programs' STUN and TURN settings to [[ice_server]] tables."`
	Version    versionCommand    `cmd:"" help:"Print the version."`

	ProsodyConfig  prosodyConfigCommand  `cmd:"" help:"Print the Prosody configuration that matches config.toml."`
	EjabberdConfig ejabberdConfigCommand `cmd:"" help:"Print the ejabberd configuration that matches config.toml."`
	Relay          relayCommand          `cmd:"" help:"Run the relay alone, in a process of its own."`
	RelayConfig    relayConfigCommand    `cmd:"" help:"Print the [[ice_server]] for a relay on another machine."`

	Health     healthCommand     `cmd:"" help:"Check the health of a running instance."`
	Completion completionCommand `cmd:"" help:"Print the completion script for a shell."`
	Man        manCommand        `cmd:"" hidden:"" help:"Print a manual page."`
}

const description = `Gives the users of an XMPP server STUN and TURN servers with credentials that expire (XEP-0215).

To begin, run "extdisco setup" as root on the machine of the XMPP server: it writes the configuration and tests it. To write config.toml yourself, see config.toml.example; then run "extdisco check" and "extdisco serve".`

// environment is what a subcommand works with besides its own flags.
type environment struct {
	program    Program
	configFile string
	logLevel   string
	logFormat  string
	stdin      io.Reader
	stdout     io.Writer
	stderr     io.Writer
}

// parserExit is how kong's own exits (--help) leave the parser.
type parserExit int

// Run runs the command that args names and returns its exit status.
func (p Program) Run(args []string, stdin io.Reader, stdout, stderr io.Writer) (status int) {
	defer func() {
		if thrown := recover(); thrown != nil {
			exit, ok := thrown.(parserExit)
			if !ok {
				panic(thrown)
			}
			status = int(exit)
		}
	}()
	var cli commandLine
	parser := kong.Must(&cli, kong.Name("extdisco"), kong.Description(description),
		kong.Writers(stdout, stderr), kong.Exit(func(code int) { panic(parserExit(code)) }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}), kong.Help(printHelp), kong.Bind(p))
	if len(args) > 0 && args[0] == "help" {
		args = append(slices.Clone(args[1:]), "--help")
	}
	ctx, err := parser.Parse(args)
	if err != nil {
		usage(stderr, err)
		return statusUsage
	}
	env := &environment{
		program: p, configFile: cli.Config, logLevel: cli.LogLevel, logFormat: cli.LogFormat,
		stdin: stdin, stdout: stdout, stderr: stderr,
	}
	return exitStatus(stderr, ctx.Run(env))
}

// printHelp prints the help of a command, without flags that mean nothing to it.
func printHelp(options kong.HelpOptions, ctx *kong.Context) error {
	if selected := ctx.Selected(); selected != nil {
		for _, f := range ctx.Model.Flags {
			f.Hidden = f.Hidden || !takes(selected.Name, f.Name)
		}
	}
	return kong.DefaultHelpPrinter(options, ctx)
}

// configless are the commands that read no configuration.
var configless = []string{"setup", "version", "health", "completion", "man"}

// takes reports whether a flag of all commands means something to one of them: only what
// runs on writes a log.
func takes(command, flag string) bool {
	switch flag {
	case "config":
		return !slices.Contains(configless, command)
	case "log-level", "log-format":
		return command == "serve" || command == "relay"
	}
	return true
}

// usageError is a call that the grammar allows and that still makes no sense.
type usageError struct{ message string }

func (e usageError) Error() string { return e.message }

func usage(stderr io.Writer, err error) {
	fmt.Fprintf(stderr, "extdisco: %v\nusage: extdisco COMMAND [flags]; extdisco --help and extdisco COMMAND --help say more\n", err)
}

// exitStatus prints an error and turns it into the exit status.
func exitStatus(stderr io.Writer, err error) int {
	var wrongUse usageError
	switch {
	case err == nil:
		return statusOK
	case errors.As(err, &wrongUse):
		usage(stderr, err)
		return statusUsage
	}
	for line := range strings.SplitSeq(err.Error(), "\n") {
		fmt.Fprintln(stderr, "extdisco: "+line)
	}
	return statusFailed
}

// loadConfig reads the configuration that the command line names.
func (e *environment) loadConfig(now time.Time) (*config.Config, error) {
	file, err := config.Find(e.configFile, []string{"config.toml", e.program.SystemConfig})
	if err != nil {
		return nil, err
	}
	return config.Load(file, now)
}

// logger returns the logger that the configuration and the command line ask for, and its
// level if it is the configuration's. It writes to w.
func (e *environment) logger(cfg config.Log, w io.Writer) (*slog.Logger, *slog.LevelVar) {
	level := new(slog.LevelVar)
	level.Set(cfg.Level)
	options := &slog.HandlerOptions{Level: level}
	follows := level
	if e.logLevel != "" {
		var fixed slog.Level
		_ = fixed.UnmarshalText([]byte(e.logLevel)) // the grammar lets known levels through only
		options.Level, follows = fixed, nil
	}
	if e.logFormat == "json" || e.logFormat == "" && cfg.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, options)), follows
	}
	return slog.New(slog.NewTextHandler(w, options)), follows
}
