// Command bench measures extdisco, the least that a component can do, and the
// servers' own modules, all in one run on one machine, and prints one table. See
// docs/performance.md.
//
//	go run ./integration/bench [-quick] [-only SECTION]
//
// Everything it starts listens on loopback and ends with it.
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
	"runtime"
	"strings"
	"syscall"
	"time"
)

func main() {
	quick := flag.Bool("quick", false, "fewer and shorter rounds: under a minute")
	only := flag.String("only", "", "run one section: load, latency, servers, restart, memory or relay")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	dir, err := os.MkdirTemp("", "extdisco-bench-")
	if err == nil {
		err = run(ctx, dir, *quick, *only)
		err = errors.Join(err, os.RemoveAll(dir))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// plan is how long is measured.
type plan struct {
	rounds       int
	load         time.Duration // of one round of a closed loop on the component's stream
	latency      time.Duration // of one round of an open loop
	serverRounds int
	server       time.Duration // of one round with clients behind a server
	restarts     int
	memory       uint64 // answers
}

var (
	fullPlan  = plan{rounds: 7, load: 700 * time.Millisecond, latency: 1500 * time.Millisecond, serverRounds: 11, server: 700 * time.Millisecond, restarts: 9, memory: 10_000_000}
	quickPlan = plan{rounds: 3, load: 250 * time.Millisecond, latency: 500 * time.Millisecond, serverRounds: 1, server: 700 * time.Millisecond, restarts: 2, memory: 300_000}
)

// outstanding is how many requests wait for their answers at any time under load.
const outstanding = 128

// perSecond is the rate at which latency is measured: one request at a time.
const perSecond = 500

// bench is one run.
type bench struct {
	plan
	dir                 string
	extdisco, yardstick string // commands
	metrics             string // what turns them on in config.toml; empty if there are none
	noise               noise
	table               table
}

func run(ctx context.Context, dir string, quick bool, only string) error {
	b := &bench{dir: dir, plan: fullPlan, extdisco: filepath.Join(dir, "extdisco"), yardstick: filepath.Join(dir, "yardstick")}
	if quick {
		b.plan = quickPlan
	}
	start := time.Now()
	for binary, source := range map[string]string{b.extdisco: "extdisco", b.yardstick: "extdisco/integration/bench/yardstick"} {
		build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", binary, source)
		build.Env = append(os.Environ(), "CGO_ENABLED=0") // as make build does
		if out, err := build.CombinedOutput(); err != nil {
			return fmt.Errorf("cannot build %s: %w\n%s", source, err, out)
		}
	}
	if err := b.findMetrics(ctx); err != nil {
		return err
	}
	b.noise.sample()
	for _, section := range []struct {
		name string
		run  func(context.Context) error
	}{
		{"load", b.measureLoad},
		{"latency", b.measureLatency},
		{"servers", b.measureServers},
		{"restart", b.measureRestart},
		{"memory", b.measureMemory},
		{"relay", b.measureRelay},
	} {
		if only != "" && only != section.name {
			continue
		}
		fmt.Fprintf(os.Stderr, "bench: %s\n", section.name)
		if err := section.run(ctx); err != nil {
			return fmt.Errorf("%s: %w", section.name, err)
		}
	}
	b.noise.sample()
	fmt.Print(b.table.String())
	if b.metrics == "" {
		fmt.Print("\nWithout metrics, which this extdisco does not have.\n")
	}
	fmt.Printf("\n%s, %d processors, Linux %s, %s. %s All of it took %.0f s.\n",
		processor(), runtime.NumCPU(), kernel(), runtime.Version(), b.noise.String(), time.Since(start).Seconds())
	return nil
}

// folder makes a folder of this name for what a program writes.
func (b *bench) folder(name string) (string, error) {
	return os.MkdirTemp(b.dir, strings.ReplaceAll(name, " ", "-")+"-")
}

func processor() string {
	content, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(content)) {
		if name, value, found := strings.Cut(line, ":"); found && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}

func kernel() string {
	release, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	return strings.TrimSpace(string(release))
}

// row is one line of the table.
type row struct{ what, who, value, ratio, target string }

// table gathers what was measured.
type table struct{ rows []row }

func (t *table) add(r row) {
	t.rows = append(t.rows, r)
	fmt.Fprintf(os.Stderr, "  %s | %s | %s | %s | %s\n", r.what, r.who, r.value, r.ratio, r.target)
}

// String returns the table as Markdown.
func (t *table) String() string {
	var b strings.Builder
	b.WriteString("| what | who | measured | ratio | target |\n|---|---|---:|---:|---|\n")
	last := ""
	for _, r := range t.rows {
		what := r.what
		if what == last {
			what = ""
		}
		last = r.what
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", what, r.who, r.value, r.ratio, r.target)
	}
	return b.String()
}
