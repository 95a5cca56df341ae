package setup

import (
	"strings"
)

// statement is a statement of a Prosody configuration that setup looks at.
type statement struct {
	file  string // below the root
	line  int
	kind  statementKind
	name  string // of an option, host or component; the pattern of an Include
	host  string // the section: a host, or "" for the global one
	extra string // the module of a component

	// Of an option: its value, and the bytes of the whole statement. isPlain is whether it
	// is data that stands by itself, and not computed, conditional or part of something.
	value      []luaToken
	start, end int
	isPlain    bool
}

type statementKind int

const (
	isOption statementKind = iota
	isVirtualHost
	isComponent
	isInclude
	isComputedHost // a VirtualHost or Component whose name is computed
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
	tokens []luaToken
	pos    int
	host   string
	depth  int // of brackets and blocks
	found  []statement
}

var depthOf = map[string]int{
	"(": 1, "{": 1, "[": 1, ")": -1, "}": -1, "]": -1,
	"function": 1, "do": 1, "then": 1, "repeat": 1, "end": -1, "until": -1, "elseif": -1,
}

// step looks at the token that is next and goes past what it begins.
func (p *prosodyScanner) step() {
	t := p.tokens[p.pos]
	if t.isString {
		p.pos++
		return
	}
	switch t.text {
	case "VirtualHost", "Host", "Component":
		p.section(t)
		return
	case "Include", "include":
		p.include(t)
		return
	}
	if p.pos+1 < len(p.tokens) && p.is(p.pos+1, "=") && isLuaWord(t.text[0]) && !p.is(p.pos-1, ".") {
		p.option(t)
		return
	}
	p.depth = max(0, p.depth+depthOf[t.text])
	p.pos++
}

func (p *prosodyScanner) is(i int, text string) bool {
	return i >= 0 && i < len(p.tokens) && !p.tokens[i].isString && p.tokens[i].text == text
}

// argument returns the string behind the token, in parentheses or not.
func (p *prosodyScanner) argument() (string, bool) {
	i := p.pos + 1
	if p.is(i, "(") {
		i++
		if i+1 < len(p.tokens) && p.tokens[i].isString && p.is(i+1, ")") {
			p.pos = i + 2
			return p.tokens[i].text, true
		}
		return "", false
	}
	if i < len(p.tokens) && p.tokens[i].isString {
		p.pos = i + 1
		return p.tokens[i].text, true
	}
	return "", false
}

func (p *prosodyScanner) section(t luaToken) {
	s := statement{file: p.file, line: t.line, kind: isVirtualHost}
	if t.text == "Component" {
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
	if s.kind == isComponent && p.pos < len(p.tokens) && p.tokens[p.pos].isString {
		s.extra = p.tokens[p.pos].text
		p.pos++
	}
	p.host = s.name
	if s.name == "*" {
		p.host = ""
	}
	p.found = append(p.found, s)
}

func (p *prosodyScanner) include(t luaToken) {
	pattern, ok := p.argument()
	if !ok {
		p.pos++
		return
	}
	p.found = append(p.found, statement{file: p.file, line: t.line, kind: isInclude, name: pattern, isPlain: p.depth == 0})
}

// option reads NAME = VALUE.
func (p *prosodyScanner) option(t luaToken) {
	value := p.tokens[p.pos+2:]
	s := statement{file: p.file, line: t.line, kind: isOption, name: t.text, host: p.host, start: t.start}
	n := luaPlainValue(value)
	if n > 0 && p.depth == 0 && !p.is(p.pos-1, "local") {
		s.isPlain = true
		s.value = value[:n]
		s.end = value[n-1].end
		p.pos += 2 + n
		if p.is(p.pos, ";") {
			s.end = p.tokens[p.pos].end
			p.pos++
		}
	} else {
		p.pos += 2
	}
	p.found = append(p.found, s)
}

// strings returns the strings of a value: itself, or those in a table.
func (s statement) strings() []string {
	var out []string
	for i, t := range s.value {
		if t.isString && !(i+1 < len(s.value) && s.value[i+1].text == "]") {
			out = append(out, t.text)
		}
	}
	return out
}

// numbers returns the numbers of a value.
func (s statement) numbers() []string {
	var out []string
	for _, t := range s.value {
		if !t.isString && '0' <= t.text[0] && t.text[0] <= '9' {
			out = append(out, t.text)
		}
	}
	return out
}

// isFalse reports whether the value is false.
func (s statement) isFalse() bool {
	return len(s.value) == 1 && !s.value[0].isString && s.value[0].text == "false"
}
