package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode"

	"extdisco/internal/limit"
	"extdisco/internal/secret"
)

// configFault is one thing that is wrong with a configuration.
type configFault struct {
	file    string
	line    int // 0 when not known
	key     string
	message string
}

// Error returns one line. What it quotes from the file may hold anything.
func (f configFault) Error() string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return unicode.ReplacementChar
		}
		return r
	}, f.text())
}

func (f configFault) text() string {
	where := f.file
	if f.line > 0 {
		where = fmt.Sprintf("%s:%d", where, f.line)
	}
	if f.key == "" {
		return where + ": " + f.message
	}
	return where + ": " + f.key + ": " + f.message
}

// configReader gathers what is wrong while a configuration is read.
type configReader struct {
	file     string
	lines    keyLines
	now      time.Time
	faults   []configFault
	warnings []string
	// inlineSecret is set when the file itself holds a secret.
	inlineSecret bool
}

func (r *configReader) fault(key, format string, args ...any) {
	r.faults = append(r.faults, r.at(key, format, args...))
}

// err joins the faults in the order of the file.
func (r *configReader) err() error {
	slices.SortStableFunc(r.faults, func(a, b configFault) int { return cmp.Compare(a.line, b.line) })
	var errs []error
	for _, f := range r.faults {
		errs = append(errs, f)
	}
	return errors.Join(errs...)
}

func (r *configReader) warn(key, format string, args ...any) {
	r.warnings = append(r.warnings, r.at(key, format, args...).Error())
}

func (r *configReader) at(key, format string, args ...any) configFault {
	return configFault{file: r.file, line: r.lines.line(key), key: key, message: fmt.Sprintf(format, args...)}
}

// configTable is one table of the document. Its methods return the value of a
// key, or the zero value when it is missing or wrong, and report what is wrong.
type configTable struct {
	r      *configReader
	path   string // "" for the document
	values map[string]any
	wrong  bool // missing or no table, which is reported; its keys are not missing
	asked  []string
}

// key returns the path of a key, or of an entry of a list: NAME[INDEX].
func (t *configTable) key(name string) string {
	index := lastIndex.FindString(name)
	return joinKey(t.path, strings.TrimSuffix(name, index)) + index
}

func (t *configTable) fault(name, format string, args ...any) {
	t.r.fault(t.key(name), format, args...)
}
func (t *configTable) warn(name, format string, args ...any) { t.r.warn(t.key(name), format, args...) }

// missing reports that a key is not there.
func (t *configTable) missing(name, format string, args ...any) {
	if !t.wrong {
		t.fault(name, "is missing"+format, args...)
	}
}

// value returns the value of a key and notes that the key is known.
func (t *configTable) value(name string) (any, bool) {
	t.asked = append(t.asked, name)
	v, ok := t.values[name]
	return v, ok
}

func (t *configTable) has(name string) bool {
	_, ok := t.values[name]
	return ok
}

