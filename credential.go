package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"extdisco/turncred"
	"extdisco/xep0215"
)

type credentialCommand struct {
	User string        `help:"User part of the username, as it appears in the TURN server's log. Default: test." default:"test" placeholder:"NAME"`
	TTL  time.Duration `name:"ttl" help:"How long the credential lives. Default: 1h." default:"1h" placeholder:"DURATION"`
}

// Help is printed below the flags.
func (credentialCommand) Help() string {
	return `The line for coturn's turnutils_uclient makes an allocation and relays some packets to itself. A TURN server that refuses to relay to its own address answers 403 to that, and has accepted the credential all the same.

Example: extdisco credential --user alice --ttl 10m`
}

// Run prints a credential for each TURN server of the configuration.
func (c credentialCommand) Run(env *environment) error {
	if err := turncred.CheckUser(c.User); err != nil {
		return usageError{"--user: " + err.Error()}
	}
	if c.TTL < time.Second {
		return usageError{"--ttl: at least 1s"}
	}
	now := time.Now()
	cfg, err := env.loadConfig(now)
	if err != nil {
		return err
	}
	printed := false
	for _, s := range cfg.iceServers {
		turn := xep0215.Select(s.services, xep0215.Request{Credentials: []xep0215.Filter{{}}})
		if len(turn) == 0 {
			continue
		}
		var credential turncred.Credential
		if s.sharedSecret.IsEmpty() {
			turncred.NewStatic(s.username, []byte(s.password.Reveal())).Issue(&credential, nil, now)
		} else if err := newSharedSecret(s).IssueTo(&credential, c.User, now, c.TTL); err != nil {
			return err
		}
		if printed {
			fmt.Fprintln(env.stdout)
		}
		printed = true
		if err := printCredential(env.stdout, turn, credential); err != nil {
			return err
		}
	}
	if !printed {
		return fmt.Errorf("%s names no TURN server with credentials of its own: there is nothing to make one for (extdisco check --fetch shows those of providers)", cfg.file)
	}
	return nil
}

func printCredential(w io.Writer, services []xep0215.Service, c turncred.Credential) error {
	expires := "never (fixed account)"
	if !c.Expires.IsZero() {
		expires = c.Expires.Format(time.RFC3339)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "username  %s\npassword  %s\nexpires   %s\n", c.Username, c.Password, expires)
	for _, s := range services {
		fmt.Fprintf(&b, "%s\n  try it: %s\n", s.URI(), tryLine(s, c))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// tryLine returns the shell command that tries a service with coturn's client.
func tryLine(s xep0215.Service, c turncred.Credential) string {
	transport := ""
	if s.Transport == xep0215.TransportTCP {
		transport = " -t"
	}
	if s.Type == xep0215.TypeTURNS {
		transport += " -S"
	}
	return fmt.Sprintf("turnutils_uclient -y -n 5%s -u %s -w %s -p %d %s",
		transport, shellQuote(string(c.Username)), shellQuote(string(c.Password)), s.Port, s.Host)
}

func shellQuote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
