package component

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
)

// Limits on the structure of one stanza. Real clients and servers stay far below
// them; anything above is refused before it costs memory.
const (
	maxDepth      = 64
	maxAttributes = 64
	maxElements   = 1024
)

// document is a parsed stanza: its tokens, with namespaces resolved. If err is set,
// the tokens end where the fault was found, so that the sender can still be told.
type document struct {
	tokens []xml.Token
	err    error
}

// parse parses a frame. Text that is only white space is dropped.
func parse(frame []byte) document {
	d := xml.NewDecoder(bytes.NewReader(frame))
	d.DefaultSpace = nsAccept
	var doc document
	depth, elements := 0, 0
	for {
		token, err := d.Token()
		if err != nil {
			if err == io.EOF {
				err = errors.New("the stanza ends early")
			}
			doc.err = err
			return doc
		}
		switch t := token.(type) {
		case xml.StartElement:
			depth++
			elements++
			doc.tokens = append(doc.tokens, t)
			switch {
			case depth > maxDepth:
				doc.err = fmt.Errorf("the stanza nests elements deeper than %d", maxDepth)
			case len(t.Attr) > maxAttributes:
				doc.err = fmt.Errorf("the stanza has an element with more than %d attributes", maxAttributes)
			case elements > maxElements:
				doc.err = fmt.Errorf("the stanza has more than %d elements", maxElements)
			}
		case xml.EndElement:
			depth--
			doc.tokens = append(doc.tokens, t)
		case xml.CharData:
			if len(bytes.TrimSpace(t)) > 0 {
				doc.tokens = append(doc.tokens, t.Copy())
			}
		case xml.ProcInst, xml.Directive: // RFC 6120 §11.1; comments are tolerated
			doc.err = errors.New("the stanza holds XML that XMPP does not allow")
		}
		if doc.err != nil || depth == 0 {
			return doc
		}
	}
}

// start returns the start element at index i, or an empty one where there is
// none.
func (doc document) start(i int) xml.StartElement {
	if i < len(doc.tokens) {
		if s, ok := doc.tokens[i].(xml.StartElement); ok {
			return s
		}
	}
	return xml.StartElement{}
}

// end returns the index after the element that starts at i.
func (doc document) end(i int) int {
	depth := 0
	for ; i < len(doc.tokens); i++ {
		switch doc.tokens[i].(type) {
		case xml.StartElement:
			depth++
		case xml.EndElement:
			depth--
		}
		if depth == 0 {
			return i + 1
		}
	}
	return i
}

// children returns the indexes of the elements directly inside the element at
// parent, and whether there is text beside them.
func (doc document) children(parent int) (indexes []int, hasText bool) {
	for i := parent + 1; i < len(doc.tokens); {
		switch doc.tokens[i].(type) {
		case xml.StartElement:
			indexes = append(indexes, i)
			i = doc.end(i)
		case xml.CharData:
			hasText = true
			i++
		default:
			return indexes, hasText
		}
	}
	return indexes, hasText
}

// onlyChild returns the index of the single child of parent if that has this
// local name and one of the namespaces.
func (doc document) onlyChild(parent int, local string, namespaces ...string) (int, bool) {
	children, hasText := doc.children(parent)
	if len(children) != 1 || hasText {
		return 0, false
	}
	name := doc.start(children[0]).Name
	for _, ns := range namespaces {
		if name.Local == local && name.Space == ns {
			return children[0], true
		}
	}
	return 0, false
}

// reader returns the tokens of the element at i.
func (doc document) reader(i int) xml.TokenReader {
	tokens := tokenSlice(doc.tokens[i:doc.end(i)])
	return &tokens
}

type tokenSlice []xml.Token

// Token implements [xml.TokenReader].
func (t *tokenSlice) Token() (xml.Token, error) {
	if len(*t) == 0 {
		return nil, io.EOF
	}
	token := (*t)[0]
	*t = (*t)[1:]
	return token, nil
}

// address is what a reply echoes of a stanza's start tag. A nil string is an
// attribute that is missing.
type address struct {
	from, to, id *string
}

func addressOf(start xml.StartElement) address {
	return address{from: attr(start, "from"), to: attr(start, "to"), id: attr(start, "id")}
}

func attr(start xml.StartElement, name string) *string {
	for i := range start.Attr {
		if a := &start.Attr[i]; a.Name.Space == "" && a.Name.Local == name {
			return &a.Value
		}
	}
	return nil
}

// langOf returns the value of xml:lang, or "".
func langOf(start xml.StartElement) string {
	for _, a := range start.Attr {
		if a.Name.Space == "http://www.w3.org/XML/1998/namespace" && a.Name.Local == "lang" {
			return a.Value
		}
	}
	return ""
}

// text returns the string or "".
func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
