package xmltext_test

import (
	"encoding/xml"
	"testing"

	"extdisco/internal/xmltext"
)

func TestAppendAttr(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"plain", "juliet@example.org/balcony", "juliet@example.org/balcony"},
		{"empty", "", ""},
		{"markup", `a<b>&'"c`, "a&lt;b>&amp;&#39;&#34;c"},
		{"blanks", "a\tb\nc\rd e", "a&#9;b&#10;c&#13;d e"},
		{"beyond ASCII", "zoë♥𝕏", "zoë♥𝕏"},
		{"control character", "a\x01b", "a\uFFFDb"},
		{"not UTF-8", "a\xffb\xc3", "a\uFFFDb\uFFFD"},
		{"not a character", "a\uFFFEb", "a\uFFFDb"},
		{"replacement character itself", "a\uFFFDb", "a\uFFFDb"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := string(xmltext.AppendAttr([]byte("x"), tt.in)); got != "x"+tt.want {
				t.Errorf("AppendAttr = %q, want %q", got, "x"+tt.want)
			}
			if got := string(xmltext.AppendAttr(nil, []byte(tt.in))); got != tt.want {
				t.Errorf("AppendAttr of bytes = %q, want %q", got, tt.want)
			}
		})
	}
}

func FuzzAppendAttr(f *testing.F) {
	for _, s := range []string{"", "a", `<&'">`, "\r\n\t", "\xff\xfe", "♥\uFFFE", "\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, value string) {
		for _, quote := range []string{"'", `"`} {
			doc := append([]byte("<e a="+quote), xmltext.AppendAttr(nil, value)...)
			doc = append(doc, quote+"/>"...)
			var e struct {
				A string `xml:"a,attr"`
			}
			if err := xml.Unmarshal(doc, &e); err != nil {
				t.Fatalf("%q does not parse: %v", doc, err)
			}
			if xmltext.IsValid(value) && e.A != value {
				t.Fatalf("%q came back as %q", value, e.A)
			}
		}
	})
}

func TestAppendAttrAllocatesNothing(t *testing.T) {
	dst, value := make([]byte, 0, 200), []byte("zoë<♥>@example.org")
	if n := testing.AllocsPerRun(100, func() { dst = xmltext.AppendAttr(dst[:0], value) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
