package lab

import (
	"context"
	"path/filepath"
)

// CommandConfig describes a program that is none of the servers above, such as
// one that extdisco is compared with.
type CommandConfig struct {
	Name string // for messages and the name of the log
	Argv []string
	Dir  string // an existing folder; gets the log
}

// Command is a running program. It ends with its owner, as the servers do.
type Command struct{ daemon }

// StartCommand starts a program. Whether it is ready is the caller's to find
// out.
func StartCommand(ctx context.Context, cfg CommandConfig) (*Command, error) {
	c := new(Command)
	c.name, c.argv, c.dir = cfg.Name, cfg.Argv, cfg.Dir
	c.env = []string{"HOME=" + cfg.Dir}
	c.logs = []string{filepath.Join(cfg.Dir, cfg.Name+".log")}
	if err := c.Start(ctx); err != nil {
		return nil, err
	}
	return c, nil
}
