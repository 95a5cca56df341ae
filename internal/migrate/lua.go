package migrate

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// luaKind is the kind of a token or of a value.
type luaKind int

const (
	luaEnd    luaKind = iota // of the text
	luaName                  // also a keyword
	luaText                  // a string
	luaNumber                // as it is written
	luaSymbol                // anything else
	luaBool
	luaNil
	luaTable
	luaComputed // an expression that only running it would tell; its text is the code
)

type luaToken struct {
	kind  luaKind
	text  string
	line  int
	start int // position in the text
}

func (t luaToken) is(symbol string) bool { return t.kind == luaSymbol && t.text == symbol }

// luaValue is a value that is written out, or the code that computes it.
type luaValue struct {
	kind   luaKind
	text   string
	number int64
	yes    bool
	fields []luaField
	line   int
}

// luaField is an entry of a table.
type luaField struct {
	name  string // empty when the entry has none
	value luaValue
}

// luaError is something that cannot be read. No text of the file is in it, since
// that may be a secret.
func luaError(line int, format string, args ...any) error {
	return fmt.Errorf("line %d: "+format, append([]any{line}, args...)...)
}

// luaReader reads the tokens of a text in Lua (Lua 5.4 reference manual §3.1),
// and of values those that are data.
type luaReader struct {
	text  string
	pos   int
	line  int
	token luaToken // the one that is looked at
}

func newLuaReader(text string) (*luaReader, error) {
	r := &luaReader{text: strings.TrimPrefix(text, "\ufeff"), line: 1}
	return r, r.next()
}

// next goes to the next token.
func (r *luaReader) next() error {
	if err := r.skipBlanks(); err != nil {
		return err
	}
	r.token = luaToken{line: r.line, start: r.pos}
	rest := r.text[r.pos:]
	if rest == "" {
		return nil
	}
	var err error
	switch c := rest[0]; {
	case c == '"' || c == '\'':
		r.token.kind = luaText
		r.token.text, err = r.quoted(c)
	case c == '[' && longBracket(rest) >= 0:
		r.token.kind = luaText
		r.token.text, err = r.long(longBracket(rest))
	case isLuaDigit(c):
		r.take(luaNumber, func(c byte) bool { return isLuaLetter(c) || isLuaDigit(c) || c == '.' })
	case isLuaLetter(c):
		r.take(luaName, func(c byte) bool { return isLuaLetter(c) || isLuaDigit(c) })
	case len(rest) > 1 && strings.Contains("== ~= <= >= .. :: //", rest[:2]) && rest[1] != ' ':
		r.token.kind, r.token.text = luaSymbol, rest[:2]
		r.pos += 2
	default:
		r.token.kind, r.token.text = luaSymbol, rest[:1]
		r.pos++
	}
	return err
}

func isLuaDigit(c byte) bool  { return '0' <= c && c <= '9' }
func isLuaLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' || c == '_' }

func (r *luaReader) take(kind luaKind, belongs func(byte) bool) {
	start := r.pos
	for r.pos < len(r.text) && belongs(r.text[r.pos]) {
		r.pos++
	}
	r.token.kind, r.token.text = kind, r.text[start:r.pos]
}

