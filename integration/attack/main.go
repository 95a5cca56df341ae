// Command attack does to extdisco what a hostile user, a hostile server and a bad day
// would do: forged and odd stanzas from a seed, floods, broken XML, connections that
// break in the middle of a stanza, servers that are killed under load. One half of
// the time it attacks from behind a server of its own that sends what no real server
// lets through, the other half through a real Prosody.
//
// It fails when somebody is served who must not be, when a request is answered twice
// or not at all, when extdisco does not come back, or when a secret or a password
// appears in anything that it shows. docs/security.md has the figures of a run.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

func main() {
	duration := flag.Duration("duration", time.Minute, "how long to attack")
	seed := flag.Uint64("seed", 1, "what the stanzas are made from")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	dir, err := os.MkdirTemp("", "extdisco-attack-")
	if err == nil {
		err = run(ctx, dir, *duration, *seed)
		err = errors.Join(err, os.RemoveAll(dir))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "attack:", err)
		os.Exit(1)
	}
}

// run builds extdisco, attacks it, and prints what happened.
func run(ctx context.Context, dir string, duration time.Duration, seed uint64) error {
	if duration < 10*time.Second {
		return fmt.Errorf("-duration is %v, and less than 10s is too short for kills and floods", duration)
	}
	binary := filepath.Join(dir, "extdisco")
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", binary, "extdisco").CombinedOutput(); err != nil {
		return fmt.Errorf("cannot build extdisco: %w\n%s", err, out)
	}
	fmt.Printf("attack: for %v, seed %d\n", duration, seed)
	for _, phase := range []struct {
		name   string
		attack func(context.Context, string, string, time.Duration, uint64) (*tally, error)
	}{
		{"behind a hostile server", attackFromServer},
		{"through Prosody", attackThroughProsody},
	} {
		t, err := phase.attack(ctx, dir, binary, duration/2, seed)
		if err != nil {
			return fmt.Errorf("%s: %w", phase.name, err)
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		fmt.Printf("\n%s:\n%s", phase.name, t.summary())
		if n := t.violations(); n > 0 {
			return fmt.Errorf("%s: %d violations", phase.name, n)
		}
	}
	return nil
}
