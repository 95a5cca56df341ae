package command

import (
	"fmt"
	"io"
	"strings"
	"time"

	"extdisco/internal/report"
	"extdisco/internal/source"
	"extdisco/turncred"
	"extdisco/xep0215"
)

type credentialCommand struct {
	User string   `help:"User part of the username, as it appears in the TURN server's log. Default: test." default:"test" placeholder:"NAME"`
	JSON bool     `name:"json" help:"Print JSON."`
	TTL  duration `name:"ttl" help:"How long the credential lives. Default: 1h." default:"1h" placeholder:"DURATION"`
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
	now := time.Now()
	cfg, err := env.loadConfig(now)
	if err != nil {
		return err
	}
	var issued []issuedCredential
	servers, err := source.Servers(cfg, now)
	if err != nil {
		return err
	}
	for _, s := range servers {
		turn := xep0215.Select(s.Services, xep0215.Request{Credentials: []xep0215.Filter{{}}})
		if len(turn) == 0 {
			continue
		}
		credential, err := source.IssueTo(s, c.User, now, time.Duration(c.TTL))
		if err != nil {
			return err
		}
		issued = append(issued, issuedCredential{turn, credential})
	}
	if len(issued) == 0 {
		return fmt.Errorf("%s names no TURN server with credentials of its own: there is nothing to make one for (extdisco check --fetch shows those of providers)", cfg.File)
	}
	if c.JSON {
		return printCredentialsJSON(env.stdout, issued)
	}
	return printCredentials(env.stdout, issued)
}

// issuedCredential is a credential and the services that it is for.
type issuedCredential struct {
	services   []xep0215.Service
	credential turncred.Credential
}

func printCredentials(w io.Writer, issued []issuedCredential) error {
	for i, c := range issued {
		if i > 0 {
			fmt.Fprintln(w)
		}
		if err := printCredential(w, c.services, c.credential); err != nil {
			return err
		}
	}
	return nil
}

func printCredentialsJSON(w io.Writer, issued []issuedCredential) error {
	type credentialJSON struct {
		URLs     []string   `json:"urls"`
		Username string     `json:"username"`
		Password string     `json:"password"`
		Expires  *time.Time `json:"expires,omitempty"`
	}
	document := struct {
		Version     int              `json:"version"`
		Credentials []credentialJSON `json:"credentials"`
	}{Version: report.JSONVersion}
	for _, c := range issued {
		out := credentialJSON{Username: string(c.credential.Username), Password: string(c.credential.Password)}
		for _, s := range c.services {
			out.URLs = append(out.URLs, s.URI())
		}
		if !c.credential.Expires.IsZero() {
			out.Expires = &c.credential.Expires
		}
		document.Credentials = append(document.Credentials, out)
	}
	return report.JSON(w, document)
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
