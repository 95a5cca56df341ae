package migrate

import (
	"bytes"
	"slices"
	"strings"
)

// jsPiece is what stands between two brackets.
type jsPiece struct {
	open       byte // { or [
	start, end int  // end is behind the closing bracket
	closed     bool
	parent     int    // the piece around it, or -1
	own        []byte // the text without that of the pieces in it
	refused    bool   // it is an RTCIceServer that cannot be read
}

// jsText is a text in JavaScript, split at its brackets, in the order in which
// they open.
type jsText struct {
	// clean has blanks for comments and other white space, and quotes for
	// backticks. Each byte stands where it stood.
	clean  []byte
	pieces []jsPiece
	quoted []jsString
	breaks []int // positions of the line breaks
}

// jsString is a string, with its quotes.
type jsString struct{ start, end int }

// line returns the line of a position.
func (t *jsText) line(position int) int {
	n, _ := slices.BinarySearch(t.breaks, position)
	return n + 1
}

// jsSplitter splits a text. It knows strings, comments and brackets, and cannot
// fail: what it does not know counts as text.
type jsSplitter struct {
	text  string
	out   *jsText
	stack []int        // pieces that are open
	open  map[byte]int // how many of each bracket
	// noEnd tells for each quote up to where it is known not to end.
	noEnd map[byte]int
}

func splitJavaScript(text string) *jsText {
	s := &jsSplitter{text: text, out: &jsText{clean: []byte(text)}, open: map[byte]int{}, noEnd: map[byte]int{}}
	for position, c := range s.out.clean {
		if c == '\n' {
			s.out.breaks = append(s.out.breaks, position)
		}
	}
	for position := 0; position < len(text) && len(s.out.pieces) <= maxPieces; {
		position = s.step(position)
	}
	for _, n := range s.stack {
		s.out.pieces[n].end = len(text)
	}
	return s.out
}

// step handles what begins at the position, and returns where it ends.
func (s *jsSplitter) step(position int) int {
	rest := s.text[position:]
	c := rest[0]
	switch {
	case strings.HasPrefix(rest, "//"):
		return s.blank(position, lengthUntil(rest, "\n"))
	case strings.HasPrefix(rest, "/*"):
		return s.blank(position, 2+lengthThrough(rest[2:], "*/"))
	case c == '"' || c == '\'' || c == '`':
		return s.quoted(position)
	case c == '{' || c == '[':
		s.opens(position)
	case c == '}' || c == ']':
		s.closes(position)
	case c >= 0x80:
		for _, space := range []string{"\u00a0", "\ufeff", "\u2028", "\u2029"} {
			if strings.HasPrefix(rest, space) {
				return s.blank(position, len(space))
			}
		}
		s.own(position, position+1)
	default:
		s.own(position, position+1)
	}
	return position + 1
}

func lengthUntil(s, end string) int {
	if n := strings.Index(s, end); n >= 0 {
		return n
	}
	return len(s)
}

func lengthThrough(s, end string) int { return min(lengthUntil(s, end)+len(end), len(s)) }

// own gives a part of the text to the piece that is open.
func (s *jsSplitter) own(from, to int) {
	if n := len(s.stack); n > 0 {
		p := &s.out.pieces[s.stack[n-1]]
		p.own = append(p.own, s.out.clean[from:to]...)
	}
}

// blank puts blanks in place of a part, and keeps its line breaks.
func (s *jsSplitter) blank(from, length int) int {
	for i := from; i < from+length; i++ {
		if s.out.clean[i] != '\n' {
			s.out.clean[i] = ' '
		}
	}
	s.own(from, from+length)
	return from + length
}

// quoted reads a string, or the quote alone when it has no end: text and regular
// expressions have such quotes.
func (s *jsSplitter) quoted(position int) int {
	quote := s.text[position]
	if position < s.noEnd[quote] {
		s.own(position, position+1)
		return position + 1
	}
	end := position + 1
	for ; end < len(s.text) && s.text[end] != quote; end++ {
		switch {
		case s.text[end] == '\\':
			end++
		case s.text[end] == '\n' && quote != '`':
			s.noEnd[quote] = end
		}
		if s.noEnd[quote] > position {
			break
		}
	}
	if end >= len(s.text) || s.text[end] != quote {
		s.noEnd[quote] = min(end, len(s.text))
		s.own(position, position+1)
		return position + 1
	}
	// JSON5 has no backticks.
	if inside := s.out.clean[position+1 : end]; quote == '`' && !bytes.ContainsAny(inside, "\"\\\n\r") && !bytes.Contains(inside, []byte("${")) {
		s.out.clean[position], s.out.clean[end] = '"', '"'
	}
	if end-position > shortestList {
		s.out.quoted = append(s.out.quoted, jsString{position, end + 1})
	}
	s.own(position, end+1)
	return end + 1
}

// shortestList is the length of a list with a short ICE URI.
const shortestList = len(`["stun:a"]`)

func (s *jsSplitter) opens(position int) {
	parent := -1
	if n := len(s.stack); n > 0 {
		parent = s.stack[n-1]
		s.own(position, position+1) // keeps apart what is before and behind
	}
	bracket := s.text[position]
	s.stack = append(s.stack, len(s.out.pieces))
	s.open[bracket]++
	s.out.pieces = append(s.out.pieces, jsPiece{open: bracket, start: position, parent: parent})
}

// closes closes the piece of that bracket and those in it that were left open. A
// bracket that closes nothing counts as text.
func (s *jsSplitter) closes(position int) {
	bracket := map[byte]byte{'}': '{', ']': '['}[s.text[position]]
	if s.open[bracket] == 0 {
		s.own(position, position+1)
		return
	}
	for {
		n := len(s.stack) - 1
		p := &s.out.pieces[s.stack[n]]
		s.stack = s.stack[:n]
		s.open[p.open]--
		p.end = position + 1
		if p.open == bracket {
			p.closed = true
			return
		}
		p.end = position
	}
}
