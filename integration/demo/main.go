// Command demo shows extdisco at work: it starts a real Prosody on loopback with a
// throw-away secret, and extdisco with its relay; lets a client ask the XMPP server as
// Jitsi Meet does; and uses what the client got for an allocation on the relay.
// Everything ends with the command.
package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"extdisco/integration/lab"
)

const (
	host      = "meet.example.org"
	component = "turn.meet.example.org"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	dir, err := os.MkdirTemp("", "extdisco-demo-")
	if err == nil {
		err = run(ctx, dir)
		err = errors.Join(err, os.RemoveAll(dir))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

// demo is what runs while it is shown.
type demo struct {
	dir     string
	binary  string
	xmpp    *lab.XMPPServer
	secret  string // the handshake secret
	started []server
}

type server interface{ Stop() error }

// run shows everything, and stops what it started.
func run(ctx context.Context, dir string) (err error) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute) // with a cold cache the build takes most of it
	defer cancel()
	d := &demo{dir: dir}
	d.secret = rand.Text()
	defer func() {
		for i := len(d.started) - 1; i >= 0; i-- {
			err = errors.Join(err, d.started[i].Stop())
		}
	}()
	for _, step := range []func(context.Context) error{d.startXMPP, d.startExtdisco, d.ask, d.conclude} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

func heading(n int, text string) { fmt.Printf("\n== %d. %s\n", n, text) }

func (d *demo) folder(name string) (string, error) {
	dir := filepath.Join(d.dir, name)
	return dir, os.Mkdir(dir, 0o755)
}

func (d *demo) startXMPP(ctx context.Context) error {
	heading(1, "An XMPP server: Prosody")
	dir, err := d.folder("prosody")
	if err != nil {
		return err
	}
	d.xmpp, err = lab.StartProsody(ctx, lab.XMPPConfig{
		Dir:        dir,
		Hosts:      []lab.Host{{Name: host, Anonymous: true, DelegateTo: component}},
		Components: []lab.Component{{JID: component, Secret: d.secret, Delegation: true}},
	})
	if err != nil {
		return err
	}
	d.started = append(d.started, d.xmpp)
	fmt.Printf("   Prosody serves %s on %s\n", host, d.xmpp.C2SAddr)
	fmt.Printf("   and forwards questions for ICE servers to its component %s\n", component)
	return nil
}

func (d *demo) startExtdisco(ctx context.Context) error {
	heading(2, "extdisco, which is the STUN and TURN server as well, with this config.toml")
	d.binary = filepath.Join(d.dir, "extdisco.bin")
	build := exec.CommandContext(ctx, "go", "build", "-o", d.binary, "extdisco")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("cannot build extdisco: %w\n%s", err, out)
	}
	dir, err := d.folder("extdisco")
	if err != nil {
		return err
	}
	port, err := lab.FreePort()
	if err != nil {
		return err
	}
	config := fmt.Sprintf(`[component]
jid         = %q
server      = %q
secret_file = "component.secret"

[relay]
host        = "127.0.0.1"
public_ip   = ["127.0.0.1"]
listen      = ["127.0.0.1:%d"]
`, component, d.xmpp.ComponentAddr, port)
	fmt.Println(indent(config))
	if err := os.WriteFile(filepath.Join(dir, "component.secret"), []byte(d.secret+"\n"), 0o600); err != nil {
		return err
	}
	e, err := lab.StartExtdisco(ctx, lab.ExtdiscoConfig{Binary: d.binary, Dir: dir, Config: config})
	if err != nil {
		return err
	}
	d.started = append(d.started, e)
	fmt.Println("   It is connected; its log says:")
	_, log, _ := strings.Cut(e.Log(), "\n")
	fmt.Println(indent(log))
	return nil
}

// service is what extdisco query --json prints of a service.
type service struct {
	Type, Host, Transport, Username, Password, URI string
	Port                                           int
}

// ask lets a client ask the server and use what it got.
func (d *demo) ask(ctx context.Context) error {
	heading(3, "A client logs in at "+host+" and asks that server, as Jitsi Meet does")
	args := []string{"query", host, "--address", d.xmpp.C2SAddr, "--tls", "none", "--insecure"}
	fmt.Printf("   $ extdisco %s\n", strings.Join(args, " "))
	table, err := exec.CommandContext(ctx, d.binary, args...).Output()
	if err != nil {
		return queryFailed(err)
	}
	fmt.Println(indent(string(table)))
	document, err := exec.CommandContext(ctx, d.binary, append(args, "--json")...).Output()
	if err != nil {
		return queryFailed(err)
	}
	var got struct {
		Answers []struct{ Services []service }
	}
	if err := json.Unmarshal(document, &got); err != nil {
		return err
	}
	if len(got.Answers) == 0 || len(got.Answers[0].Services) == 0 {
		return errors.New("the client got no services")
	}
	return d.useRelay(ctx, got.Answers[0].Services)
}

func queryFailed(err error) error {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return fmt.Errorf("the client got no answer: %s", exit.Stderr)
	}
	return err
}

func (d *demo) useRelay(ctx context.Context, services []service) error {
	heading(4, "The client uses them: an allocation on the relay, and an echo through it")
	var last service
	for _, s := range services {
		if s.Username == "" {
			continue
		}
		relayed, took, err := s.allocation().Do(ctx)
		if err != nil {
			return fmt.Errorf("%s: %w", s.URI, err)
		}
		fmt.Printf("   %-36s relays at %v, echo after %v\n", s.URI, relayed, took.Round(10*time.Microsecond))
		last = s
	}
	last.Password = "guessed"
	_, _, err := last.allocation().Do(ctx)
	var refused *lab.AllocateError
	if !errors.As(err, &refused) || refused.Code != 401 {
		return fmt.Errorf("the relay did not refuse a wrong password: %v", err)
	}
	fmt.Printf("   %-36s refuses a wrong password: %d\n", last.URI, refused.Code)
	return nil
}

func (s service) allocation() lab.Allocation {
	return lab.Allocation{Type: s.Type, Host: s.Host, Port: s.Port, Transport: s.Transport,
		Username: s.Username, Password: s.Password, Echo: true}
}

func (d *demo) conclude(context.Context) error {
	heading(5, "What you have just seen")
	fmt.Println(`   The client asked its XMPP server for ICE servers and got a username and a
   password of its own, good for 24 hours, which the relay accepted. The secret
   that they are made with has never left extdisco.

   For a real installation:
     1. make deb && sudo apt install ./build/deb/extdisco_*.deb
     2. sudo extdisco setup          finds your servers and configures them
     3. extdisco query YOUR.DOMAIN   shows what your users get
   README.md shows how to do the same by hand.
   With coturn it is the same: an [[ice_server]] with its urls and secret_file in place of [relay].

   Everything that was started here is being stopped, and its files removed.`)
	return nil
}

func indent(text string) string {
	return "     " + strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "\n     ")
}
