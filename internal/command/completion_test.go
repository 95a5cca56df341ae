package command

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// wordsOfCommandLine returns what the grammar knows: for each command its flags,
// and those of all commands under "".
func wordsOfCommandLine(t *testing.T) map[string][]string {
	t.Helper()
	parser, err := kong.New(new(commandLine))
	if err != nil {
		t.Fatal(err)
	}
	words := map[string][]string{}
	add := func(command string, node *kong.Node) {
		words[command] = nil
		for _, f := range node.Flags {
			words[command] = append(words[command], f.Name)
		}
	}
	add("", parser.Model.Node)
	for _, c := range parser.Model.Children {
		if !c.Hidden {
			add(c.Name, c)
		}
	}
	return words
}

func TestCompletionNamesEverything(t *testing.T) {
	words := wordsOfCommandLine(t)
	for _, shell := range []string{"bash", "zsh", "fish"} {
		t.Run(shell, func(t *testing.T) {
			r := runCommand(t, "", "completion", shell)
			if r.status != statusOK || r.stderr != "" {
				t.Fatalf("%+v", r)
			}
			flag := "--"
			if shell == "fish" {
				flag = "-l "
			}
			for command, flags := range words {
				if !regexp.MustCompile(`\b` + command + `\b`).MatchString(r.stdout) {
					t.Errorf("the command %s is missing", command)
				}
				for _, f := range flags {
					if !regexp.MustCompile(flag + f + `\b`).MatchString(r.stdout) {
						t.Errorf("the flag --%s of %q is missing", f, command)
					}
				}
			}
			if regexp.MustCompile(`\bman\b`).MatchString(r.stdout) {
				t.Error("a hidden command is shown")
			}
		})
	}
	if r := runCommand(t, "", "completion", "csh"); r.status != statusUsage {
		t.Errorf("%+v", r)
	}
}

// section returns the part of a page from one head to the next.
func section(t *testing.T, page, head string) string {
	t.Helper()
	_, after, found := strings.Cut(page, "\n"+head)
	if !found {
		t.Fatalf("the page has no %q", head)
	}
	body, _, _ := strings.Cut(after, "\n"+head[:3])
	return body
}

func TestCommandPageNamesEverything(t *testing.T) {
	r := runCommand(t, "", "man", "extdisco.1")
	if r.status != statusOK || r.stderr != "" {
		t.Fatalf("%+v", r)
	}
	for command, flags := range wordsOfCommandLine(t) {
		head := ".Ss " + command
		if command == "" {
			head = ".Sh OPTIONS"
		}
		body := section(t, r.stdout, head)
		for _, f := range flags {
			if !strings.Contains(body, `Fl \-`+f) {
				t.Errorf("%s lacks --%s", head, f)
			}
		}
	}
}

// TestCommandPageAgreesWithTheProgram compares the page with what --help shows, in both
// directions.
func TestCommandPageAgreesWithTheProgram(t *testing.T) {
	page := runCommand(t, "", "man", "extdisco.1").stdout
	words := wordsOfCommandLine(t)
	var commands []string
	for _, m := range regexp.MustCompile(`(?m)^\.Ss (\S+)`).FindAllStringSubmatch(page, -1) {
		commands = append(commands, m[1])
		if _, known := words[m[1]]; !known {
			t.Errorf("the page describes %s, which the program does not have", m[1])
			continue
		}
		body, _, _ := strings.Cut(section(t, page, m[0]), "\n.Sh ")
		for _, f := range regexp.MustCompile(`Fl \\-([a-z-]+)`).FindAllStringSubmatch(body, -1) {
			if !slices.Contains(words[m[1]], f[1]) {
				t.Errorf("the page gives %s the flag --%s, which it does not have", m[1], f[1])
			}
		}
		plain := strings.Join(strings.Fields(strings.NewReplacer(`\-`, "-", `\e`, `\`, `\&`, "").Replace(body)), " ")
		for line := range strings.Lines(runCommand(t, "", m[1], "--help").stdout) {
			line = strings.Join(strings.Fields(line), " ")
			if strings.HasPrefix(line, "extdisco ") && !strings.Contains(plain, line) {
				t.Errorf("the page lacks the example %s of %s", line, m[1])
			}
		}
	}
	if len(commands) != len(words)-1 {
		t.Errorf("the page describes the commands %q, the program has %d", commands, len(words)-1)
	}
	for _, name := range []string{"prosody-config", "ejabberd-config", "query"} {
		if !slices.Contains(commands, name) {
			t.Errorf("the page lacks %s", name)
		}
	}
}

func TestConfigPageNamesEveryKey(t *testing.T) {
	r := runCommand(t, "", "man", "extdisco.toml.5")
	if r.status != statusOK || r.stderr != "" {
		t.Fatalf("%+v", r)
	}
	page := strings.ReplaceAll(r.stdout, `\-`, "-")
	keys := regexp.MustCompile(`(?m)^(?:# )?(\w+ *= )`).FindAllStringSubmatch(program.ConfigExample, -1)
	if len(keys) < 20 {
		t.Fatalf("the example has %d keys", len(keys))
	}
	for _, key := range keys {
		if !strings.Contains(page, key[1]) {
			t.Errorf("the page lacks %s", key[1])
		}
	}
	if strings.Contains(r.stdout, "extdisco check    tells") {
		t.Error("the head of the example is in the page")
	}
}
