package provider

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"html"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"extdisco/internal/secret"
)

// echo is the length from which a part of a secret counts as the secret, in
// bytes.
const echo = 8

// redactor takes what is secret in a request out of every text that leaves the
// package: a provider may repeat it in any part of its answer, whole or cut, and
// written in any of the usual ways. It is the only place that does so.
type redactor struct {
	whole map[string]bool // secrets too short to be recognised by a part
	parts map[string]bool // each run of echo bytes of the others, in lower case
	bones map[string]bool // the same of their letters and digits alone
	keep  []string        // texts of the configuration that are no secrets, such as the host
}

// newRedactor returns the redactor for an API and those that it asks next.
func newRedactor(a *API) *redactor {
	r := &redactor{whole: map[string]bool{}, parts: map[string]bool{}, bones: map[string]bool{}}
	for ; a != nil; a = a.Then {
		r.addAPI(a)
	}
	return r
}

func (r *redactor) addAPI(a *API) {
	for _, s := range []Secret{a.Bearer, a.Password} {
		r.add(s.reveal())
	}
	if !a.Password.IsEmpty() {
		r.add(a.User + ":" + a.Password.reveal())
	}
	for name, value := range a.Query {
		if !slices.Contains(plainParameters, name) {
			r.add(value.reveal())
		}
	}
	for name, value := range a.Header {
		if !slices.Contains(plainHeaders, http.CanonicalHeaderKey(name)) {
			r.addHeader(value.reveal())
		}
	}
	r.addAll(bodyValues(a.Body.reveal()))
	if u, err := url.Parse(a.URL.reveal()); err == nil {
		r.keep = append(r.keep, u.Host)
		for _, values := range u.Query() {
			r.addAll(values)
		}
	}
}

// Headers and parameters of the query that hold nothing secret.
var (
	plainHeaders    = []string{"Accept", "Accept-Language", "Content-Type", "Host", "Origin", "Referer", "User-Agent"}
	plainParameters = []string{"service", "region", "username"}
)

// addHeader makes a header's value a secret, the token alone too, and what is in
// it for Basic authentication.
func (r *redactor) addHeader(value string) {
	r.add(value)
	for _, field := range strings.Fields(value) {
		if len(field) < echo {
			continue
		}
		r.add(field)
		if decoded, err := base64.StdEncoding.DecodeString(field); err == nil {
			_, password, _ := strings.Cut(string(decoded), ":")
			r.addAll([]string{string(decoded), password})
		}
	}
}

// bodyValues returns the values of a body: the texts in JSON, the values of a
// form, or else what stands between blanks.
func bodyValues(body string) []string {
	body = strings.NewReplacer("{{ttl}}", "0", "{{user}}", "").Replace(body)
	var document any
	if json.Unmarshal([]byte(body), &document) == nil {
		return textsIn(document)
	}
	if form, err := url.ParseQuery(body); err == nil && strings.Contains(body, "=") {
		var out []string
		for _, values := range form {
			out = append(out, values...)
		}
		return out
	}
	return strings.Fields(body)
}

func textsIn(value any) (out []string) {
	switch v := value.(type) {
	case string:
		return []string{v}
	case []any:
		for _, e := range v {
			out = append(out, textsIn(e)...)
		}
	case map[string]any:
		for _, e := range v {
			out = append(out, textsIn(e)...)
		}
	}
	return out
}

func (r *redactor) addAll(values []string) {
	for _, v := range values {
		if len(v) >= echo {
			r.add(v)
		}
	}
}

// add makes a value a secret, in every form that it could come back in.
func (r *redactor) add(value string) {
	const shortest = 4 // less is no secret, and part of any word
	if len(value) < shortest {
		return
	}
	for _, form := range forms(value) {
		switch form = lower(form); {
		case len(form) < min(len(value), echo): // the middle of something short
			continue
		case len(form) < echo:
			r.whole[form] = true
			continue
		}
		addRuns(r.parts, form)
		bare, _ := bone(form)
		addRuns(r.bones, bare)
	}
}

