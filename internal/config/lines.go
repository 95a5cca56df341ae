package config

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// keyLines maps the path of a key in a TOML document, such as
// "ice_server[1].urls[0]", to the line that it stands on. The TOML library tells
// the lines of syntax errors only.
type keyLines map[string]int

// findKeyLines finds the keys and list entries of a document that the TOML
// library has accepted.
func findKeyLines(document string) keyLines {
	s := &keyScanner{rest: document, line: 1, lines: keyLines{}, elements: map[string]int{}}
	prefix := ""
	for s.skipBlank(); s.rest != ""; s.skipBlank() {
		switch {
		case s.take("[["):
			prefix = s.header(true)
			s.take("]]")
		case s.take("["):
			prefix = s.header(false)
			s.take("]")
		default:
			s.pair(prefix)
		}
	}
	return s.lines
}

var (
	bareKey   = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)
	lastIndex = regexp.MustCompile(`\[\d+\]$`)
)

// joinKey returns the path of the key with this name in the table at path. A
// name that is not a bare key is quoted, as in the document.
func joinKey(path, name string) string {
	if !bareKey.MatchString(name) {
		name = strconv.Quote(name)
	}
	if path == "" {
		return name
	}
	return path + "." + name
}

// line returns the line of the key at path, or of the nearest thing around it,
// or 0.
func (k keyLines) line(path string) int {
	for path != "" {
		if line := k[path]; line != 0 {
			return line
		}
		if m := lastIndex.FindString(path); m != "" {
			path = strings.TrimSuffix(path, m)
			continue
		}
		path = path[:max(0, strings.LastIndexByte(path, '.'))]
	}
	return 0
}

// keyScanner walks over a TOML document. It does not check it, and steps over
// values without looking at them.
type keyScanner struct {
	rest     string // what is ahead
	line     int    // where rest begins
	lines    keyLines
	elements map[string]int // how many each array of tables has so far
}

func (s *keyScanner) advance(n int) {
	n = min(n, len(s.rest))
	s.line += strings.Count(s.rest[:n], "\n")
	s.rest = s.rest[n:]
}

func (s *keyScanner) take(token string) bool {
	found := strings.HasPrefix(s.rest, token)
	if found {
		s.advance(len(token))
	}
	return found
}

// to steps to the next of the characters, or to the end.
func (s *keyScanner) to(chars string) string {
	n := strings.IndexAny(s.rest, chars)
	if n < 0 {
		n = len(s.rest)
	}
	passed := s.rest[:n]
	s.advance(n)
	return passed
}

func (s *keyScanner) skip(blanks string) {
	s.advance(len(s.rest) - len(strings.TrimLeft(s.rest, blanks)))
}

// skipBlank steps over blanks, line ends and comments.
func (s *keyScanner) skipBlank() {
	for s.skip(" \t\r\n"); strings.HasPrefix(s.rest, "#"); s.skip(" \t\r\n") {
		s.to("\n")
	}
}

// add notes the first line on which a path is mentioned.
func (s *keyScanner) add(path string) {
	if s.lines[path] == 0 {
		s.lines[path] = s.line
	}
}

// header reads what stands between the brackets of a table header and returns
// the path of the table.
func (s *keyScanner) header(array bool) string {
	path, parts := "", s.key()
	for i, part := range parts {
		path = joinKey(path, part)
		s.add(path)
		last := i == len(parts)-1
		if array && last {
			s.elements[path]++
		}
		if n := s.elements[path]; n > 0 {
			path = fmt.Sprintf("%s[%d]", path, n-1)
		}
		if last {
			s.lines[path] = s.line // even if [table.inside] came before
		}
	}
	return path
}

// pair steps over a key and its value.
func (s *keyScanner) pair(path string) {
	for _, part := range s.key() {
		path = joinKey(path, part)
		s.add(path)
	}
	s.take("=")
	s.value(path)
}

// key reads a key and returns its parts.
func (s *keyScanner) key() []string {
	var parts []string
	for {
		s.skip(" \t")
		start := s.rest
		switch {
		case s.takeString():
			name := start[:len(start)-len(s.rest)]
			if unquoted, err := strconv.Unquote(name); err == nil && name[0] == '"' {
				name = unquoted
			} else {
				name = name[1:max(1, len(name)-1)]
			}
			parts = append(parts, name)
		default:
			parts = append(parts, s.to(" \t\r\n.=[]{},#"))
		}
		s.skip(" \t")
		if !s.take(".") {
			return parts
		}
	}
}

// value steps over the value of the key at path.
func (s *keyScanner) value(path string) {
	s.skip(" \t")
	switch {
	case s.takeString():
	case s.take("["):
		for i := 0; ; {
			s.skipBlank()
			if s.rest == "" || s.take("]") {
				return
			}
			if s.take(",") {
				continue
			}
			element := fmt.Sprintf("%s[%d]", path, i)
			s.add(element)
			s.value(element)
			i++
		}
	case s.take("{"):
		for {
			s.skipBlank()
			if s.rest == "" || s.take("}") {
				return
			}
			if !s.take(",") {
				s.pair(path)
			}
		}
	default:
		if s.to(",]}#\n") == "" {
			s.advance(1)
		}
	}
}

// takeString steps over a string of any of the four kinds, if there is one.
func (s *keyScanner) takeString() bool {
	for _, quotes := range []string{`"""`, `'''`, `"`, `'`} {
		if !s.take(quotes) {
			continue
		}
		for s.rest != "" && !s.take(quotes) {
			if quotes[0] == '"' && s.rest[0] == '\\' {
				s.advance(1)
			}
			s.advance(1)
		}
		if len(quotes) == 3 { // the text may end in up to two quotes of its own
			for range 2 {
				s.take(quotes[:1])
			}
		}
		return true
	}
	return false
}
