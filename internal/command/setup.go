package command

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"time"

	"mellium.im/xmpp/jid"

	"extdisco/internal/config"
	"extdisco/internal/probe"
	"extdisco/internal/query"
	"extdisco/internal/report"
	"extdisco/internal/setup"
	"extdisco/internal/source"
	"extdisco/xep0215"
)

type setupCommand struct {
	Yes    bool   `short:"y" help:"Do not ask before writing."`
	DryRun bool   `help:"Show every file and what would change in it, and write nothing."`
	Undo   bool   `help:"Put everything back as it was before setup."`
	Root   string `help:"Work on the system below this folder, and start nothing." default:"/" placeholder:"DIR"`

	RemoveOld bool `help:"Comment out the list of TURN servers, with its secret, that Prosody has had so far."`

	Domain         []string `help:"Domain whose users are served. Default: Jitsi Meet's, or the only one." placeholder:"DOMAIN"`
	Allow          []string `help:"Serve the users of this domain too." placeholder:"DOMAIN"`
	Component      string   `help:"Address of extdisco on the XMPP server. Default: turn.DOMAIN." placeholder:"ADDRESS"`
	Link           string   `help:"Name of the component to set up, where a configuration is there and has several." placeholder:"NAME"`
	Server         string   `help:"Where the XMPP server accepts components." placeholder:"HOST:PORT"`
	TurnServer     []string `name:"turn-server" help:"STUN or TURN server; once for each URI. Default: those of Prosody's list or of coturn." placeholder:"URI" sep:"none"`
	Relay          bool     `help:"Set up the relay of extdisco instead of a TURN server."`
	PublicIP       []string `name:"public-ip" help:"Address that the Internet knows the relay by, where this machine is behind NAT." placeholder:"ADDRESS"`
	TurnHost       string   `help:"Name of the TURN server, where coturn's configuration does not say, or of the relay. Default for the relay: the domain." placeholder:"HOST"`
	TurnSecretFile string   `help:"File with the TURN server's shared secret." placeholder:"FILE"`
	ProsodyConfig  string   `help:"Prosody's configuration. Default: /etc/prosody/prosody.cfg.lua." placeholder:"FILE"`
	ModuleDir      string   `help:"Folder for the module. Default: the first of Prosody's plugin_paths." placeholder:"DIR"`

	DockerJitsiMeet string `help:"Set up docker-jitsi-meet, whose .env is in this folder." placeholder:"DIR"`
	DockerConfig    string `help:"Its configuration folder. Default: CONFIG in .env." placeholder:"DIR"`
}

// Help is printed below the flags.
func (setupCommand) Help() string {
	return `Finds Prosody, Jitsi Meet and the TURN server of this machine (or, with --relay, sets up its own), shows what it would write, asks, and writes it: config.toml with its secrets, the module for Prosody, and one file in Prosody's conf.d. Then it has Prosody check its configuration, restarts Prosody and extdisco, shows what a client gets and tests each server. For ejabberd, it prints what to add to ejabberd.yml.

Nothing that exists is changed unless you give --remove-old, except that the TURN and STUN lines in the .env of docker-jitsi-meet always become comments. --undo takes everything back.

Examples:
  extdisco setup --dry-run
  extdisco setup
  extdisco setup --relay
  extdisco setup --turn-server turn:turn.example.org:3478 --turn-secret-file turn.secret
  extdisco setup --docker-jitsi-meet ~/docker-jitsi-meet
  extdisco setup --undo`
}

// setupRun is one run of the command.
type setupRun struct {
	setupCommand
	env *environment
	out io.Writer
	in  *bufio.Reader
}

// Run sets up this machine, or takes that back.
func (c setupCommand) Run(env *environment) error {
	r := &setupRun{setupCommand: c, env: env, out: env.stdout, in: bufio.NewReader(env.stdin)}
	if os.Geteuid() != 0 && c.isThisMachine() {
		return errors.New("setup must be run as root: sudo extdisco setup")
	}
	if err := c.checkFlags(); err != nil {
		return err
	}
	if c.Undo {
		return r.undo()
	}
	plan, err := r.find()
	if err == nil && plan.Relay && c.isThisMachine() {
		err = setup.CheckRelayPort(":3478")
	}
	if err != nil {
		return err
	}
	if err := plan.Show(r.out); err != nil {
		return err
	}
	if len(plan.Changes) == 0 {
		fmt.Fprintln(r.out, "\nEverything is in place; there is nothing to do.")
		r.showEjabberd(plan)
		return nil
	}
	if c.DryRun {
		plan.ShowDiffs(r.out)
		r.showEjabberd(plan)
		fmt.Fprintln(r.out, "\nNothing was written.")
		return nil
	}
	return r.write(plan)
}

