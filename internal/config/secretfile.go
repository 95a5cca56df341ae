package config

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"extdisco/internal/secret"
)

// secret returns the secret that stands in the key NAME, or in the file that NAME_file names. A
// relative name is taken from the folder of the configuration.
func (t *table) secret(name string) secret.Secret {
	fileKey := name + "_file"
	inline, file := t.secretText(name), t.string(fileKey)
	switch {
	case t.has(name) && t.has(fileKey):
		t.fault(name, "cannot be combined with %s; remove one of them", fileKey)
	case t.has(name):
		t.r.inlineSecret = true
		t.r.warnOfSecret(t.key(name), "the secret", inline)
		return secret.New(inline)
	case file != "":
		return t.r.secretFile(t.key(fileKey), file)
	}
	return secret.Secret{}
}

// secretText is string for a value that must not be shown.
func (t *table) secretText(name string) string {
	v, ok := t.value(name)
	s, isString := v.(string)
	switch {
	case !ok:
	case !isString:
		t.fault(name, "is %s; put it in quotes", kindOf(v))
	case s == "":
		t.fault(name, "is empty; write the secret, or name the file with it in %s_file", name)
	}
	return s
}

func (t *table) hasSecret(name string) bool { return t.has(name) || t.has(name+"_file") }

// secretKey returns the key that gives a secret: NAME or NAME_file.
func (t *table) secretKey(name string) string {
	if t.has(name) {
		return name
	}
	return name + "_file"
}

// requireSecret reports a secret that is missing.
func (t *table) requireSecret(name, purpose string) {
	if !t.hasSecret(name) {
		t.missing(name+"_file", "; name the file with %s", purpose)
	}
}

// secretFile returns the secret in a file; the empty one when there is none, which is reported.
func (r *reader) secretFile(key, file string) secret.Secret {
	content, name, err := r.readBeside(key, file, maxFile)
	if err != nil {
		r.fault(key, "%v", err)
		return secret.Secret{}
	}
	value := secretIn(content)
	if strings.TrimSpace(value) == "" {
		r.fault(key, "%s is empty; write the secret into it", name)
		return secret.Secret{}
	}
	r.warnIfPublic(key, name)
	r.warnOfSecret(key, name, value)
	return secret.New(value)
}

// optionLine is a line of a configuration that holds a secret: of coturn, Prosody and its modules.
var optionLine = regexp.MustCompile(`^\s*(?:static[-_]auth[-_]secret|component_secret|(?:turn_)?external_(?:services?_)?secret|turncredentials_secret)\s*[=:]\s*(\S.*)$`)

// secretIn returns the secret that the content of a file holds: without a byte order mark, line
// ends, empty lines, lines of comment beside a single other line, and without the name of the
// option where a line of the TURN or XMPP server's configuration was pasted. All of that can be
// no part of a secret. What might be stays; see [reader.warnOfSecret].
func secretIn(content []byte) string {
	text := decodeText(content)
	if !utf8.ValidString(text) {
		return strings.TrimSuffix(strings.TrimSuffix(text, "\n"), "\r")
	}
	lines := slices.Collect(strings.SplitSeq(strings.ReplaceAll(text, "\r", "\n"), "\n"))
	lines = slices.DeleteFunc(lines, func(line string) bool { return strings.TrimSpace(line) == "" })
	plain := slices.DeleteFunc(slices.Clone(lines), func(line string) bool { return strings.HasPrefix(strings.TrimSpace(line), "#") })
	if len(plain) == 1 {
		lines = plain
	}
	if len(lines) != 1 {
		return strings.Join(lines, "\n")
	}
	if m := optionLine.FindStringSubmatch(lines[0]); m != nil {
		value, _ := unquote(strings.TrimSuffix(strings.TrimSpace(m[1]), ";"))
		return value
	}
	return lines[0]
}

// decodeText returns the text of a file in UTF-8 or UTF-16, without its byte order mark. Texts in
// UTF-16 without a mark are known by the zero in every other byte.
func decodeText(content []byte) string {
	big, marked := bytes.HasPrefix(content, []byte{0xfe, 0xff}), bytes.HasPrefix(content, []byte{0xff, 0xfe})
	switch {
	case big || marked:
		content = content[2:]
	case zeroEverySecond(content, 1):
	case zeroEverySecond(content, 0):
		big = true
	default:
		return string(bytes.TrimPrefix(content, []byte("\ufeff")))
	}
	var units []uint16
	for i := 0; i+1 < len(content); i += 2 {
		if big {
			units = append(units, uint16(content[i])<<8|uint16(content[i+1]))
		} else {
			units = append(units, uint16(content[i+1])<<8|uint16(content[i]))
		}
	}
	return string(utf16.Decode(units))
}

