package main

import (
	"go/parser"
	"go/token"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// dependencies returns the packages that a package needs, itself left out.
func dependencies(t *testing.T, pkg string) []string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", pkg).CombinedOutput()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, out)
	}
	return slices.DeleteFunc(strings.Fields(string(out)), func(s string) bool { return s == pkg })
}

// TestImportDirections holds who must not know whom, by prefixes of import paths.
func TestImportDirections(t *testing.T) {
	const (
		component, xep0215, turncred, integration = "extdisco/component", "extdisco/xep0215", "extdisco/turncred", "extdisco/integration"
		xmpp, toml, kong                          = "mellium.im/", "github.com/BurntSushi/toml", "github.com/alecthomas/kong"
		everything                                = ""
	)
	for pkg, never := range map[string][]string{
		component:                   {xep0215, turncred, integration, toml, kong},
		turncred:                    {component, xep0215, integration, xmpp, toml, kong},
		xep0215:                     {component, integration, toml, kong},
		"extdisco/internal/notify":  {"extdisco", xmpp, toml, kong},
		"extdisco/internal/manual":  {"extdisco", xmpp, toml},
		"extdisco/internal/probe":   {component, xep0215, turncred, integration, xmpp, toml, kong},
		"extdisco/internal/web":     {component, xep0215, turncred, integration, xmpp, toml, kong, "github.com/prometheus/"},
		"extdisco/internal/metrics": {component, xep0215, turncred, integration, xmpp, toml, kong},
		"extdisco/internal/limit":   {everything},
		"extdisco/internal/secret":  {everything},
		"extdisco/internal/xmltext": {everything},
		"extdisco":                  {integration},
	} {
		t.Run(pkg, func(t *testing.T) {
			for _, d := range dependencies(t, pkg) {
				if slices.ContainsFunc(never, func(prefix string) bool { return strings.HasPrefix(d, prefix) }) {
					t.Errorf("%s needs %s", pkg, d)
				}
			}
		})
	}
}

// TestMainKnowsAll is the other half: main puts the packages together.
func TestMainKnowsAll(t *testing.T) {
	known := dependencies(t, "extdisco")
	for _, pkg := range []string{"extdisco/component", "extdisco/turncred", "extdisco/xep0215"} {
		if !slices.Contains(known, pkg) {
			t.Errorf("main does not need %s", pkg)
		}
	}
}

// TestOnlyConfigKnowsTOML keeps the file format out of all other files.
func TestOnlyConfigKnowsTOML(t *testing.T) {
	var know []string
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range parsed.Imports {
			if strings.Contains(i.Path.Value, "toml") && !strings.HasSuffix(file, "_test.go") {
				know = append(know, file)
			}
		}
	}
	wantEqual(t, "files that know TOML", strings.Join(know, " "), "config.go")
}
