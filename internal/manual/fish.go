package manual

import (
	"fmt"
	"strings"
)

// Fish returns completion for fish.
func (g Grammar) Fish() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Completion of %[1]s for fish.\ncomplete -c %[1]s -f\n", g.Name)
	g.fishFlags(&b, "", g.Flags)
	all := strings.Join(g.names(), " ")
	for _, c := range g.Commands {
		fmt.Fprintf(&b, "complete -c %s -n 'not __fish_seen_subcommand_from %s' -a %s -d %s\n", g.Name, all, c.Name, fishQuote(firstSentence(c.Help)))
	}
	for _, c := range g.Commands {
		behind := " -n '__fish_seen_subcommand_from " + c.Name + "'"
		g.fishFlags(&b, behind, c.Flags)
		for _, a := range c.Arguments {
			switch {
			case len(a.Choices) > 0:
				fmt.Fprintf(&b, "complete -c %s%s -a %s\n", g.Name, behind, fishQuote(strings.Join(a.Choices, " ")))
			case isFile(a.Name):
				fmt.Fprintf(&b, "complete -c %s%s -F\n", g.Name, behind)
			}
		}
	}
	return b.String()
}

func (g Grammar) fishFlags(b *strings.Builder, condition string, flags []Flag) {
	for _, f := range flags {
		fmt.Fprintf(b, "complete -c %s%s -l %s", g.Name, condition, f.Name)
		if f.Short != "" {
			b.WriteString(" -s " + f.Short)
		}
		switch {
		case len(f.Choices) > 0:
			b.WriteString(" -x -a " + fishQuote(strings.Join(f.Choices, " ")))
		case isFile(f.Value):
			b.WriteString(" -r -F")
		case f.Value != "":
			b.WriteString(" -x")
		}
		b.WriteString(" -d " + fishQuote(firstSentence(f.Help)) + "\n")
	}
}

func fishQuote(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(s) + "'"
}
