package command

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"mellium.im/xmpp/jid"

	"extdisco/internal/source"
	"extdisco/turncred"
)

type whoisCommand struct {
	Pseudonym string   `arg:"" help:"Pseudonym, or username with a pseudonym in it, from the TURN server's log or an audit line."`
	JID       []string `name:"jid" help:"Address that it may belong to. May be given several times." placeholder:"JID"`
	JIDList   string   `name:"jid-list" help:"File with such an address on each line; - is standard input." placeholder:"FILE"`
}

// Help is printed below the flags.
func (whoisCommand) Help() string {
	return `A pseudonym cannot be turned back: the addresses that are given are tried, with every key of the configuration. Anonymous users get a new address for each session; theirs is in the XMPP server's log.

Example: prosodyctl shell user list example.org | extdisco whois 5f0c8a2be6d94713 --jid-list -`
}

// Run prints the addresses that the pseudonym belongs to.
func (c whoisCommand) Run(env *environment) error {
	pseudonym := strings.ToLower(c.Pseudonym)
	if _, user, found := strings.Cut(pseudonym, ":"); found { // EXPIRES:PSEUDONYM
		pseudonym = user
	}
	switch {
	case !turncred.IsPseudonym(pseudonym):
		return usageError{fmt.Sprintf("%q is not a pseudonym: those have 16 digits of 0-9 and a-f", c.Pseudonym)}
	case len(c.JID) == 0 && c.JIDList == "":
		return usageError{"whois needs addresses to try: --jid JID or --jid-list FILE"}
	}
	cfg, err := env.loadConfig(time.Now())
	if err != nil {
		return err
	}
	servers, err := source.Servers(cfg, time.Now())
	if err != nil {
		return err
	}
	search := &whois{pseudonym: pseudonym, keys: source.AllPseudonyms(cfg, servers), out: env.stdout}
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

// whois looks for the address of a pseudonym.
type whois struct {
	pseudonym string
	keys      []*turncred.Pseudonyms
	out       io.Writer
	tried     int
	found     bool
	err       error // of writing
	buf       []byte
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
			if string(w.buf) == w.pseudonym {
				w.found = true
				_, err := fmt.Fprintln(w.out, form)
				w.err = errors.Join(w.err, err)
				return
			}
		}
	}
}

func (w *whois) result() error {
	switch {
	case w.err != nil:
		return w.err
	case w.tried == 0:
		return errors.New("the list has no address in it")
	case !w.found:
		return fmt.Errorf("%d addresses were tried, and %s belongs to none of them; was the key another one when it was made, or is it of a set that was fed to a list (an audit line says route=feed)?", w.tried, w.pseudonym)
	}
	return nil
}
