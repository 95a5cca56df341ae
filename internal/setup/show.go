package setup

import (
	"fmt"
	"io"
	"regexp"
	"strings"
	"text/tabwriter"
)

// Show prints what was found, and what is to be written.
func (p *Plan) Show(w io.Writer) error {
	fmt.Fprintln(w, "Found:")
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, line := range p.Found {
		fmt.Fprintf(table, "  %s\t%s\n", line.What, line.Found)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, remark := range p.Remarks {
		fmt.Fprintf(w, "\n! %s\n", remark)
	}
	if len(p.Changes) == 0 {
		return nil
	}
	fmt.Fprintln(w, "\nTo be written:")
	table = tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	shown := map[string]bool{}
	for _, c := range p.Changes {
		what, name := "changed", c.shownAs()
		if c.isNew {
			what = "new"
		}
		if !c.isFolder && !shown[name] {
			fmt.Fprintf(table, "  %s\t%s\t%s\n", name, what, octal(c.mode))
		}
		shown[name] = true
	}
	return table.Flush()
}

// shownAs is the name of the file, or of the folder of the module that it is in.
func (c change) shownAs() string {
	const module = "/mod_extdisco_bridge/"
	if i := strings.Index(c.file, module); i >= 0 && !c.isFolder {
		return c.file[:i+len(module)]
	}
	return c.file
}

// ShowDiffs prints each file as a difference to what is there, without secrets. Of files
// that are there only the lines that change are printed.
func (p *Plan) ShowDiffs(w io.Writer) {
	shown := map[string]bool{}
	for _, c := range p.Changes {
		name := c.shownAs()
		if c.isFolder || shown[name] {
			continue
		}
		shown[name] = true
		from := name
		if c.isNew {
			from = "/dev/null"
		}
		fmt.Fprintf(w, "\n--- %s\n+++ %s\n", from, name)
		switch {
		case name != c.file:
			fmt.Fprintln(w, "(the module that comes with this extdisco)")
		case strings.HasSuffix(c.file, ".secret"), strings.HasSuffix(c.file, ".password"):
			fmt.Fprintln(w, "(a secret, not shown)")
		default:
			if c.shown == "" && len(c.old) > 0 {
				fmt.Fprintln(w, "(replaces the example)")
			}
			for _, line := range diffLines(splitLines(c.shown), splitLines(string(c.content))) {
				fmt.Fprintln(w, hideSecrets(line))
			}
		}
	}
}

// secretValue finds values that are secrets, in Lua, TOML and .env: what follows a name
// that ends as such names do.
var secretValue = regexp.MustCompile(`(?i)([a-z_]*(?:secret|password|credentials|token)["'\]]*[ \t]*=[ \t]*)("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|\(not shown\)|[^ \t"'{},;][^ \t,;]*)`)

// notShown stands in the place of a secret.
const notShown = "(not shown)"

func hideSecrets(line string) string {
	return secretValue.ReplaceAllStringFunc(line, func(found string) string {
		m := secretValue.FindStringSubmatch(found)
		if m[2] == "true" || m[2] == "false" || strings.Contains(m[2], removedSecret) || m[2] == notShown {
			return found
		}
		return m[1] + notShown
	})
}

func splitLines(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(text, "\n"), "\n")
}

// diffLines returns the lines that differ, those that go with a minus and those that come
// with a plus, each run of them headed by the line where it begins.
func diffLines(old, new []string) []string {
	first := 0
	for first < len(old) && first < len(new) && old[first] == new[first] {
		first++
	}
	a, b := old[first:], new[first:]
	for len(a) > 0 && len(b) > 0 && a[len(a)-1] == b[len(b)-1] {
		a, b = a[:len(a)-1], b[:len(b)-1]
	}
	common := commonLengths(a, b)
	var out []string
	heading := true
	for i, j := 0, 0; i < len(a) || j < len(b); {
		if i < len(a) && j < len(b) && a[i] == b[j] {
			i, j, heading = i+1, j+1, true
			continue
		}
		if heading && len(old) > 0 {
			out = append(out, fmt.Sprintf("@@ line %d @@", first+i+1))
		}
		heading = false
		if j == len(b) || i < len(a) && common[i+1][j] >= common[i][j+1] {
			out = append(out, "-"+a[i])
			i++
		} else {
			out = append(out, "+"+b[j])
			j++
		}
	}
	return out
}

// commonLengths returns the lengths of the longest common subsequences of all ends of two
// lists.
func commonLengths(a, b []string) [][]int {
	common := make([][]int, len(a)+1)
	for i := range common {
		common[i] = make([]int, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				common[i][j] = common[i+1][j+1] + 1
			} else {
				common[i][j] = max(common[i+1][j], common[i][j+1])
			}
		}
	}
	return common
}
