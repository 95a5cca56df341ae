package xmltext_test

import (
	"encoding/xml"
	"strings"
	"testing"

	"extdisco/xmltext"
)

func TestPlainAttr(t *testing.T) {
	tests := []struct{ name, in, wantName, wantValue string }{
		{"single quotes", " id='q1' to='x'>", "id", "q1"},
		{"double quotes", ` xml:lang="en"/>`, "xml:lang", "en"},
		{"empty value", " id=''", "id", ""},
		{"long value", " from='" + strings.Repeat("0123456789", 10) + "'>", "from", strings.Repeat("0123456789", 10)},
		{"delete character", " id='a\x7f'", "id", "a\x7f"},
		{"greater-than sign", " id='a>b'", "id", "a>b"},
		{"nothing", "", "", ""},
		{"end of the tag", "/>", "", ""},
		{"no blank", "id='q1'", "", ""},
		{"two blanks", "  id='q1'", "", ""},
		{"line break", "\nid='q1'", "", ""},
		{"no name", " ='q1'", "", ""},
		{"capital letter", " Id='q1'", "", ""},
		{"no equals sign", " id'q1'", "", ""},
		{"blank before the equals sign", " id ='q1'", "", ""},
		{"blank behind the equals sign", " id= 'q1'", "", ""},
		{"no quotes", " id=q1 ", "", ""},
		{"no end", " id='q1", "", ""},
		{"other quotes at the end", ` id='q1"`, "", ""},
		{"other quotes inside", ` id='q"1'`, "", ""},
		{"entity", " id='a&amp;b'", "", ""},
		{"less-than sign", " id='a<b'", "", ""},
		{"tab", " id='a\tb'", "", ""},
		{"control character", " id='a\x01b'", "", ""},
		{"beyond ASCII", " id='zoë'", "", ""},
		{"not UTF-8", " id='\xff'", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			name, value, n := xmltext.PlainAttr([]byte(tt.in))
			if string(name) != tt.wantName || string(value) != tt.wantValue || (n > 0) != (tt.wantName != "") {
				t.Errorf("%q, %q, %d", name, value, n)
			}
		})
	}
}

// What PlainAttr reads is what an XML parser reads, and is written as it is read.
func FuzzPlainAttr(f *testing.F) {
	for _, s := range []string{"", "a", "a>b", "it's", `"`, "&amp;", "<", "\t", "\x7f", "\x80", "zoë", "01234567", "0123456'", "0123456789abcde\"f", "\x1f234567"} {
		f.Add("id", s, true)
		f.Add("xml:lang", s, false)
	}
	f.Fuzz(func(t *testing.T, name, value string, single bool) {
		quote := `"`
		if single {
			quote = "'"
		}
		attr := " " + name + "=" + quote + value + quote
		gotName, gotValue, n := xmltext.PlainAttr([]byte(attr + "/>"))
		if n == 0 || name != "id" && name != "xml:lang" {
			return
		}
		token, err := xml.NewDecoder(strings.NewReader("<e" + attr[:n] + "/>")).RawToken()
		start, ok := token.(xml.StartElement)
		if err != nil || !ok || len(start.Attr) != 1 {
			t.Fatalf("%q is no attribute: %v", attr[:n], err)
		}
		a := start.Attr[0]
		parsed := a.Name.Local
		if a.Name.Space != "" {
			parsed = a.Name.Space + ":" + parsed
		}
		if parsed != string(gotName) || a.Value != string(gotValue) || string(xmltext.AppendAttr(nil, gotValue)) != string(gotValue) {
			t.Fatalf("%q is %q, %q, not %q, %q", attr[:n], gotName, gotValue, parsed, a.Value)
		}
	})
}
