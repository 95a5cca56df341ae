package config

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/BurntSushi/toml"
)

// parseTOML reads a document. The fault says what is wrong in our own words: the library shows
// values that it cannot read, and they may be secrets.
func parseTOML(file string, content []byte) (document string, values map[string]any, fault *Fault) {
	content = bytes.TrimPrefix(content, []byte("\ufeff"))
	document = string(content)
	switch {
	case bytes.IndexByte(content, 0) >= 0 || bytes.HasPrefix(content, []byte{0xff, 0xfe}) || bytes.HasPrefix(content, []byte{0xfe, 0xff}):
		return "", nil, &Fault{File: file, Message: "is not UTF-8 text, probably UTF-16; save it as UTF-8"}
	case !utf8.ValidString(document):
		valid := strings.ToValidUTF8(document, "\x00")
		line := strings.Count(valid[:strings.IndexByte(valid, 0)], "\n") + 1
		return "", nil, &Fault{File: file, Line: line, Message: "contains bytes that are not UTF-8; save the file as UTF-8"}
	}
	_, err := toml.Decode(document, &values)
	if err == nil {
		return document, values, nil
	}
	return "", nil, explainSyntax(file, document, err)
}

// mistake is what a document looks like around the place where the library gave up.
type mistake struct {
	lines   []string // of the document, without line ends
	line    int      // where the library stopped, from 1
	text    string   // that line, without blanks around
	key     string   // of the line, "" when there is none
	value   string   // behind the =
	equals  bool     // whether there is a =
	message string   // of the library
	lastKey string   // that the library read
}

// keyAndValue takes a line apart.
var keyAndValue = regexp.MustCompile(`^\s*([^=#"'\[{]*?|"[^"]*"|'[^']*')\s*=\s*(.*?)\s*$`)

func explainSyntax(file, document string, err error) *Fault {
	var parse toml.ParseError
	if !errors.As(err, &parse) {
		return &Fault{File: file, Message: "is not TOML; compare it with config.toml.example"}
	}
	m := &mistake{lines: strings.Split(strings.ReplaceAll(document, "\r", ""), "\n"), line: parse.Position.Line, message: parse.Message, lastKey: parse.LastKey}
	m.line = min(max(m.line, 1), len(m.lines))
	m.backToHeader()
	m.look()
	for _, explain := range []func(*mistake) string{(*mistake).duplicate, (*mistake).header, (*mistake).character, (*mistake).open, (*mistake).pair, (*mistake).badValue, (*mistake).list} {
		if message := explain(m); message != "" {
			return &Fault{File: file, Line: m.line, Key: m.path(), Message: message}
		}
	}
	message := "is not TOML; compare the line with config.toml.example"
	if said := openPart(parse.Message); said != "" {
		message += " (TOML: " + said + ")"
	}
	return &Fault{File: file, Line: m.line, Key: m.path(), Message: message}
}

// openPart returns the part of a message of the library that quotes nothing.
func openPart(message string) string {
	if i := strings.IndexAny(message, `"'`+"`:("); i >= 0 {
		message = message[:i]
	}
	for _, cut := range []string{" but ", " Key", " after "} {
		message, _, _ = strings.Cut(message, cut)
	}
	return strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(message), ","))
}

// backToHeader steps back to a header of a table that is not closed, which the library notices
// further down.
func (m *mistake) backToHeader() {
	for i := m.line - 1; i > 0; i-- {
		text := strings.TrimSpace(withoutTexts(m.lines[i-1]))
		if text == "" {
			continue
		}
		if strings.HasPrefix(text, "[") && !strings.Contains(text, ",") && strings.Count(text, "[") > strings.Count(text, "]") {
			at := *m
			if at.line = i; !at.insideList() {
				m.line = i
			}
		}
		return
	}
}

// look takes the line apart.
func (m *mistake) look() {
	m.text, m.key, m.value, m.equals = strings.TrimSpace(m.lines[m.line-1]), "", "", false
	if found := keyAndValue.FindStringSubmatch(m.text); found != nil {
		m.key, m.value, m.equals = found[1], found[2], true
	}
}

// table returns the table around the line, and where its header stands.
func (m *mistake) table() (name string, line int) {
	for i := m.line - 1; i > 0; i-- {
		if found := headerLine.FindStringSubmatch(m.lines[i-1]); found != nil {
			return found[1], i
		}
	}
	return "", 0
}

