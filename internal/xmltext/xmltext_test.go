package xmltext_test

import (
	"encoding/xml"
	"strings"
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
		{"continuation byte alone", "a\x80b", "a\uFFFDb"},
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

func TestAppendText(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"plain", "a relay", "a relay"},
		{"empty", "", ""},
		{"markup", `<a>&'"`, "&lt;a&gt;&amp;&#39;&#34;"},
		{"end of a CDATA section", "a]]>b", "a]]&gt;b"},
		{"signs at both ends", ">a>>b>", "&gt;a&gt;&gt;b&gt;"},
		{"not XML", "a\x01>\xff", "a\uFFFD&gt;\uFFFD"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := string(xmltext.AppendText([]byte("x"), tt.in)); got != "x"+tt.want {
				t.Errorf("AppendText = %q, want %q", got, "x"+tt.want)
			}
		})
	}
}

func TestIsValid(t *testing.T) {
	tests := []struct {
		name, in string
		want     bool
	}{
		{"empty", "", true},
		{"tab and line breaks", "\t\n\r", true},
		{"lowest and highest of each range", " \uD7FF\uE000\uFFFD\U00010000\U0010FFFF", true},
		{"replacement character itself", "a\uFFFDb", true},
		{"zero", "\x00", false},
		{"before tab", "\x08", false},
		{"between line breaks", "\v", false},
		{"before the space", "\x1f", false},
		{"U+FFFE", "\uFFFE", false},
		{"U+FFFF", "\uFFFF", false},
		{"not UTF-8", "a\xff", false},
		{"half a character", "a\xc3", false},
		{"surrogate", "\xed\xa0\x80", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := xmltext.IsValid(tt.in); got != tt.want {
				t.Errorf("IsValid(%q) = %v", tt.in, got)
			}
			if tt.want && strings.ContainsRune(string(xmltext.AppendAttr(nil, tt.in)), '\uFFFD') != strings.ContainsRune(tt.in, '\uFFFD') {
				t.Errorf("AppendAttr replaces what is valid in %q", tt.in)
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
			text := append(append([]byte("<e>"), xmltext.AppendText(nil, value)...), "</e>"...)
			var inner string
			if err := xml.Unmarshal(text, &inner); err != nil || xmltext.IsValid(value) && inner != value {
				t.Fatalf("%q came back as %q, %v", text, inner, err)
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