// checkFlags reports flags that exclude each other.
func (c setupCommand) checkFlags() error {
	switch {
	case len(c.PublicIP) > 0 && !c.Relay:
		return usageError{"--public-ip is for the relay: add --relay"}
	case c.Relay && len(c.TurnServer) > 0:
		return usageError{"--relay and --turn-server exclude each other"}
	case c.Relay && c.TurnSecretFile != "":
		return usageError{"--relay makes its own secret: leave out --turn-secret-file"}
	case c.Relay && c.DockerJitsiMeet != "":
		return usageError{"--relay cannot be used with --docker-jitsi-meet: the network of the containers has no public address"}
	case c.DockerJitsiMeet != "" && (len(c.Domain) > 0 || c.TurnHost != "" || c.ProsodyConfig != "" || c.ModuleDir != ""):
		return usageError{"with --docker-jitsi-meet, leave out --domain, --turn-host, --prosody-config and --module-dir: .env says all that"}
	case c.DockerConfig != "" && c.DockerJitsiMeet == "":
		return usageError{"--docker-config is for docker-jitsi-meet: add --docker-jitsi-meet DIR"}
	}
	return nil
}

func (c setupCommand) isThisMachine() bool { return filepath.Clean(c.Root) == "/" }

func (r *setupRun) find() (*setup.Plan, error) {
	options := setup.Options{
		Root: r.Root, Domains: r.Domain, Component: r.Component, Server: r.Server, Link: r.Link, Allow: r.Allow,
		TURNServers: r.TurnServer, TURNHost: r.TurnHost, SecretFile: r.TurnSecretFile,
		Relay: r.Relay, PublicIP: r.PublicIP,
		ProsodyConfig: r.ProsodyConfig, ModuleDir: r.ModuleDir, Docker: r.DockerJitsiMeet, DockerConfig: r.DockerConfig,
		RemoveOld: r.RemoveOld, Home: homeFolder(), ConfigExample: r.env.program.ConfigExample, Random: rand.Reader, Now: time.Now(),
	}
	plan, err := setup.Find(options)
	if !errors.Is(err, setup.ErrInterrupted) {
		return plan, err
	}
	if r.DryRun {
		return nil, fmt.Errorf("%w; run setup without --dry-run, which first takes back what that run changed, or setup --undo", err)
	}
	fmt.Fprintf(r.out, "%s. Taking back what it changed.\n\n", capitalized(err.Error()))
	if err := setup.TakeBack(r.Root); err != nil {
		return nil, err
	}
	return setup.Find(options)
}