var headerLine = regexp.MustCompile(`^\s*\[{1,2}\s*([A-Za-z0-9_.-]+)\s*\]{1,2}\s*(?:#.*)?$`)

// path returns the key of the line with its table, as far as both are known words.
func (m *mistake) path() string {
	table, header := m.table()
	all := vocabulary()
	if !slices.Contains(tableNames, table) {
		return ""
	}
	if !slices.Contains(all[table], m.key) || m.key == "" {
		return ""
	}
	if header > 0 && strings.HasPrefix(strings.TrimSpace(m.lines[header-1]), "[[") {
		before := 0
		for _, line := range m.lines[:m.line-1] {
			if found := headerLine.FindStringSubmatch(line); found != nil && found[1] == table {
				before++
			}
		}
		table = fmt.Sprintf("%s[%d]", table, before-1)
	}
	return joinKey(table, m.key)
}

// duplicate explains a key or table that is given twice.
func (m *mistake) duplicate() string {
	if !strings.HasPrefix(m.message, "Key ") {
		return ""
	}
	if strings.HasPrefix(m.text, "[") {
		found := headerLine.FindStringSubmatch(m.text)
		if found == nil || !isPlainName(found[1]) {
			return "this table is defined twice; merge the two tables"
		}
		name, first := found[1], m.firstHeader()
		if slices.Contains(arrays, name) {
			return fmt.Sprintf("%s is defined more than once, and not always in double brackets; write [[%[1]s]] each time", name)
		}
		if first == 0 {
			return fmt.Sprintf("[%s] is defined twice; merge the two tables", name)
		}
		if name == "component" {
			return fmt.Sprintf("[component] is defined twice, first on line %d; merge the two tables, or write [[component]] for each if there are several XMPP servers", first)
		}
		return fmt.Sprintf("[%s] is defined twice, first on line %d; merge the two tables", name, first)
	}
	for i := m.line - 1; i > 0 && !strings.HasPrefix(strings.TrimSpace(m.lines[i-1]), "["); i-- {
		if found := keyAndValue.FindStringSubmatch(m.lines[i-1]); found != nil && strings.Trim(found[1], `"' `) == strings.Trim(m.key, `"' `) {
			what := "is"
			if m.path() == "" {
				what = "this key is"
			}
			return fmt.Sprintf("%s set twice, first on line %d; remove one of them", what, i)
		}
	}
	return "this key is set twice; remove one of them"
}

// firstHeader returns the line of the first header with the name of this one.
func (m *mistake) firstHeader() int {
	name := strings.Trim(m.text, "[] ")
	for i, line := range m.lines[:m.line-1] {
		if found := headerLine.FindStringSubmatch(line); found != nil && found[1] == name {
			return i + 1
		}
	}
	return 0
}

// header explains a wrong header of a table.
func (m *mistake) header() string {
	if !strings.HasPrefix(m.text, "[") || m.insideList() {
		return ""
	}
	text, _, _ := strings.Cut(m.text, "#")
	text = strings.TrimSpace(text)
	opening := "["
	if strings.HasPrefix(text, "[[") {
		opening = "[["
	}
	closing := strings.ReplaceAll(opening, "[", "]")
	inner := strings.Trim(text, "[] ")
	name, where := closest(strings.NewReplacer(" ", "_", "-", "_").Replace(inner), tableNames[1:]), opening+"NAME"+closing
	if name != "" {
		where = header(name)
	}
	switch {
	case headerAndText.MatchString(text):
		return "there is text after the table header; start a new line"
	case !strings.HasSuffix(text, "]"):
		return fmt.Sprintf("the closing %s is missing; write %s", closing, where)
	case strings.Count(text, "[") != strings.Count(text, "]"):
		return fmt.Sprintf("the brackets do not match; write %s", where)
	case strings.Contains(inner, " "):
		return fmt.Sprintf("the name of a table has no spaces; write %s", where)
	}
	return fmt.Sprintf("this is not the header of a table; write %s", where)
}

var headerAndText = regexp.MustCompile(`^\[{1,2}[^\]]+\]{1,2}\s*[^\s\]]`)

// closest returns the choice that s is or nearly is, or "".
func closest(s string, choices []string) string {
	if slices.Contains(choices, s) {
		return s
	}
	hint := strings.TrimPrefix(didYouMean(s, choices), "; did you mean ")
	return strings.TrimSuffix(hint, "?")
}

// insideList reports whether a list is open at the beginning of the line.
func (m *mistake) insideList() bool { return m.listFrom() > 0 }

