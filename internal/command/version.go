package command

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/alecthomas/kong"
)

// version returns the version of this binary: the one that it was linked with, else the
// one of the module, else the commit.
func (p Program) version() string {
	if p.Version != "" {
		return p.Version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return "devel-" + s.Value[:min(12, len(s.Value))]
		}
	}
	return "devel"
}

// versionFlag prints the version wherever it stands.
type versionFlag bool

// BeforeReset is called by the parser when the flag is given.
func (versionFlag) BeforeReset(app *kong.Kong, p Program) error {
	fmt.Fprint(app.Stdout, p.versionLine())
	app.Exit(statusOK)
	return nil
}

func (p Program) versionLine() string {
	return fmt.Sprintf("extdisco %s (%s %s/%s)\n", p.version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
}

type versionCommand struct{}

// Run prints the version, and what it was built with.
func (versionCommand) Run(env *environment) error {
	_, err := io.WriteString(env.stdout, env.program.versionLine())
	return err
}
