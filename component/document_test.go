package component

import (
	"encoding/xml"
	"fmt"
	"strings"
	"testing"
)

func TestParseLimits(t *testing.T) {
	nest := func(n int) string { return strings.Repeat("<a>", n) + strings.Repeat("</a>", n) }
	attributes := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, " a%d='b'", i)
		}
		return "<a" + b.String() + "/>"
	}
	elements := func(n int) string { return "<a>" + strings.Repeat("<b/>", n-1) + "</a>" }
	tests := []struct{ name, frame, wantErr string }{
		{"depth at the limit", nest(maxDepth), ""},
		{"depth above", nest(maxDepth + 1), "deeper than 64"},
		{"depth far above", nest(200_000), "deeper than 64"},
		{"attributes at the limit", attributes(maxAttributes), ""},
		{"attributes above", attributes(maxAttributes + 1), "more than 64 attributes"},
		{"elements at the limit", elements(maxElements), ""},
		{"elements above", elements(maxElements + 1), "more than 1024 elements"},
		{"comment", "<a><!-- b --></a>", ""},
		{"instruction", "<a><?b c?></a>", "does not allow"},
		{"DTD", "<a><!DOCTYPE b></a>", "does not allow"},
		{"nothing", "", "ends early"},
		{"half", "<a><b>", "unexpected EOF"},
		{"half a start tag", "<a><b c='", "unexpected EOF"},
		{"wrong end tag", "<a><b></a></b>", "closed by"},
		{"unknown entity", "<a>&b;</a>", "entity"},
		{"control character", "<a>\x01</a>", "illegal character"},
		{"not UTF-8", "<a>\xff</a>", "UTF-8"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			doc := parse([]byte(tt.frame))
			if tt.wantErr == "" && doc.err != nil || tt.wantErr != "" && (doc.err == nil || !strings.Contains(doc.err.Error(), tt.wantErr)) {
				t.Errorf("err = %v, want %q", doc.err, tt.wantErr)
			}
			if len(doc.tokens) > 2*maxElements+2 {
				t.Errorf("%d tokens kept", len(doc.tokens))
			}
		})
	}
}

// Of a document with a fault, what came before it is there: the sender is in it.
func TestParseKeepsWhatCameBeforeTheFault(t *testing.T) {
	for _, frame := range []string{
		"<iq from='a'><b><c>", "<iq from='a'><b><c d='", "<iq from='a'><b>&x;", "<iq from='a'><b><c></b></c></iq>", "<iq from='a'><b><?x?></b></iq>",
	} {
		t.Run(frame, func(t *testing.T) {
			doc := parse([]byte(frame))
			if doc.err == nil {
				t.Fatal("no fault found")
			}
			if from := attr(doc.start(0), "from"); text(from) != "a" {
				t.Errorf("from = %q", text(from))
			}
			if i, ok := doc.onlyChild(0, "b", nsAccept); !ok || i != 1 {
				t.Errorf("b is at %d, %v", i, ok)
			}
		})
	}
}

func TestParseResolvesNamespaces(t *testing.T) {
	tests := []struct {
		name, frame string
		want        xml.Name // of the first child
	}{
		{"inherited from the stream", "<iq><a/></iq>", xml.Name{Space: nsAccept, Local: "a"}},
		{"inherited from the stanza", "<iq xmlns='jabber:client'><a/></iq>", xml.Name{Space: nsClient, Local: "a"}},
		{"own", "<iq><a xmlns='b'/></iq>", xml.Name{Space: "b", Local: "a"}},
		{"by prefix", "<iq xmlns:p='b'><p:a/></iq>", xml.Name{Space: "b", Local: "a"}},
		{"by prefix of its own", "<iq><p:a xmlns:p='b'/></iq>", xml.Name{Space: "b", Local: "a"}},
		{"by a prefix that hides a namespace", "<iq xmlns='b'><p:a xmlns:p='c'/></iq>", xml.Name{Space: "c", Local: "a"}},
		{"entity in the namespace", "<iq><a xmlns='&#98;'/></iq>", xml.Name{Space: "b", Local: "a"}},
		{"blanks before", "<iq>\n  <a/>\n</iq>", xml.Name{Space: nsAccept, Local: "a"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			doc := parse([]byte(tt.frame))
			i, ok := doc.onlyChild(0, tt.want.Local, "elsewhere", tt.want.Space)
			if doc.err != nil || !ok || doc.start(i).Name != tt.want {
				t.Errorf("child %v at %d, %v, %v", doc.start(i).Name, i, ok, doc.err)
			}
			if _, ok := doc.onlyChild(0, tt.want.Local, "elsewhere"); ok {
				t.Error("found in another namespace")
			}
			if _, ok := doc.onlyChild(0, "other", tt.want.Space); ok {
				t.Error("found under another name")
			}
		})
	}
}

