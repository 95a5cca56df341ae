package config

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"extdisco/internal/limit"
	"extdisco/internal/secret"
)

// table is one table of the document. Its methods return the value of a
// key, or the zero value when it is missing or wrong, and report what is wrong.
type table struct {
	r      *reader
	path   string // "" for the document
	values map[string]any
	wrong  bool // missing or no table, which is reported; its keys are not missing
	asked  []string
}

// key returns the path of a key, or of an entry of a list: NAME[INDEX].
func (t *table) key(name string) string {
	index := lastIndex.FindString(name)
	return joinKey(t.path, strings.TrimSuffix(name, index)) + index
}

func (t *table) fault(name, format string, args ...any) {
	t.r.fault(t.key(name), format, args...)
}
func (t *table) warn(name, format string, args ...any) { t.r.warn(t.key(name), format, args...) }

// missing reports that a key is not there.
func (t *table) missing(name, format string, args ...any) {
	if !t.wrong {
		t.fault(name, "is missing"+format, args...)
	}
}

// value returns the value of a key and notes that the key is known.
func (t *table) value(name string) (any, bool) {
	if !slices.Contains(t.asked, name) {
		t.asked = append(t.asked, name)
	}
	v, ok := t.values[name]
	return v, ok
}

// know notes that a key is known, whatever its value.
func (t *table) know(names ...string) { t.asked = append(t.asked, names...) }

func (t *table) has(name string) bool {
	_, ok := t.values[name]
	return ok
}

// hasIn reports whether a table inside t has one of the keys.
func (t *table) hasIn(name string, keys ...string) bool {
	values, _ := t.values[name].(map[string]any)
	for _, key := range keys {
		if _, ok := values[key]; ok {
			return true
		}
	}
	return false
}

func (t *table) string(name string) string { return t.stringOf(name, "put it in quotes") }

// stringOf is string for a text that has a form of its own; cure says what to write in place of
// another type.
func (t *table) stringOf(name, cure string) string {
	v, ok := t.value(name)
	if !ok {
		return ""
	}
	s, isString := v.(string)
	switch {
	case !isString:
		t.fault(name, "is %s; %s", kindOf(v), cure)
	case strings.TrimSpace(s) == "":
		t.fault(name, "is empty; write a value or remove the key")
		return ""
	}
	return s
}

// eachString calls f for each text of a list, with the name of the entry.
func (t *table) eachString(name string, f func(key, value string)) {
	v, ok := t.value(name)
	if !ok {
		return
	}
	list, isList := v.([]any)
	if !isList {
		t.fault(name, "is %s; write a list of strings, such as [\"…\", \"…\"]", kindOf(v))
		return
	}
	if len(list) == 0 {
		t.fault(name, "is an empty list; write at least one entry or remove the key")
	}
	for i, e := range list {
		entry := fmt.Sprintf("%s[%d]", name, i)
		if s, isString := e.(string); isString {
			f(entry, s)
		} else {
			t.fault(entry, "is %s; put it in quotes", kindOf(e))
		}
	}
}

// rate returns a rate; the zero Rate stands for "none".
func (t *table) rate(name string, missing limit.Rate) limit.Rate {
	const cure = `write a number and a unit, such as "10/s", "60/m" or "1000/h", or "none"`
	s := t.stringOf(name, cure)
	switch s {
	case "":
		return missing
	case "none":
		return limit.Rate{}
	}
	rate, err := limit.ParseRate(s)
	if err != nil {
		t.fault(name, "is not a rate; "+cure)
	}
	return rate
}

// oneOf returns one of the choices, the first when the key is missing.
func (t *table) oneOf(name string, choices ...string) string {
	list := strings.Join(choices, ", ")
	s := t.stringOf(name, "write one of "+list+", in quotes")
	if s == "" {
		return choices[0]
	}
	if !slices.Contains(choices, s) {
		t.fault(name, "is none of %s%s", list, didYouMean(s, choices))
	}
	return s
}

func (t *table) bool(name string) bool {
	v, ok := t.value(name)
	b, isBool := v.(bool)
	if ok && !isBool {
		t.fault(name, "is %s; write true or false, without quotes", kindOf(v))
	}
	return b
}

// secretTexts returns a table of texts, each of which can be given as { file = "…" } too.
func (t *table) secretTexts(name string) map[string]secret.Secret {
	v, ok := t.value(name)
	if !ok {
		return map[string]secret.Secret{}
	}
	values, isTable := v.(map[string]any)
	if !isTable {
		t.fault(name, "is %s; write a table, such as { Name = \"value\" }", kindOf(v))
	}
	out := map[string]secret.Secret{}
	for _, entry := range slices.Sorted(maps.Keys(values)) {
		path, is := t.key(name), "has an entry that is"
		if isPlainName(entry) {
			path, is = joinKey(path, entry), "is"
		}
		switch value := values[entry].(type) {
		case string:
			out[entry] = secret.New(value)
			t.r.inlineSecret = t.r.inlineSecret || !slices.Contains(openHeaders, strings.ToLower(entry))
		case map[string]any:
			file, isText := value["file"].(string)
			if !isText || len(value) != 1 || strings.TrimSpace(file) == "" {
				t.r.fault(path, "%s a table without file; write { file = \"NAME\" }, or the value in quotes", is)
				continue
			}
			out[entry] = t.r.secretFile(path, file)
		default:
			t.r.fault(path, "%s %s; put it in quotes, or write { file = \"NAME\" }", is, kindOf(value))
		}
	}
	return out
}

