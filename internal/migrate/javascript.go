package migrate

import (
	"bytes"
	"errors"
	"html"
	"regexp"
	"strings"

	"github.com/titanous/json5"
)

// An RTCIceServer is recognised by its members, wherever it stands: code around it and code
// in its values do not matter. So the text is split at its brackets, and what looks like an
// RTCIceServer is split at its commas, so that each value is read as JSON5 on its own.

var (
	// serverKey finds objects that may be an RTCIceServer.
	serverKey = regexp.MustCompile("(?i)\\b(?:ur[il]s?|credential|username)\\b[\"'`]?\\s*[:,}]|[\"'`]\\s*(?:stun|turn)s?:")
	iceText   = regexp.MustCompile("(?i)[\"'`]\\s*(?:stun|turn)s?:")
	// listName finds the name of a list of servers right before its bracket.
	listName = regexp.MustCompile("(?i)(?:ice|stun|turn)_?-?servers?[\"'`\\]]*\\s*[:=]\\s*$")
	// surelyServer tells an RTCIceServer that is cut off from other objects.
	surelyServer = regexp.MustCompile("(?i)\\b(?:urls|uris)[\"'`]?\\s*:|[\"'`]\\s*(?:stun|turn)s?:")
	// quotedList finds a list of servers inside a string.
	quotedList = regexp.MustCompile(`(?is)[\[{].*\b(?:stun|turn)s?:|[\[{].*\b(?:urls|uris)\b`)
)

// Bounds on the work that a text can cause.
const (
	maxPieces = 1 << 17      // far more than code of 1 MiB has
	maxDecode = 16 * MaxSize // where objects stand in each other
	maxQuoted = 3            // lists in strings in strings
)

// jsReader reads the pieces of a text.
type jsReader struct {
	text       *jsText
	list       *List
	linesAbove int  // the text begins behind so many lines
	decoded    *int // bytes, with those of strings
	depth      int  // of strings in strings
}

func readJavaScript(text string, list *List) error {
	decoded := 0
	i := &jsReader{text: splitJavaScript(text), list: list, decoded: &decoded}
	return i.read()
}

func (i *jsReader) read() error {
	if len(i.text.pieces) > maxPieces {
		return errors.New("it has too many brackets; cut out the part with the servers")
	}
	done := 0 // what is before it is read
	quoted := i.text.quoted
	for n := range i.text.pieces {
		p := &i.text.pieces[n]
		if p.start < done {
			continue
		}
		for len(quoted) > 0 && quoted[0].start < p.start {
			if err := i.inString(quoted[0]); err != nil {
				return err
			}
			quoted = quoted[1:]
		}
		if *i.decoded > maxDecode {
			return errors.New("its brackets are nested too deeply; cut out the part with the servers")
		}
		isServer := false
		switch {
		case p.open == '{' && serverKey.Match(p.own):
			isServer = i.object(p)
		case p.open == '[' && (iceText.Match(p.own) || bytes.ContainsAny(p.own, "\"'`") && i.isNamedList(p)):
			isServer = (p.parent < 0 || !i.text.pieces[p.parent].refused) && i.strings(p)
		}
		if isServer {
			done = p.end
			for len(quoted) > 0 && quoted[0].start < done {
				quoted = quoted[1:]
			}
		}
	}
	for _, q := range quoted {
		if err := i.inString(q); err != nil {
			return err
		}
	}
	return nil
}

func (i *jsReader) line(position int) int { return i.linesAbove + i.text.line(position) }

// isNamedList reports whether the name before a list says that it has servers.
func (i *jsReader) isNamedList(p *jsPiece) bool {
	return listName.Match(i.text.clean[max(0, p.start-40):p.start])
}

// inString reads a string that holds a list: JSON.parse('…'), a line of an .env file, an
// attribute of HTML.
func (i *jsReader) inString(s jsString) error {
	inside := string(i.text.clean[s.start+1 : s.end-1])
	if i.depth >= maxQuoted || !quotedList.MatchString(inside) {
		return nil
	}
	*i.decoded += len(inside)
	var unescaped string
	if json5.Unmarshal(i.text.clean[s.start:s.end], &unescaped) == nil {
		inside = unescaped
	}
	if strings.Contains(inside, "&quot;") || strings.Contains(inside, "&#34;") {
		inside = html.UnescapeString(inside)
	}
	inner := &jsReader{text: splitJavaScript(inside), list: i.list, linesAbove: i.line(s.start) - 1, decoded: i.decoded, depth: i.depth + 1}
	return inner.read()
}

