package setup

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"extdisco/internal/lua"
)

// oldOption are the options of the lists that Prosody's own modules make.
var oldOption = regexp.MustCompile(`^(external_services|external_service_[a-z_]+|turn_external_[a-z_]+|turncredentials(_[a-z_]+)?)$`)

// oldList are the statements that make the list that Prosody gives out without extdisco.
type oldList struct {
	plain    []statement
	computed []statement // these cannot be read, nor taken out
	unknown  []statement // options of hosts that may hold such a list
}

// oldList returns the list of the given hosts, and of the global section.
func (p *prosodyServer) oldList(domains []string) oldList {
	var list oldList
	for _, st := range p.statements {
		concerns := st.host == "" || slices.ContainsFunc(domains, func(d string) bool { return st.host == d || strings.HasSuffix(st.host, "."+d) })
		switch {
		case concerns && st.kind == isComputedOptions:
			list.unknown = append(list.unknown, st)
		case !concerns || st.kind != isOption || !oldOption.MatchString(st.name) || isEmptyValue(st.value):
		case st.isPlain:
			list.plain = append(list.plain, st)
		default:
			list.computed = append(list.computed, st)
		}
	}
	return list
}

func isEmptyValue(value []lua.Token) bool {
	return len(value) == 2 || len(value) == 1 && (value[0].Text == "" || value[0].Is("nil") || value[0].Is("false"))
}

// unreadable returns the statements that leave the list unknown. A secret that is computed
// can be named instead.
func (l oldList) unreadable() []statement {
	return slices.DeleteFunc(slices.Clone(l.computed), isComputedSecret)
}

func isComputedSecret(st statement) bool {
	return st.isAlone && !st.isPlain && strings.HasSuffix(st.name, "_secret")
}

// where says where the list stands.
func (l oldList) where() string {
	first := l.plain[0]
	return fmt.Sprintf("%s, line %d", first.file, first.line)
}

// text returns the statements alone, on the lines where they stand in their file. A secret
// that is computed has the value _.
func (l oldList) text(s *setup) (string, error) {
	var out strings.Builder
	for _, file := range l.files() {
		content, err := s.tree.read(file)
		if err != nil {
			return "", err
		}
		kept := blankBytes(content)
		for _, st := range l.plain {
			if st.file == file {
				copy(kept[st.start:st.end], content[st.start:st.end])
			}
		}
		for _, st := range l.computed {
			if st.file == file && isComputedSecret(st) {
				copy(kept[st.start:], st.name+"=_")
			}
		}
		out.Write(kept)
		out.WriteByte('\n')
	}
	return out.String(), nil
}

// blankBytes returns as many blanks as there are bytes, with the line ends.
func blankBytes(content []byte) []byte {
	blank := bytes.Repeat([]byte{' '}, len(content))
	for i, c := range content {
		if c == '\n' {
			blank[i] = '\n'
		}
	}
	return blank
}

func (l oldList) files() []string {
	var files []string
	for _, st := range slices.Concat(l.plain, l.computed) {
		if !slices.Contains(files, st.file) {
			files = append(files, st.file)
		}
	}
	return files
}

// removeOld plans to comment the list out, in each file that it stands in.
func (s *setup) removeOld(p *Plan, l oldList) error {
	if len(l.computed) > 0 {
		c := l.computed[0]
		return fmt.Errorf("%s, line %d: %s is computed, or part of something else, and --remove-old cannot tell where it ends; delete it by hand", c.file, c.line, c.name)
	}
	for _, file := range l.files() {
		content, err := s.tree.read(file)
		if err != nil {
			return err
		}
		text, shown := string(content), string(content)
		for _, st := range slices.Backward(l.plain) {
			if st.file == file {
				text = commentOut(text, st)
				shown = shown[:st.start] + withoutSecrets(shown, st, notShown) + shown[st.end:]
			}
		}
		if err := s.editFile(p, file, text, shown); err != nil {
			return err
		}
	}
	return nil
}

// commentOut makes comments of a statement, without the secrets in it.
func commentOut(text string, st statement) string {
	before, inside, after := text[:st.start], withoutSecrets(text, st, `"`+removedSecret+`"`), text[st.end:]
	lines := strings.Split(inside, "\n")
	for i, line := range lines {
		lines[i] = "-- " + line
	}
	if start := before[strings.LastIndexByte(before, '\n')+1:]; strings.TrimSpace(start) != "" {
		before += "\n"
	}
	rest, _, _ := strings.Cut(after, "\n")
	if rest = strings.TrimSpace(rest); rest != "" && !strings.HasPrefix(rest, "--") {
		after = "\n" + after
	}
	return before + strings.Join(lines, "\n") + after
}

// removedSecret stands in the place of a secret.
const removedSecret = "removed-by-extdisco-setup"

// withoutSecrets returns the text of a statement with its secrets replaced.
func withoutSecrets(text string, st statement, replacement string) string {
	var out strings.Builder
	pos := st.start
	for i, t := range st.value {
		key := st.name
		switch {
		case i >= 4 && st.value[i-1].Is("=") && st.value[i-2].Is("]"):
			key = st.value[i-3].Text
		case i >= 2 && st.value[i-1].Is("="):
			key = st.value[i-2].Text
		case i > 0:
			key = ""
		}
		if t.Kind == lua.String && (strings.HasSuffix(key, "secret") || strings.HasSuffix(key, "password")) {
			out.WriteString(text[pos:t.Start] + replacement)
			pos = t.End
		}
	}
	out.WriteString(text[pos:st.end])
	return out.String()
}