// skipBlanks skips white space and comments.
func (r *luaReader) skipBlanks() error {
	for r.pos < len(r.text) {
		rest := r.text[r.pos:]
		switch {
		case strings.IndexByte(" \t\r\v\f", rest[0]) >= 0:
			r.pos++
		case rest[0] == '\n':
			r.pos++
			r.line++
		case !strings.HasPrefix(rest, "--"):
			return nil
		case longBracket(rest[2:]) >= 0:
			r.pos += 2
			if _, err := r.long(longBracket(rest[2:])); err != nil {
				return err
			}
		default:
			r.pos += lengthUntil(rest, "\n")
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
func (r *luaReader) long(level int) (string, error) {
	first := r.line
	start := r.pos + level + 2
	length := strings.Index(r.text[start:], "]"+strings.Repeat("=", level)+"]")
	if length < 0 {
		return "", luaError(first, "a [[ has no ]] that ends it")
	}
	inside := r.text[start : start+length]
	r.line += strings.Count(inside, "\n")
	r.pos = start + length + level + 2
	// Line ends are \n, and one that follows directly does not count.
	return strings.TrimPrefix(strings.ReplaceAll(inside, "\r\n", "\n"), "\n"), nil
}

// quoted reads a string in quotes.
func (r *luaReader) quoted(quote byte) (string, error) {
	var b strings.Builder
	for r.pos++; r.pos < len(r.text); {
		c := r.text[r.pos]
		r.pos++
		switch c {
		case quote:
			return b.String(), nil
		case '\n':
			return "", luaError(r.line, "a text has no quote that ends it")
		case '\\':
			if err := r.escape(&b); err != nil {
				return "", err
			}
		default:
			b.WriteByte(c)
		}
	}
	return "", luaError(r.line, "a text has no quote that ends it")
}

var luaEscapes = map[byte]byte{'a': '\a', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t', 'v': '\v', '\\': '\\', '"': '"', '\'': '\'', '\n': '\n'}

// escape reads what follows a backslash.
func (r *luaReader) escape(b *strings.Builder) error {
	rest := r.text[r.pos:]
	if rest == "" {
		return nil // the missing quote is reported
	}
	if c, ok := luaEscapes[rest[0]]; ok {
		r.pos++
		if rest[0] == '\n' {
			r.line++
		}
		b.WriteByte(c)
		return nil
	}
	digits, base, size := "", 10, 0
	switch {
	case rest[0] == 'z':
		blanks := rest[1 : 1+len(rest[1:])-len(strings.TrimLeft(rest[1:], " \t\r\n\v\f"))]
		r.pos += 1 + len(blanks)
		r.line += strings.Count(blanks, "\n")
		return nil
	case rest[0] == 'x' && len(rest) >= 3:
		digits, base, size = rest[1:3], 16, 3
	case strings.HasPrefix(rest, "u{"):
		digits, base, size = rest[2:2+lengthUntil(rest[2:], "}")], 16, 3+lengthUntil(rest[2:], "}")
	default:
		for size < min(3, len(rest)) && isLuaDigit(rest[size]) {
			size++
		}
		digits = rest[:size]
	}
	value, err := strconv.ParseUint(digits, base, 32)
	if err != nil || size > len(rest) || rest[0] != 'u' && value > 255 || value > utf8.MaxRune {
		return luaError(r.line, "a text has a backslash with something behind it that Lua does not know; a backslash itself is written \\\\")
	}
	r.pos += size
	if rest[0] == 'u' {
		b.WriteRune(rune(value))
	} else {
		b.WriteByte(byte(value))
	}
	return nil
}

// maxLuaDepth bounds tables in tables; external_services has two. What is deeper counts as
// computed.
const maxLuaDepth = 8

// value reads the expression that begins at the token.
func (r *luaReader) value(depth int) (luaValue, error) {
	v := luaValue{kind: r.token.kind, text: r.token.text, line: r.token.line}
	start := r.token.start
	var err error
	switch {
	case r.token.is("{") && depth < maxLuaDepth:
		v, err = r.table(depth)
	case v.kind == luaText:
		err = r.next()
	case v.kind == luaNumber:
		v.number, err = r.product()
		v.text = strconv.FormatInt(v.number, 10)
		if v.number < 0 {
			v.kind = luaComputed
		}
	case v.kind == luaName && (v.text == "true" || v.text == "false"):
		v.kind, v.yes = luaBool, v.text == "true"
		err = r.next()
	case v.kind == luaName && v.text == "nil":
		v.kind = luaNil
		err = r.next()
	default:
		v.kind = luaComputed
		return r.computed(v, start, false)
	}
	if err != nil || !r.goesOn() && v.kind != luaComputed {
		return v, err
	}
	return r.computed(v, start, true)
}

// computed reads the rest of an expression that is code. operand says whether its beginning,
// up to the token, is an operand.
func (r *luaReader) computed(v luaValue, start int, operand bool) (luaValue, error) {
	err := r.skipExpression(operand)
	v = luaValue{kind: luaComputed, line: v.line, text: strings.TrimSpace(r.text[start:r.token.start])}
	return v, err
}

// product reads a whole number, or some with * between them, such as 24*60*60. It is -1 for
// any other number.
func (r *luaReader) product() (int64, error) {
	product := int64(1)
	for {
		n, err := strconv.ParseInt(r.token.text, 0, 32)
		if err != nil || product < 0 || product*max(n, 1) > math.MaxInt32 {
			product = -1
		} else {
			product *= n
		}
		if err := r.next(); err != nil {
			return 0, err
		}
		if !r.token.is("*") {
			return product, nil
		}
		if err := r.next(); err != nil {
			return 0, err
		}
		if r.token.kind != luaNumber {
			return -1, nil
		}
	}
}

// goesOn reports whether the token continues the expression before it.
func (r *luaReader) goesOn() bool {
	switch t := r.token; t.kind {
	case luaName:
		return t.text == "or" || t.text == "and"
	case luaSymbol:
		return !t.endsExpression()
	}
	return false
}

func (t luaToken) endsExpression() bool {
	return t.is(",") || t.is(";") || t.is("}") || t.is(")") || t.is("]") || t.is("::") || t.is("=")
}

// skipExpression goes to the token behind an expression. operand says whether the token
// follows an operand already. Two operands without an operator between them belong to two
// statements (Lua 5.4 reference manual §3.3.1).
func (r *luaReader) skipExpression(operand bool) error {
	first := r.token.line
	open := 0 // brackets and blocks
	for {
		t := r.token
		begins, ends := t.nesting()
		switch {
		case t.kind == luaEnd && open > 0:
			return luaError(first, "an expression is cut off: a bracket or an end is missing")
		case t.kind == luaEnd, open == 0 && (t.endsExpression() || ends):
			return nil
		case open == 0 && operand && (t.kind == luaNumber || t.kind == luaName && t.text != "and" && t.text != "or"):
			return nil
		case begins:
			open, operand = open+1, false
		case ends:
			open, operand = open-1, true
		case t.kind == luaName:
			operand = t.text != "and" && t.text != "or" && t.text != "not"
		default:
			operand = t.kind != luaSymbol
		}
		if err := r.next(); err != nil {
			return err
		}
	}
}

// nesting reports whether a token opens or closes a bracket or a block.
func (t luaToken) nesting() (begins, ends bool) {
	switch t.kind {
	case luaSymbol:
		return strings.Contains("({[", t.text), strings.Contains(")}]", t.text)
	case luaName:
		switch t.text {
		case "function", "if", "do", "repeat":
			return true, false
		case "end", "until":
			return false, true
		}
	}
	return false, false
}

// table reads a table constructor.
func (r *luaReader) table(depth int) (luaValue, error) {
	v := luaValue{kind: luaTable, line: r.token.line}
	if err := r.next(); err != nil { // {
		return v, err
	}
	for !r.token.is("}") {
		field, err := r.field(depth + 1)
		if err != nil {
			return v, err
		}
		v.fields = append(v.fields, field)
		switch {
		case r.token.is(",") || r.token.is(";"):
			if err := r.next(); err != nil {
				return v, err
			}
		case r.token.kind == luaEnd:
			return v, luaError(v.line, "a { has no } that ends it")
		case !r.token.is("}"):
			return v, luaError(r.token.line, "a comma is missing before a value in a table")
		}
	}
	return v, r.next()
}

// field reads NAME = VALUE, ["NAME"] = VALUE, [NUMBER] = VALUE or VALUE.
func (r *luaReader) field(depth int) (luaField, error) {
	name, first := "", r.token
	switch {
	case first.kind == luaEnd:
		return luaField{}, luaError(first.line, "a table is cut off: a } is missing")
	case first.kind == luaName && !isLuaKeyword(first.text):
		name = first.text
		if err := r.next(); err != nil {
			return luaField{}, err
		}
		if !r.token.is("=") {
			value, err := r.computed(luaValue{line: first.line}, first.start, true)
			return luaField{value: value}, err
		}
	case first.is("["):
		if err := r.next(); err != nil {
			return luaField{}, err
		}
		if r.token.kind == luaText {
			name = r.token.text
		}
		if err := r.skipExpression(false); err != nil {
			return luaField{}, err
		}
		closed := r.token.is("]") && r.next() == nil
		if !closed || !r.token.is("=") {
			return luaField{}, luaError(first.line, "a [ in a table is not followed by ] =")
		}
	default:
		value, err := r.value(depth)
		return luaField{value: value}, err
	}
	if err := r.next(); err != nil { // =
		return luaField{}, err
	}
	value, err := r.value(depth)
	return luaField{name: name, value: value}, err
}

// isLuaKeyword tells the keywords that begin an expression.
func isLuaKeyword(name string) bool {
	switch name {
	case "true", "false", "nil", "not", "function":
		return true
	}
	return false
}
