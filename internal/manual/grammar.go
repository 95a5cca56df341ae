// Package manual writes what a shell and a reader of manual pages need to know of
// a command, from the command's own grammar: completion for bash, zsh and fish,
// and the pages extdisco(1) and extdisco.toml(5).
package manual

import (
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// Grammar is a command line with subcommands.
type Grammar struct {
	Name     string
	Help     string
	Flags    []Flag // of all subcommands
	Commands []Command
}

// Command is a subcommand.
type Command struct {
	Name      string
	Help      string // one sentence or more
	Detail    string // paragraphs; lines that are indented are lists or examples
	Flags     []Flag // of this subcommand alone
	Arguments []Argument
}

// Flag is a flag, written --NAME.
type Flag struct {
	Name    string
	Short   string // one letter, or empty
	Help    string
	Value   string   // what the value is, such as FILE; empty for a switch
	Choices []string // the values that are possible; empty for any
}

// Argument is an argument of a subcommand that is no flag.
type Argument struct {
	Name    string // such as FILE
	Help    string
	Choices []string
}

// GrammarOf reads the grammar of a parser. Hidden commands and flags are left
// out.
func GrammarOf(app *kong.Application) Grammar {
	g := Grammar{Name: app.Name, Help: app.Help, Flags: flagsOf(app.Node)}
	for _, node := range app.Children {
		if node.Hidden {
			continue
		}
		c := Command{Name: node.Name, Help: node.Help, Detail: node.Detail, Flags: flagsOf(node)}
		for _, p := range node.Positional {
			c.Arguments = append(c.Arguments, Argument{Name: strings.ToUpper(p.Name), Help: p.Help, Choices: choices(p)})
		}
		g.Commands = append(g.Commands, c)
	}
	return g
}

func flagsOf(node *kong.Node) (flags []Flag) {
	for _, f := range node.Flags {
		if f.Hidden {
			continue
		}
		flag := Flag{Name: f.Name, Help: f.Help, Choices: choices(f.Value)}
		if f.Short != 0 {
			flag.Short = string(f.Short)
		}
		if !f.IsBool() {
			flag.Value = f.PlaceHolder
			if flag.Value == "" {
				flag.Value = strings.ToUpper(f.Name)
			}
		}
		flags = append(flags, flag)
	}
	return flags
}

func choices(v *kong.Value) []string {
	if v.Enum == "" {
		return nil
	}
	return slices.DeleteFunc(v.EnumSlice(), func(s string) bool { return s == "" })
}

// isFile reports whether a value is the name of a file.
func isFile(value string) bool { return value == "FILE" }

// firstSentence shortens a help text to what fits beside a word in a list.
func firstSentence(help string) string {
	if first, _, found := strings.Cut(help, ". "); found {
		help = first
	}
	return strings.TrimSuffix(help, ".")
}

// names returns the names of the commands.
func (g Grammar) names() (names []string) {
	for _, c := range g.Commands {
		names = append(names, c.Name)
	}
	return names
}

// withValue returns the names, with their dashes, of all flags that take a value.
func (g Grammar) withValue() (names []string) {
	add := func(flags []Flag) {
		for _, f := range flags {
			if name := "--" + f.Name; f.Value != "" && !slices.Contains(names, name) {
				names = append(names, name)
				if f.Short != "" {
					names = append(names, "-"+f.Short)
				}
			}
		}
	}
	add(g.Flags)
	for _, c := range g.Commands {
		add(c.Flags)
	}
	return names
}
