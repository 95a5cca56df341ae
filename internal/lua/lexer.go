// Package lua cuts a text in Lua into tokens (Lua 5.4 reference manual §3.1), for those who
// read Prosody's configuration without running it.
package lua

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Kind is the kind of a token.
type Kind int

// The kinds of tokens.
const (
	End    Kind = iota // of the text
	Name               // also a keyword
	String             // in quotes or long brackets
	Number             // as it is written
	Symbol             // anything else
)

// Token is a token of a text.
type Token struct {
	Kind       Kind
	Text       string // as it is written; of a string, its value
	Line       int    // where it begins
	Start, End int    // bytes in the text
}

// Is reports whether a token is this symbol or name.
func (t Token) Is(text string) bool { return t.Kind != String && t.Text == text }

// Errorf returns an error about a line. No text of the file is in it, since that may be a
// secret.
func Errorf(line int, format string, args ...any) error {
	return fmt.Errorf("line %d: "+format, append([]any{line}, args...)...)
}

// Lexer cuts a text into tokens, one after the other.
type Lexer struct {
	text string
	pos  int
	line int
}

// NewLexer returns the lexer of a text.
func NewLexer(text string) *Lexer {
	l := &Lexer{text: text, line: 1}
	if strings.HasPrefix(text, "\ufeff") {
		l.pos = len("\ufeff")
	}
	return l
}

// Next returns the next token, or an error that names the line.
func (l *Lexer) Next() (Token, error) {
	if err := l.skipBlanks(); err != nil {
		return Token{}, err
	}
	t := Token{Line: l.line, Start: l.pos, End: l.pos}
	rest := l.text[l.pos:]
	if rest == "" {
		return t, nil
	}
	var err error
	switch c := rest[0]; {
	case c == '"' || c == '\'':
		t.Kind = String
		t.Text, err = l.quoted(c)
	case longBracket(rest) >= 0:
		t.Kind = String
		t.Text, err = l.long(longBracket(rest))
	case isDigit(c):
		t.Kind, t.Text = Number, l.take(func(c byte) bool { return isLetter(c) || isDigit(c) || c == '.' })
	case isLetter(c):
		t.Kind, t.Text = Name, l.take(func(c byte) bool { return isLetter(c) || isDigit(c) })
	default:
		length := 1
		if len(rest) > 1 && rest[1] != ' ' && strings.Contains("== ~= <= >= .. :: // << >>", rest[:2]) {
			length = 2
		}
		t.Kind, t.Text = Symbol, rest[:length]
		l.pos += length
	}
	t.End = l.pos
	return t, err
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// isLetter tells what names are made of. Some versions of Lua take letters beyond ASCII too.
func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' || c == '_' || c >= utf8.RuneSelf }

func (l *Lexer) take(belongs func(byte) bool) string {
	start := l.pos
	for l.pos < len(l.text) && belongs(l.text[l.pos]) {
		l.pos++
	}
	return l.text[start:l.pos]
}

// skipBlanks skips white space and comments.
func (l *Lexer) skipBlanks() error {
	for l.pos < len(l.text) {
		rest := l.text[l.pos:]
		switch {
		case strings.IndexByte(" \t\r\v\f", rest[0]) >= 0:
			l.pos++
		case rest[0] == '\n':
			l.pos++
			l.line++
		case !strings.HasPrefix(rest, "--"):
			return nil
		case longBracket(rest[2:]) >= 0:
			l.pos += 2
			if _, err := l.long(longBracket(rest[2:])); err != nil {
				return err
			}
		default:
			l.pos += lengthUntil(rest, "\n")
		}
	}
	return nil
}

// longBracket returns the number of equals signs of a long bracket, or -1.
func longBracket(s string) int {
	if !strings.HasPrefix(s, "[") {
		return -1
	}
	level := len(s[1:]) - len(strings.TrimLeft(s[1:], "="))
	if !strings.HasPrefix(s[1+level:], "[") {
		return -1
	}
	return level
}

// long reads a long string, or what is in a long comment.
func (l *Lexer) long(level int) (string, error) {
	first := l.line
	start := l.pos + level + 2
	length := strings.Index(l.text[start:], "]"+strings.Repeat("=", level)+"]")
	if length < 0 {
		return "", Errorf(first, "a [[ is not closed")
	}
	inside := l.text[start : start+length]
	l.line += strings.Count(inside, "\n")
	l.pos = start + length + level + 2
	// Line ends are \n, and one that follows directly does not count.
	return strings.TrimPrefix(strings.ReplaceAll(inside, "\r\n", "\n"), "\n"), nil
}

// quoted reads a string in quotes.
func (l *Lexer) quoted(quote byte) (string, error) {
	var b strings.Builder
	for l.pos++; l.pos < len(l.text); {
		c := l.text[l.pos]
		l.pos++
		switch c {
		case quote:
			return b.String(), nil
		case '\n':
			return "", Errorf(l.line, "a string is not closed")
		case '\\':
			if err := l.escape(&b); err != nil {
				return "", err
			}
		default:
			b.WriteByte(c)
		}
	}
	return "", Errorf(l.line, "a string is not closed")
}

var escapes = map[byte]byte{'a': '\a', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t', 'v': '\v', '\\': '\\', '"': '"', '\'': '\'', '\n': '\n'}

// escape reads what follows a backslash.
func (l *Lexer) escape(b *strings.Builder) error {
	rest := l.text[l.pos:]
	if rest == "" {
		return nil // the missing quote is reported
	}
	if c, ok := escapes[rest[0]]; ok {
		l.pos++
		if rest[0] == '\n' {
			l.line++
		}
		b.WriteByte(c)
		return nil
	}
	digits, base, size := "", 10, 0
	switch {
	case rest[0] == 'z':
		blanks := rest[1 : 1+len(rest[1:])-len(strings.TrimLeft(rest[1:], " \t\r\n\v\f"))]
		l.pos += 1 + len(blanks)
		l.line += strings.Count(blanks, "\n")
		return nil
	case rest[0] == 'x' && len(rest) >= 3:
		digits, base, size = rest[1:3], 16, 3
	case strings.HasPrefix(rest, "u{"):
		digits, base, size = rest[2:2+lengthUntil(rest[2:], "}")], 16, 3+lengthUntil(rest[2:], "}")
	default:
		for size < min(3, len(rest)) && isDigit(rest[size]) {
			size++
		}
		digits = rest[:size]
	}
	value, err := strconv.ParseUint(digits, base, 32)
	if err != nil || size > len(rest) || rest[0] != 'u' && value > 255 || value > utf8.MaxRune {
		return Errorf(l.line, "a string has an escape that Lua does not know; a backslash itself is written \\\\")
	}
	l.pos += size
	if rest[0] == 'u' {
		b.WriteRune(rune(value))
	} else {
		b.WriteByte(byte(value))
	}
	return nil
}

// lengthUntil returns the length of what comes before an end, or of everything.
func lengthUntil(s, end string) int {
	if i := strings.Index(s, end); i >= 0 {
		return i
	}
	return len(s)
}
