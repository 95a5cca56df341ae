package command

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"extdisco/internal/config"
	"extdisco/internal/migrate"
)

type importCommand struct {
	File    string `arg:"" help:"File to read; - reads standard input."`
	Secrets string `help:"Write each secret and password into a new file in this folder, mode 600, and name the files in the output." placeholder:"DIR"`
	Host    string `help:"Name or address by which clients know the TURN server, for files that do not say." placeholder:"HOST"`
	Inline  bool   `help:"Print secrets and passwords themselves instead of naming files for them."`
}

// Help is printed below the flags.
func (importCommand) Help() string {
	return `Reads the STUN and TURN servers that another program is configured with and prints them as [[ice_server]] tables for config.toml. The kind of file is recognised by its content:

  - coturn: turnserver.conf
  - Prosody: external_services, turn_external_*, turncredentials*
  - ejabberd: ejabberd.yml, with mod_stun_disco and ejabberd's own TURN server
  - docker-jitsi-meet: .env, with TURN_*, TURNS_* and STUN_*
  - Nextcloud Talk: the output of occ talk:turn:list, occ talk:stun:list and occ config:list spreed --private
  - Synapse: the turn_* settings of homeserver.yaml
  - web pages, apps and answers of providers: lists with urls, username and credential in JSON, JavaScript or Lua, also within strings

Secrets are never printed unless you ask for it with --inline. With --secrets they are in place afterwards, and the output works as it is; otherwise a comment names the file that you have to write. Paths are relative to config.toml when the folder is below its own.

What cannot be used is left out, and a comment at the top says where and why. Nothing is executed: where a secret is computed, the entry stays, and a comment names the line.

Examples:
  extdisco import /etc/turnserver.conf --host turn.example.org --secrets secrets
  extdisco import /etc/prosody/conf.d/meet.example.org.cfg.lua
  extdisco import config.js
  occ talk:turn:list --output=json | extdisco import -
  echo '[{urls: "turn:turn.example.org", username: "u", credential: "p"}]' | extdisco import - --inline`
}

// Run prints the servers of a file as configuration.
func (c importCommand) Run(env *environment) error {
	if c.Inline && c.Secrets != "" {
		return usageError{"--inline and --secrets exclude each other"}
	}
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
		lines := append([]string{name + " has no STUN or TURN server that can be used"}, list.Notes...)
		if list.Format == migrate.FormatWeb { // nothing else was recognised
			lines = append(lines, migrate.LooksFor)
		}
		return errors.New(strings.Join(lines, "\n"))
	}
	target := findTarget(env)
	secrets := migrate.Secrets{Inline: c.Inline}
	var written []string
	if c.Secrets != "" {
		if secrets.Dir, err = target.pathOf(c.Secrets); err != nil {
			return err
		}
		secrets.Stored = true
		if written, err = list.StoreSecrets(c.Secrets); err != nil {
			return err
		}
	}
	if _, err := io.WriteString(env.stdout, target.comment()+list.TOML(secrets, now)); err != nil {
		for _, file := range written {
			err = errors.Join(err, os.Remove(file)) // so that it can be called again
		}
		return err
	}
	for _, file := range written {
		fmt.Fprintln(env.stderr, "extdisco: wrote "+file)
	}
	c.explain(env.stderr, list, target, now)
	return nil
}

// explain says what is to be done with the output.
func (c importCommand) explain(stderr io.Writer, list *migrate.List, target importTarget, now time.Time) {
	if len(list.Notes) > 0 {
		fmt.Fprintln(stderr, "extdisco: some of it was left out, changed, or needs a look; the comments at the top of the output say what and why")
	}
	if c.Secrets != "" {
		for _, f := range list.SecretFiles() {
			if f.Value.IsEmpty() {
				fmt.Fprintf(stderr, "extdisco: write %s into %s, and let nobody else read it: chmod 600\n", f.What, filepath.Join(c.Secrets, f.Name))
			}
		}
	}
	for _, s := range list.Servers {
		if warning := s.Warning(now); warning != "" {
			fmt.Fprintf(stderr, "extdisco: warning: %s: %s\n", s.URIs[0], warning)
		}
	}
	if advice := target.advice(); advice != "" {
		fmt.Fprintln(stderr, "extdisco: put "+advice)
	}
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

// importTarget is the configuration that an import is for.
type importTarget struct {
	file    string // empty when there is none
	servers int    // its [[ice_server]] tables
}

var iceServerTable = regexp.MustCompile(`(?m)^[ \t]*\[\[[ \t]*ice_server[ \t]*\]\]`)

// findTarget looks at the configuration. It need not be there, or be valid.
func findTarget(env *environment) importTarget {
	file, err := config.Find(env.configFile, []string{"config.toml", env.program.SystemConfig})
	if err != nil {
		return importTarget{}
	}
	content, err := os.ReadFile(file)
	if err != nil {
		return importTarget{file: file}
	}
	return importTarget{file, len(iceServerTable.FindAll(content, -1))}
}

// advice says, behind the word put, where the output belongs; empty when the configuration has no
// servers.
func (t importTarget) advice() string {
	switch t.servers {
	case 0:
		return ""
	case 1:
		return "this in place of your [[ice_server]] table in " + t.file
	}
	return fmt.Sprintf("this in place of your %d [[ice_server]] tables in %s", t.servers, t.file)
}

// comment is the advice as TOML.
func (t importTarget) comment() string {
	if t.servers == 0 {
		return ""
	}
	return "# Put " + t.advice() + ".\n\n"
}

// pathOf returns how the configuration names a folder: relative to its own folder when it is
// inside it, which need not exist yet.
func (t importTarget) pathOf(dir string) (string, error) {
	path, err := filepath.Abs(dir)
	if err != nil || t.file == "" {
		return path, err
	}
	base, err := filepath.Abs(filepath.Dir(t.file))
	if err != nil {
		return "", err
	}
	if relative, err := filepath.Rel(base, path); err == nil && filepath.IsLocal(relative) {
		return relative, nil
	}
	return path, nil
}
