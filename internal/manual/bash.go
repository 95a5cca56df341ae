package manual

import (
	"fmt"
	"strings"
)

// Bash returns completion for bash. It needs nothing but bash itself: not the
// package bash-completion.
func (g Grammar) Bash() string {
	var b strings.Builder
	fmt.Fprintf(&b, `# Completion of %[1]s for bash.
_%[1]s() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} command= words= i
	# bash takes --flag=value for three words.
	if [[ $cur == = ]]; then
		cur=
	elif [[ $prev == = ]]; then
		prev=${COMP_WORDS[COMP_CWORD - 2]}
	fi
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		%[2]s)
			[[ ${COMP_WORDS[i + 1]} == = ]] && ((i++))
			((i++))
			;;
		%[3]s)
			command=${COMP_WORDS[i]}
			break
			;;
		esac
	done
	COMPREPLY=()
	case "$command $prev" in
`, g.Name, strings.Join(g.withValue(), "|"), strings.Join(g.names(), "|"))
	g.bashValues(&b, "*", g.Flags)
	for _, c := range g.Commands {
		g.bashValues(&b, c.Name, c.Flags)
	}
	b.WriteString("\tesac\n\tcase $command in\n")
	g.bashWords(&b, "''", g.names(), g.Flags, nil)
	for _, c := range g.Commands {
		g.bashWords(&b, c.Name, nil, append(g.Flags[:len(g.Flags):len(g.Flags)], c.Flags...), c.Arguments)
	}
	fmt.Fprintf(&b, `	esac
	COMPREPLY=($(compgen -W "$words" -- "$cur"))
}

_%[1]s_files() {
	local IFS=$'\n'
	compopt -o filenames 2>/dev/null
	COMPREPLY=($(compgen -f -- "$1"))
}

complete -F _%[1]s %[1]s
`, g.Name)
	return b.String()
}

// bashValues writes what can follow each flag with a value. command is a pattern.
func (g Grammar) bashValues(b *strings.Builder, command string, flags []Flag) {
	for _, f := range flags {
		if f.Value == "" {
			continue
		}
		fmt.Fprintf(b, "\t%s\" --%s\"", command, f.Name)
		if f.Short != "" {
			fmt.Fprintf(b, "|%s\" -%s\"", command, f.Short)
		}
		b.WriteString(")\n")
		switch {
		case len(f.Choices) > 0:
			fmt.Fprintf(b, "\t\tCOMPREPLY=($(compgen -W '%s' -- \"$cur\"))\n", strings.Join(f.Choices, " "))
		case isFile(f.Value):
			fmt.Fprintf(b, "\t\t_%s_files \"$cur\"\n", g.Name)
		}
		b.WriteString("\t\treturn\n\t\t;;\n")
	}
}

// bashWords writes the words that can stand behind a command.
func (g Grammar) bashWords(b *strings.Builder, command string, words []string, flags []Flag, arguments []Argument) {
	fmt.Fprintf(b, "\t%s)\n", command)
	for _, a := range arguments {
		words = append(words, a.Choices...)
		if isFile(a.Name) {
			fmt.Fprintf(b, "\t\tif [[ $cur != -* ]]; then\n\t\t\t_%s_files \"$cur\"\n\t\t\treturn\n\t\tfi\n", g.Name)
		}
	}
	for _, f := range flags {
		words = append(words, "--"+f.Name)
	}
	fmt.Fprintf(b, "\t\twords='%s'\n\t\t;;\n", strings.Join(words, " "))
}