// addRuns adds each run of echo bytes.
func addRuns(set map[string]bool, text string) {
	for i := range len(text) - echo + 1 {
		set[text[i:i+echo]] = true
	}
}

// bone returns the letters and digits of a text in lower case, and where each
// stood: whatever escapes a secret or cuts it into a host name leaves them.
func bone(text string) (string, []int) {
	var b []byte
	var at []int
	for i, c := range []byte(text) {
		if 'a' <= c && c <= 'z' || '0' <= c && c <= '9' {
			b, at = append(b, c), append(at, i)
		}
	}
	return string(b), at
}

// forms returns the ways to write a value.
func forms(value string) []string {
	quoted := strconv.Quote(value)
	out := []string{
		value, quoted[1 : len(quoted)-1], html.EscapeString(value), hex.EncodeToString([]byte(value)),
		url.QueryEscape(value), url.PathEscape(value), url.QueryEscape(url.QueryEscape(value)), strings.ReplaceAll(value, "/", `\/`),
	}
	for _, escape := range []bool{false, true} {
		var b bytes.Buffer
		encoder := json.NewEncoder(&b)
		encoder.SetEscapeHTML(escape)
		if encoder.Encode(value) == nil {
			out = append(out, strings.Trim(b.String(), "\"\n"))
		}
	}
	// In base64 the same bytes look different in each of three positions. What
	// depends on the bytes before and behind is left out.
	for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		out = append(out, encoding.EncodeToString([]byte(value)))
		for before := 1; before < 3; before++ {
			text := encoding.EncodeToString(append(make([]byte, before), value...))
			out = append(out, text[before+1:len(text)-1])
		}
	}
	return out
}

// lower maps ASCII letters to lower case and keeps the length.
func lower(text string) string {
	b := []byte(text)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}

// text returns a text without secrets, made of printable characters only.
func (r *redactor) text(text string) string {
	folded := lower(text)
	hide := make([]bool, len(text))
	for i := range len(text) - echo + 1 {
		if r.parts[folded[i:i+echo]] {
			mark(hide, i, i+echo, true)
		}
	}
	bare, at := bone(folded)
	for i := range len(bare) - echo + 1 {
		if r.bones[bare[i:i+echo]] {
			mark(hide, at[i], at[i+echo-1]+1, true)
		}
	}
	for _, plain := range r.keep {
		each(folded, lower(plain), func(from, to int) { mark(hide, from, to, false) })
	}
	for short := range r.whole {
		each(folded, short, func(from, to int) { mark(hide, from, to, true) })
	}
	var b strings.Builder
	for i, c := range []byte(text) {
		switch {
		case !hide[i]:
			b.WriteByte(c)
		case i == 0 || !hide[i-1]:
			b.WriteString(secret.Redacted)
		}
	}
	return printable(b.String())
}

func mark(hide []bool, from, to int, value bool) {
	for i := from; i < to; i++ {
		hide[i] = value
	}
}

// each calls found with the place of every occurrence.
func each(text, part string, found func(from, to int)) {
	if part == "" {
		return
	}
	for at := 0; ; {
		i := strings.Index(text[at:], part)
		if i < 0 {
			return
		}
		found(at+i, at+i+len(part))
		at += i + 1
	}
}

func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, text)
}

// failure returns the error as it may be shown.
func (r *redactor) failure(e *APIError) *APIError {
	e.Problem = clip(r.text(e.Problem), 600)
	return e
}

// notes returns the notes as they may be shown.
func (r *redactor) notes(lines []string) []string {
	out := make([]string, 0, len(lines))
	for _, line := range lines {
		out = append(out, clip(r.text(line), 300))
	}
	return slices.Clip(out)
}

// clip cuts a text after so many characters.
func clip(text string, length int) string {
	if runes := []rune(text); len(runes) > length {
		return string(runes[:length]) + "…"
	}
	return text
}
