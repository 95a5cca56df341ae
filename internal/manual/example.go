package manual

import (
	"regexp"
	"strings"
)

// What a line of the example of a configuration can be, besides prose in a
// comment and nothing.
var (
	exampleHeader = regexp.MustCompile(`^(?:\[+[a-z_]+\]+|# \[[a-z_]+\])$`) // also of a section that is off
	exampleKey    = regexp.MustCompile(`^(# *)?(\[\[|\w+ *= )`)
	exampleInside = regexp.MustCompile(`^[ \]]`) // of an array of several lines
)

// exampleSections returns the sections of the example as sub-sections: comments
// as paragraphs, keys as they stand. A comment right before the head of a section
// is about the section. What comes before the first section is left out.
func exampleSections(example string) string {
	var w exampleWriter
	for line := range strings.SplitSeq(example, "\n") {
		switch {
		case exampleHeader.MatchString(line):
			prose := w.prose
			w.prose = nil
			w.setLiteral(false)
			w.started = true
			w.b.WriteString(".Ss " + strings.TrimPrefix(line, "# ") + "\n")
			w.prose = prose
			w.endParagraph(false)
		case exampleKey.MatchString(line), exampleInside.MatchString(line):
			w.key(line)
		case strings.TrimPrefix(line, "#") == "":
			w.endParagraph(true)
		default:
			w.prose = append(w.prose, text(strings.TrimPrefix(line, "# ")))
		}
	}
	w.endParagraph(true)
	w.setLiteral(false)
	return strings.TrimSuffix(w.b.String(), "\n")
}

// exampleWriter writes what exampleSections reads.
type exampleWriter struct {
	b       strings.Builder
	prose   []string // lines of a paragraph that are not written yet
	started bool     // a section
	literal bool     // lines of keys are being written
}

func (w *exampleWriter) key(line string) {
	if !w.started {
		return
	}
	w.endParagraph(true)
	w.setLiteral(true)
	w.b.WriteString(text(line) + "\n")
}

func (w *exampleWriter) endParagraph(apart bool) {
	if !w.started {
		w.prose = nil
	}
	if len(w.prose) == 0 {
		return
	}
	w.setLiteral(false)
	if apart {
		w.b.WriteString(".Pp\n")
	}
	w.b.WriteString(strings.Join(w.prose, "\n") + "\n")
	w.prose = nil
}

func (w *exampleWriter) setLiteral(want bool) {
	switch {
	case want && !w.literal:
		w.b.WriteString(".Bd -literal -offset indent\n")
	case !want && w.literal:
		w.b.WriteString(".Ed\n")
	}
	w.literal = want
}
