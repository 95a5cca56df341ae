package component

import (
	"bytes"
	"errors"
)

// frameKind says what the framer found.
type frameKind int

const (
	frameIncomplete frameKind = iota // more bytes are needed
	frameStanza                      // a whole element below the stream
	frameOversize                    // the beginning of an oversized element; the rest is skipped
	frameStreamEnd                   // the end tag of the stream
)

const (
	framerBuffer = 64 << 10
	// markupLead is how many bytes tell a comment from CDATA from a DTD.
	markupLead = len("<![CDATA[")
)

// errDTD ends the stream: XMPP has no DTDs (RFC 6120 §11.1), and one cannot be
// skipped without understanding it.
var errDTD = errors.New("the server sent a document type declaration")

// errEndless ends the stream: a server that sends an element without end has most
// likely lost count of its tags, and everything after it would be missed.
var errEndless = errors.New("the server sent an element that does not end")

// maxSkipped is how much of one element is skipped.
const maxSkipped = 64 << 20

// framer cuts the bytes of a stream into stanzas, the elements below the stream's
// root. It knows just enough XML to find the end of an element (tags, quoted values,
// comments, CDATA, processing instructions); whether the frame is well-formed is left
// to its parser. Every byte is examined once, even when a large stanza arrives in
// many small pieces.
//
// Whatever is outside elements (white space, comments, processing instructions) is
// skipped.
type framer struct {
	limit int // bytes of the largest stanza

	buf      []byte // what was read and is still needed
	begin    int    // in buf: where the current element or markup begins
	pos      int    // in buf: up to where it was scanned
	markup   int    // in buf: where the current markup began; negative once dropped
	state    scanState
	depth    int // of elements that are open below the stream
	skipping bool
	skipped  int // bytes of the element that is skipped
	whole    int // elements, and pieces of what may stand between them, that came whole
}

type scanState int

const (
	inText scanState = iota
	inLead           // behind "<", not yet known of what
	inStartTag
	inSingleQuotes
	inDoubleQuotes
	inEndTag
	inComment
	inCDATA
	inProcInst
)

// space returns room to read into. Frames returned before become invalid.
func (f *framer) space() []byte {
	f.compact()
	if len(f.buf) == cap(f.buf) {
		grown := make([]byte, len(f.buf), max(framerBuffer, 2*cap(f.buf)))
		copy(grown, f.buf)
		f.buf = grown
	}
	return f.buf[len(f.buf):cap(f.buf)]
}

// added tells the framer that n bytes were read into the space.
func (f *framer) added(n int) { f.buf = f.buf[:len(f.buf)+n] }

// compact drops bytes that are no longer needed, and a buffer that has grown for one
// large stanza.
func (f *framer) compact() {
	drop := f.begin
	if f.skipping {
		// The end of a comment, CDATA or instruction may be cut in two.
		drop = max(0, f.pos-2)
		f.skipped += drop
	}
	if drop == 0 {
		return
	}
	rest := f.buf[drop:]
	f.begin, f.pos, f.markup = max(0, f.begin-drop), f.pos-drop, f.markup-drop
	if cap(f.buf) > framerBuffer && len(rest) < framerBuffer/2 {
		f.buf = append(make([]byte, 0, framerBuffer), rest...)
		return
	}
	f.buf = f.buf[:copy(f.buf, rest)]
}

// next returns the next frame in what was read. The bytes are valid until the
// next call of space.
func (f *framer) next() (frameKind, []byte, error) {
	for f.pos < len(f.buf) {
		undecided := f.state == inLead
		kind, frame, err := f.step()
		if kind != frameIncomplete || err != nil {
			return kind, frame, err
		}
		if undecided && f.state == inLead {
			break // more bytes are needed to tell what the markup is
		}
	}
	if f.skipping && f.skipped > maxSkipped {
		return frameIncomplete, nil, errEndless
	}
	if f.pos-f.begin > f.limit && !f.skipping {
		f.skipping, f.skipped = true, 0
		if f.depth > 0 || f.state == inStartTag || f.state == inSingleQuotes || f.state == inDoubleQuotes {
			return frameOversize, f.buf[f.begin:f.pos], nil
		}
	}
	return frameIncomplete, nil, nil
}

// ahead returns the bytes after the last frame, as far as they have been read, or
// nothing if a frame has already begun. They are valid until the next call of space.
func (f *framer) ahead() []byte {
	if f.state != inText || f.depth > 0 {
		return nil
	}
	return f.buf[f.pos:]
}

