package migrate

import (
	"math"
	"strconv"
	"strings"

	"extdisco/internal/lua"
)

// The kinds of values besides those of tokens.
const (
	luaBool lua.Kind = iota + lua.Symbol + 1
	luaNil
	luaTable
	luaComputed // an expression that only running it would tell; its text is the code
)

// luaValue is a value that is written out, or the code that computes it.
type luaValue struct {
	kind   lua.Kind
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

// luaReader reads of the values in a text those that are data.
type luaReader struct {
	text  string
	lexer *lua.Lexer
	token lua.Token // the one that is looked at
}

func newLuaReader(text string) (*luaReader, error) {
	r := &luaReader{text: text, lexer: lua.NewLexer(text)}
	return r, r.next()
}

// next goes to the next token.
func (r *luaReader) next() (err error) {
	r.token, err = r.lexer.Next()
	return err
}

// maxLuaDepth bounds tables in tables; external_services has two. What is deeper counts as
// computed.
const maxLuaDepth = 8

// value reads the expression that begins at the token.
func (r *luaReader) value(depth int) (luaValue, error) {
	v := luaValue{kind: r.token.Kind, text: r.token.Text, line: r.token.Line}
	start := r.token.Start
	var err error
	switch {
	case r.token.Is("{") && depth < maxLuaDepth:
		v, err = r.table(depth)
	case v.kind == lua.String:
		err = r.next()
	case v.kind == lua.Number:
		v.number, err = r.product()
		v.text = strconv.FormatInt(v.number, 10)
		if v.number < 0 {
			v.kind = luaComputed
		}
	case v.kind == lua.Name && (v.text == "true" || v.text == "false"):
		v.kind, v.yes = luaBool, v.text == "true"
		err = r.next()
	case v.kind == lua.Name && v.text == "nil":
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
	v = luaValue{kind: luaComputed, line: v.line, text: strings.TrimSpace(r.text[start:r.token.Start])}
	return v, err
}

// product reads a whole number, or some with * between them, such as 24*60*60. It is -1 for
// any other number.
func (r *luaReader) product() (int64, error) {
	product := int64(1)
	for {
		n, err := strconv.ParseInt(r.token.Text, 0, 32)
		if err != nil || product < 0 || product*max(n, 1) > math.MaxInt32 {
			product = -1
		} else {
			product *= n
		}
		if err := r.next(); err != nil {
			return 0, err
		}
		if !r.token.Is("*") {
			return product, nil
		}
		if err := r.next(); err != nil {
			return 0, err
		}
		if r.token.Kind != lua.Number {
			return -1, nil
		}
	}
}

// goesOn reports whether the token continues the expression before it.
func (r *luaReader) goesOn() bool {
	switch t := r.token; t.Kind {
	case lua.Name:
		return t.Text == "or" || t.Text == "and"
	case lua.Symbol:
		return !endsExpression(t)
	}
	return false
}

func endsExpression(t lua.Token) bool {
	return t.Is(",") || t.Is(";") || t.Is("}") || t.Is(")") || t.Is("]") || t.Is("::") || t.Is("=")
}

// skipExpression goes to the token behind an expression. operand says whether the token
// follows an operand already. Two operands without an operator between them belong to two
// statements (Lua 5.4 reference manual §3.3.1).
func (r *luaReader) skipExpression(operand bool) error {
	first := r.token.Line
	open := 0 // brackets and blocks
	for {
		t := r.token
		begins, ends := nesting(t)
		switch {
		case t.Kind == lua.End && open > 0:
			return lua.Errorf(first, "an expression is cut off: a bracket or an end is missing")
		case t.Kind == lua.End, open == 0 && (endsExpression(t) || ends):
			return nil
		case open == 0 && operand && (t.Kind == lua.Number || t.Kind == lua.Name && t.Text != "and" && t.Text != "or"):
			return nil
		case begins:
			open, operand = open+1, false
		case ends:
			open, operand = open-1, true
		case t.Kind == lua.Name:
			operand = t.Text != "and" && t.Text != "or" && t.Text != "not"
		default:
			operand = t.Kind != lua.Symbol
		}
		if err := r.next(); err != nil {
			return err
		}
	}
}

// nesting reports whether a token opens or closes a bracket or a block.
func nesting(t lua.Token) (begins, ends bool) {
	switch t.Kind {
	case lua.Symbol:
		return strings.Contains("({[", t.Text), strings.Contains(")}]", t.Text)
	case lua.Name:
		switch t.Text {
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
	v := luaValue{kind: luaTable, line: r.token.Line}
	if err := r.next(); err != nil { // {
		return v, err
	}
	for !r.token.Is("}") {
		field, err := r.field(depth + 1)
		if err != nil {
			return v, err
		}
		v.fields = append(v.fields, field)
		switch {
		case r.token.Is(",") || r.token.Is(";"):
			if err := r.next(); err != nil {
				return v, err
			}
		case r.token.Kind == lua.End:
			return v, lua.Errorf(v.line, "a { has no } that ends it")
		case !r.token.Is("}"):
			return v, lua.Errorf(r.token.Line, "a comma is missing before a value in a table")
		}
	}
	return v, r.next()
}

// field reads NAME = VALUE, ["NAME"] = VALUE, [NUMBER] = VALUE or VALUE.
func (r *luaReader) field(depth int) (luaField, error) {
	name, first := "", r.token
	switch {
	case first.Kind == lua.End:
		return luaField{}, lua.Errorf(first.Line, "a table is cut off: a } is missing")
	case first.Kind == lua.Name && !isLuaKeyword(first.Text):
		name = first.Text
		if err := r.next(); err != nil {
			return luaField{}, err
		}
		if !r.token.Is("=") {
			value, err := r.computed(luaValue{line: first.Line}, first.Start, true)
			return luaField{value: value}, err
		}
	case first.Is("["):
		if err := r.next(); err != nil {
			return luaField{}, err
		}
		if r.token.Kind == lua.String {
			name = r.token.Text
		}
		if err := r.skipExpression(false); err != nil {
			return luaField{}, err
		}
		closed := r.token.Is("]") && r.next() == nil
		if !closed || !r.token.Is("=") {
			return luaField{}, lua.Errorf(first.Line, "a [ in a table is not followed by ] =")
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
