package daemon

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// loggedKeys returns the keys of all lines that the program can log, and where each
// stands first.
func loggedKeys(t *testing.T) map[string]string {
	t.Helper()
	keys := map[string]string{}
	fset := token.NewFileSet()
	for _, folder := range []string{"component", "turncred/provider", "internal/daemon", "internal/relay", "internal/rotation", "internal/source", "internal/web", "internal/metrics", "internal/probe", "internal/notify", "internal/command"} {
		files, err := filepath.Glob(filepath.Join("../..", folder, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			parsed, err := parser.ParseFile(fset, file, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(parsed, func(n ast.Node) bool {
				for _, key := range keysOf(n) {
					if _, known := keys[key]; !known {
						keys[key] = fset.Position(n.Pos()).String()
					}
				}
				return true
			})
		}
	}
	return keys
}

// keysOf returns the keys that stand in a call of a logger, or in a list of its
// arguments.
func keysOf(n ast.Node) []string {
	switch n := n.(type) {
	case *ast.CallExpr:
		first, isLog := map[string]int{"Debug": 1, "Info": 1, "Warn": 1, "Error": 1, "Log": 3, "With": 0, "Add": 0, "broken": 1, "reached": 1, "warn": 1}[calledName(n)]
		if calledName(n) == "append" && len(n.Args) > 2 {
			if name, ok := n.Args[0].(*ast.Ident); ok && name.Name == "attrs" {
				return everySecondText(n.Args[1:])
			}
		}
		if isLog && len(n.Args) > first {
			return everySecondText(n.Args[first:])
		}
	case *ast.CompositeLit:
		if list, ok := n.Type.(*ast.ArrayType); ok {
			if name, ok := list.Elt.(*ast.Ident); ok && name.Name == "any" {
				return everySecondText(n.Elts)
			}
		}
	}
	return nil
}

func everySecondText(args []ast.Expr) (texts []string) {
	for i := 0; i+1 < len(args); i += 2 {
		literal, ok := args[i].(*ast.BasicLit)
		if !ok || literal.Kind != token.STRING {
			return texts
		}
		if text, err := strconv.Unquote(literal.Value); err == nil {
			texts = append(texts, text)
		}
	}
	return texts
}

// TestLogKeysAreDocumented keeps the keys of the log stable: programs read them.
func TestLogKeysAreDocumented(t *testing.T) {
	_, section, found := strings.Cut(readFile(t, "../../docs/operations.md"), "## The log\n")
	if !found {
		t.Fatal("docs/operations.md has no such section")
	}
	section, _, _ = strings.Cut(section, "\n#")
	documented := map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^\\| (`[^|]*`) \\|").FindAllStringSubmatch(section, -1) {
		for _, key := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(m[1], -1) {
			documented[key[1]] = true
		}
	}
	keys := loggedKeys(t)
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		if !documented[key] {
			t.Errorf("%s logs the key %q, which docs/operations.md does not have", keys[key], key)
		}
		if !regexp.MustCompile(`^[a-z]+([_.][a-z]+)*$`).MatchString(key) {
			t.Errorf("%s: the key %q has another form than the others", keys[key], key)
		}
	}
	for key := range documented {
		if _, logged := keys[key]; !logged && !slices.Contains([]string{"time", "level", "msg"}, key) {
			t.Errorf("docs/operations.md has the key %q, which nothing logs", key)
		}
	}
}

func calledName(call *ast.CallExpr) string {
	switch f := call.Fun.(type) {
	case *ast.SelectorExpr:
		return f.Sel.Name
	case *ast.Ident:
		return f.Name
	}
	return ""
}

func readFile(t testing.TB, file string) string {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}
