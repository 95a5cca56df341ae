package command

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"mellium.im/xmpp/jid"

	"extdisco/internal/probe"
	"extdisco/internal/query"
	"extdisco/internal/report"
	"extdisco/internal/secret"
	"extdisco/internal/source"
	"extdisco/xep0215"
)

type queryCommand struct {
	Domain string `arg:"" help:"XMPP domain to log in at and to ask, such as meet.example.org."`

	JID          string        `name:"jid" help:"Log in with this account instead of anonymously." placeholder:"USER@DOMAIN"`
	PasswordFile string        `help:"File with the account's password; - reads it from standard input." placeholder:"FILE"`
	To           string        `help:"Ask this address instead of the domain, such as the component's own." placeholder:"ADDRESS"`
	Address      string        `help:"Connect here instead of where DNS says." placeholder:"HOST:PORT"`
	TLS          string        `name:"tls" help:"starttls (the default, port 5222), direct (port 5223), or none, which needs --insecure." enum:"starttls,direct,none" default:"starttls"`
	Insecure     bool          `help:"For a lab: do not check the server's certificate."`
	CAFile       string        `help:"Trust the certificates in this PEM file as well." placeholder:"FILE"`
	Timeout      time.Duration `help:"Give up after this time. Default: 10s." default:"10s" placeholder:"DURATION"`

	Probe bool `help:"Also try each server that the answer names, as a client would." xor:"probe"`

	JSON bool `name:"json" help:"Print JSON." xor:"form"`
	RTC  bool `name:"rtc" help:"Print an RTCIceServer list, to be pasted into a page." xor:"form,probe"`
}

// Help is printed below the flags.
func (queryCommand) Help() string {
	return `Asks in both versions of the protocol, as clients do, and prints what the server answered. What is printed are working credentials: do not publish them.

Examples:
  extdisco query meet.example.org
  extdisco query example.org --jid alice@example.org --password-file alice.password
  extdisco query meet.example.org --probe
  extdisco query meet.example.org --address 127.0.0.1:5222 --tls none --insecure
  extdisco query meet.example.org --to turn.meet.example.org --rtc`
}

// Run asks and prints the answers. It fails when neither request got services.
func (q queryCommand) Run(env *environment) error {
	login, err := q.login(env.stdin)
	if err != nil {
		return err
	}
	to := login.Account.Domain()
	if q.To != "" {
		if to, err = jid.Parse(q.To); err != nil {
			return usageError{fmt.Sprintf("--to: %q is not an address: %v", q.To, err)}
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), q.Timeout)
	defer cancel()
	client, err := login.Connect(ctx)
	if err != nil {
		return err
	}
	defer client.Close()

	answers := []query.Answer{client.Ask(ctx, to, xep0215.NS), client.Ask(ctx, to, xep0215.NS1)}
	if q.Probe && query.Failure(to, answers) == nil {
		return q.probe(env, to.String(), answers, login.RootCAs)
	}
	switch {
	case q.JSON:
		err = report.AnswersJSON(env.stdout, to.String(), answers, nil)
	case q.RTC:
		err = report.RTC(env.stdout, answers)
	default:
		err = report.Answers(env.stdout, to.String(), answers, time.Now())
	}
	if err != nil {
		return err
	}
	return query.Failure(to, answers)
}

// login reads the flags that say who logs in where.
func (q queryCommand) login(stdin io.Reader) (*query.Login, error) {
	l := &query.Login{Address: q.Address, TLS: q.TLS, Insecure: q.Insecure}
	if q.TLS == "none" && !q.Insecure {
		return nil, usageError{"--tls none sends everything in the clear; add --insecure if this is a lab"}
	}
	if q.Timeout <= 0 {
		return nil, usageError{"--timeout: more than 0"}
	}
	account, err := jid.Parse(q.Domain)
	if err != nil || account.Localpart() != "" || account.Resourcepart() != "" {
		return nil, usageError{fmt.Sprintf("%q is not a domain; write for example meet.example.org, and an account with --jid", q.Domain)}
	}
	if q.JID != "" {
		domain := account
		if account, err = jid.Parse(q.JID); err != nil || account.Localpart() == "" {
			return nil, usageError{fmt.Sprintf("--jid: %q is not an account; write USER@DOMAIN", q.JID)}
		}
		if q.To == "" && !account.Domain().Equal(domain) {
			return nil, usageError{fmt.Sprintf("--jid is at %s; name that domain, and what to ask with --to %s", account.Domain(), domain)}
		}
	}
	l.Account = account
	if (q.JID == "") != (q.PasswordFile == "") {
		return nil, usageError{"--jid and --password-file go together"}
	}
	if l.RootCAs, err = rootCAs(q.CAFile); err != nil {
		return nil, err
	}
	if q.PasswordFile != "" {
		l.Password, err = readPassword(q.PasswordFile, stdin)
	}
	return l, err
}

func readPassword(file string, stdin io.Reader) (secret.Secret, error) {
	var content []byte
	var err error
	if file == "-" {
		content, err = io.ReadAll(io.LimitReader(stdin, 4096))
	} else {
		content, err = os.ReadFile(file)
	}
	if err != nil {
		return secret.Secret{}, fmt.Errorf("cannot read the password: %w", err)
	}
	password := strings.TrimSuffix(strings.TrimSuffix(string(content), "\n"), "\r")
	if password == "" {
		return secret.Secret{}, errors.New("the password is empty")
	}
	return secret.New(password), nil
}

// probe tries what the first answer with services names.
func (q queryCommand) probe(env *environment, to string, answers []query.Answer, authorities *x509.CertPool) error {
	var targets []report.Tried
	for _, a := range answers {
		for _, s := range a.Services {
			if server, ok := source.ProbeServer(s); ok {
				targets = append(targets, report.Tried{Where: a.Namespace, Result: probe.Result{Server: server}})
			}
		}
		if len(targets) > 0 {
			break
		}
	}
	results := report.TryAll(env.stderr, targets, probe.Options{Depth: probe.Echo, Timeout: q.Timeout, RootCAs: authorities})
	var err error
	if q.JSON {
		err = report.AnswersJSON(env.stdout, to, answers, results)
	} else if err = report.Answers(env.stdout, to, answers, time.Now()); err == nil {
		fmt.Fprintln(env.stdout)
		err = report.Probed(env.stdout, results, time.Now())
	}
	return errors.Join(err, report.ProbeFailure(results))
}
