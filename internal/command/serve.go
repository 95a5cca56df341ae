package command

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"extdisco/internal/config"
	"extdisco/internal/daemon"
	"extdisco/internal/logqueue"
	"extdisco/internal/report"
)

type serveCommand struct {
	WithoutRelay bool `help:"Leave the relay of [relay] to \"extdisco relay\" in a process of its own."`
}

// memoryLimit makes the garbage collector work harder when a burst of large stanzas has
// left much behind. What is in use at once is far below. relayMemory is for the relay
// besides: some 20 KB for an allocation, and what waits for slow clients.
const (
	memoryLimit = 40 << 20
	relayMemory = 160 << 20
)

// Run runs the component, the relay or both until SIGTERM or SIGINT.
func (c serveCommand) Run(env *environment) error {
	return env.serve(daemon.Options{WithoutRelay: c.WithoutRelay})
}

// serve runs the daemon until a signal ends it.
func (e *environment) serve(options daemon.Options) error {
	// Before anything else, so that no signal kills a process that starts.
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	defer signal.Stop(signals)
	return e.serveUntil(signals, options)
}

func (e *environment) serveUntil(signals <-chan os.Signal, options daemon.Options) error {
	cfg, err := e.loadConfig(time.Now())
	if err != nil {
		return err
	}
	if options.RelayOnly && !cfg.Relay.On {
		return fmt.Errorf("%s has no [relay]; write one", cfg.File)
	}
	setMemoryLimit(cfg.Relay.On && !options.WithoutRelay)
	queue := logqueue.New(e.stderr, func(dropped int) []byte { return e.droppedLine(cfg.Log, dropped) })
	defer queue.Close(logPatience)
	log, level := e.logger(cfg.Log, queue)
	var terminal io.Writer
	if report.IsTerminal(e.stderr) {
		terminal = e.stderr
	}
	options.Config, options.Version, options.Log, options.Level, options.Terminal = cfg, e.program.version(), log, level, terminal
	return daemon.Run(options, signals)
}

func setMemoryLimit(relays bool) {
	switch {
	case os.Getenv("GOMEMLIMIT") != "":
	case relays:
		debug.SetMemoryLimit(memoryLimit + relayMemory)
	default:
		debug.SetMemoryLimit(memoryLimit)
	}
}

// logPatience is how long the end of the program waits for a log that nobody reads.
const logPatience = time.Second

// droppedLine returns the line that tells of lines that were dropped, as the log has it.
func (e *environment) droppedLine(cfg config.Log, dropped int) []byte {
	var line bytes.Buffer
	log, _ := e.logger(cfg, &line)
	log.Error("log lines were dropped because nothing read them in time", "dropped", dropped)
	return line.Bytes()
}
