package command

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"mellium.im/xmpp/jid"

	"extdisco/internal/config"
	"extdisco/internal/probe"
	"extdisco/internal/query"
	"extdisco/internal/report"
	"extdisco/internal/secret"
	"extdisco/internal/source"
	"extdisco/xep0215"
)

type queryCommand struct {
	Domain string `arg:"" help:"XMPP domain to log in at and to ask, such as meet.example.org."`

	JID          string `name:"jid" help:"Log in with this account instead of anonymously." placeholder:"USER@DOMAIN"`
	PasswordFile string `help:"File with the account's password; - reads it from standard input." placeholder:"FILE"`
	To           string `help:"Ask this address instead of the domain, such as the component's own." placeholder:"ADDRESS"`

	Room string `help:"Also join this room, as Jitsi Meet does, and print the list that is pushed to participants." placeholder:"NAME"`
	MUC  string `name:"muc" help:"Where the rooms are. Default: conference.DOMAIN, then muc.DOMAIN." placeholder:"ADDRESS"`

	Address   string   `help:"Connect here instead of where DNS says." placeholder:"HOST:PORT"`
	WebSocket string   `name:"websocket" help:"Connect over a WebSocket, as browsers do. ws:// needs --insecure." placeholder:"URL"`
	TLS       string   `name:"tls" help:"starttls (the default, port 5222), direct (port 5223), or none, which needs --insecure." enum:"starttls,direct,none" default:"starttls" placeholder:"MODE"`
	Insecure  bool     `help:"Do not check the server's certificate, and allow connections without encryption."`
	CAFile    string   `help:"Trust the certificates in this PEM file as well, such as a self-signed one." placeholder:"FILE"`
	Timeout   duration `help:"Give up after this time. Default: 10s." default:"10s" placeholder:"DURATION"`

	Probe bool `help:"Also test each server that the answer names, as a client would use it." xor:"probe"`

	JSON bool `name:"json" help:"Print JSON." xor:"form"`
	RTC  bool `name:"rtc" help:"Print an RTCIceServer list, to be pasted into a web page." xor:"form,probe"`
}

// Help is printed below the flags.
func (queryCommand) Help() string {
	return `Logs in, asks in both versions of the protocol as clients do, and prints what the server answers. If a configuration can be read that serves the domain, the answer is compared with it. What is printed are working credentials: do not publish them.

See what anonymous users get, for example those of Jitsi Meet on Debian, whose Prosody has a self-signed certificate:

  extdisco query meet.example.org --ca-file /etc/prosody/certs/meet.example.org.crt

Log in with an account, and try each server:

  extdisco query example.org --jid alice@example.org --password-file alice.password --probe

See what a participant of a Jitsi Meet room is given. docker-jitsi-meet can only be reached over the web server:

  extdisco query meet.example.org --room test
  extdisco query meet.jitsi --room test --websocket wss://meet.example.org/xmpp-websocket

Ask an XMPP server on this machine that has no certificate yet:

  extdisco query meet.example.org --address 127.0.0.1:5222 --tls none --insecure

Ask the component itself, to tell a fault of it from one of the delegation:

  extdisco query meet.example.org --to turn.meet.example.org`
}

// Run asks and prints the answers. It fails when no request got services, or none of ours.
func (q queryCommand) Run(env *environment) error {
	login, err := q.login(env.stdin)
	if err != nil {
		return err
	}
	to, muc, err := q.addresses(login)
	if err != nil {
		return err
	}
	cfg, err := env.configFor(to.String())
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(q.Timeout))
	defer cancel()
	client, err := login.Connect(ctx)
	if err != nil {
		return err
	}
	defer client.Close()

	found := answered{to: to.String(), answers: []query.Answer{client.Ask(ctx, to, xep0215.NS), client.Ask(ctx, to, xep0215.NS1)}}
	if q.Room != "" {
		push := client.Join(ctx, query.Room{Name: q.Room, MUC: muc, Host: to})
		found.push = &push
	}
	probeErr, err := q.print(env, found, login.RootCAs)
	if err != nil {
		return err
	}
	failure := query.Failure(to, found.answers)
	if failure == nil {
		return errors.Join(found.compare(cfg, client.JID()), found.pushFailure(), probeErr)
	}
	return errors.Join(failure, found.pushFailure(), askReady(ctx, cfg))
}

// answered is what became of the requests.
type answered struct {
	to      string
	answers []query.Answer
	push    *query.Push // nil: no room was joined
}

// inUse returns the list that clients would use.
func (a answered) inUse() []xep0215.Service {
	if a.push != nil && a.push.Err == nil {
		return a.push.Services
	}
	return query.FirstServices(a.answers)
}

// pushFailure returns an error when a room was joined and Jitsi Meet would get no list.
func (a answered) pushFailure() error {
	if a.push == nil || a.push.Err == nil {
		return nil
	}
	return fmt.Errorf("--room: %w", a.push.Err)
}

// compare returns an error when the services are not those of the configuration.
func (a answered) compare(cfg *config.Config, requester jid.JID) error {
	if cfg == nil {
		return nil
	}
	servers, err := source.Servers(cfg, time.Now())
	if err != nil {
		return err
	}
	err = query.Compare(a.to, cfg.File, source.NewOffered(servers, requester.Bare().String()), query.FirstServices(a.answers))
	if err == nil && a.push != nil {
		err = query.Compare(a.push.From, cfg.File, source.NewOffered(servers, ""), a.push.Services)
	}
	return err
}

