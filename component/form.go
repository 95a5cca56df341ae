package component

import (
	"bytes"

	"extdisco/internal/xmltext"
)

// Servers write all requests alike, but for the ids and for who asks. So the fast
// path keeps what it has read as a form: a stanza that differs from it in these
// values only says the same, and need not be read again.

// forms are the forms of a link, by [Route].
type forms [2]form

// form is a stanza that the fast path has read.
type form struct {
	stanza  []byte // a copy; empty before there is one
	request fastRequest
	blanks  [3]blank // in the order of the stanza
	count   int      // of the blanks
	misses  int      // since it was learned
}

// blank is where a stanza has a value of its own.
type blank struct {
	begin, end int // between the quotes
	value      formValue
}

type formValue uint8

const (
	outerID formValue = iota
	innerID
	requesterJID
)

const (
	maxForm = 1 << 10 // bytes
	// formMisses is after how many stanzas that are of no form one of them becomes
	// the form of its route.
	formMisses = 8
)

// read reads the stanza that b begins with, if it has one of the forms.
func (fs *forms) read(q *fastRequest, b []byte) bool {
	return fs[RouteDirect].read(q, b) || fs[RouteDelegated].read(q, b)
}

func (f *form) read(q *fastRequest, b []byte) bool {
	if len(f.stanza) == 0 {
		return false
	}
	var values [requesterJID + 1][]byte
	done, rest := 0, b
	for i := range f.blanks[:f.count] {
		blank := &f.blanks[i]
		same := f.stanza[done:blank.begin] // up to the opening quote
		if !bytes.HasPrefix(rest, same) {
			return false
		}
		rest = rest[len(same)-1:]
		n := xmltext.PlainValue(rest)
		if n <= len("''") {
			return false
		}
		values[blank.value] = rest[1 : n-1]
		done, rest = blank.end, rest[n-1:]
	}
	same := f.stanza[done:] // from the closing quote
	if !bytes.HasPrefix(rest, same) {
		return false
	}
	*q = f.request
	q.len = len(b) - len(rest) + len(same)
	q.outer.id = values[outerID]
	if q.wrapping == nil {
		q.outer.from = values[requesterJID]
	} else {
		q.inner.id, q.inner.from = values[innerID], values[requesterJID]
	}
	return true
}

// learn makes a form of the stanza, which was read into q and which b holds.
func (r *responder) learn(q *fastRequest, b []byte) {
	f := &r.forms[routeOf(q.wrapping != nil)]
	if f.misses++; len(f.stanza) > 0 && f.misses <= formMisses || len(b) > maxForm {
		return
	}
	f.stanza, f.misses, f.count = append(f.stanza[:0], b...), 0, 0
	read := &f.request
	if !r.readWhole(read, f.stanza) || read.wrapping != nil && read.inner.to != nil && string(read.inner.to) != read.host {
		f.stanza = f.stanza[:0] // to names the requester too, and so would be a blank
		return
	}
	f.add(outerID, read.outer.id)
	if read.wrapping == nil {
		f.add(requesterJID, read.outer.from)
	} else {
		f.add(innerID, read.inner.id)
		f.add(requesterJID, read.inner.from)
	}
}

// add adds a blank, which is a part of the stanza.
func (f *form) add(value formValue, part []byte) {
	begin := cap(f.stanza) - cap(part) // where a slice of a slice begins in it
	i := f.count
	for ; i > 0 && f.blanks[i-1].begin > begin; i-- {
		f.blanks[i] = f.blanks[i-1]
	}
	f.blanks[i] = blank{begin, begin + len(part), value}
	f.count++
}
