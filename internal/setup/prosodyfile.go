package setup

import (
	"strings"

	"extdisco/internal/lua"
)

// statement is a statement of a Prosody configuration that setup looks at.
type statement struct {
	file  string // below the root
	line  int
	kind  statementKind
	name  string // of an option, host or component; the pattern of an Include
	host  string // the section: a host, or "" for the global one
	extra string // the module of a component

	// Of an option: its value if that is data, and the bytes of the whole statement. isAlone
	// is whether it stands by itself, and is not conditional or part of something; isPlain,
	// whether its value is data besides.
	value            []lua.Token
	start, end       int
	isAlone, isPlain bool
}

type statementKind int

const (
	isOption statementKind = iota
	isVirtualHost
	isComponent
	isInclude
	isComputedHost    // a VirtualHost or Component whose name is computed
	isComputedOptions // of a VirtualHost or Component: a call in the place of its table
)

// prosodyStatements reads the statements of one file. Included files begin in the global
// section, and so does each file; what an Include brings is the caller's to read.
func prosodyStatements(file, text string) ([]statement, error) {
	tokens, err := luaTokens(file, text)
	if err != nil {
		return nil, err
	}
	p := prosodyScanner{file: file, tokens: tokens}
	for p.pos < len(tokens) {
		p.step()
	}
	return p.found, nil
}

type prosodyScanner struct {
	file   string
	tokens []lua.Token
	pos    int
	host   string
	inline bool // in the table or call that has the options of the host, and ends its section
	depth  int  // of brackets and blocks
	found  []statement
}

var depthOf = map[string]int{
	"(": 1, "{": 1, "[": 1, ")": -1, "}": -1, "]": -1,
	"function": 1, "do": 1, "then": 1, "repeat": 1, "end": -1, "until": -1, "elseif": -1,
}

// step looks at the token that is next and goes past what it begins.
func (p *prosodyScanner) step() {
	t := p.tokens[p.pos]
	switch {
	case t.Kind == lua.String:
		p.pos++
	case t.Is("VirtualHost"), t.Is("Host"), t.Is("Component"), (t.Is("host") || t.Is("component")) && p.isString(p.pos+1):
		p.section(t)
	case t.Is("Include"), t.Is("include"):
		p.include(t)
	case t.Kind == lua.Name && p.is(p.pos+1, "=") && !p.is(p.pos-1, "."):
		p.option(t)
	default:
		p.depth = max(0, p.depth+depthOf[t.Text])
		p.pos++
	}
	if p.inline && p.depth == 0 {
		p.inline, p.host = false, ""
	}
}

func (p *prosodyScanner) is(i int, text string) bool {
	return i >= 0 && i < len(p.tokens) && p.tokens[i].Is(text)
}

func (p *prosodyScanner) isString(i int) bool {
	return i < len(p.tokens) && p.tokens[i].Kind == lua.String
}

// argument returns the string behind the token, in parentheses or not.
func (p *prosodyScanner) argument() (string, bool) {
	i := p.pos + 1
	if p.is(i, "(") {
		i++
		if p.isString(i) && p.is(i+1, ")") {
			p.pos = i + 2
			return p.tokens[i].Text, true
		}
		return "", false
	}
	if p.isString(i) {
		p.pos = i + 1
		return p.tokens[i].Text, true
	}
	return "", false
}

func (p *prosodyScanner) section(t lua.Token) {
	s := statement{file: p.file, line: t.Line, kind: isVirtualHost}
	if strings.EqualFold(t.Text, "component") {
		s.kind = isComponent
	}
	name, ok := p.argument()
	if !ok || p.depth > 0 {
		s.kind = isComputedHost
		if !ok {
			p.pos++
		}
		p.found = append(p.found, s)
		return
	}
	s.name = strings.ToLower(name)
	if s.kind == isComponent && p.isString(p.pos) {
		s.extra = p.tokens[p.pos].Text
		p.pos++
	}
	p.host = s.name
	if s.name == "*" {
		p.host = ""
	}
	p.found = append(p.found, s)
	if p.inline = p.is(p.pos, "{") || p.is(p.pos, "("); p.inline {
		if p.is(p.pos, "(") {
			p.found = append(p.found, statement{file: p.file, line: t.Line, kind: isComputedOptions, host: p.host})
		}
		p.depth++
		p.pos++
	}
}

func (p *prosodyScanner) include(t lua.Token) {
	pattern, ok := p.argument()
	if !ok {
		p.pos++
		return
	}
	p.found = append(p.found, statement{file: p.file, line: t.Line, kind: isInclude, name: pattern, isPlain: p.depth == 0})
}

// option reads NAME = VALUE.
func (p *prosodyScanner) option(t lua.Token) {
	value := p.tokens[p.pos+2:]
	s := statement{file: p.file, line: t.Line, kind: isOption, name: t.Text, host: p.host, start: t.Start}
	s.isAlone = p.depth == 0 && !p.is(p.pos-1, "local")
	p.pos += 2
	if n := luaPlainValue(value); n > 0 && s.isAlone {
		s.isPlain = true
		s.value = value[:n]
		s.end = value[n-1].End
		p.pos += n
		if p.is(p.pos, ";") {
			s.end = p.tokens[p.pos].End
			p.pos++
		}
	} else if n := plainTerm(value); n > 0 && p.depth > 0 && (p.is(p.pos+n, ",") || p.is(p.pos+n, ";") || p.is(p.pos+n, "}")) {
		s.value = value[:n]
	}
	p.found = append(p.found, s)
}

// strings returns the strings of a value: itself, or those in a table.
func (s statement) strings() []string {
	var out []string
	for i, t := range s.value {
		if t.Kind == lua.String && !(i+1 < len(s.value) && s.value[i+1].Is("]")) {
			out = append(out, t.Text)
		}
	}
	return out
}

// numbers returns the numbers of a value.
func (s statement) numbers() []string {
	var out []string
	for _, t := range s.value {
		if t.Kind == lua.Number {
			out = append(out, t.Text)
		}
	}
	return out
}

// isFalse reports whether the value is false.
func (s statement) isFalse() bool {
	return len(s.value) == 1 && s.value[0].Is("false")
}
