package xmltext_test

import (
	"encoding/xml"
	"strings"
	"testing"

	"extdisco/internal/xmltext"
)

func TestPlainValue(t *testing.T) {
	tests := []struct {
		name, in string
		want     int
	}{
		{"single quotes", "'q1' to='x'>", 4},
		{"double quotes", `"en"/>`, 4},
		{"empty", "''", 2},
		{"long", "'" + strings.Repeat("0123456789", 10) + "'>", 102},
		{"delete character", "'a\x7f'", 4},
		{"greater-than sign", "'a>b'", 5},
		{"nothing", "", 0},
		{"one quote", "'", 0},
		{"no quotes", "q1 ", 0},
		{"no end", "'q1", 0},
		{"other quotes at the end", `'q1"`, 0},
		{"other quotes inside", `'q"1'`, 0},
		{"entity", "'a&amp;b'", 0},
		{"less-than sign", "'a<b'", 0},
		{"tab", "'a\tb'", 0},
		{"control character", "'a\x01b'", 0},
		{"beyond ASCII", "'zoë'", 0},
		{"not UTF-8", "'\xff'", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := xmltext.PlainValue([]byte(tt.in)); got != tt.want {
				t.Errorf("%d, want %d", got, tt.want)
			}
		})
	}
}

// What PlainValue measures is what an XML parser reads, and is written as it is
// read.
func FuzzPlainValue(f *testing.F) {
	for _, s := range []string{"", "''", `"a"`, "'a>b'", `"it's"`, "'&amp;'", "'<'", "'\t'", "'\x7f'", "'\x80'", "'zoë'", "'0", "'a' b='c'"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, b string) {
		n := xmltext.PlainValue([]byte(b))
		if n == 0 {
			return
		}
		token, err := xml.NewDecoder(strings.NewReader("<e a=" + b[:n] + "/>")).RawToken()
		start, ok := token.(xml.StartElement)
		if err != nil || !ok || len(start.Attr) != 1 || start.Attr[0].Value != b[1:n-1] {
			t.Fatalf("%q is read as %v, %v", b[:n], token, err)
		}
		if written := xmltext.AppendAttr(nil, b[1:n-1]); string(written) != b[1:n-1] {
			t.Fatalf("%q is written as %q", b[1:n-1], written)
		}
	})
}
