package command

import (
	"fmt"
	"runtime"
	"runtime/debug"
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

type versionCommand struct{}

// Run prints the version, and what it was built with.
func (versionCommand) Run(env *environment) error {
	_, err := fmt.Fprintf(env.stdout, "extdisco %s (%s %s/%s)\n", env.program.version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return err
}
