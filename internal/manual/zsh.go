package manual

import (
	"fmt"
	"strings"
)

// Zsh returns completion for zsh, to be put into a file _NAME in a folder of
// $fpath.
func (g Grammar) Zsh() string {
	var b strings.Builder
	fmt.Fprintf(&b, "#compdef %[1]s\n# Completion of %[1]s for zsh.\n_%[1]s() {\n\tlocal -a line commands everywhere\n\tlocal context state state_descr\n\tlocal -A opt_args\n\teverywhere=(\n", g.Name)
	zshFlags(&b, "\t\t", g.Flags)
	b.WriteString("\t)\n\tcommands=(\n")
	for _, c := range g.Commands {
		fmt.Fprintf(&b, "\t\t%s\n", zshQuote(c.Name+":"+firstSentence(c.Help)))
	}
	b.WriteString("\t)\n\t_arguments -C $everywhere '1:command:->command' '*::argument:->argument'\n\tcase $state in\n" +
		"\tcommand)\n\t\t_describe command commands\n\t\t;;\n\targument)\n\t\tcase $line[1] in\n")
	for _, c := range g.Commands {
		fmt.Fprintf(&b, "\t\t%s)\n\t\t\t_arguments $everywhere", c.Name)
		if len(c.Flags)+len(c.Arguments) > 0 {
			b.WriteString(" \\\n")
		}
		specs := append(zshSpecs(c.Flags), zshArguments(c.Arguments)...)
		for i, s := range specs {
			b.WriteString("\t\t\t\t" + s)
			if i < len(specs)-1 {
				b.WriteString(" \\\n")
			}
		}
		b.WriteString("\n\t\t\t;;\n")
	}
	fmt.Fprintf(&b, "\t\tesac\n\t\t;;\n\tesac\n}\n\nif [[ $zsh_eval_context[-1] == loadautofunc ]]; then\n\t_%[1]s \"$@\"\nelse\n\tcompdef _%[1]s %[1]s\nfi\n", g.Name)
	return b.String()
}

func zshFlags(b *strings.Builder, indent string, flags []Flag) {
	for _, s := range zshSpecs(flags) {
		b.WriteString(indent + s + "\n")
	}
}

// zshSpecs returns the flags as _arguments wants them.
func zshSpecs(flags []Flag) (specs []string) {
	brackets := strings.NewReplacer("[", `\[`, "]", `\]`, ":", `\:`)
	for _, f := range flags {
		help := "[" + brackets.Replace(firstSentence(f.Help)) + "]"
		long, short, value := "--"+f.Name, "-"+f.Short, ""
		if f.Value != "" {
			long, short, value = long+"=", short+"+", ":"+brackets.Replace(f.Value)+":"+zshAction(f.Value, f.Choices)
		}
		if f.Short == "" {
			specs = append(specs, zshQuote(long+help+value))
			continue
		}
		either := "(-" + f.Short + " --" + f.Name + ")" // one makes the other superfluous
		specs = append(specs, zshQuote(either+short+help+value), zshQuote(either+long+help+value))
	}
	return specs
}

func zshArguments(arguments []Argument) (specs []string) {
	for i, a := range arguments {
		specs = append(specs, zshQuote(fmt.Sprintf("%d:%s:%s", i+1, a.Name, zshAction(a.Name, a.Choices))))
	}
	return specs
}

func zshAction(value string, choices []string) string {
	switch {
	case len(choices) > 0:
		return "(" + strings.Join(choices, " ") + ")"
	case isFile(value):
		return "_files"
	}
	return " "
}

func zshQuote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