// listFrom returns the line in which the list begins that is open where the line begins, or 0.
func (m *mistake) listFrom() int {
	for i := m.line - 1; i > 0; i-- {
		found := keyAndValue.FindStringSubmatch(m.lines[i-1])
		if found == nil {
			if headerLine.MatchString(m.lines[i-1]) {
				return 0
			}
			continue
		}
		plain := withoutTexts(strings.Join(m.lines[i-1:m.line-1], "\n"))
		_, plain, _ = strings.Cut(plain, "=")
		if strings.HasPrefix(strings.TrimSpace(plain), "[") && strings.Count(plain, "[") > strings.Count(plain, "]") {
			return i
		}
		return 0
	}
	return 0
}

var (
	texts    = regexp.MustCompile(`"(?:[^"\\\n]|\\.)*"|'[^'\n]*'`)
	comments = regexp.MustCompile(`(?m)#.*$`)
)

// withoutTexts returns a piece of a document without texts in quotes and comments.
func withoutTexts(s string) string {
	return comments.ReplaceAllString(texts.ReplaceAllString(s, ""), "")
}

const typographic = "“”„‟‘’‚‛«»‹›″′＂＇"

// character explains characters that are not those of a keyboard.
func (m *mistake) character() string {
	bare := withoutTexts(m.text)
	switch {
	case strings.ContainsAny(bare, typographic):
		return `has typographic quotes, as word processors insert them; use straight ones: "…"`
	case strings.Contains(bare, "`"):
		return `has backquotes; use straight double quotes: "…"`
	case strings.ContainsFunc(bare, func(c rune) bool { return isInvisible(c) && c != '\t' }):
		return "contains an invisible character, such as a no-break space; retype the line"
	}
	return ""
}

// open explains a text that is not closed.
func (m *mistake) open() string {
	bare := withoutTexts(m.text)
	switch {
	case strings.Contains(m.message, `'"""'`) || strings.Contains(m.message, `"'''"`):
		return `the closing """ or ''' is missing`
	case strings.Contains(m.message, "escape") || strings.Contains(m.message, "hexadecimal digits after"):
		return `has a \ in double quotes, where it starts an escape; use single quotes, '…', or write \\`
	case strings.Count(bare, `"`) == 1 || strings.Count(bare, "'") == 1:
		mark := `"`
		if !strings.Contains(bare, mark) {
			mark = "'"
		}
		if strings.HasSuffix(bare, mark) && m.equals && !strings.Contains(`"'[{`, m.value[:1]) {
			return "the opening quote is missing; put the text in quotes: " + m.example()
		}
		return "the closing quote is missing; write the text on one line and in quotes: " + m.example()
	}
	return ""
}

// example returns what the line should look like, without its value.
func (m *mistake) example() string {
	switch {
	case slices.Contains(listKeys, m.key):
		return m.key + ` = ["…", "…"]`
	case isPlainName(m.key):
		return m.key + ` = "…"`
	}
	return `KEY = "…"`
}

// listKeys and boolKeys are the keys whose values are no texts.
var (
	listKeys = []string{"urls", "hosts", "allow", "deny"}
	boolKeys = []string{"audit", "per_user", "hide_unhealthy", "insecure_http", "keep_port_53", "revoke_on_exit", "behind_tls_proxy"}
)

var (
	colonPair   = regexp.MustCompile(`^\s*["']?([A-Za-z_-]+)["']?\s*:\s*\S`)
	arrowPair   = regexp.MustCompile(`^\s*["']?([A-Za-z_-]+)["']?\s*(?:=>|:=|==)\s*\S`)
	yamlHeader  = regexp.MustCompile(`^[A-Za-z_-]+:$`)
	otherRemark = regexp.MustCompile(`^\s*(?://|--|;|/\*|<!--|%)`)
	wordAndText = regexp.MustCompile(`^\s*([A-Za-z_-]+)\s+\S`)
)

