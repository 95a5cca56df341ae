package command

import (
	"bytes"
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
	queue := logqueue.New(e.stderr, func(dropped int) []byte { return e.droppedLine(cfg.Log, dropped) })
	defer queue.Close(logPatience)
	log, level := e.logger(cfg.Log, queue)
	var terminal io.Writer
	if report.IsTerminal(e.stderr) {
		terminal = e.stderr
	}
	return daemon.Run(daemon.Options{Config: cfg, Version: e.program.version(), Log: log, Level: level, Terminal: terminal}, signals)
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
