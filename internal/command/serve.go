package command

import (
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"extdisco/internal/daemon"
)

type serveCommand struct{}

// memoryLimit makes the garbage collector work harder when a burst of large stanzas has
// left much behind. What is in use at once is far below.
const memoryLimit = 40 << 20

// Run runs the component until SIGTERM or SIGINT.
func (serveCommand) Run(env *environment) error {
	// Before anything else, so that no signal kills a process that starts.
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	defer signal.Stop(signals)
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryLimit)
	}
	return env.serve(signals)
}

func (e *environment) serve(signals <-chan os.Signal) error {
	cfg, err := e.loadConfig(time.Now())
	if err != nil {
		return err
	}
	log, level := e.logger(cfg.Log)
	return daemon.Run(daemon.Options{Config: cfg, Version: e.program.version(), Log: log, Level: level, Notice: e.stderr}, signals)
}
