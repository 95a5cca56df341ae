// Command soak lets extdisco run for minutes between a real Prosody and a real
// coturn, as it runs for months elsewhere: users come and go, they call each other through
// its own relay, the configuration is reloaded, the servers are restarted, somebody reads
// metrics and the status page. It fails when a request that could be answered was not,
// when a call does not work or a reload cuts one, when memory, the number of goroutines or
// of open files grows, or when more memory is held than may be.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	duration := flag.Duration("duration", 10*time.Minute, "how long to run")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	dir, err := os.MkdirTemp("", "extdisco-soak-")
	if err == nil {
		err = run(ctx, dir, *duration)
		err = errors.Join(err, os.RemoveAll(dir))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "soak:", err)
		os.Exit(1)
	}
}

// run starts the servers, soaks, and judges.
func run(ctx context.Context, dir string, duration time.Duration) (err error) {
	s, err := start(ctx, dir)
	defer func() {
		err = errors.Join(err, s.stop())
		if err != nil {
			fmt.Fprint(os.Stderr, s.logs())
		}
	}()
	if err != nil {
		return err
	}
	fmt.Printf("soak: for %v; Prosody, coturn and extdisco run\n", duration)
	ctx, cancel := context.WithTimeout(ctx, duration)
	defer cancel()
	samples := s.soak(ctx)
	if err := context.Cause(ctx); !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return s.judge(samples)
}
