package daemon

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// loggedMessages returns the messages at level info and above that stand in the code of
// the folders as they are, the problems of the link, and where each stands; and every
// text of these folders, for messages that are put together.
func loggedMessages(t *testing.T, folders []string) (messages map[string]string, texts []string) {
	t.Helper()
	messages = map[string]string{}
	fset := token.NewFileSet()
	for _, folder := range folders {
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
				if text := textOf(n); text != "" {
					texts = append(texts, text)
				}
				if message := messageOf(n); message != "" {
					messages[message] = fset.Position(n.Pos()).String()
				}
				return true
			})
		}
	}
	return messages, texts
}

// messageOf returns the message that a call logs, or the problem of a fault of the link.
// Of one that is put together it is the beginning.
func messageOf(n ast.Node) string {
	switch n := n.(type) {
	case *ast.CallExpr:
		place, logs := map[string]int{"Info": 0, "Warn": 0, "Error": 0, "broken": 0, "untrusted": 1}[calledName(n)]
		if logs && len(n.Args) > place {
			return textOf(n.Args[place])
		}
	case *ast.KeyValueExpr:
		if key, ok := n.Key.(*ast.Ident); ok && key.Name == "problem" {
			value := n.Value
			for sum, ok := value.(*ast.BinaryExpr); ok; sum, ok = value.(*ast.BinaryExpr) {
				value = sum.X
			}
			return textOf(value)
		}
	}
	return ""
}

func textOf(n ast.Node) string {
	if literal, ok := n.(*ast.BasicLit); ok && literal.Kind == token.STRING {
		if text, err := strconv.Unquote(literal.Value); err == nil {
			return text
		}
	}
	return ""
}

// TestLogMessagesAreDocumented holds that the table of docs/troubleshooting.md has each
// message that an administrator may meet, and none that nothing logs.
func TestLogMessagesAreDocumented(t *testing.T) {
	_, section, found := strings.Cut(readFile(t, "../../docs/troubleshooting.md"), "\n## The log\n")
	if !found {
		t.Fatal("docs/troubleshooting.md has no such section")
	}
	var documented []string
	for _, m := range regexp.MustCompile("(?m)^\\| (`[^|]*) \\|").FindAllStringSubmatch(section, -1) {
		for _, message := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(m[1], -1) {
			documented = append(documented, message[1])
		}
	}
	messages, texts := loggedMessages(t, []string{"component", "internal/command", "internal/daemon", "internal/relay", "internal/rotation", "internal/source", "internal/web"})
	for message, where := range messages {
		isDocumented := func(d string) bool {
			beginning, _, _ := strings.Cut(d, "…")
			return strings.HasPrefix(message, strings.TrimSpace(beginning)) || strings.HasPrefix(d, strings.TrimSpace(message)) && len(message) > 20
		}
		if !slices.ContainsFunc(documented, isDocumented) {
			t.Errorf("%s: docs/troubleshooting.md does not have the message %q", where, message)
		}
	}
	for _, d := range documented {
		for part := range strings.SplitSeq(d, "…") {
			isLogged := func(text string) bool { return strings.Contains(text, strings.TrimSpace(part)) }
			if !slices.ContainsFunc(texts, isLogged) {
				t.Errorf("docs/troubleshooting.md has the message %q, which nothing logs", d)
			}
		}
	}
	if len(documented) < 40 || len(messages) < 40 {
		t.Errorf("found %d documented messages and %d logged ones", len(documented), len(messages))
	}
}
