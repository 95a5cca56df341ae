package manual_test

import (
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"extdisco/internal/manual"
)

// toy is a command line with one of everything.
type toy struct {
	Level string `short:"l" help:"How loud. Not too loud." enum:",low,high" default:"" placeholder:"LEVEL"`

	Open struct {
		File  string `arg:"" help:"What to open."`
		Force bool   `help:"Don't ask: [really]."`
		Key   string `help:"A key." placeholder:"FILE"`
		User  string `help:"A user."`
	} `cmd:"" help:"Open it. And close it."`
	Pick struct {
		Colour string `arg:"" enum:"red,green" help:"Which."`
	} `cmd:"" help:"Pick one."`
	Concealed struct{} `cmd:"" hidden:"" help:"Concealed."`
}

func toyGrammar(t *testing.T) manual.Grammar {
	t.Helper()
	parser, err := kong.New(new(toy), kong.Name("toy"))
	if err != nil {
		t.Fatal(err)
	}
	return manual.GrammarOf(parser.Model)
}

func wantParts(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(text, p) {
			t.Errorf("no %q in\n%s", p, text)
		}
	}
	if strings.Contains(text, "oncealed") {
		t.Errorf("something hidden is shown in\n%s", text)
	}
}

func TestBash(t *testing.T) {
	wantParts(t, toyGrammar(t).Bash(),
		"\t\t--level|-l|--key|--user)\n",
		"*\" --level\"|*\" -l\")\n\t\tCOMPREPLY=($(compgen -W 'low high' -- \"$cur\"))\n",
		"open\" --key\")\n\t\t_toy_files \"$cur\"\n",
		"open\" --user\")\n\t\treturn\n",
		"\t'')\n\t\twords='open pick --help --level'\n",
		"\topen)\n\t\tif [[ $cur != -* ]]; then\n\t\t\t_toy_files",
		"words='red green --help --level'",
	)
}

func TestZsh(t *testing.T) {
	wantParts(t, toyGrammar(t).Zsh(),
		"#compdef toy\n",
		`'(-l --level)-l+[How loud]:LEVEL:(low high)'`, `'(-l --level)--level=[How loud]:LEVEL:(low high)'`,
		`'--force[Don'\''t ask\: \[really\]]'`,
		`'--key=[A key]:FILE:_files'`,
		`'--user=[A user]:USER: '`,
		`'1:FILE:_files'`, `'1:COLOUR:(red green)'`, `'open:Open it'`,
	)
}

func TestFish(t *testing.T) {
	wantParts(t, toyGrammar(t).Fish(),
		"complete -c toy -f\n",
		"complete -c toy -l level -s l -x -a 'low high' -d 'How loud'\n",
		"complete -c toy -n 'not __fish_seen_subcommand_from open pick' -a open -d 'Open it'\n",
		`complete -c toy -n '__fish_seen_subcommand_from open' -l force -d 'Don\'t ask: [really]'`,
		"-l key -r -F -d 'A key'\n", "-l user -x -d 'A user'\n",
		"complete -c toy -n '__fish_seen_subcommand_from open' -F\n",
		"complete -c toy -n '__fish_seen_subcommand_from pick' -a 'red green'\n",
	)
}

func TestCommandPage(t *testing.T) {
	g := toyGrammar(t)
	g.Commands[0].Detail = "First.\nStill first.\n\nSecond:\n\n  - one-two\n  - three\n\n.Third has an example:\n  toy open \\x\n"
	page, err := g.CommandPage()
	if err != nil {
		t.Fatal(err)
	}
	wantParts(t, page,
		".Ss open FILE\nOpen it. And close it.\n.Bl -tag -width Ds\n.It Ar FILE\nWhat to open.\n.It Fl \\-force\nDon't ask: [really].\n.It Fl \\-key Ns = Ns Ar FILE\nA key.\n",
		".Pp\nFirst.\nStill first.\n.Pp\nSecond:\n.Pp\n.Bl -bullet -compact\n.It\none\\-two\n.It\nthree\n.El\n.Pp\n\\&.Third has an example:\n"+
			".Bd -literal -offset indent\ntoy open \\ex\n.Ed\n.Ss pick COLOUR\n",
		"One of: red, green.\n", ".It Fl h , Fl \\-help\n",
	)
}

func TestConfigPage(t *testing.T) {
	page, err := manual.ConfigPage(`# Head of the file.
# key = 1

# About
# the section.
[component]
# The name.
name = "x"

# The list.
list = [
  "a",
]
# [[other]]
#   inner = 1
# Not at once.
# later = "y"

# A section that is off.
# [probe]
# interval = "30s"
`)
	if err != nil {
		t.Fatal(err)
	}
	const want = `.Ss [component]
About
the section.
.Pp
The name.
.Bd -literal -offset indent
name = "x"
.Ed
.Pp
The list.
.Bd -literal -offset indent
list = [
  "a",
]
# [[other]]
#   inner = 1
.Ed
.Pp
Not at once.
.Bd -literal -offset indent
# later = "y"
.Ed
.Ss [probe]
A section that is off.
.Bd -literal -offset indent
# interval = "30s"
.Ed
.Sh EXAMPLES
`
	if !strings.Contains(page, want) || strings.Contains(page, "Head of the file") {
		t.Errorf("the page is\n%s\nwithout\n%s", page, want)
	}
}
