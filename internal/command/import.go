package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"
)

type importCommand struct {
	File   string `arg:"" help:"File to read; - reads standard input."`
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

// maxImport bounds what is read, in bytes.
const maxImport = 1 << 20

// Run prints the servers of a file as configuration.
func (c importCommand) Run(env *environment) error {
	name := c.File
	if name == "-" {
		name = "standard input"
	}
	text, err := c.read(env.stdin)
	if err != nil {
		return fmt.Errorf("cannot import %s: %w", name, err)
	}
	list, err := importServers(text)
	if err != nil {
		return fmt.Errorf("cannot import %s: %w", name, err)
	}
	if len(list.servers) == 0 {
		return fmt.Errorf("%s has no STUN or TURN server that can be used%s\n%s", name, list.reasons(), importLooksFor)
	}
	if _, err := io.WriteString(env.stdout, list.toml(c.Inline)); err != nil {
		return err
	}
	if len(list.notes) > 0 {
		fmt.Fprintln(env.stderr, "extdisco: some of it was left out, changed, or needs a look; the comments at the top of the output say what and why")
	}
	for _, s := range list.servers {
		if warning := s.warning(); warning != "" {
			fmt.Fprintf(env.stderr, "extdisco: warning: %s: %s\n", s.uris[0], warning)
		}
	}
	return nil
}

const importLooksFor = "looked for: objects with urls (or url) and, for TURN, username and credential, as in {iceServers: [{urls: \"stun:stun.example.org\"}]}\n" +
	"looked for: external_services = { … } or turn_external_host = \"…\" of Prosody, with that name in the text"

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
	content, err := io.ReadAll(io.LimitReader(r, maxImport+1))
	switch text := string(content); {
	case err != nil:
		return "", err
	case len(text) > maxImport:
		return "", errors.New("it is larger than 1 MiB; cut out the part with the servers")
	case !utf8.ValidString(text):
		return "", errors.New("it is not text in UTF-8; save it in that encoding")
	default:
		return text, nil
	}
}

// importServers finds the servers in a text.
func importServers(text string) (*importList, error) {
	list := newImportList()
	if prosodyOption.MatchString(text) {
		found, err := importProsody(text, list)
		if err != nil || found {
			return list, err
		}
	}
	return list, importJavaScript(text, list)
}

// reasons returns the notes as the end of an error.
func (l *importList) reasons() string {
	var b strings.Builder
	for _, n := range l.notes {
		b.WriteString("\n" + n)
	}
	return b.String()
}
