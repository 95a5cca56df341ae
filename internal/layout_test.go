package internal_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// dependencies returns what each package of the module needs, directly or not.
func dependencies(t *testing.T) map[string][]string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-f", `{{.ImportPath}}{{range .Deps}} {{.}}{{end}}`, "extdisco/...").CombinedOutput()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, out)
	}
	needs := map[string][]string{}
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		needs[fields[0]] = slices.DeleteFunc(fields[1:], func(s string) bool {
			first, _, _ := strings.Cut(s, "/")
			return first != "extdisco" && !strings.Contains(first, ".") // the standard library
		})
	}
	return needs
}

// TestImportDirections holds who must not know whom, by prefixes of import paths:
// command → daemon → source → config → {component, xep0215, turncred}; migrate → config.
func TestImportDirections(t *testing.T) {
	const (
		component, xep0215, turncred, integration = "extdisco/component", "extdisco/xep0215", "extdisco/turncred", "extdisco/integration"
		command, daemon, source, config           = "extdisco/internal/command", "extdisco/internal/daemon", "extdisco/internal/source", "extdisco/internal/config"
		rotation, statefile                       = "extdisco/internal/rotation", "extdisco/internal/statefile"
		migrate, query, report                    = "extdisco/internal/migrate", "extdisco/internal/query", "extdisco/internal/report"
		xmpp, toml, kong, prometheus              = "mellium.im/", "github.com/BurntSushi/toml", "github.com/alecthomas/kong", "github.com/prometheus/"
		everything                                = ""
	)
	needs := dependencies(t)
	for pkg, never := range map[string][]string{
		component:                   {xep0215, turncred, integration, daemon, source, config, toml, kong, prometheus},
		turncred:                    {component, xep0215, integration, xmpp, toml, kong, turncred + "/"},
		turncred + "/provider":      {component, integration, config, xmpp + "xmpp/component", toml, kong},
		xep0215:                     {component, turncred + "/", integration, toml, kong},
		config:                      {source, daemon, command, migrate, query, report, integration, kong, prometheus},
		rotation:                    {component, xep0215, turncred, config, source, daemon, command, integration, xmpp, toml, kong},
		statefile:                   {"extdisco"},
		migrate:                     {source, daemon, command, query, report, integration, kong, prometheus},
		source:                      {daemon, command, migrate, query, report, integration, kong, prometheus},
		daemon:                      {command, migrate, query, report, integration, kong},
		"extdisco/internal/setup":   {source, daemon, command, query, report, integration, kong, prometheus},
		query:                       {component, turncred + "/", source, daemon, command, migrate, report, integration, toml, kong},
		report:                      {source, daemon, command, migrate, integration, kong, prometheus},
		command:                     {integration},
		"extdisco/internal/notify":  {"extdisco", xmpp, toml, kong},
		"extdisco/internal/manual":  {"extdisco", xmpp, toml},
		"extdisco/internal/probe":   {component, xep0215, turncred, config, integration, xmpp, toml, kong},
		"extdisco/internal/web":     {component, xep0215, turncred, config, integration, xmpp, toml, kong, prometheus},
		"extdisco/internal/metrics": {component, xep0215, turncred, config, integration, xmpp, toml, kong},
		"extdisco/internal/limit":   {everything},
		"extdisco/internal/lua":     {everything},
		"extdisco/internal/secret":  {everything},
		"extdisco/internal/xmltext": {everything},
		"extdisco":                  {integration},
	} {
		t.Run(pkg, func(t *testing.T) {
			if _, known := needs[pkg]; !known {
				t.Fatal("there is no such package")
			}
			for _, d := range needs[pkg] {
				if slices.ContainsFunc(never, func(prefix string) bool { return strings.HasPrefix(d, prefix) }) {
					t.Errorf("%s needs %s", pkg, d)
				}
			}
		})
	}
}

// imports returns the import paths of every file of the program that is no test, by its
// name.
func imports(t *testing.T) map[string][]string {
	t.Helper()
	found := map[string][]string{}
	files := []string{"../main.go"}
	for _, folder := range []string{"../component", "../xep0215", "../turncred", "."} {
		err := filepath.WalkDir(folder, func(file string, _ fs.DirEntry, err error) error {
			if strings.HasSuffix(file, ".go") && !strings.HasSuffix(file, "_test.go") {
				files = append(files, file)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range parsed.Imports {
			found[file] = append(found[file], strings.Trim(i.Path.Value, `"`))
		}
	}
	return found
}

func TestOnlyConfigKnowsTOML(t *testing.T) {
	for file, paths := range imports(t) {
		if slices.Contains(paths, "github.com/BurntSushi/toml") && !strings.HasPrefix(file, "config/") {
			t.Errorf("%s knows TOML", file)
		}
	}
}

func TestNobodyImportsCommandButMain(t *testing.T) {
	for file, paths := range imports(t) {
		if slices.Contains(paths, "extdisco/internal/command") && file != "../main.go" {
			t.Errorf("%s imports internal/command", file)
		}
	}
}

func TestRootHoldsOneGoFile(t *testing.T) {
	files, err := filepath.Glob("../*.go")
	if err != nil || !slices.Equal(files, []string{"../main.go"}) {
		t.Errorf("Go files in the root: %s, %v", files, err)
	}
}
