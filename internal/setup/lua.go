package setup

import (
	"fmt"
	"strings"

	"extdisco/internal/lua"
)

// luaTokens cuts a file into tokens.
func luaTokens(file, text string) ([]lua.Token, error) {
	var tokens []lua.Token
	for lexer := lua.NewLexer(text); ; {
		t, err := lexer.Next()
		if err != nil {
			return nil, fmt.Errorf("%s, %w", file, err)
		}
		if t.Kind == lua.End {
			return tokens, nil
		}
		tokens = append(tokens, t)
	}
}

// luaPlainValue returns the number of tokens of the value that a list of tokens begins
// with, if it is data: a string, number, truth value, or a table of them. It is 0 for
// anything that is computed.
func luaPlainValue(tokens []lua.Token) int {
	n := plainTerm(tokens)
	if n == 0 || n == len(tokens) {
		return n
	}
	// What a statement can begin with may follow, and nothing that goes on with the value.
	next := tokens[n]
	if next.Kind == lua.String || strings.Contains(luaOperators, " "+next.Text+" ") {
		return 0
	}
	return n
}

const luaOperators = " .. . : ( [ { + - * / // % ^ & | ~ << >> < > <= >= == ~= and or = , "

func plainTerm(tokens []lua.Token) int {
	switch {
	case len(tokens) == 0:
		return 0
	case tokens[0].Kind == lua.String, tokens[0].Kind == lua.Number, tokens[0].Is("true"), tokens[0].Is("false"), tokens[0].Is("nil"):
		return 1
	case !tokens[0].Is("{"):
		return 0
	}
	for i := 1; i < len(tokens); {
		if tokens[i].Is("}") {
			return i + 1
		}
		i += plainKey(tokens[i:])
		length := plainTerm(tokens[i:])
		i += length
		switch {
		case length == 0 || i >= len(tokens):
			return 0
		case tokens[i].Is(","), tokens[i].Is(";"):
			i++
		case !tokens[i].Is("}"):
			return 0
		}
	}
	return 0
}

// plainKey returns the number of tokens of NAME = or ["NAME"] =.
func plainKey(tokens []lua.Token) int {
	is := func(i int, text string) bool { return i < len(tokens) && tokens[i].Is(text) }
	switch {
	case is(0, "[") && len(tokens) > 1 && tokens[1].Kind == lua.String && is(2, "]") && is(3, "="):
		return 4
	case is(1, "=") && tokens[0].Kind == lua.Name:
		return 2
	}
	return 0
}
