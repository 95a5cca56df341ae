package component

import (
	"encoding/xml"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

const fuzzRoot = "<stream:stream xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams'>"

// elementsOf returns what encoding/xml takes for the elements below the stream in
// data, byte for byte, up to the end of the stream ("end") or the first thing
// that it refuses or that the framer does not take.
func elementsOf(data string) (elements []string) {
	d := xml.NewDecoder(strings.NewReader(fuzzRoot + data))
	if _, err := d.Token(); err != nil {
		panic(err)
	}
	depth := 0
	var begin int64
	for {
		before := d.InputOffset()
		token, err := d.Token()
		if err != nil {
			return elements
		}
		switch token.(type) {
		case xml.Directive:
			return elements
		case xml.StartElement:
			if depth == 0 {
				begin = before
			}
			depth++
		case xml.EndElement:
			depth--
			switch {
			case depth < 0:
				return append(elements, "end")
			case depth == 0:
				elements = append(elements, (fuzzRoot + data)[begin:d.InputOffset()])
			}
		}
	}
}

// FuzzFramer compares the framer with encoding/xml: of what that accepts, the
// framer finds the same elements with the same bytes, however the input is cut.
func FuzzFramer(f *testing.F) {
	for _, s := range []string{
		"", "<a/>", "<iq><a b='c'/></iq><b/>", `<a b='>"' c="'>"/> <b></b >`, "<!-- <a> --><b><!----></b>",
		"<a><![CDATA[</a>]]]>]]></a>", "<?x y?><a><?x > ?></a>", "<a></a></stream:stream><b/>", "<a><a/><a></a></a>text<b>&amp;</b>",
		"<!><a/>", "<a><!DOCTYPE b></a>", "<a><b></a></b>", "<>", "</>", "<?>", "<!-->--><a/>", "<a\xff>", "<a b='" + strings.Repeat("x", 300) + "'/><b/>",
		"<a>" + strings.Repeat("<b/>", 100) + "</a><c/>", "<!--" + strings.Repeat("- ", 100) + "--><b/>",
	} {
		f.Add(s, uint64(0), uint16(0))
		f.Add(s, uint64(7), uint16(40))
	}
	f.Fuzz(func(t *testing.T, data string, seed uint64, size uint16) {
		limit := 1 + int(size)
		rng := rand.New(rand.NewPCG(seed, 0))
		pieces := map[string]func() int{
			"whole":        func() int { return 1 << 30 },
			"byte by byte": func() int { return 1 },
			"cut":          func() int { return rng.IntN(2 + int(seed%100)) },
		}
		want := elementsOf(data)
		for name, piece := range pieces {
			fr := &framer{limit: limit}
			found, largest, err := framesOf(fr, data, piece)
			if len(found) < len(want) {
				t.Fatalf("%s: found %q, then %v; encoding/xml finds %q", name, found, err, want)
			}
			for i, w := range want {
				begins, oversize := strings.CutPrefix(found[i], "oversize ")
				switch {
				case oversize && len(w) > limit && strings.HasPrefix(w, begins) && len(begins) > limit:
				case oversize || found[i] != w || w != "end" && len(w) > limit:
					t.Fatalf("%s, limit %d: found %q, encoding/xml finds %q", name, limit, found, want)
				}
			}
			if largest > 2*limit+2*framerBuffer {
				t.Fatalf("a buffer of %d bytes for a limit of %d", largest, limit)
			}
			again, _, againErr := framesOf(&framer{limit: limit}, data, pieces["byte by byte"])
			if (err == nil) != (againErr == nil) {
				t.Fatalf("%s: %v, byte by byte %v", name, err, againErr)
			}
			if err == nil && !slices.Equal(kindsOf(again), kindsOf(found)) {
				t.Fatalf("%s: found %q, byte by byte %q", name, found, again)
			}
		}
	})
}

// kindsOf returns the frames without the bytes of the oversize ones, of which
// more or less is there depending on the cut.
func kindsOf(frames []string) []string {
	kinds := slices.Clone(frames)
	for i, k := range kinds {
		if strings.HasPrefix(k, "oversize ") {
			kinds[i] = "oversize"
		}
	}
	return kinds
}

// FuzzParse looks for panics of the parser and of what walks its tokens, and
// checks that a whole document is balanced.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"", "<a/>", "<a><b/>x<c></c></a>", "<a><b>", "<a x:b='c'/>", "<a><?x?></a>", strings.Repeat("<a>", 100), "<a>&b;</a>"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		doc := parse(frame)
		if len(doc.tokens) > 2*maxElements+len(frame) {
			t.Fatalf("%d tokens of %d bytes", len(doc.tokens), len(frame))
		}
		for i := range doc.tokens {
			doc.children(i)
			doc.onlyChild(i, "b", nsAccept)
			if end := doc.end(i); end <= i || end > len(doc.tokens) {
				t.Fatalf("the element at %d of %d ends at %d", i, len(doc.tokens), end)
			}
			if _, isStart := doc.tokens[i].(xml.StartElement); isStart && doc.err == nil {
				checkBalanced(t, doc.reader(i))
			}
		}
	})
}

func checkBalanced(t *testing.T, r xml.TokenReader) {
	d := xml.NewTokenDecoder(r)
	if _, err := d.Token(); err != nil {
		t.Fatal(err)
	}
	if err := d.Skip(); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Token(); err != io.EOF {
		t.Fatalf("tokens behind the element: %v", err)
	}
}
