package main

import (
	"bytes"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"
)

// stream is the server's side of XEP-0114, to one program that is measured.
type stream struct {
	conn net.Conn
	buf  []byte // what was read and is not used yet
}

const handshakeDeadline = 10 * time.Second

// accept waits for the program. Only those that speak XEP-0114 do a handshake.
func accept(l *net.TCPListener, handshake bool) (*stream, error) {
	if err := l.SetDeadline(time.Now().Add(handshakeDeadline)); err != nil {
		return nil, err
	}
	conn, err := l.Accept()
	if err != nil {
		return nil, err
	}
	s := &stream{conn: conn, buf: make([]byte, 0, 1<<20)}
	if handshake {
		if err := s.handshake(); err != nil {
			conn.Close()
			return nil, fmt.Errorf("handshake: %w", err)
		}
	}
	return s, nil
}

// handshake lets the component in. XEP-0114 §3.
func (s *stream) handshake() error {
	if err := s.conn.SetDeadline(time.Now().Add(handshakeDeadline)); err != nil {
		return err
	}
	if _, err := s.readPast("<stream:stream", ">"); err != nil {
		return err
	}
	const id = "bench-stream"
	fmt.Fprintf(s.conn, "<?xml version='1.0'?><stream:stream xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams' from='%s' id='%s'>", componentJID, id)
	got, err := s.readPast("<handshake>", "</handshake>")
	if err != nil {
		return err
	}
	digest := sha1.Sum([]byte(id + handshakeSecret))
	if string(got) != hex.EncodeToString(digest[:]) {
		return errors.New("the digest is wrong")
	}
	if _, err := s.conn.Write([]byte("<handshake/>")); err != nil {
		return err
	}
	return s.conn.SetDeadline(time.Time{})
}

// readPast reads until end stands behind begin, and returns what is between.
func (s *stream) readPast(begin, end string) ([]byte, error) {
	for {
		if _, after, found := bytes.Cut(s.buf, []byte(begin)); found {
			if between, rest, found := bytes.Cut(after, []byte(end)); found {
				between = bytes.Clone(between)
				s.buf = s.buf[:copy(s.buf, rest)]
				return between, nil
			}
		}
		if err := s.read(); err != nil {
			return nil, err
		}
	}
}

func (s *stream) read() error {
	if len(s.buf) == cap(s.buf) {
		return errors.New("what was read is larger than any answer")
	}
	n, err := s.conn.Read(s.buf[len(s.buf):cap(s.buf)])
	s.buf = s.buf[:len(s.buf)+n]
	return err
}

// drop forgets the first n bytes of what was read.
func (s *stream) drop(n int) { s.buf = s.buf[:copy(s.buf, s.buf[n:])] }

// traffic is the requests of one kind, and what is right as an answer to each.
type traffic struct {
	delegated bool
	users     uint64
	checker   *checker                            // nil for an echo
	services  func(b []byte, now time.Time) error // in place of checker

	id, user, request []byte // scratch
}

// end is what each request and each reply ends with, and what stands nowhere
// else in it.
func (t *traffic) end() []byte {
	if t.delegated {
		return []byte("</delegation></iq>")
	}
	return []byte("</iq>")
}

// name sets who asks the request of this number: neighbours are different users,
// and each asks again after all others have.
func (t *traffic) name(number uint64) {
	t.id = strconv.AppendUint(append(t.id[:0], 'b'), number, 10)
	t.user = strconv.AppendUint(append(t.user[:0], "user"...), 1_000_000+number*7919%t.users, 10)
	t.user = append(t.user, "@"+host+"/resource-12345"...)
}

// append appends a request, as Prosody writes it.
func (t *traffic) append(dst []byte, number uint64) []byte {
	t.name(number)
	if t.delegated {
		dst = append(append(dst, "<iq id='"...), t.id...)
		dst = append(dst, "' type='set' to='"+componentJID+"' from='"+host+"'><delegation xmlns='urn:xmpp:delegation:2'>"+
			"<forwarded xmlns='urn:xmpp:forward:0'><iq id='ask-1' type='get' to='"+host+"' from='"...)
		dst = append(dst, t.user...)
		return append(dst, "' xml:lang='en' xmlns='jabber:client'><services xmlns='urn:xmpp:extdisco:2'/></iq></forwarded></delegation></iq>"...)
	}
	dst = append(append(dst, "<iq id='"...), t.id...)
	dst = append(dst, "' type='get' to='"+componentJID+"' from='"...)
	dst = append(dst, t.user...)
	return append(dst, "' xml:lang='en'><services xmlns='urn:xmpp:extdisco:2'/></iq>"...)
}

// check checks a whole reply.
func (t *traffic) check(reply []byte, number uint64, now time.Time) error {
	if t.checker == nil && t.services == nil {
		if t.request = t.append(t.request[:0], number); !bytes.Equal(reply, t.request) {
			return errors.New("the echo is another")
		}
		return nil
	}
	t.name(number)
	if err := t.checkReply(reply, now); err != nil {
		return fmt.Errorf("%w in %q", err, reply)
	}
	return nil
}

const wrapping = "<delegation xmlns='urn:xmpp:delegation:2'><forwarded xmlns='urn:xmpp:forward:0'>"

func (t *traffic) checkReply(reply []byte, now time.Time) error {
	outer := address{t.id, []byte(componentJID), t.user}
	if !t.delegated {
		payload, err := outer.check(reply)
		if err != nil {
			return err
		}
		if t.services != nil {
			return t.services(payload, now)
		}
		return t.checker.check(payload, now)
	}
	outer.to = []byte(host)
	b, err := outer.check(reply)
	if err != nil {
		return err
	}
	b, wrapped := bytes.CutPrefix(b, []byte(wrapping))
	if !wrapped {
		return errors.New("no wrapping")
	}
	b, err = address{[]byte("ask-1"), []byte(host), t.user}.check(b)
	if err != nil {
		return err
	}
	return t.checker.check(b, now)
}
