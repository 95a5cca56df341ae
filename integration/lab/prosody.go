package lab

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
)

// StartProsody starts Prosody 0.12, or cfg.Program, in cfg.Dir and creates the accounts.
func StartProsody(ctx context.Context, cfg XMPPConfig) (*XMPPServer, error) {
	if len(cfg.Hosts) == 0 {
		return nil, errors.New("lab: prosody needs a host")
	}
	if cfg.Program == "" {
		cfg.Program = "prosody"
	}
	if cfg.LogLevel == "" {
		cfg.LogLevel = "debug"
	}
	settings, err := newXMPPSettings(cfg)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Join(cfg.Dir, "data"), 0o755); err != nil {
		return nil, fmt.Errorf("lab: %w", err)
	}
	config := filepath.Join(cfg.Dir, "prosody.cfg.lua")
	if err := settings.writeConfig(config, "prosody.cfg.lua.tmpl"); err != nil {
		return nil, err
	}
	if err := addProsodyUsers(ctx, cfg, config); err != nil {
		return nil, err
	}
	server := settings.server()
	if cfg.HTTP {
		server.HTTPAddr = loopback(settings.HTTPPort)
		server.ready = append(server.ready, accepts(server.HTTPAddr))
	}
	server.name = "prosody"
	server.argv = []string{cfg.Program, "-F", "--config", config}
	server.dir = cfg.Dir
	server.env = []string{"HOME=" + cfg.Dir}
	server.logs = []string{filepath.Join(cfg.Dir, "prosody.out"), filepath.Join(cfg.Dir, "prosody.log")}
	if err := server.Start(ctx); err != nil {
		return nil, err
	}
	return server, nil
}

// addProsodyUsers uses Prosody's own tool, which writes the hashed passwords
// straight to the data folder and needs no running server.
func addProsodyUsers(ctx context.Context, cfg XMPPConfig, config string) error {
	for _, host := range cfg.Hosts {
		for _, user := range slices.Sorted(maps.Keys(host.Users)) {
			cmd := exec.CommandContext(ctx, cfg.Program+"ctl", "--root", "--config", config,
				"register", user, host.Name, host.Users[user])
			cmd.Dir = cfg.Dir
			cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + cfg.Dir}
			if output, err := cmd.CombinedOutput(); err != nil {
				return fmt.Errorf("lab: prosodyctl register %s@%s: %w\n%s", user, host.Name, err, output)
			}
		}
	}
	return nil
}