// unknown reports the keys that nobody asked for.
func (t *configTable) unknown() {
	var names []string
	for name := range t.values {
		if !slices.Contains(t.asked, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		where := "in [" + t.path + "]"
		if array := lastIndex.ReplaceAllString(t.path, ""); array != t.path {
			where = "in [[" + array + "]]"
		} else if t.path == "" {
			where = "at the top"
		}
		t.r.fault(joinKey(t.path, name), "unknown key; known %s: %s", where, strings.Join(t.asked, ", "))
	}
}

func (t *configTable) string(name string) string { return t.stringOf(name, "a text in quotes") }

// stringOf is string for a text of the given form.
func (t *configTable) stringOf(name, form string) string {
	v, ok := t.value(name)
	if !ok {
		return ""
	}
	s, isString := v.(string)
	switch {
	case !isString:
		t.fault(name, "is %s; write %s", kindOf(v), form)
	case strings.TrimSpace(s) == "":
		t.fault(name, "is empty; write a value or leave the key out")
		return ""
	}
	return s
}

// eachString calls f for each text of a list, with the name of the entry.
func (t *configTable) eachString(name string, f func(key, value string)) {
	v, ok := t.value(name)
	if !ok {
		return
	}
	list, isList := v.([]any)
	if !isList {
		t.fault(name, "is %s; write a list of texts, such as [\"…\", \"…\"]", kindOf(v))
		return
	}
	if len(list) == 0 {
		t.fault(name, "is an empty list; write at least one entry or leave the key out")
	}
	for i, e := range list {
		entry := fmt.Sprintf("%s[%d]", name, i)
		if s, isString := e.(string); isString {
			f(entry, s)
		} else {
			t.fault(entry, "is %s; write a text in quotes", kindOf(e))
		}
	}
}

// duration returns a positive duration of whole seconds, or missing.
func (t *configTable) duration(name string, missing time.Duration) time.Duration {
	s := t.stringOf(name, `a duration in quotes, such as "24h"`)
	if s == "" {
		return missing
	}
	d, err := time.ParseDuration(s)
	switch {
	case err != nil:
		t.fault(name, "%q is not a duration; write for example \"24h\", \"90m\" or \"3600s\"", s)
	case d < time.Second:
		t.fault(name, "%q is too short; at least \"1s\"", s)
	case d%time.Second != 0:
		t.fault(name, "%q has a fraction of a second; write whole seconds", s)
	default:
		return d
	}
	return missing
}

// rate returns a rate; the zero Rate stands for "none".
func (t *configTable) rate(name string, missing limit.Rate) limit.Rate {
	s := t.stringOf(name, `a rate in quotes, such as "60/m", or "none"`)
	switch s {
	case "":
		return missing
	case "none":
		return limit.Rate{}
	}
	rate, err := limit.ParseRate(s)
	if err != nil {
		t.fault(name, "%v, or \"none\"", err)
	}
	return rate
}

// oneOf returns one of the choices, the first when the key is missing.
func (t *configTable) oneOf(name string, choices ...string) string {
	list := strings.Join(choices, ", ")
	s := t.stringOf(name, "one of "+list+", in quotes")
	if s == "" {
		return choices[0]
	}
	if !slices.Contains(choices, s) {
		t.fault(name, "%q is not one of %s", s, list)
	}
	return s
}

// secret returns the secret that stands in the key NAME, or in the file that
// NAME_file names. A relative name is taken from the folder of the
// configuration.
func (t *configTable) secret(name string) secret.Secret {
	fileKey := name + "_file"
	inline, file := t.secretText(name), t.string(fileKey)
	switch {
	case t.has(name) && t.has(fileKey):
		t.fault(name, "is given, and %s too; leave one of them out", fileKey)
	case t.has(name):
		t.r.inlineSecret = true
		return secret.New(inline)
	case file != "":
		value, err := t.r.readSecretFile(t.key(fileKey), file)
		if err != nil {
			t.fault(fileKey, "%v", err)
			return secret.Secret{}
		}
		return secret.New(value)
	}
	return secret.Secret{}
}

// secretText is string for a value that must not be shown.
func (t *configTable) secretText(name string) string {
	v, ok := t.value(name)
	s, isString := v.(string)
	switch {
	case !ok:
	case !isString:
		t.fault(name, "is %s; write a text in quotes", kindOf(v))
	case s == "":
		t.fault(name, "is empty; write the secret, or name the file that holds it in %s_file", name)
	}
	return s
}

func (t *configTable) hasSecret(name string) bool { return t.has(name) || t.has(name+"_file") }

// secretKey returns the key that gives a secret: NAME or NAME_file.
func (t *configTable) secretKey(name string) string {
	if t.has(name) {
		return name
	}
	return name + "_file"
}

// requireSecret reports a secret that is missing.
func (t *configTable) requireSecret(name, purpose string) {
	if !t.hasSecret(name) {
		t.missing(name+"_file", "; name the file that holds %s", purpose)
	}
}

func (r *configReader) readSecretFile(key, file string) (string, error) {
	content, file, err := r.readBeside(file)
	if err != nil {
		return "", err
	}
	if info, err := os.Stat(file); err == nil && info.Mode().Perm()&0o004 != 0 {
		r.warn(key, "everybody on this machine can read %s; run: chmod o-r %s", file, file)
	}
	// Exactly one line end, so that a secret may end in blanks.
	value := strings.TrimSuffix(strings.TrimSuffix(string(content), "\n"), "\r")
	if value == "" {
		return "", fmt.Errorf("%s is empty; write the secret into it", file)
	}
	if strings.TrimSpace(value) != value {
		r.warn(key, "%s begins or ends with blanks or more than one line end, which count; take them out unless they belong to the secret", file)
	}
	return value, nil
}

// readBeside reads a file that the configuration names, and returns its content
// and its name.
func (r *configReader) readBeside(file string) (content []byte, name string, err error) {
	file = r.resolve(file)
	content, err = os.ReadFile(file)
	if err != nil {
		var pathErr *os.PathError
		if errors.As(err, &pathErr) {
			err = pathErr.Err
		}
		return nil, file, fmt.Errorf("cannot read %s: %w", file, err)
	}
	return content, file, nil
}

// resolve returns where a file is that the configuration names. A relative name
// is taken from the folder of the configuration, unless systemd has handed such a
// file to us: LoadCredential=secrets:/etc/extdisco/secrets gives us what is
// secrets/turn.secret there under the name secrets_turn.secret.
func (r *configReader) resolve(file string) string {
	if filepath.IsAbs(file) {
		return file
	}
	if dir := os.Getenv("CREDENTIALS_DIRECTORY"); dir != "" {
		handed := filepath.Join(dir, strings.ReplaceAll(filepath.Clean(file), "/", "_"))
		if info, err := os.Stat(handed); err == nil && info.Mode().IsRegular() {
			return handed
		}
	}
	return filepath.Join(filepath.Dir(r.file), file)
}

// table returns a table inside t, empty when it is missing.
func (t *configTable) table(name string) *configTable {
	sub := &configTable{r: t.r, path: t.key(name)}
	v, ok := t.value(name)
	if !ok {
		return sub
	}
	values, isTable := v.(map[string]any)
	if !isTable {
		t.fault(name, "is %s; write a table: [%s]", kindOf(v), name)
		sub.wrong = true
	}
	sub.values = values
	return sub
}

// tables returns the tables of an array of tables.
func (t *configTable) tables(name string) []*configTable {
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
	var out []*configTable
	for i, values := range list {
		out = append(out, &configTable{r: t.r, path: fmt.Sprintf("%s[%d]", t.key(name), i), values: values})
	}
	return out
}

// kindOf says what a value is, in words that are not Go's.
func kindOf(v any) string {
	switch v.(type) {
	case string:
		return "a text"
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
