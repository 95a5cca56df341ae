package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"
)

func TestKeyLines(t *testing.T) {
	tests := []struct {
		name     string
		document string
		want     map[string]int // by path; others are not looked at
	}{
		{"tables", "a = 1\n\n[t]\n# b = 0\nb = 2\n[ u . v ]\nc = 3",
			map[string]int{"a": 1, "t": 3, "t.b": 5, "u": 6, "u.v": 6, "u.v.c": 7}},
		{"missing key is where its table is", "[t]\nb = 2\n[u]\n",
			map[string]int{"t.x": 1, "u.x": 3, "u.x.y": 3, "x": 0, "x.y": 0}},
		{"arrays of tables", "[[s]]\na = 1\n[[s]]\na = 2\n[t]\n[[s]]\nb = 3",
			map[string]int{"s": 1, "s[0]": 1, "s[0].a": 2, "s[1].a": 4, "s[2]": 6, "s[2].a": 6, "s[2].b": 7, "s[3]": 1}},
		{"tables inside arrays of tables", "[[s]]\n[s.t]\na = 1\n[[s]]\n[s.t]\na = 2\n[[s.u]]\nb = 3\n[[s.u]]\nb = 4",
			map[string]int{"s[0].t": 2, "s[0].t.a": 3, "s[1].t.a": 6, "s[1].u[0].b": 8, "s[1].u[1].b": 10}},
		{"table after its sub-table", "[t.u]\na = 1\n[t]\nb = 2",
			map[string]int{"t": 3, "t.u.a": 2, "t.missing": 3}},
		{"dotted keys", "t.a = 1\nt . b=2\n[u]\nv.w = 3",
			map[string]int{"t": 1, "t.a": 1, "t.b": 2, "u.v": 4, "u.v.w": 4}},
		{"quoted keys", "\"a\" = 1\n'b' = 2\n\"a b\" = 3\n\"t.u\" = 4\n[t]\nu = 5\n\"\" = 6",
			map[string]int{"a": 1, "b": 2, `"a b"`: 3, `"t.u"`: 4, "t.u": 6, `t.""`: 7}},
		{"escapes in quoted keys", "\"\\u0061\" = 1\n\"a\\\"b = 1\" = 2\n'c\\' = 3",
			map[string]int{"a": 1, `"a\"b = 1"`: 2, `"c\\"`: 3}},
		{"keys in quotes and headers in quotes are the same key", "[\"t\"]\n\"a\" = 1\n[[\"s\"]]\n[[s]]\na = 2",
			map[string]int{"t.a": 2, "s[0]": 3, "s[1].a": 5}},
		{"lists", "a = [1, 2,\n3,\n\n# 0\n4]\nb = 5",
			map[string]int{"a": 1, "a[0]": 1, "a[1]": 1, "a[2]": 2, "a[3]": 5, "a[4]": 1, "b": 6}},
		{"lists in lists", "a = [\n[1],\n[2, [\n3]]\n]\nb = 4",
			map[string]int{"a[0]": 2, "a[0][0]": 2, "a[1]": 3, "a[1][1]": 3, "a[1][1][0]": 4, "b": 6}},
		{"list entries that look like headers", "[t]\na = [\n  [\"u\"],\n  \"[v]\", # [w]\n]\nb = 1",
			map[string]int{"t.a[0][0]": 3, "t.a[1]": 4, "t.b": 6, "u": 0, "v": 0, "w": 0}},
		{"list entries that look like keys", "[t]\na = [\n  \"b = 1\",\n  'c = 1',\n]\nb = 1",
			map[string]int{"t.b": 6, "t.c": 1}},
		{"texts that look like headers", "a = \"\"\"\n[t]\nb = 1\n\"\"\"\nb = 2\nc = '''\n[[s]]'''\nd = 3",
			map[string]int{"b": 5, "c": 6, "d": 8, "t": 0, "s": 0}},
		{"multi-line texts with quotes", "a = \"\"\" \\\"\"\" \"\" \nx = 1\"\"\"\"\"\nb = ''' \\'''\nc = \"\"\"\"\"\"\nd = 1",
			map[string]int{"a": 1, "b": 3, "c": 4, "d": 5, "x": 0}},
		{"multi-line texts that end in a quote of their own", "a = \"\"\"x\"\"\"\"\nb = \"y\"\nc = '''z''''\nd = 'y'\ne = 1",
			map[string]int{"b": 2, "c": 3, "d": 4, "e": 5}},
		{"multi-line text in a list", "a = [\"\"\"\n1\n\"\"\", 2]\nb = 3",
			map[string]int{"a[0]": 1, "a[1]": 3, "b": 4}},
		{"texts with brackets, commas and hashes", "a = ['],#', \"]\\\"#\"]\nb = \"#\" # \"\nc = '\"'\nd = 4",
			map[string]int{"a[1]": 1, "b": 2, "c": 3, "d": 4}},
		{"inline tables", "a = { b = 1, c.d = [1], \"e f\" = { g = 2 } }\nh = [{ i = 1 },\n{ i = 2 }]",
			map[string]int{"a.b": 1, "a.c.d[0]": 1, `a."e f".g`: 1, "h[0].i": 2, "h[1]": 3, "h[1].i": 3}},
		{"other values", "a = 1979-05-27 07:32:00 # b = 1\nb = -1.5e3\nc = true\nd = [inf,\nnan]\ne = 0xf",
			map[string]int{"a": 1, "b": 2, "c": 3, "d[1]": 5, "e": 6}},
		{"line ends of Windows", "a = 1\r\n\r\n[t]\r\nb = [\r\n1]\r\nc = 2\r\n",
			map[string]int{"a": 1, "t": 3, "t.b[0]": 5, "t.c": 6}},
		{"nothing", "", map[string]int{"a": 0, "a[0].b": 0, "": 0}},
		{"comments only", "# a = 1\n#", map[string]int{"a": 0}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var values map[string]any
			if _, err := toml.Decode(tt.document, &values); err != nil {
				t.Fatal("the test is wrong: ", err)
			}
			lines := findKeyLines(tt.document)
			for _, path := range slices.Sorted(maps.Keys(tt.want)) {
				if got := lines.line(path); got != tt.want[path] {
					t.Errorf("line of %s = %d, want %d", path, got, tt.want[path])
				}
			}
			checkKeyLines(t, tt.document, values)
		})
	}
}

// checkKeyLines checks the lines of all keys that the TOML library found: each
// has one, and the key stands on it.
func checkKeyLines(t testing.TB, document string, values map[string]any) {
	t.Helper()
	lines := findKeyLines(document)
	text := strings.Split(document, "\n")
	check := func(path, key string) {
		line, known := lines[path]
		switch {
		case strings.Contains(document, `\`): // a key may be written in another way
		case !known:
			t.Errorf("no line for %s in\n%s", path, document)
		case line < 1 || line > len(text) || !strings.Contains(text[line-1], key):
			t.Errorf("%s does not stand on line %d of\n%s", path, line, document)
		}
	}
	var walk func(path string, value any)
	walk = func(path string, value any) {
		switch value := value.(type) {
		case map[string]any:
			for key, inside := range value {
				check(joinKey(path, key), key)
				walk(joinKey(path, key), inside)
			}
		case []map[string]any:
			for i, inside := range value {
				check(fmt.Sprintf("%s[%d]", path, i), "")
				walk(fmt.Sprintf("%s[%d]", path, i), inside)
			}
		case []any:
			for i, inside := range value {
				check(fmt.Sprintf("%s[%d]", path, i), "")
				walk(fmt.Sprintf("%s[%d]", path, i), inside)
			}
		}
	}
	walk("", values)
}
