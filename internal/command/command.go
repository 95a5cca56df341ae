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
	Config    string `help:"Configuration file. Default: config.toml, then /etc/extdisco/config.toml." placeholder:"FILE"`
	LogLevel  string `help:"Log from this level on: debug, info, warn or error, instead of the configuration's." enum:",debug,info,warn,error" default:"" placeholder:"LEVEL"`
	LogFormat string `help:"Log as text or json, instead of as the configuration says." enum:",text,json" default:"" placeholder:"FORMAT"`

	Serve         serveCommand         `cmd:"" help:"Run the component. SIGTERM answers what was asked and leaves, SIGHUP reads the configuration again."`
	Check         checkCommand         `cmd:"" help:"Read the configuration and report every fault. Touches no network."`
	Credential    credentialCommand    `cmd:"" help:"Print a credential for each TURN server, and the line that tries it."`
	Probe         probeCommand         `cmd:"" help:"Try every configured server for real, as a client would."`
	Query         queryCommand         `cmd:"" help:"Ask as an XMPP client would, and print the services that the answer names."`
	Whois         whoisCommand         `cmd:"" help:"Tell which address a pseudonym of the TURN server's log belongs to."`
	Import        importCommand        `cmd:"" help:"Print the [[ice_server]] tables for a web page's iceServers or Prosody's external_services."`
	ProsodyConfig prosodyConfigCommand `cmd:"" help:"Print the blocks of Prosody's configuration that fit this one."`
	Version       versionCommand       `cmd:"" help:"Print the version."`

	Health     healthCommand     `cmd:"" help:"Ask an extdisco that runs whether it is well."`
	Completion completionCommand `cmd:"" help:"Print the completion of commands and flags for a shell."`
	Man        manCommand        `cmd:"" hidden:"" help:"Print a manual page."`
}

const description = `Gives the users of an XMPP server STUN and TURN addresses with credentials that expire (XEP-0215).

A start: write config.toml, then run "extdisco check", "extdisco serve" and, from another terminal, "extdisco query DOMAIN".`

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
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}))
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
// level if it is the configuration's.
func (e *environment) logger(cfg config.Log) (*slog.Logger, *slog.LevelVar) {
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
		return slog.New(slog.NewJSONHandler(e.stderr, options)), follows
	}
	return slog.New(slog.NewTextHandler(e.stderr, options)), follows
}
