package command

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"mellium.im/xmpp/jid"

	"extdisco/internal/source"
	"extdisco/turncred"
)

type whoisCommand struct {
	Pseudonyms []string `arg:"" name:"pseudonym" help:"Pseudonyms, or usernames with a pseudonym in them, from the TURN server's log or from audit lines."`
	JID        []string `name:"jid" help:"Address that one may belong to. Can be given several times." placeholder:"JID"`
	JIDList    string   `name:"jid-list" help:"File with one such address per line; - reads standard input." placeholder:"FILE"`
}

// Help is printed below the flags.
func (whoisCommand) Help() string {
	return `A pseudonym cannot be turned back into an address. Instead, the addresses that you give are tried with every key of the configuration. Anonymous users get a new address for each session; the XMPP server's log has it.

Examples:
  extdisco whois 1795320000:5f0c8a2be6d94713 --jid juliet@example.org
  prosodyctl shell user list example.org | extdisco whois 5f0c8a2be6d94713 9d3e6b1f0a7c2854 --jid-list -`
}

// Run prints the address that each pseudonym belongs to.
func (c whoisCommand) Run(env *environment) error {
	if len(c.JID) == 0 && c.JIDList == "" {
		return usageError{"whois needs addresses to try: --jid JID or --jid-list FILE"}
	}
	search := &whois{out: env.stdout, owners: map[string][]string{}}
	for _, given := range c.Pseudonyms {
		pseudonym := strings.ToLower(given)
		if _, user, found := strings.Cut(pseudonym, ":"); found { // EXPIRES:PSEUDONYM
			pseudonym = user
		}
		if !turncred.IsPseudonym(pseudonym) {
			return usageError{fmt.Sprintf("%q is not a pseudonym, which has 16 or 24 digits of 0-9 and a-f", given)}
		}
		search.wanted = append(search.wanted, pseudonym)
	}
	cfg, err := env.loadConfig(time.Now())
	if err != nil {
		return err
	}
	servers, err := source.Servers(cfg, time.Now())
	if err != nil {
		return err
	}
	search.keys = source.AllPseudonyms(cfg, servers)
	for _, address := range c.JID {
		search.try(address)
	}
	if err := c.eachListed(env.stdin, search.try); err != nil {
		return err
	}
	return search.result()
}

// eachListed calls f for each line of the list that has an address.
func (c whoisCommand) eachListed(stdin io.Reader, f func(string)) error {
	if c.JIDList == "" {
		return nil
	}
	list := stdin
	if c.JIDList != "-" {
		file, err := os.Open(c.JIDList)
		if err != nil {
			return fmt.Errorf("--jid-list: %w", err)
		}
		defer file.Close()
		list = file
	}
	lines := bufio.NewScanner(list)
	for lines.Scan() {
		if line := strings.TrimSpace(lines.Text()); line != "" && !strings.HasPrefix(line, "#") {
			f(line)
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("--jid-list: cannot read %s: %w", c.JIDList, err)
	}
	return nil
}

// whois looks for the addresses of pseudonyms.
type whois struct {
	wanted []string
	keys   []*turncred.Pseudonyms
	out    io.Writer
	tried  int
	owners map[string][]string // by pseudonym
	buf    []byte
}

// try tries an address as it stands, and as the bare JID that servers make of it.
func (w *whois) try(address string) {
	w.tried++
	forms := []string{address}
	if parsed, err := jid.Parse(address); err == nil && parsed.Bare().String() != address {
		forms = append(forms, parsed.Bare().String())
	}
	for _, form := range forms {
		for _, key := range w.keys {
			w.buf = key.Append(w.buf[:0], []byte(form))
			if pseudonym := string(w.buf); slices.Contains(w.wanted, pseudonym) && !slices.Contains(w.owners[pseudonym], form) {
				w.owners[pseudonym] = append(w.owners[pseudonym], form)
			}
		}
	}
}

// result prints what was found: addresses, with their pseudonyms if several were given.
func (w *whois) result() error {
	if w.tried == 0 {
		return errors.New("the list has no address in it")
	}
	var unknown []string
	for _, pseudonym := range w.wanted {
		if len(w.owners[pseudonym]) == 0 {
			unknown = append(unknown, pseudonym)
		}
		for _, line := range w.owners[pseudonym] {
			if len(w.wanted) > 1 {
				line = pseudonym + "  " + line
			}
			if _, err := fmt.Fprintln(w.out, line); err != nil {
				return err
			}
		}
	}
	if len(unknown) == 0 {
		return nil
	}
	return fmt.Errorf("%s: not found among %s; was another key in use then, or is it from a list that was fed to Prosody (the audit line says route=feed)?",
		strings.Join(unknown, ", "), addresses(w.tried))
}

func addresses(n int) string {
	if n == 1 {
		return "1 address"
	}
	return fmt.Sprintf("%d addresses", n)
}
