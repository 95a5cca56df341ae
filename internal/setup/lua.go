package setup

import (
	"fmt"
	"strings"
)

// luaToken is a token of Lua (Lua 5.4 reference manual §3.1).
type luaToken struct {
	text       string // as it is written; of a string, what is between the quotes
	isString   bool
	start, end int // bytes in the file
	line       int
}

// luaTokens cuts a file into tokens. Comments are left out.
func luaTokens(file, text string) ([]luaToken, error) {
	var tokens []luaToken
	pos, line := 0, 1
	if strings.HasPrefix(text, "\ufeff") {
		pos = len("\ufeff")
	}
	for pos < len(text) {
		t, err := luaTokenAt(text, pos)
		if err != nil {
			return nil, fmt.Errorf("%s, line %d: %w", file, line, err)
		}
		t.line = line
		line += strings.Count(text[pos:t.end], "\n")
		pos = t.end
		if t.text != "" || t.isString {
			tokens = append(tokens, t)
		}
	}
	return tokens, nil
}

// luaTokenAt returns the token that begins at a byte; for blanks and comments one
// without text.
func luaTokenAt(text string, pos int) (luaToken, error) {
	rest := text[pos:]
	t := luaToken{start: pos, end: pos + 1}
	switch c := rest[0]; {
	case strings.IndexByte(" \t\r\n\v\f", c) >= 0:
		return t, nil
	case strings.HasPrefix(rest, "--"):
		if open := longBracket(rest[2:]); open > 0 {
			_, length, err := luaLongString(rest[2:], open)
			t.end = pos + 2 + length
			return t, err
		}
		if length := strings.IndexByte(rest, '\n'); length >= 0 {
			t.end = pos + length
			return t, nil
		}
		t.end = len(text)
		return t, nil
	case c == '"' || c == '\'':
		return luaQuoted(text, pos)
	case longBracket(rest) > 0:
		inside, length, err := luaLongString(rest, longBracket(rest))
		return luaToken{text: inside, isString: true, start: pos, end: pos + length}, err
	case isLuaWord(c):
		for t.end < len(text) && isLuaWord(text[t.end]) {
			t.end++
		}
	case len(rest) > 1 && strings.Contains("== ~= <= >= .. :: // << >>", rest[:2]) && rest[1] != ' ':
		t.end++
	}
	t.text = text[t.start:t.end]
	return t, nil
}

func isLuaWord(c byte) bool {
	return c == '_' || '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z' || c >= 0x80
}

// longBracket returns the length of the bracket that opens a long string, or 0.
func longBracket(s string) int {
	level := strings.TrimLeft(strings.TrimPrefix(s, "["), "=")
	if !strings.HasPrefix(s, "[") || !strings.HasPrefix(level, "[") {
		return 0
	}
	return len(s) - len(level) + 1
}

// luaLongString returns what is in a long string, and its length with brackets.
func luaLongString(s string, open int) (inside string, length int, err error) {
	end := strings.Index(s[open:], "]"+strings.Repeat("=", open-2)+"]")
	if end < 0 {
		return "", 0, fmt.Errorf("a [[ is never closed")
	}
	return strings.TrimPrefix(s[open:open+end], "\n"), open + end + open, nil
}

func luaQuoted(text string, pos int) (luaToken, error) {
	for i := pos + 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '\n':
			return luaToken{}, fmt.Errorf("a quote is never closed")
		case text[pos]:
			return luaToken{text: text[pos+1 : i], isString: true, start: pos, end: i + 1}, nil
		}
	}
	return luaToken{}, fmt.Errorf("a quote is never closed")
}

// luaPlainValue returns the number of tokens of the value that a list of tokens begins
// with, if it is data: a string, number, truth value, or a table of them. It is 0 for
// anything that is computed.
func luaPlainValue(tokens []luaToken) int {
	n := plainTerm(tokens)
	if n == 0 || n == len(tokens) {
		return n
	}
	// What a statement can begin with may follow, and nothing that goes on with the value.
	next := tokens[n]
	if next.isString || strings.Contains(luaOperators, " "+next.text+" ") {
		return 0
	}
	return n
}

const luaOperators = " .. . : ( [ { + - * / // % ^ & | ~ << >> < > <= >= == ~= and or = , "

func plainTerm(tokens []luaToken) int {
	switch {
	case len(tokens) == 0:
		return 0
	case tokens[0].isString, isLuaLiteral(tokens[0].text):
		return 1
	case tokens[0].text != "{":
		return 0
	}
	for i := 1; i < len(tokens); {
		if tokens[i].text == "}" && !tokens[i].isString {
			return i + 1
		}
		i += plainKey(tokens[i:])
		length := plainTerm(tokens[i:])
		i += length
		if length == 0 || i >= len(tokens) || tokens[i].isString {
			return 0
		}
		switch tokens[i].text {
		case ",", ";":
			i++
		case "}":
		default:
			return 0
		}
	}
	return 0
}

// plainKey returns the number of tokens of NAME = or ["NAME"] =.
func plainKey(tokens []luaToken) int {
	is := func(i int, text string) bool { return i < len(tokens) && !tokens[i].isString && tokens[i].text == text }
	switch {
	case is(0, "[") && len(tokens) > 1 && tokens[1].isString && is(2, "]") && is(3, "="):
		return 4
	case is(1, "=") && !tokens[0].isString && isLuaWord(tokens[0].text[0]):
		return 2
	}
	return 0
}

func isLuaLiteral(text string) bool {
	return text == "true" || text == "false" || text == "nil" || '0' <= text[0] && text[0] <= '9'
}