// openHeaders are headers of HTTP that hold no secret.
var openHeaders = []string{"content-type", "accept", "accept-language", "user-agent", "cache-control"}

// file returns the content of the file that a key names, and its name.
func (t *table) file(key string) (content []byte, name string, ok bool) {
	return t.fileOf(key, maxFile)
}

// fileOf is file for one of at most so many bytes.
func (t *table) fileOf(key string, most int64) (content []byte, name string, ok bool) {
	file := t.string(key)
	if file == "" {
		return nil, "", false
	}
	content, name, err := t.r.readBeside(t.key(key), file, most)
	if err != nil {
		t.fault(key, "%v", err)
	}
	return content, name, err == nil
}

// together reports which of two keys is missing when the other one is there.
func (t *table) together(name, secretName, what, secretWhat string) {
	switch {
	case t.has(name) && !t.hasSecret(secretName):
		t.fault(name, "requires %s_file, which is not set; name the file with %s", secretName, secretWhat)
	case !t.has(name) && t.hasSecret(secretName):
		t.fault(t.secretKey(secretName), "requires %s, which is not set; write %s", name, what)
	}
}

// pointer returns a JSON Pointer.
func (t *table) pointer(name string) string {
	s := t.string(name)
	if s != "" && s[0] != '/' {
		t.fault(name, "is not a JSON pointer; write for example \"/data/turn\"")
	}
	return s
}

// table returns a table inside t, empty when it is missing.
func (t *table) table(name string) *table {
	sub := &table{r: t.r, path: t.key(name)}
	v, ok := t.value(name)
	if !ok {
		return sub
	}
	values, isTable := v.(map[string]any)
	if list, isList := v.([]map[string]any); isList {
		cure := "remove one pair of brackets: [%s]"
		if len(list) > 1 {
			cure = "merge them into one [%s]"
		}
		t.fault(name, "is %s; "+cure, kindOf(v), name)
		sub.wrong = true
		return sub
	}
	if !isTable {
		t.fault(name, "is %s; write a table: [%s]", kindOf(v), name)
		sub.wrong = true
	}
	sub.values = values
	return sub
}

// oneOrMore returns the tables of an array of tables, or the one table that is there instead; an
// empty one when it is missing.
func (t *table) oneOrMore(name string) []*table {
	switch v := t.values[name].(type) {
	case []map[string]any:
		return t.tables(name)
	case []any:
		if len(v) > 0 {
			return t.tables(name)
		}
	}
	return []*table{t.table(name)}
}

// tables returns the tables of an array of tables.
func (t *table) tables(name string) []*table {
	v, ok := t.value(name)
	if !ok {
		return nil
	}
	list, isList := v.([]map[string]any)
	if inline, ok := v.([]any); ok { // [{…}, {…}]
		isList = len(inline) > 0
		for _, e := range inline {
			values, isTable := e.(map[string]any)
			isList = isList && isTable
			list = append(list, values)
		}
	}
	if !isList {
		t.fault(name, "is %s; write each as a table of its own: [[%s]]", kindOf(v), name)
		return nil
	}
	var out []*table
	for i, values := range list {
		out = append(out, &table{r: t.r, path: fmt.Sprintf("%s[%d]", t.key(name), i), values: values})
	}
	return out
}

// kindOf says what a value is, in words that are not Go's.
func kindOf(v any) string {
	switch v.(type) {
	case string:
		return "a string"
	case int64:
		return "a number"
	case float64:
		return "a number with a fraction"
	case bool:
		return "true or false"
	case time.Time:
		return "a date"
	case []any:
		return "a list"
	case map[string]any:
		return "a table"
	case []map[string]any:
		return "a list of tables"
	}
	return "something else"
}

// fingerprint is a digest of everything that stands in the table, but for whom it is, and in the
// files that it names.
func (t *table) fingerprint() [sha256.Size]byte {
	h := sha256.New()
	var add func(name string, v any)
	add = func(name string, v any) {
		if inner, isTable := v.(map[string]any); isTable {
			fmt.Fprintf(h, "%s{\n", name)
			for _, name := range slices.Sorted(maps.Keys(inner)) {
				add(name, inner[name])
			}
			fmt.Fprintf(h, "}\n")
			return
		}
		fmt.Fprintf(h, "%s=%#v\n", name, v)
		if file, isText := v.(string); isText && (strings.HasSuffix(name, "_file") || name == "file") {
			path, _ := t.r.resolve(file)
			content, _ := readRegular(path, false) // a file that cannot be read is a fault already
			fmt.Fprintf(h, "%x\n", sha256.Sum256(content))
		}
	}
	values := maps.Clone(t.values)
	for _, key := range choiceKeys {
		delete(values, key)
	}
	add("", values)
	return [sha256.Size]byte(h.Sum(nil))
}
