package lua

import (
	"fmt"
	"strings"
	"testing"

	"extdisco/internal/testkit"
)

// tokens returns the tokens of a text.
func tokens(text string) ([]Token, error) {
	var out []Token
	for l := NewLexer(text); ; {
		t, err := l.Next()
		if err != nil || t.Kind == End {
			return out, err
		}
		out = append(out, t)
	}
}

func TestTokens(t *testing.T) {
	names := map[Kind]string{Name: "name", String: "string", Number: "number", Symbol: "symbol"}
	for _, tt := range []struct{ name, text, want string }{
		{"nothing", " \t\r\n", ""},
		{"a statement", "a_1 = 0x1F", `1 name "a_1"; 1 symbol "="; 1 number "0x1F"`},
		{"a mark at the start", "\ufeffa", `1 name "a"`},
		{"symbols of two characters", "a==b..c::d//e<<f>>g<=h>=i~=j", `1 name "a"; 1 symbol "=="; 1 name "b"; 1 symbol ".."; 1 name "c"; 1 symbol "::"; 1 name "d"; 1 symbol "//"; 1 name "e"; 1 symbol "<<"; 1 name "f"; 1 symbol ">>"; 1 name "g"; 1 symbol "<="; 1 name "h"; 1 symbol ">="; 1 name "i"; 1 symbol "~="; 1 name "j"`},
		{"comments", "-- a\n--[[ b\nc ]] d --[==[ ]] ]==] e --", `3 name "d"; 3 name "e"`},
		{"quotes in quotes", `"it's" 'say "x"'`, `1 string "it's"; 1 string "say \"x\""`},
		{"escapes", `"\a\b\f\n\r\t\v\\\"\'\x41\66\u{e9}\z   c"`, `1 string "\a\b\f\n\r\t\v\\\"'ABéc"`},
		{"an escaped line end", "'a\\\nb' c", `1 string "a\nb"; 2 name "c"`},
		{"long strings", "[[\na]] [=[b]]]=] [[\r\nc\r\nd]] e", `1 string "a"; 2 string "b]]"; 2 string "c\nd"; 4 name "e"`},
		{"bytes that are not UTF-8", "'\xff' \xfe", `1 string "\xff"; 1 name "\xfe"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			found, err := tokens(tt.text)
			if err != nil {
				t.Fatal(err)
			}
			var out []string
			for _, f := range found {
				out = append(out, fmt.Sprintf("%d %s %q", f.Line, names[f.Kind], f.Text))
			}
			testkit.WantEqual(t, "tokens", strings.Join(out, "; "), tt.want)
		})
	}
}

func TestFaults(t *testing.T) {
	for text, want := range map[string]string{
		"a = \"b":      "line 1: a string is not closed",
		"\n'b\n'":      "line 2: a string is not closed",
		"\n[==[ ]=]":   "line 2: a [[ is not closed",
		"--[[ x":       "line 1: a [[ is not closed",
		`'\q'`:         "line 1: a string has an escape that Lua does not know",
		`'\300'`:       "line 1: a string has an escape that Lua does not know",
		`'\u{110000}'`: "line 1: a string has an escape that Lua does not know",
	} {
		if _, err := tokens(text); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

// FuzzTokens cuts anything: tokens follow each other, and nothing but blanks and comments is
// between them.
func FuzzTokens(f *testing.F) {
	for _, seed := range []string{"a = { [ \"x\" ] = 'y\\z  \n' } --[==[ ]==]", "VirtualHost \"a\"\n[[\n]]", "\ufeff--", "'\\u{41}\\065\\x41'"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		found, err := tokens(text)
		if err != nil {
			return
		}
		end, line := 0, 1
		for _, token := range found {
			if token.Start < end || token.End <= token.Start || token.End > len(text) || token.Line < line {
				t.Fatalf("%+v follows byte %d, line %d", token, end, line)
			}
			if between, err := tokens(text[end:token.Start]); err != nil || len(between) > 0 {
				t.Fatalf("%q is passed over", text[end:token.Start])
			}
			if token.Kind != String && text[token.Start:token.End] != token.Text {
				t.Fatalf("%+v", token)
			}
			end, line = token.End, token.Line
		}
	})
}