// take consumes the first n bytes of what is ahead as a frame.
func (f *framer) take(n int) []byte {
	frame := f.buf[f.pos : f.pos+n]
	f.pos += n
	f.begin, f.skipping = f.pos, false
	f.whole++
	return frame
}

// step scans up to the next change of state.
func (f *framer) step() (frameKind, []byte, error) {
	switch f.state {
	case inText:
		f.scanText()
	case inLead:
		return frameIncomplete, nil, f.scanLead()
	case inStartTag:
		return f.scanStartTag()
	case inSingleQuotes:
		f.scanTo("'", inStartTag)
	case inDoubleQuotes:
		f.scanTo(`"`, inStartTag)
	case inEndTag:
		if f.scanTo(">", inText) {
			f.depth--
			if f.depth < 0 {
				return frameStreamEnd, nil, nil
			}
			return f.closed()
		}
	case inComment:
		f.scanBetween("-->")
	case inCDATA:
		f.scanBetween("]]>")
	case inProcInst:
		f.scanBetween("?>")
	}
	return frameIncomplete, nil, nil
}

// scanBetween scans for the end of what may also stand between elements.
func (f *framer) scanBetween(end string) {
	if f.scanTo(end, inText) && f.depth == 0 {
		f.whole++
	}
}

func (f *framer) scanText() {
	i := bytes.IndexByte(f.buf[f.pos:], '<')
	if i < 0 {
		f.pos = len(f.buf)
	} else {
		f.pos += i
		f.markup, f.state = f.pos, inLead
	}
	if f.depth == 0 {
		if i != 0 {
			f.whole++
		}
		f.begin, f.skipping = f.pos, false
	}
}

// scanLead decides what the markup is and moves behind its first characters.
func (f *framer) scanLead() error {
	lead := f.buf[f.markup:]
	enter := func(state scanState, prefix string) {
		f.state, f.pos = state, f.markup+len(prefix)
	}
	if len(lead) < 2 {
		return nil
	}
	switch {
	case lead[1] == '/':
		enter(inEndTag, "</")
	case lead[1] == '?':
		enter(inProcInst, "<?")
	case lead[1] != '!':
		enter(inStartTag, "<")
	case bytes.HasPrefix(lead, []byte("<!--")):
		enter(inComment, "<!--")
	case bytes.HasPrefix(lead, []byte("<![CDATA[")):
		enter(inCDATA, "<![CDATA[")
	case len(lead) >= markupLead:
		return errDTD
	}
	return nil
}

func (f *framer) scanStartTag() (frameKind, []byte, error) {
	i := bytes.IndexAny(f.buf[f.pos:], `>'"`)
	if i < 0 {
		f.pos = len(f.buf)
		return frameIncomplete, nil, nil
	}
	f.pos += i + 1
	switch f.buf[f.pos-1] {
	case '\'':
		f.state = inSingleQuotes
	case '"':
		f.state = inDoubleQuotes
	default:
		f.state = inText
		if f.pos >= 2 && f.buf[f.pos-2] == '/' {
			return f.closed()
		}
		f.depth++
	}
	return frameIncomplete, nil, nil
}

// closed is called when an element has ended.
func (f *framer) closed() (frameKind, []byte, error) {
	if f.depth > 0 {
		return frameIncomplete, nil, nil
	}
	f.whole++
	frame := f.buf[f.begin:f.pos]
	f.begin = f.pos
	if f.skipping {
		f.skipping = false
		return frameIncomplete, nil, nil
	}
	if len(frame) > f.limit {
		return frameOversize, frame, nil
	}
	return frameStanza, frame, nil
}

// scanTo moves past the next end and into state, and reports whether end was found.
// Everything before pos has been scanned, except for a part of end that may have
// arrived already.
func (f *framer) scanTo(end string, state scanState) bool {
	from := f.pos
	if len(end) > 1 {
		from = max(f.pos-(len(end)-1), f.contentStart())
	}
	i := bytes.Index(f.buf[from:], []byte(end))
	if i < 0 {
		f.pos = len(f.buf)
		return false
	}
	f.pos = from + i + len(end)
	f.state = state
	return true
}

// contentStart returns where the inside of the current comment, CDATA section
// or processing instruction begins, so that "<!-->" is not taken for a whole
// comment.
func (f *framer) contentStart() int {
	switch f.state {
	case inComment:
		return max(0, f.markup+len("<!--"))
	case inCDATA:
		return max(0, f.markup+len("<![CDATA["))
	}
	return max(0, f.markup+len("<?"))
}
