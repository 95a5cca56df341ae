package setup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"slices"
	"strings"
)

// CheckProsody has Prosody's own tool read the configuration. Remarks that the tool has
// about it are no fault, since it may have had them before.
func CheckProsody(ctx context.Context, config string) error {
	cmd := exec.CommandContext(ctx, "prosodyctl", "--config", config, "check", "config")
	output, err := cmd.CombinedOutput()
	const unreadable = 1 // 2 stands for remarks
	var exit *exec.ExitError
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return errors.New("prosodyctl was not found, so Prosody's configuration cannot be checked; it is part of Prosody's package")
	case errors.As(err, &exit) && exit.ExitCode() == unreadable, err != nil && !errors.As(err, &exit):
		return fmt.Errorf("prosodyctl check config reports:\n%s", hideSecrets(string(bytes.TrimSpace(output))))
	}
	return nil
}

// HasSystemd reports whether systemd manages this machine.
func HasSystemd() bool {
	_, err := os.Stat("/run/systemd/system")
	return err == nil
}

// StartCommands are what makes what was written count.
func (p *Plan) StartCommands() [][]string {
	if p.Docker != "" {
		return [][]string{{"docker", "compose", "-f", "docker-compose.yml", "-f", overlay, "up", "-d"}}
	}
	commands := [][]string{{"systemctl", "enable", "extdisco"}, {"systemctl", "restart", "extdisco"}}
	if p.Prosody != "" {
		commands = append([][]string{{"systemctl", "restart", "prosody"}}, commands...)
	}
	return commands
}

// TryCommands show what a client gets, and try the servers.
func (p *Plan) TryCommands() []string {
	if p.Docker == "" {
		return []string{"extdisco query " + p.Domain, "extdisco probe --config " + p.Config}
	}
	return []string{
		"extdisco query " + p.Domain + " --room test --websocket " + p.webSocket,
		"docker compose -f docker-compose.yml -f " + overlay + " exec extdisco /extdisco probe --config /etc/extdisco/config.toml",
	}
}

// AfterUndo returns the commands that make an undo count, where setup had written these
// files.
func AfterUndo(files []string) []string {
	named := func(name string) func(string) bool {
		return func(file string) bool { return path.Base(file) == name }
	}
	const stop = "systemctl disable --now extdisco"
	if i := slices.IndexFunc(files, named(overlay)); i >= 0 {
		return []string{"cd " + path.Dir(files[i]), "docker compose up -d --force-recreate --remove-orphans"}
	}
	if slices.ContainsFunc(files, named(confFile)) {
		return []string{"systemctl restart prosody", stop}
	}
	return []string{stop + "   # and remove from ejabberd.yml what you added"}
}

// Run runs a command.
func Run(ctx context.Context, argv []string) error {
	output, err := exec.CommandContext(ctx, argv[0], argv[1:]...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(argv, " "), err, bytes.TrimSpace(output))
	}
	return nil
}