// pair explains what is wrong with KEY = VALUE itself.
func (m *mistake) pair() string {
	if m.insideList() {
		return ""
	}
	switch found := colonPair.FindStringSubmatch(m.text); {
	case otherRemark.MatchString(m.text):
		return "a comment begins with # in TOML"
	case strings.HasPrefix(m.text, "{") || strings.HasPrefix(m.text, "}"):
		return "looks like JSON; this file is TOML, with lines such as " + `KEY = "…" below [TABLE]; see config.toml.example`
	case yamlHeader.MatchString(m.text):
		if table := closest(strings.TrimSuffix(m.text, ":"), tableNames[1:]); table != "" {
			return "looks like YAML; this file is TOML, where a table starts with " + header(table)
		}
		return "looks like YAML; this file is TOML, where a table starts with [TABLE]; see config.toml.example"
	case found != nil && (!m.equals || strings.Contains(m.key, ":")):
		m.key = found[1]
		return "write = instead of the colon: " + m.example()
	}
	if found := arrowPair.FindStringSubmatch(m.text); found != nil {
		m.key = found[1]
		return "write a single = between key and value: " + m.example()
	}
	if !m.equals {
		if found := wordAndText.FindStringSubmatch(m.text); found != nil && m.isKnown(found[1]) {
			m.key = found[1]
			return "the = is missing; write " + m.example()
		}
		return "has no =; write KEY = VALUE, and start a comment with #"
	}
	key := strings.TrimSpace(m.key)
	switch {
	case key == "":
		return "there is no key before the =; write KEY = VALUE"
	case strings.ContainsAny(key, " \t"):
		joined := strings.Join(strings.Fields(key), "_")
		m.key = ""
		if m.isKnown(joined) {
			return "the key contains a space; write " + joined
		}
		return "the key contains a space; keys are one word, such as secret_file"
	case !dottedKey.MatchString(key):
		m.key = ""
		return "the key contains a character that is not allowed; use a-z and _"
	case m.value == "" || strings.HasPrefix(m.value, "#"):
		return "has no value; write " + m.example() + ", or remove the line"
	}
	return ""
}

var dottedKey = regexp.MustCompile(`^(?:"[^"]*"|'[^']*'|[A-Za-z0-9_. -]+)$`)

// isKnown reports whether any table has the key.
func (m *mistake) isKnown(key string) bool {
	for _, known := range vocabulary() {
		if slices.Contains(known, key) {
			return true
		}
	}
	return false
}

// badValue explains a value that cannot be read.
func (m *mistake) badValue() string {
	if m.insideList() || !m.equals || m.value == "" {
		return ""
	}
	bare := strings.TrimSpace(withoutTexts(m.value))
	first := m.value[0]
	switch {
	case first == '"' || first == '\'':
		rest := strings.TrimSpace(bare)
		switch {
		case strings.HasPrefix(rest, ";"):
			return "remove the ; at the end of the line"
		case strings.HasPrefix(rest, ",") && !strings.Contains(rest, "="):
			return `ends in a comma, or has several values; write a list: ["…", "…"], or remove the comma`
		case strings.Contains(rest, "="):
			return "there are several keys on this line; write each on a line of its own"
		case rest != "":
			return "there is text after the value; start a comment with #, and write \\\" for a quote inside the text"
		}
		return `has quotes inside the text; use '…' around text with ", and """…""" around text with both`
	case first == '[' || first == '{':
		return ""
	case slices.Contains(listKeys, m.key):
		return "write a list in square brackets, and quotes around each entry: " + m.example()
	case slices.Contains(boolKeys, m.key):
		return "write true or false, in lower case and without quotes"
	case number.MatchString(bare) && strings.ContainsAny(bare, ";,"):
		return "remove what follows the value"
	}
	return "put texts in quotes: " + m.example()
}

var (
	number = regexp.MustCompile(`^[0-9]+\s*[;,]`)
)

// list explains a list that is not closed, or has no commas or quotes.
func (m *mistake) list() string {
	from := m.listFrom()
	bracket := m.equals && strings.HasPrefix(m.value, "[")
	switch {
	case m.equals && strings.HasPrefix(m.value, "{"):
		return `is not an inline table; write { NAME = "…", NAME = "…" }`
	case from == 0 && !bracket:
		return ""
	}
	begins := "on this line"
	if from > 0 && !bracket {
		begins = "on line " + strconv.Itoa(from)
		m.key = keyAndValue.FindStringSubmatch(m.lines[from-1])[1]
	}
	if bare := strings.Trim(withoutTexts(strings.TrimPrefix(m.value, "[")), " ,[]"); bracket && bare != "" && !strings.ContainsAny(bare, "[]{}=") ||
		!m.equals && !headerLine.MatchString(m.text) && strings.Trim(withoutTexts(m.text), " ,[]") != "" {
		return `the list that starts ` + begins + ` needs quotes around each entry, commas between them and a ] at the end: ["…", "…"]`
	}
	return `the list that starts ` + begins + ` needs commas between its entries and a ] at the end: ["…", "…"]`
}