// object adds the services of an object, and reports whether it is an RTCIceServer.
func (i *jsReader) object(p *jsPiece) bool {
	line := i.line(p.start)
	if !p.closed {
		if surelyServer.Match(p.own) {
			p.refused = true
			i.list.note(line, "an entry with urls is left out: its closing bracket is missing")
		}
		return false
	}
	*i.decoded += p.end - p.start
	members := map[string]raw{}
	for _, part := range i.split(p.start+1, p.end-1) {
		if name, value := i.member(part); name != "" {
			members[strings.ToLower(name)] = value
		}
	}
	return i.list.entry(line, members)
}

// strings adds the services of a list of texts, and reports whether it is one.
func (i *jsReader) strings(p *jsPiece) bool {
	line := i.line(p.start)
	if !p.closed {
		i.list.note(line, "a list of URIs is left out: its closing bracket is missing")
		return false
	}
	*i.decoded += p.end - p.start
	isList := true
	for _, v := range i.value(part{p.start, p.end}, 0).items {
		switch v.kind {
		case rawText:
			i.list.add(v.line, "a URI", v.text, Credential{})
		case rawCode:
			i.list.note(v.line, "a URI is left out: it is computed; write it out")
		case rawOther, rawList:
			isList = false // there may be entries in it
		}
	}
	return isList
}

// part is a part of the clean text.
type part struct{ start, end int }

// split splits a part at its commas, not at those in brackets and strings.
func (i *jsReader) split(start, end int) []part {
	var parts []part
	text := i.text.clean
	open, from := 0, start
	for n := start; n < end; n++ {
		switch c := text[n]; c {
		case '"', '\'', '`':
			n = endOfString(text[:end], n) - 1
		case '(', '[', '{':
			open++
		case ')', ']', '}':
			open--
		case ',':
			if open == 0 {
				parts = append(parts, part{from, n})
				from = n + 1
			}
		}
	}
	return append(parts, part{from, end})
}

// endOfString returns the position behind the string that begins at start.
func endOfString(text []byte, start int) int {
	for n := start + 1; n < len(text); n++ {
		switch text[n] {
		case '\\':
			n++
		case text[start]:
			return n + 1
		}
	}
	return len(text)
}

var memberName = regexp.MustCompile("^\\s*(?:\"([^\"]*)\"|'([^']*)'|`([^`]*)`|([\\pL_$][\\pL\\pN_$]*))\\s*:")

// shorthand is a member whose name is that of a variable.
var shorthand = regexp.MustCompile(`^\s*([\pL_$][\pL\pN_$]*)\s*$`)

// member reads NAME: VALUE or NAME. The name is empty for anything else.
func (i *jsReader) member(p part) (string, raw) {
	text := i.text.clean[p.start:p.end]
	if found := shorthand.FindSubmatch(text); found != nil {
		return string(found[1]), raw{kind: rawCode, text: string(found[1]), line: i.line(p.start)}
	}
	found := memberName.FindSubmatch(text)
	if found == nil {
		return "", raw{}
	}
	name := string(bytes.Join(found[1:], nil))
	return name, i.value(part{p.start + len(found[0]), p.end}, 0)
}

// assertion finds what TypeScript puts behind a value: as const, as string[].
var assertion = regexp.MustCompile(`["'\]]\s+(as\s+[\w.<>\[\]]+)$`)

// value reads a value. Lists in lists are not read.
func (i *jsReader) value(p part, depth int) raw {
	text := i.text.clean[p.start:p.end]
	start := p.start + len(text) - len(bytes.TrimLeft(text, " \t\r\n"))
	text = bytes.TrimSpace(text)
	if found := assertion.FindSubmatchIndex(text); found != nil {
		text = bytes.TrimSpace(text[:found[2]])
	}
	v := raw{kind: rawCode, text: string(text), line: i.line(start)}
	if len(text) == 0 {
		return raw{}
	}
	if text[0] == '[' && text[len(text)-1] == ']' && len(text) > 1 {
		if v.kind = rawList; depth > 0 {
			return v
		}
		for _, item := range i.split(start+1, start+len(text)-1) {
			if element := i.value(item, depth+1); element.kind != rawNone {
				v.items = append(v.items, element)
			}
		}
		return v
	}
	if text[0] == '{' {
		v.kind = rawOther
		return v
	}
	var data any
	if json5.Unmarshal(text, &data) != nil {
		return v
	}
	v.kind = rawOther
	if s, isText := data.(string); isText {
		v.kind, v.text = rawText, s
	}
	return v
}
