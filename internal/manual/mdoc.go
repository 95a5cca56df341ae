package manual

import (
	"bytes"
	_ "embed"
	"strings"
	"text/template"
)

//go:embed extdisco.1.tmpl
var commandPage string

//go:embed extdisco.toml.5.tmpl
var configPage string

// CommandPage returns the manual page of the command, in mdoc(7).
func (g Grammar) CommandPage() (string, error) {
	return page("extdisco.1", commandPage, g)
}

// ConfigPage returns the manual page of the configuration file, in mdoc(7). The
// keys come from the example, whose comments explain them.
func ConfigPage(example string) (string, error) {
	return page("extdisco.toml.5", configPage, example)
}

func page(name, source string, data any) (string, error) {
	t, err := template.New(name).Funcs(template.FuncMap{
		"text": text, "detail": detail, "example": exampleSections, "words": func(s []string) string { return strings.Join(s, ", ") },
	}).Parse(source)
	if err != nil {
		return "", err
	}
	var b bytes.Buffer
	if err := t.Execute(&b, data); err != nil {
		return "", err
	}
	return b.String(), nil
}

// text returns one line of text that roff takes for nothing else.
func text(s string) string {
	s = strings.NewReplacer(`\`, `\e`, "-", `\-`, "\n", " ").Replace(s)
	if strings.HasPrefix(s, ".") || strings.HasPrefix(s, "'") {
		s = `\&` + s
	}
	return s
}

// detail returns paragraphs. Lines that are indented are the points of a list
// when they begin with a dash, and otherwise stand as they are.
func detail(s string) string {
	var b strings.Builder
	open := "" // the list or display that is open
	begin := func(macro, end string) {
		if open != end {
			b.WriteString(open)
			b.WriteString(macro)
			open = end
		}
	}
	for line := range strings.SplitSeq(strings.TrimSpace(s), "\n") {
		point, isPoint := strings.CutPrefix(line, "  - ")
		switch {
		case line == "":
			if open == "" {
				b.WriteString(".Pp\n")
			}
		case isPoint:
			begin(".Bl -bullet -compact\n", ".El\n")
			b.WriteString(".It\n" + text(point) + "\n")
		case strings.HasPrefix(line, "  "):
			begin(".Bd -literal -offset indent\n", ".Ed\n")
			b.WriteString(text(strings.TrimPrefix(line, "  ")) + "\n")
		default:
			begin(".Pp\n", "")
			b.WriteString(text(line) + "\n")
		}
	}
	b.WriteString(open)
	return strings.TrimSuffix(b.String(), "\n")
}