func capitalized(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// homeFolder returns the home of the user who called sudo, or of who we are.
func homeFolder() string {
	if name := os.Getenv("SUDO_USER"); name != "" {
		if u, err := user.Lookup(name); err == nil {
			return u.HomeDir
		}
	}
	home, _ := os.UserHomeDir() // without one, --docker-config is asked for
	return home
}

// ask asks a question that yes or no answers. Whatever is not yes is no. Without anybody to
// answer, it says what the flag for that is.
func (r *setupRun) ask(question string) bool {
	fmt.Fprintf(r.out, "\n%s [y/N] ", question)
	answer, err := r.in.ReadString('\n')
	if answer == "" && err != nil {
		fmt.Fprintln(r.out, "\nNo answer. Use --yes to go ahead without being asked.")
	}
	answer = strings.ToLower(strings.TrimSpace(answer))
	return answer == "y" || answer == "yes"
}

// write asks, writes the files, and makes them count.
func (r *setupRun) write(plan *setup.Plan) error {
	if !r.Yes {
		plan.ShowDiffs(r.out)
		if !r.ask("Write these files?") {
			return errors.New("nothing was written")
		}
	}
	checks := plan.Prosody != "" && r.isThisMachine()
	ctx := context.Background()
	if checks {
		if err := setup.CheckProsody(ctx, plan.Prosody); err != nil {
			return fmt.Errorf("nothing was written: fix Prosody's configuration first: %w", err)
		}
	}
	if err := plan.Apply(); err != nil {
		return err
	}
	cfg, err := config.Load(plan.Config, time.Now())
	if err != nil {
		return errors.Join(fmt.Errorf("the configuration that setup wrote is not valid, and everything was put back:\n%w", err), plan.TakeBack())
	}
	if checks {
		if err := setup.CheckProsody(ctx, plan.Prosody); err != nil {
			return errors.Join(fmt.Errorf("with the new files, %w\neverything was put back", err), plan.TakeBack())
		}
	}
	for _, warning := range cfg.Warnings {
		if isLink := strings.HasPrefix(warning.Key, "component") && strings.HasSuffix(warning.Key, ".server"); isLink && plan.Docker != "" {
			continue // the link stays in the network of the containers
		}
		fmt.Fprintf(r.out, "\n! %s\n", warning)
	}
	fmt.Fprintln(r.out, "\nWritten. extdisco setup --undo puts everything back.")
	r.showEjabberd(plan)
	switch {
	case !r.isThisMachine():
		fmt.Fprintln(r.out, "\nNothing was started, because of --root.")
		return nil
	case plan.Docker != "" || plan.Ejabberd != "" || !setup.HasSystemd():
		r.showCommands(plan)
		return nil
	}
	if err := r.start(ctx, plan); err != nil {
		return r.offerUndo(err)
	}
	fmt.Fprintf(r.out, "\nDone. Users of %s get their servers from extdisco now; journalctl -u extdisco shows its log.\n", plan.Domain)
	return nil
}

func (r *setupRun) showEjabberd(plan *setup.Plan) {
	if plan.Ejabberd != "" {
		fmt.Fprintln(r.out, "\n"+plan.Ejabberd)
	}
}

// showCommands prints what to run where setup starts nothing itself.
func (r *setupRun) showCommands(plan *setup.Plan) {
	if plan.Docker != "" {
		fmt.Fprintln(r.out, "\nIf you have no image of extdisco yet, build it in its source folder:\n  docker build -f contrib/container/Containerfile -t extdisco .")
	}
	fmt.Fprintln(r.out, "\nNow run:")
	if plan.Docker != "" {
		fmt.Fprintf(r.out, "  cd %s\n", plan.Docker)
	}
	if plan.Ejabberd != "" {
		fmt.Fprintln(r.out, "  ejabberdctl reload_config")
	}
	for _, argv := range plan.StartCommands() {
		fmt.Fprintln(r.out, "  "+strings.Join(argv, " "))
	}
	fmt.Fprintln(r.out, "\nThen see what a client gets, and whether the servers work:")
	for _, line := range plan.TryCommands() {
		fmt.Fprintln(r.out, "  "+line)
	}
}

// start restarts the services and tries what clients get.
func (r *setupRun) start(ctx context.Context, plan *setup.Plan) error {
	fmt.Fprintln(r.out, "\nStarting:")
	for _, argv := range plan.StartCommands() {
		fmt.Fprintln(r.out, "  "+strings.Join(argv, " "))
		if err := setup.Run(ctx, argv); err != nil {
			return err
		}
	}
	fmt.Fprintln(r.out)
	return errors.Join(r.tryQuery(ctx, plan), r.tryServers(plan))
}

const (
	tryFor   = 20 * time.Second // Prosody, extdisco and the focus of Jitsi Meet start in the meantime
	tryAgain = 500 * time.Millisecond
)

// tryQuery asks for the services as a client of this machine does, until there is an answer
// and, where there are rooms of Jitsi Meet, a list that is pushed. An earlier Jitsi Meet
// pushes none, so that this alone is no failure.
func (r *setupRun) tryQuery(ctx context.Context, plan *setup.Plan) error {
	ctx, cancel := context.WithTimeout(ctx, tryFor)
	defer cancel()
	domain, err := jid.Parse(plan.Domain)
	if err != nil {
		return err
	}
	var answers []query.Answer // of the last time that there were any
	var push *query.Push
	for {
		got, pushed, err := r.askOnce(ctx, domain, plan)
		switch {
		case errors.Is(err, query.ErrNotAnonymous):
			fmt.Fprintf(r.out, "%s requires an account. To see what a user gets: extdisco query %s --jid USER@%[1]s --password-file FILE\n\n", plan.Domain, plan.Domain)
			return nil
		case err == nil:
			answers, push = got, pushed
			if push == nil || push.Err == nil {
				return r.showAnswers(plan.Domain, answers, push)
			}
		}
		select {
		case <-ctx.Done():
			if answers != nil {
				return r.showAnswers(plan.Domain, answers, push)
			}
			return fmt.Errorf("a client at %s gets no servers: %w", plan.Domain, err)
		case <-time.After(tryAgain):
		}
	}
}

// askOnce logs in, asks for the services and joins a room.
func (r *setupRun) askOnce(ctx context.Context, domain jid.JID, plan *setup.Plan) ([]query.Answer, *query.Push, error) {
	// On this machine the certificate, often a self-signed one, protects nothing.
	login := &query.Login{Account: domain, Address: "127.0.0.1:5222", TLS: "starttls", Insecure: true}
	client, err := login.Connect(ctx)
	if err != nil {
		return nil, nil, err
	}
	defer client.Close()
	answers := []query.Answer{client.Ask(ctx, domain, xep0215.NS)}
	if err := query.Failure(domain, answers); err != nil {
		return nil, nil, err
	}
	return answers, joinRoom(ctx, client, plan), nil
}

// joinRoom joins a room of Jitsi Meet for what is pushed to its participants; nil elsewhere.
func joinRoom(ctx context.Context, client *query.Client, plan *setup.Plan) *query.Push {
	if !plan.IsJitsi {
		return nil
	}
	host, err := jid.Parse(plan.Domain)
	if err != nil {
		return nil
	}
	push := client.Join(ctx, query.Room{Name: "extdisco-setup", Host: host})
	return &push
}

// showAnswers prints what a client got, without the passwords.
func (r *setupRun) showAnswers(domain string, answers []query.Answer, push *query.Push) error {
	hidePasswords := func(services []xep0215.Service) {
		for i := range services {
			if services[i].Password != "" {
				services[i].Password = "(not shown)"
			}
		}
	}
	for _, a := range answers {
		hidePasswords(a.Services)
	}
	if push != nil {
		hidePasswords(push.Services)
	}
	fmt.Fprintln(r.out, "What a client gets:")
	if err := report.Answers(r.out, domain, answers, push, time.Now()); err != nil {
		return err
	}
	fmt.Fprintln(r.out)
	return nil
}

// tryServers tries each server, as probe does.
func (r *setupRun) tryServers(plan *setup.Plan) error {
	now := time.Now()
	cfg, err := config.Load(plan.Config, now)
	if err != nil {
		return err
	}
	configured, err := source.Servers(cfg, now)
	if err != nil {
		return err
	}
	targets, providerErr := probeTargets(configured, now)
	results := report.TryAll(r.env.stderr, targets, probe.Options{Depth: probe.Echo, Timeout: 5 * time.Second, RootCAs: cfg.Probe.RootCAs})
	return errors.Join(providerErr, report.Probed(r.out, results, now), report.ProbeFailure(results))
}

// offerUndo asks whether to undo after a failure.
func (r *setupRun) offerUndo(failure error) error {
	if r.Yes {
		return fmt.Errorf("%w\nthe files are still as setup wrote them; extdisco setup --undo puts everything back", failure)
	}
	fmt.Fprintf(r.out, "\nThat did not work: %v\n", failure)
	if !r.ask("Put everything back as it was?") {
		return fmt.Errorf("%w\nthe files are still as setup wrote them; extdisco setup --undo puts everything back", failure)
	}
	return errors.Join(failure, r.undoAll())
}

// undo asks and takes everything back.
func (r *setupRun) undo() error {
	files, err := setup.Journaled(r.Root)
	if err != nil {
		return err
	}
	if len(files) == 0 {
		fmt.Fprintln(r.out, "There is nothing to undo.")
		if r.DryRun {
			return nil
		}
		return setup.Undo(r.Root) // what an interrupted run has prepared goes too
	}
	fmt.Fprintln(r.out, "To be restored to what they were before setup, or removed if setup created them:")
	for _, file := range files {
		fmt.Fprintln(r.out, "  "+file)
	}
	if r.DryRun {
		fmt.Fprintln(r.out, "\nNothing was changed.")
		return nil
	}
	if !r.Yes && !r.ask("Undo setup?") {
		return errors.New("nothing was changed")
	}
	return r.undoAll()
}

func (r *setupRun) undoAll() error {
	files, err := setup.Journaled(r.Root)
	if err != nil {
		return err
	}
	if err := setup.Undo(r.Root); err != nil {
		return err
	}
	fmt.Fprintln(r.out, "\nEverything is as it was before setup.")
	if r.isThisMachine() {
		fmt.Fprintln(r.out, "Now run:")
		for _, line := range setup.AfterUndo(files) {
			fmt.Fprintln(r.out, "  "+line)
		}
	}
	return nil
}
