package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/stanza"

	"extdisco/internal/secret"
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

// answer is what an entity said to a request in one namespace.
type answer struct {
	namespace string
	services  []xep0215.Service
	err       error
	took      time.Duration
}

// Run asks and prints the answers. It fails when neither request got services.
func (q queryCommand) Run(env *environment) error {
	login, err := q.login(env.stdin)
	if err != nil {
		return err
	}
	to := login.account.Domain()
	if q.To != "" {
		if to, err = jid.Parse(q.To); err != nil {
			return usageError{fmt.Sprintf("--to: %q is not an address: %v", q.To, err)}
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), q.Timeout)
	defer cancel()
	client, err := login.connect(ctx)
	if err != nil {
		return err
	}
	defer client.close()

	answers := []answer{client.ask(ctx, to, xep0215.NS), client.ask(ctx, to, xep0215.NS1)}
	if q.Probe && failure(to, answers) == nil {
		return q.probe(env, to.String(), answers)
	}
	switch {
	case q.JSON:
		err = printAnswersJSON(env.stdout, to.String(), answers, nil)
	case q.RTC:
		err = printRTC(env.stdout, answers)
	default:
		err = printAnswers(env.stdout, to.String(), answers, time.Now())
	}
	if err != nil {
		return err
	}
	return failure(to, answers)
}

// failure returns the error that the command ends with when no request was
// answered with services.
func failure(to jid.JID, answers []answer) error {
	for _, a := range answers {
		if a.err == nil && len(a.services) > 0 {
			return nil
		}
	}
	if err := answers[0].err; err != nil {
		return fmt.Errorf("%s gave no services: %s", to, explain(err))
	}
	return fmt.Errorf("%s answered with an empty list", to)
}

// explain says what an error means and what to change.
func explain(err error) string {
	var e stanza.Error
	if !errors.As(err, &e) {
		if errors.Is(err, context.DeadlineExceeded) {
			return "no answer in time; see the logs of the XMPP server and of extdisco, or wait longer with --timeout"
		}
		return err.Error()
	}
	said := cmp.Or(string(e.Condition), "an error without a condition")
	// Prosody does not say in which language its texts are.
	if text := cmp.Or(e.Text["en"], e.Text[""]); text != "" {
		said += " (" + text + ")"
	}
	switch e.Condition {
	case stanza.ServiceUnavailable, stanza.FeatureNotImplemented:
		return said + ": the server does not know the request; check that it delegates urn:xmpp:extdisco:2 to the component, and that extdisco is connected"
	case stanza.Forbidden:
		return said + ": this requester is not served; add its domain to access.allow"
	case stanza.RemoteServerTimeout:
		return said + ": the component is not connected, or has nothing to offer; see the log of extdisco"
	case stanza.RemoteServerNotFound:
		return said + ": the server does not know this address; check the component's name in its configuration"
	case stanza.ResourceConstraint:
		return said + ": over the limit in [limits]"
	}
	return said
}

// login reads the flags that say who logs in where.
func (q queryCommand) login(stdin io.Reader) (*xmppLogin, error) {
	l := &xmppLogin{address: q.Address, tls: q.TLS, insecure: q.Insecure, caFile: q.CAFile}
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
	l.account = account
	if (q.JID == "") != (q.PasswordFile == "") {
		return nil, usageError{"--jid and --password-file go together"}
	}
	if q.PasswordFile != "" {
		l.password, err = readPassword(q.PasswordFile, stdin)
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
