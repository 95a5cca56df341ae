package command

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"extdisco/internal/migrate"
)

type importCommand struct {
	File   string `arg:"" help:"File to read; - reads standard input."`
	Host   string `help:"Name or address that clients know the TURN server by, for files that do not say." placeholder:"HOST"`
	Inline bool   `help:"Print secrets and passwords themselves instead of naming files for them."`
}

// Help is printed below the flags.
func (importCommand) Help() string {
	return `Reads the STUN and TURN servers that you have at hand and prints them as [[ice_server]] tables for config.toml. It understands

  - the RTCIceServer list of a web page or of a provider's answer, JSON or JavaScript: iceServers, urls, username, credential; config.js of Jitsi Meet too
  - external_services and turn_external of Prosody's configuration, with their secret, in Lua

What cannot be used is left out, and a comment says why. Code is not run: a value that a page or configuration computes has to be written out first.

Examples:
  extdisco import config.js
  extdisco import /etc/prosody/conf.d/meet.example.org.cfg.lua
  echo '[{urls: "turn:turn.example.org", username: "u", credential: "p"}]' | extdisco import - --inline`
}

// Run prints the servers of a file as configuration.
func (c importCommand) Run(env *environment) error {
	now, name := time.Now(), c.File
	if name == "-" {
		name = "standard input"
	}
	text, err := c.read(env.stdin)
	if err != nil {
		return fmt.Errorf("cannot import %s: %w", name, err)
	}
	list, err := migrate.Read(c.File, text, c.Host)
	if err != nil {
		return fmt.Errorf("cannot import %s: %w", name, err)
	}
	if len(list.Servers) == 0 {
		return fmt.Errorf("%s has no STUN or TURN server that can be used%s\n%s", name, strings.Join(append([]string{""}, list.Notes...), "\n"), migrate.LooksFor)
	}
	if _, err := io.WriteString(env.stdout, list.TOML(migrate.Secrets{Inline: c.Inline}, now)); err != nil {
		return err
	}
	if len(list.Notes) > 0 {
		fmt.Fprintln(env.stderr, "extdisco: some of it was left out, changed, or needs a look; the comments at the top of the output say what and why")
	}
	for _, s := range list.Servers {
		if warning := s.Warning(now); warning != "" {
			fmt.Fprintf(env.stderr, "extdisco: warning: %s: %s\n", s.URIs[0], warning)
		}
	}
	return nil
}

func (c importCommand) read(stdin io.Reader) (string, error) {
	r := stdin
	if c.File != "-" {
		f, err := os.Open(c.File)
		if err != nil {
			return "", err
		}
		defer f.Close()
		r = f
	}
	content, err := io.ReadAll(io.LimitReader(r, migrate.MaxSize+1))
	switch text := string(content); {
	case err != nil:
		return "", err
	case len(text) > migrate.MaxSize:
		return "", errors.New("it is larger than 1 MiB; cut out the part with the servers")
	case !utf8.ValidString(text):
		return "", errors.New("it is not text in UTF-8; save it in that encoding")
	default:
		return text, nil
	}
}