func TestParseReadsAttributesWithoutPrefixOnly(t *testing.T) {
	doc := parse([]byte("<iq x:from='1' xml:from='2' xmlns:from='3' from='4' xmlns:x='y' x:to='5' id=''/>"))
	start := doc.start(0)
	if from := attr(start, "from"); text(from) != "4" {
		t.Errorf("from = %q", text(from))
	}
	if to := attr(start, "to"); to != nil {
		t.Errorf("to = %q", *to)
	}
	if id := attr(start, "id"); id == nil || *id != "" {
		t.Errorf("an empty id became %v", id)
	}
}

func TestDocumentChildren(t *testing.T) {
	tests := []struct {
		name, frame string
		want        []string
		hasText     bool
	}{
		{"none", "<a/>", nil, false},
		{"one", "<a><b/></a>", []string{"b"}, false},
		{"several, with children of their own", "<a><b><x/>t</b><c/><d>t</d></a>", []string{"b", "c", "d"}, false},
		{"blanks", "<a> <b/>\n</a>", []string{"b"}, false},
		{"text before", "<a>t<b/></a>", []string{"b"}, true},
		{"text behind", "<a><b/>t</a>", []string{"b"}, true},
		{"text alone", "<a>t</a>", nil, true},
		{"text in CDATA", "<a><![CDATA[t]]></a>", nil, true},
		{"a character reference to a blank", "<a>&#32;</a>", nil, false},
		{"cut in the second", "<a><b/><c><d>", []string{"b", "c"}, false},
		{"empty", "", nil, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			doc := parse([]byte(tt.frame))
			indexes, hasText := doc.children(0)
			var names []string
			for _, i := range indexes {
				names = append(names, doc.start(i).Name.Local)
			}
			if strings.Join(names, " ") != strings.Join(tt.want, " ") || hasText != tt.hasText {
				t.Errorf("children %q, text %v", names, hasText)
			}
			if _, only := doc.onlyChild(0, "b", nsAccept); only != (len(tt.want) == 1 && !hasText) {
				t.Errorf("onlyChild: %v", only)
			}
		})
	}
}

// A handler gets its element and nothing of what is around it.
func TestDocumentReader(t *testing.T) {
	doc := parse([]byte("<a><b c='d'><e>text</e><e/></b><f/></a>"))
	var b struct {
		XMLName xml.Name `xml:"b"`
		C       string   `xml:"c,attr"`
		E       []string `xml:"e"`
	}
	r := doc.reader(1)
	if err := xml.NewTokenDecoder(r).Decode(&b); err != nil {
		t.Fatal(err)
	}
	if b.C != "d" || strings.Join(b.E, "|") != "text|" {
		t.Errorf("read %+v", b)
	}
	if token, err := r.Token(); err == nil {
		t.Errorf("behind the element: %v", token)
	}
}

func TestBareJIDAndDomain(t *testing.T) {
	tests := []struct{ jid, bare, domain string }{
		{"juliet@meet.test/balcony", "juliet@meet.test", "meet.test"},
		{"juliet@meet.test", "juliet@meet.test", "meet.test"},
		{"meet.test", "meet.test", "meet.test"},
		{"meet.test/resource", "meet.test", "meet.test"},
		{"evil.test/juliet@meet.test", "evil.test", "evil.test"},
		{"evil@evil.test/x@meet.test/y", "evil@evil.test", "evil.test"},
		{"", "", ""},
		{"♥@x/ㅤ", "♥@x", "x"},
	}
	for _, tt := range tests {
		t.Run(tt.jid, func(t *testing.T) {
			if bare := bareJID(tt.jid); bare != tt.bare || string(domainOf([]byte(bare))) != tt.domain {
				t.Errorf("bare %q, domain %q", bare, string(domainOf([]byte(bare))))
			}
		})
	}
}