// print prints everything in the form that was asked for, and tests the servers if that
// was asked for too.
func (q queryCommand) print(env *environment, a answered, authorities *x509.CertPool) (probeErr, err error) {
	var results []report.Tried
	if q.Probe && len(a.inUse()) > 0 {
		results = q.probe(env, a.inUse(), authorities)
		probeErr = report.ProbeFailure(results)
	}
	switch {
	case q.JSON:
		return probeErr, report.AnswersJSON(env.stdout, a.to, a.answers, a.push, results)
	case q.RTC:
		return probeErr, report.RTC(env.stdout, a.inUse())
	}
	if err := report.Answers(env.stdout, a.to, a.answers, a.push, time.Now()); err != nil || results == nil {
		return probeErr, err
	}
	fmt.Fprintln(env.stdout)
	return probeErr, report.Probed(env.stdout, results, time.Now())
}

// addresses reads the flags that say what to ask, and where the rooms are.
func (q queryCommand) addresses(login *query.Login) (to, muc jid.JID, err error) {
	to = login.Account.Domain()
	if q.To != "" {
		if to, err = jid.Parse(q.To); err != nil {
			return to, muc, usageError{fmt.Sprintf("--to: %q is not an address: %v", q.To, err)}
		}
	}
	if q.MUC != "" {
		if q.Room == "" {
			return to, muc, usageError{"--muc requires --room"}
		}
		if muc, err = jid.Parse(q.MUC); err != nil || muc.Localpart() != "" || muc.Resourcepart() != "" {
			return to, muc, usageError{fmt.Sprintf("--muc: %q is not a domain; write for example conference.meet.example.org", q.MUC)}
		}
	}
	if q.Room == "" {
		return to, muc, nil
	}
	if _, err := jid.New(q.Room, "example.org", ""); err != nil || strings.Contains(q.Room, "@") {
		return to, muc, usageError{fmt.Sprintf("--room: %q is not the name of a room; write only what is before the @", q.Room)}
	}
	return to, muc, nil
}

// login reads the flags that say who logs in where.
func (q queryCommand) login(stdin io.Reader) (*query.Login, error) {
	l := &query.Login{Address: q.Address, WebSocket: q.webSocket(), TLS: q.TLS, Insecure: q.Insecure}
	if q.TLS == "none" && !q.Insecure {
		return nil, usageError{"--tls none sends everything in the clear; add --insecure if this is a lab"}
	}
	if err := q.checkWebSocket(); err != nil {
		return nil, err
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

// checkWebSocket checks the flags that go with --websocket.
func (q queryCommand) checkWebSocket() error {
	if q.WebSocket == "" {
		return nil
	}
	u, err := url.Parse(q.WebSocket)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "ws" && u.Scheme != "wss":
		return usageError{"--websocket: give a URL such as wss://meet.example.org/xmpp-websocket"}
	case u.Scheme == "ws" && !q.Insecure:
		return usageError{"--websocket: ws:// sends everything in the clear; use wss://, or add --insecure if this is a lab"}
	case q.Address != "" || q.TLS != "starttls":
		return usageError{"--websocket replaces --address and --tls; leave them out"}
	}
	return nil
}

// webSocket returns the URL to connect to, with the room in it as Jitsi Meet does: some of
// its modules ask for it.
func (q queryCommand) webSocket() string {
	u, err := url.Parse(q.WebSocket)
	if err != nil || q.WebSocket == "" || q.Room == "" {
		return q.WebSocket
	}
	values := u.Query()
	if !values.Has("room") {
		values.Set("room", strings.ToLower(q.Room))
	}
	u.RawQuery = values.Encode()
	return u.String()
}

// probe tests the servers that a list names.
func (q queryCommand) probe(env *environment, services []xep0215.Service, authorities *x509.CertPool) []report.Tried {
	var targets []report.Tried
	for _, s := range services {
		if server, ok := source.ProbeServer(s); ok {
			targets = append(targets, report.Tried{Where: xep0215.NS, Result: probe.Result{Server: server}})
		}
	}
	return report.TryAll(env.stderr, targets, probe.Options{Depth: probe.Echo, Timeout: time.Duration(q.Timeout), RootCAs: authorities})
}

// configFor returns the configuration that answers for an address; nil if there is none
// here, or none that the caller may read, unless it was named.
func (e *environment) configFor(address string) (*config.Config, error) {
	cfg, err := e.loadConfig(time.Now())
	if err != nil {
		if e.configFile == "" {
			return nil, nil
		}
		return nil, err
	}
	if len(cfg.Components) == 0 && e.configFile != "" {
		return nil, fmt.Errorf("%s has no [component], so it is for no domain; name another file with --config", cfg.File)
	}
	var hosts []string
	for _, c := range cfg.Components {
		if address == c.JID || slices.Contains(c.Hosts, address) {
			return cfg, nil
		}
		for _, host := range c.Hosts {
			if !slices.Contains(hosts, host) { // shards have the same
				hosts = append(hosts, host)
			}
		}
	}
	if e.configFile == "" {
		return nil, nil
	}
	return nil, fmt.Errorf("%s is for %s, not for %s; name another file with --config, or add the domain to component.hosts", cfg.File, strings.Join(hosts, ", "), address)
}

// askReady adds to a failure what the running instance says of itself.
func askReady(ctx context.Context, cfg *config.Config) error {
	if cfg == nil || cfg.HTTP.Listen == "" {
		return nil
	}
	state, err := query.AskReady(ctx, cfg.HTTP.Listen, cfg.HTTP.Certificate.IsSet())
	if err != nil {
		return fmt.Errorf("nothing answers at http.listen (%s): is extdisco running? See its log", cfg.HTTP.Listen)
	}
	return fmt.Errorf("extdisco says at http://%s/readyz: %s", cfg.HTTP.Listen, state)
}
