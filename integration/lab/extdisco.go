package lab

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// ExtdiscoConfig describes a running extdisco.
type ExtdiscoConfig struct {
	Binary string // the command
	Dir    string // an existing folder; gets config.toml and the log
	Config string // content of config.toml
	Args   []string
	Within []string // the command that runs it, such as "ip netns exec NAME"

	// Unconnected makes Start return at once, without a connection to the
	// server.
	Unconnected bool
}

// Extdisco is a running, or stopped, extdisco serve.
type Extdisco struct {
	ConfigFile string
	daemon
}

// connectedLine is what extdisco logs when it is ready to answer.
const connectedLine = `"connected to the XMPP server"`

// StartExtdisco starts extdisco and waits until it is connected.
func StartExtdisco(ctx context.Context, cfg ExtdiscoConfig) (*Extdisco, error) {
	e := &Extdisco{ConfigFile: filepath.Join(cfg.Dir, "config.toml")}
	if err := os.WriteFile(e.ConfigFile, []byte(cfg.Config), 0o600); err != nil {
		return nil, err
	}
	e.name = "extdisco"
	e.argv = slices.Concat(cfg.Within, []string{cfg.Binary, "serve", "--config", e.ConfigFile}, cfg.Args)
	e.dir = cfg.Dir
	e.env = []string{"HOME=" + cfg.Dir}
	e.logs = []string{filepath.Join(cfg.Dir, "extdisco.log")}
	if !cfg.Unconnected {
		e.before = func() error {
			connected := strings.Count(e.Log(), connectedLine)
			e.ready = []func(context.Context) error{e.says(connectedLine, connected+1)}
			return nil
		}
	}
	if err := e.Start(ctx); err != nil {
		return nil, err
	}
	return e, nil
}

// WaitForLog waits until text has stood in the log this many times.
func (e *Extdisco) WaitForLog(ctx context.Context, text string, times int) error {
	return Poll(ctx, e.says(text, times))
}

// says reports whether text stands in the log so many times.
func (e *Extdisco) says(text string, times int) func(context.Context) error {
	return func(context.Context) error {
		if strings.Count(e.Log(), text) < times {
			return errors.New("the log does not say " + text)
		}
		return nil
	}
}

// PID returns the process ID of the running server.
func (d *daemon) PID() int {
	d.running.Lock()
	defer d.running.Unlock()
	if d.process == nil {
		return 0
	}
	return d.process.Pid
}
