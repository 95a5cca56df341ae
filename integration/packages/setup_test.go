//go:build integration

// Package packages tests what administrators install and copy, with the programs
// that read it: make install, the Debian package, the systemd unit, manual pages,
// shell completion, the example for coturn, the files for containers, Prometheus
// and Grafana.
package packages

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// root is the folder of the project.
const root = "../.."

// command is the binary under test, built once, as make build does.
var command string

func TestMain(m *testing.M) { os.Exit(runTests(m)) }

func runTests(m *testing.M) int {
	dir, err := os.MkdirTemp("", "extdisco-packages-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil { // another user runs the binary
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	command = filepath.Join(dir, "extdisco")
	build := exec.Command("go", "build", "-trimpath", "-o", command, "extdisco")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "%v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// readFile reads a file of the project.
func readFile(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func writeFile(t *testing.T, name, content string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(name, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
}

// run runs a program in the folder of the project and returns what it printed. A
// program that fails fails the test.
func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := try(t, name, args...)
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return out
}

func try(t *testing.T, name string, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 4*time.Minute) // clean-ups use it too
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "DEBIAN_FRONTEND=noninteractive")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// replace replaces what must be there.
func replace(t *testing.T, text, old, new string) string {
	t.Helper()
	if !strings.Contains(text, old) {
		t.Fatalf("there is no %q in:\n%s", old, text)
	}
	return strings.ReplaceAll(text, old, new)
}

// flagsOf returns the subcommands of the binary and the flags of each, as its
// help shows them. The flags of "" are those of all.
func flagsOf(t *testing.T) map[string][]string {
	t.Helper()
	flagOf := regexp.MustCompile(`(?m)^ +(?:-\w, +)?--([a-z-]+)`)
	names := func(help string) (flags []string) {
		for _, m := range flagOf.FindAllStringSubmatch(help, -1) {
			flags = append(flags, m[1])
		}
		return flags
	}
	help := run(t, command, "--help")
	all := map[string][]string{"": names(help)}
	_, list, found := strings.Cut(help, "\nCommands:\n")
	if !found {
		t.Fatalf("the help lists no commands:\n%s", help)
	}
	for _, m := range regexp.MustCompile(`(?m)^  ([a-z-]+) `).FindAllStringSubmatch(list, -1) {
		all[m[1]] = names(run(t, command, m[1], "--help"))
	}
	if len(all) < 5 || len(all[""]) < 3 {
		t.Fatalf("commands and flags %q", all)
	}
	return all
}