func zeroEverySecond(content []byte, first int) bool {
	for i, b := range content {
		if (i%2 == first) != (b == 0) {
			return false
		}
	}
	return len(content) >= 2 && len(content)%2 == 0
}

// quotePairs are the quotes that people and word processors put around texts.
var quotePairs = []string{`""`, `''`, "``", "“”", "„“", "‘’", "«»"}

// unquote returns a text without the quotes around it, and whether there were any.
func unquote(s string) (string, bool) {
	first, n := utf8.DecodeRuneInString(s)
	last, m := utf8.DecodeLastRuneInString(s)
	if len(s) > n+m-1 && slices.Contains(quotePairs, string(first)+string(last)) && len(s) >= n+m {
		return s[n : len(s)-m], true
	}
	return s, false
}

var (
	// bracketed are the forms in which templates and documentation write what is to be filled in.
	bracketed = regexp.MustCompile(`^(?:<.*>|\$\w+|\$?\{.*\}|\$\(.*\)|@\w+@|%\w+%|\[.*\]|__\w+__)$`)
	// fillers are words that stand for a secret in documentation.
	fillers = regexp.MustCompile(`(?i)^(?:change[-_ ]?(?:me|it|this)?[-_ !.]*\w{0,8}|(?:your|my|the|enter|insert|put|replace|some)[-_ ].*|(?:super|top)?[-_ ]?secret|` +
		`(?:shared|handshake|turn|component)[-_ ]?(?:secret|password|key)|pass(?:word)?|token|todo|fixme|x+|\*+|\.+|…|foobar|test|example|placeholder|none|null)$`)
	pastedKey = regexp.MustCompile(`(?i)^\s*[a-z][a-z0-9_.-]*(?:\s*:\s+|\s+=\s*|=\s+|=["']|(?:secret|password|key|token)[=:])\S|^(?:secret|password|key|token|export\s+\w+)\s*=\s*\S`)
)

// warnOfSecret warns of a secret that is probably not what was meant. The value is never shown;
// what names where it stands.
func (r *reader) warnOfSecret(key, what, value string) {
	trimmed := strings.TrimSpace(value)
	_, quoted := unquote(trimmed)
	switch {
	case !utf8.ValidString(value):
		r.warn(key, "%s contains bytes that are not UTF-8, and they are part of the secret; most servers cannot use such a secret", what)
	case bracketed.MatchString(trimmed) || fillers.MatchString(trimmed):
		r.warn(key, "%s looks like a placeholder; write the secret itself", what)
	case strings.ContainsAny(strings.Trim(value, "\n"), "\n\r"):
		r.warn(key, "%s has %s, and all of them are part of the secret; write it on a single line", what, count(strings.Count(value, "\n")+1, "line"))
	case quoted:
		r.warn(key, "%s has quotes around the secret, and they are part of it; remove them unless they belong there", what)
	case pastedKey.MatchString(value):
		r.warn(key, "%s contains NAME=SECRET, and all of it is used; keep only the secret", what)
	case strings.HasPrefix(trimmed, "#"), strings.HasPrefix(trimmed, "//"), strings.HasPrefix(trimmed, "-- "):
		r.warn(key, "%s looks like a comment, and all of it is used; keep only the secret", what)
	case trimmed != value:
		r.warn(key, "%s has spaces before or after the secret, and they are part of it; remove them unless they belong there", what)
	}
	if i := strings.IndexFunc(trimmed, isInvisible); i >= 0 && utf8.ValidString(value) && !strings.ContainsAny(value, "\n") {
		c, _ := utf8.DecodeRuneInString(trimmed[i:])
		r.warn(key, "%s contains the invisible character %U; retype the secret", what, c)
	}
}

// isInvisible reports whether nobody sees a character: zero-width and control characters, and
// blanks other than the one on the keyboard.
func isInvisible(c rune) bool {
	return unicode.IsControl(c) || unicode.Is(unicode.Cf, c) || unicode.IsSpace(c) && c != ' '
}

// count returns a number with its noun: 1 line, 2 lines.
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
