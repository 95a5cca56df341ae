package component

import (
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// framesOf feeds data in pieces and returns what the framer finds: stanzas as
// they are, "oversize" and the beginning of what is too large, "end" for the
// end of the stream. It also returns the largest buffer the framer had.
func framesOf(f *framer, data string, piece func() int) (found []string, largest int, err error) {
	for {
		kind, frame, err := f.next()
		switch {
		case err != nil:
			return found, largest, err
		case kind == frameStanza:
			found = append(found, string(frame))
		case kind == frameOversize:
			found = append(found, "oversize "+string(frame))
		case kind == frameStreamEnd:
			return append(found, "end"), largest, nil
		case data == "":
			return found, largest, nil
		default:
			n := copy(f.space(), data[:min(len(data), max(1, piece()))])
			f.added(n)
			data = data[n:]
		}
		largest = max(largest, cap(f.buf))
	}
}

// cuts are the ways in which a network may cut what it carries.
var cuts = []struct {
	name  string
	piece func() int
}{
	{"whole", func() int { return 1 << 30 }},
	{"byte by byte", func() int { return 1 }},
	{"in random pieces", func() int { return rand.N(12) }},
	{"in large random pieces", func() int { return rand.N(5000) }},
}

func TestFramerFindsStanzas(t *testing.T) {
	long := strings.Repeat("x", 3*framerBuffer)
	tests := []struct {
		name, data string
		want       []string
	}{
		{"nothing", "", nil},
		{"blanks", " \n\t ", nil},
		{"empty element", "<iq/>", []string{"<iq/>"}},
		{"empty element with a blank", "<iq />", []string{"<iq />"}},
		{"one element", "<iq><a/></iq>", []string{"<iq><a/></iq>"}},
		{"shortest names", "<a></a>", []string{"<a></a>"}},
		{"two in a row", "<a/><b></b>", []string{"<a/>", "<b></b>"}},
		{"half of one", "<iq><a/></i", nil},
		{"half of a start tag", "<a/><iq fr", []string{"<a/>"}},
		{"lone less-than", "<a/><", []string{"<a/>"}},
		{"blanks in tags", "<a\n b = 'c'\t></a\n>", []string{"<a\n b = 'c'\t></a\n>"}},
		{"same name nested", "<a><a><a/></a></a><b/>", []string{"<a><a><a/></a></a>", "<b/>"}},
		{"keepalive between stanzas", "<a/> <b/>\n<c/>", []string{"<a/>", "<b/>", "<c/>"}},
		{"text between stanzas", "x<a/>y&amp;<b/>]]>z", []string{"<a/>", "<b/>"}},
		{"greater-than in quotes", `<a b='>' c=">"/><d e="'>" f='">'></d>`, []string{`<a b='>' c=">"/>`, `<d e="'>" f='">'></d>`}},
		{"slash in quotes", `<a b='/'>x</a><c b="/"></c>`, []string{`<a b='/'>x</a>`, `<c b="/"></c>`}},
		{"end tag in quotes", `<a b='</a>'/>`, []string{`<a b='</a>'/>`}},
		{"quotes in text", `<a>'"</a><b>"</b>`, []string{`<a>'"</a>`, `<b>"</b>`}},
		{"greater-than in text", "<a>></a>", []string{"<a>></a>"}},
		{"comment inside", "<a><!-- </a> <b> ' --></a>", []string{"<a><!-- </a> <b> ' --></a>"}},
		{"comment between", "<a/><!-- <b/> --><c/>", []string{"<a/>", "<c/>"}},
		{"empty comment", "<!----><a/>", []string{"<a/>"}},
		{"comment that only looks empty", "<!--><a/>--><b/>", []string{"<b/>"}},
		{"comment that only looks empty inside", "<a><!--></a>--></a>", []string{"<a><!--></a>--></a>"}},
		{"comment with dashes", "<a><!-- - -> - --></a>", []string{"<a><!-- - -> - --></a>"}},
		{"CDATA", "<a><![CDATA[</a><b>]]></a>", []string{"<a><![CDATA[</a><b>]]></a>"}},
		{"CDATA with brackets", "<a><![CDATA[]>]]]]></a>", []string{"<a><![CDATA[]>]]]]></a>"}},
		{"empty CDATA", "<a><![CDATA[]]></a>", []string{"<a><![CDATA[]]></a>"}},
		{"CDATA between", "<![CDATA[<b/>]]><a/>", []string{"<a/>"}},
		{"instruction inside", "<a><?x </a>?></a>", []string{"<a><?x </a>?></a>"}},
		{"instruction between", "<?x <b/> ?><a/>", []string{"<a/>"}},
		{"instruction that only looks empty", "<?><a/>?><b/>", []string{"<b/>"}},
		{"end of the stream", "<a/></stream:stream>", []string{"<a/>", "end"}},
		{"end of a stream with a short name", "</a>", []string{"end"}},
		{"nothing behind the end", "</stream:stream><a/>", []string{"end"}},
		{"long text", "<a>" + long + "</a><b/>", []string{"<a>" + long + "</a>", "<b/>"}},
		{"long comment between", "<!--" + long + "--><b/>", []string{"<b/>"}},
		{"not ASCII", "<♥ a='♥'>♥</♥><b/>", []string{"<♥ a='♥'>♥</♥>", "<b/>"}},
		{"zero byte", "<a>\x00</a>", []string{"<a>\x00</a>"}},
	}
	for _, tt := range tests {
		for _, cut := range cuts {
			t.Run(tt.name+" "+cut.name, func(t *testing.T) {
				found, _, err := framesOf(&framer{limit: maxStanza}, tt.data, cut.piece)
				if err != nil || !slices.Equal(found, tt.want) {
					t.Errorf("found %.300q, %v; want %.300q", found, err, tt.want)
				}
			})
		}
	}
}

func TestFramerRefusesDTD(t *testing.T) {
	for _, data := range []string{
		"<!DOCTYPE a [<!ENTITY b 'c'>]><a/>", "<a/><!DOCTYPE a>", "<a><!ENTITY b 'c'></a>", "<![INCLUDE[ <a/> ]]>", "<!-x <a/>", "<!>      <a/>",
	} {
		for _, cut := range cuts {
			t.Run(data+" "+cut.name, func(t *testing.T) {
				if found, _, err := framesOf(&framer{limit: 1000}, data, cut.piece); !errors.Is(err, errDTD) {
					t.Errorf("found %q, %v", found, err)
				}
			})
		}
	}
}

// What is too large costs itself and no memory: the stanza behind it is found.
func TestFramerSkipsOversize(t *testing.T) {
	const limit = 100 << 10
	huge := strings.Repeat("x", 6*limit)
	tests := []struct {
		name, data string
		reported   bool // something of the size of a stanza, which may be one to answer
	}{
		{"attribute of the root", "<iq id='" + huge + "'/>", true},
		{"attribute with greater-thans", `<iq id="` + strings.Repeat(">/>'", 2*limit) + `"></iq>`, true},
		{"name of the root", "<" + huge + "/>", true},
		{"text", "<iq from='a'>" + huge + "</iq>", true},
		{"text with look-alikes", "<iq from='a'>" + "]]>-->?>'\"/>" + huge + "</iq>", true},
		{"many elements", "<iq>" + strings.Repeat("<a b='c'><d/></a>", limit/2) + "</iq>", true},
		{"nesting", "<iq>" + strings.Repeat("<a>", 4*limit) + strings.Repeat("</a>", 4*limit) + "</iq>", true},
		{"comment inside", "<iq><!--" + huge + "</iq>" + huge + "--></iq>", true},
		{"CDATA inside", "<iq><![CDATA[" + huge + "</iq>" + huge + "]]></iq>", true},
		{"instruction inside", "<iq><?x " + huge + "</iq>" + huge + "?></iq>", true},
		{"end tag", "<iq></iq" + strings.Repeat(" ", 4*limit) + ">", true},
		{"comment between stanzas", "<!--" + huge + "<iq/>" + huge + "-->", false},
		{"instruction between stanzas", "<?x " + huge + "<iq/>" + huge + "?>", false},
		{"CDATA between stanzas", "<![CDATA[" + huge + "<iq/>" + huge + "]]>", false},
		{"text between stanzas", huge, false},
	}
	network := append(slices.Clone(cuts[2:]), struct {
		name  string
		piece func() int
	}{"in segments", func() int { return 1460 }})
	for _, tt := range tests {
		for _, cut := range append(network, cuts[0]) {
			t.Run(tt.name+" "+cut.name, func(t *testing.T) {
				f := &framer{limit: limit}
				found, largest, err := framesOf(f, "<before/>"+tt.data+"<next a='b'/><last></last>", cut.piece)
				if err != nil {
					t.Fatal(err)
				}
				want := []string{"<before/>", "<next a='b'/>", "<last></last>"}
				if tt.reported {
					start := found[min(1, len(found)-1)]
					begins, isOversize := strings.CutPrefix(start, "oversize ")
					if !isOversize || !strings.HasPrefix(tt.data, begins) || len(begins) <= limit {
						t.Fatalf("the oversize stanza is reported as %.100q", start)
					}
					found = slices.Delete(found, 1, 2)
				}
				if !slices.Equal(found, want) {
					t.Errorf("found %.300q, want %q", found, want)
				}
				if largest > 4*limit {
					t.Errorf("a buffer of %d bytes for a limit of %d", largest, limit)
				}
			})
		}
	}
}

// A server that lost count of its tags would never be heard again otherwise.
func TestFramerGivesUpOnElementWithoutEnd(t *testing.T) {
	f := framer{limit: 1000}
	f.added(copy(f.space(), "<iq><a>"))
	piece := strings.Repeat("<b/>text", 1000)
	for fed := 0; fed < 2*maxSkipped; fed += len(piece) {
		if _, _, err := f.next(); err != nil {
			if !errors.Is(err, errEndless) || fed < maxSkipped {
				t.Errorf("after %d bytes: %v", fed, err)
			}
			return
		}
		f.added(copy(f.space(), piece))
	}
	t.Error("an element without end is skipped for ever")
}

func TestFramerKeepsStanzaOfExactlyTheLimit(t *testing.T) {
	stanza := "<iq>" + strings.Repeat("x", 1000-len("<iq></iq>")) + "</iq>"
	for _, cut := range cuts {
		t.Run(cut.name, func(t *testing.T) {
			found, _, err := framesOf(&framer{limit: len(stanza)}, stanza, cut.piece)
			if err != nil || !slices.Equal(found, []string{stanza}) {
				t.Errorf("at the limit: %q, %v", found, err)
			}
			found, _, err = framesOf(&framer{limit: len(stanza) - 1}, stanza, cut.piece)
			if err != nil || len(found) != 1 || !strings.HasPrefix(found[0], "oversize ") {
				t.Errorf("a byte above: %q, %v", found, err)
			}
		})
	}
}

func TestFramerReportsStreamEndBehindOversize(t *testing.T) {
	found, _, err := framesOf(&framer{limit: 100}, "<iq>"+strings.Repeat("x", 500)+"</iq></stream:stream>", cuts[1].piece)
	if err != nil || len(found) != 2 || found[1] != "end" {
		t.Errorf("found %q, %v", found, err)
	}
}

func TestFramerShrinksAfterLargeStanza(t *testing.T) {
	f := &framer{limit: maxStanza}
	large := "<iq>" + strings.Repeat("x", maxStanza/2) + "</iq>"
	if found, _, err := framesOf(f, large, cuts[0].piece); err != nil || len(found) != 1 {
		t.Fatalf("%d stanzas, %v", len(found), err)
	}
	if cap(f.buf) < maxStanza/2 {
		t.Fatalf("a buffer of %d bytes cannot have held the stanza", cap(f.buf))
	}
	f.space()
	if cap(f.buf) > framerBuffer {
		t.Errorf("%d bytes are kept afterwards", cap(f.buf))
	}
	if found, _, err := framesOf(f, "<a/>", cuts[1].piece); err != nil || !slices.Equal(found, []string{"<a/>"}) {
		t.Errorf("then found %q, %v", found, err)
	}
}

// A large stanza that trickles in must not be scanned again from its start: what
// was scanned is overwritten here with what would be noticed.
func TestFramerScansOnce(t *testing.T) {
	tests := []struct{ name, begin, trap, end string }{
		{"text", "<iq>", "<!x>      ", "</iq>"},
		{"comment", "<iq><!--", "--><!x>      ", "--></iq>"},
		{"CDATA", "<iq><![CDATA[", "]]><!x>      ", "]]></iq>"},
		{"instruction", "<iq><?x", "?><!x>      ", "?></iq>"},
		{"single quotes", "<iq a='", "'><!x>      ", "'/>"},
		{"double quotes", `<iq a="`, `"><!x>      `, `"/>`},
		{"start tag", "<iq ", "><!x>      ", "/>"},
		{"end tag", "<iq></iq ", "><!x>      ", ">"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := &framer{limit: maxStanza}
			f.added(copy(f.space(), tt.begin))
			for range 20 {
				f.added(copy(f.space(), strings.Repeat("x", 100)))
				if kind, _, err := f.next(); kind != frameIncomplete || err != nil {
					t.Fatal(kind, err)
				}
				copy(f.buf[len(tt.begin):f.pos-2], strings.Repeat(tt.trap, 20))
			}
			f.added(copy(f.space(), tt.end))
			if kind, _, err := f.next(); kind != frameStanza || err != nil {
				t.Errorf("then kind %v, %v", kind, err)
			}
		})
	}
}
