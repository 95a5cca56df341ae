package config

import (
	"cmp"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode"

	"extdisco/internal/limit"
	"extdisco/internal/secret"
)

// Fault is one thing that is wrong with a configuration.
type Fault struct {
	file    string
	line    int // 0 when not known
	key     string
	message string
}

// Error returns one line. What it quotes from the file may hold anything.
func (f Fault) Error() string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return unicode.ReplacementChar
		}
		return r
	}, f.text())
}

func (f Fault) text() string {
	where := f.file
	if f.line > 0 {
		where = fmt.Sprintf("%s:%d", where, f.line)
	}
	if f.key == "" {
		return where + ": " + f.message
	}
	return where + ": " + f.key + ": " + f.message
}

// reader gathers what is wrong while a configuration is read.
type reader struct {
	file     string
	lines    keyLines
	now      time.Time
	faults   []Fault
	warnings []string
	// inlineSecret is set when the file itself holds a secret.
	inlineSecret bool
}

func (r *reader) fault(key, format string, args ...any) {
	r.faults = append(r.faults, r.at(key, format, args...))
}

// err joins the faults in the order of the file.
func (r *reader) err() error {
	slices.SortStableFunc(r.faults, func(a, b Fault) int { return cmp.Compare(a.line, b.line) })
	var errs []error
	for _, f := range r.faults {
		errs = append(errs, f)
	}
	return errors.Join(errs...)
}

func (r *reader) warn(key, format string, args ...any) {
	r.warnings = append(r.warnings, r.at(key, format, args...).Error())
}

func (r *reader) at(key, format string, args ...any) Fault {
	return Fault{file: r.file, line: r.lines.line(key), key: key, message: fmt.Sprintf(format, args...)}
}

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
	t.asked = append(t.asked, name)
	v, ok := t.values[name]
	return v, ok
}

func (t *table) has(name string) bool {
	_, ok := t.values[name]
	return ok
}

// unknown reports the keys that nobody asked for.
func (t *table) unknown() {
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

func (t *table) string(name string) string { return t.stringOf(name, "a text in quotes") }

// stringOf is string for a text of the given form.
func (t *table) stringOf(name, form string) string {
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
func (t *table) eachString(name string, f func(key, value string)) {
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
func (t *table) duration(name string, missing time.Duration) time.Duration {
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
func (t *table) rate(name string, missing limit.Rate) limit.Rate {
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
func (t *table) oneOf(name string, choices ...string) string {
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
func (t *table) secret(name string) secret.Secret {
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
func (t *table) secretText(name string) string {
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
		t.missing(name+"_file", "; name the file that holds %s", purpose)
	}
}

func (r *reader) readSecretFile(key, file string) (string, error) {
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
func (r *reader) readBeside(file string) (content []byte, name string, err error) {
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
func (r *reader) resolve(file string) string {
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
func (t *table) table(name string) *table {
	sub := &table{r: t.r, path: t.key(name)}
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

// together reports which of two keys is missing when the other one is there.
func (t *table) together(name, secretName, what, secretWhat string) {
	switch {
	case t.has(name) && !t.hasSecret(secretName):
		t.missing(secretName+"_file", ", and %s is given; name the file that holds %s", name, secretWhat)
	case !t.has(name) && t.hasSecret(secretName):
		t.missing(name, ", and %s is given; write %s", t.secretKey(secretName), what)
	}
}

// pointer returns a JSON Pointer.
func (t *table) pointer(name string) string {
	s := t.string(name)
	if s != "" && s[0] != '/' {
		t.fault(name, "%q is not a JSON pointer; write for example \"/data/turn\"", s)
	}
	return s
}

func readCAFile(t *table) *x509.CertPool {
	file := t.string("ca_file")
	if file == "" {
		return nil
	}
	pem, file, err := t.r.readBeside(file)
	if err != nil {
		t.fault("ca_file", "%v", err)
		return nil
	}
	pool, err := rootCAs(file, pem)
	if err != nil {
		t.fault("ca_file", "%v", err)
	}
	return pool
}

// ReadRootCAs returns the authorities of the system and those in a PEM file.
func ReadRootCAs(file string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	return rootCAs(file, pem)
}

// rootCAs adds the authorities in pem, the content of a file, to those of the system.
func rootCAs(file string, pem []byte) (*x509.CertPool, error) {
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no certificate; write one into it in PEM form (-----BEGIN CERTIFICATE-----)", file)
	}
	return pool, nil
}

// askAll makes every key known, where the kind of table is not.
func (t *table) askAll() {
	for name := range t.values {
		t.asked = append(t.asked, name)
	}
}

func (t *table) bool(name string) bool {
	v, ok := t.value(name)
	b, isBool := v.(bool)
	if ok && !isBool {
		t.fault(name, "is %s; write true or false", kindOf(v))
	}
	return b
}

// texts returns a table of texts.
func (t *table) texts(name string) map[string]string {
	v, ok := t.value(name)
	if !ok {
		return map[string]string{}
	}
	table, isTable := v.(map[string]any)
	if !isTable {
		t.fault(name, "is %s; write a table, such as { Name = \"value\" }", kindOf(v))
	}
	out := map[string]string{}
	for _, key := range slices.Sorted(maps.Keys(table)) {
		text, isText := table[key].(string)
		if !isText {
			t.r.fault(joinKey(t.key(name), key), "is %s; write a text in quotes", kindOf(table[key]))
		}
		out[key] = text
	}
	return out
}

// fingerprint is a digest of everything that stands in the table and in the
// files that it names.
func (t *table) fingerprint() [sha256.Size]byte {
	h := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(t.values)) {
		fmt.Fprintf(h, "%s=%#v\n", name, t.values[name])
		if file, isText := t.values[name].(string); isText && strings.HasSuffix(name, "_file") {
			content, _, _ := t.r.readBeside(file) // a file that cannot be read is a fault already
			fmt.Fprintf(h, "%x\n", sha256.Sum256(content))
		}
	}
	return [sha256.Size]byte(h.Sum(nil))
}
