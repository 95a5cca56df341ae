package main

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"strconv"
	"time"
)

const (
	componentJID    = "turn.meet.example.org"
	host            = "meet.example.org"
	relay           = "turn.example.org" // the host of all services
	handshakeSecret = "handshake-secret-of-the-bench"
	sharedSecret    = "shared-secret-of-the-bench-0123456789"
	ttl             = 24 * time.Hour
)

// checker reads answers and says what is wrong with them. It shares no code with
// extdisco, and is quick enough not to be what is measured. It is for one
// goroutine.
type checker struct {
	services int // one of stun, the rest of turn, on ports from 3478 up
	mac      hash.Hash
	sum      [sha1.Size]byte
	password [28]byte
	instant  int64  // of the text below
	rendered []byte // an instant as XEP-0082 writes it
}

func newChecker(services int) *checker {
	return &checker{services: services, mac: hmac.New(sha1.New, []byte(sharedSecret))}
}

// address is what a reply must hold besides the services. Empty fields are not
// looked at.
type address struct{ id, from, to []byte }

// check checks the start tag at the beginning of b and returns what is behind it.
func (a address) check(b []byte) ([]byte, error) {
	tag, rest, ok := readTag(b)
	if !ok || string(tag.name) != "iq" {
		return nil, errors.New("no iq")
	}
	if string(tag.attr("type")) != "result" {
		return nil, errors.New("not a result")
	}
	for _, want := range []struct {
		name  string
		value []byte
	}{{"id", a.id}, {"from", a.from}, {"to", a.to}} {
		if got := tag.attr(want.name); len(want.value) > 0 && !bytes.Equal(got, want.value) {
			return nil, fmt.Errorf("%s is %q, not %q", want.name, got, want.value)
		}
	}
	return rest, nil
}

// check checks the services element at the beginning of b: that it holds every
// service once, and for each of turn a credential that a relay takes now.
func (c *checker) check(b []byte, now time.Time) error {
	tag, b, ok := readTag(b)
	if !ok || string(tag.name) != "services" || string(tag.attr("xmlns")) != "urn:xmpp:extdisco:2" {
		return errors.New("no services element")
	}
	var seen uint64
	var username []byte
	for {
		var element startTag
		if element, b, ok = readTag(b); !ok || string(element.name) != "service" {
			break
		}
		b = bytes.TrimPrefix(b, []byte("</service>"))
		e := element.entry()
		index := e.port - 3478
		kind := "turn"
		if index == 0 {
			kind = "stun"
		}
		if index < 0 || index >= c.services || seen&(1<<index) != 0 || string(e.kind) != kind || string(e.host) != relay || string(e.transport) != "udp" {
			return fmt.Errorf("an entry that is not ours or comes twice: %q", element.raw)
		}
		seen |= 1 << index
		if kind == "stun" {
			continue
		}
		if !bytes.Equal(e.username, username) { // Prosody makes one each, which may be of two seconds
			if err := c.checkUsername(e.username, now); err != nil {
				return err
			}
			username = e.username
		}
		if !bytes.Equal(e.password, c.password[:]) {
			return errors.New("username and password do not belong together")
		}
		if !bytes.Equal(e.expires, c.rendered) {
			return fmt.Errorf("expires is %q, not %q as in the username", e.expires, c.rendered)
		}
	}
	if seen != 1<<c.services-1 || !bytes.HasPrefix(b, []byte("</services>")) {
		return errors.New("not all services")
	}
	return nil
}

// checkUsername checks when the credential expires, and computes the password
// and the rendered expiry that go with it.
func (c *checker) checkUsername(username []byte, now time.Time) error {
	digits, _, _ := bytes.Cut(username, []byte{':'})
	expires, err := strconv.ParseInt(string(digits), 10, 64)
	if off := expires - now.Add(ttl).Unix(); err != nil || off < -2 || off > 2 {
		return fmt.Errorf("the username %q does not expire %v from now", username, ttl)
	}
	if expires != c.instant {
		c.instant = expires
		c.rendered = time.Unix(expires, 0).UTC().AppendFormat(c.rendered[:0], "2006-01-02T15:04:05Z")
	}
	c.mac.Reset()
	c.mac.Write(username)
	base64.StdEncoding.Encode(c.password[:], c.mac.Sum(c.sum[:0]))
	return nil
}

// startTag is a start tag in the bytes that it was read from.
type startTag struct{ raw, name []byte }

// readTag reads the start tag that b begins with.
func readTag(b []byte) (t startTag, rest []byte, ok bool) {
	if len(b) < 2 || b[0] != '<' || b[1] == '/' {
		return t, b, false
	}
	end := bytes.IndexByte(b, '>') // no value that is measured here holds one
	if end < 0 {
		return t, b, false
	}
	t.raw, rest = b[1:end], b[end+1:]
	t.name = t.raw[:nameLength(t.raw)]
	return t, rest, true
}

func nameLength(b []byte) int {
	for i, c := range b {
		if c == ' ' || c == '/' || c == '=' || c == '\n' {
			return i
		}
	}
	return len(b)
}

// each calls f with every attribute, the value as it is written, until f returns
// false.
func (t startTag) each(f func(name, value []byte) bool) {
	b := t.raw[len(t.name):]
	for len(b) > 0 {
		if b[0] == ' ' || b[0] == '\n' {
			b = b[1:]
			continue
		}
		n := nameLength(b)
		if n == 0 || n+2 > len(b) || b[n] != '=' {
			return
		}
		end := bytes.IndexByte(b[n+2:], b[n+1])
		if end < 0 || !f(b[:n], b[n+2:n+2+end]) {
			return
		}
		b = b[n+2+end+1:]
	}
}

// attr returns the value of an attribute.
func (t startTag) attr(name string) (value []byte) {
	t.each(func(n, v []byte) bool {
		if string(n) == name {
			value = v
		}
		return value == nil
	})
	return value
}

// entry is the attributes of a service element.
type entry struct {
	kind, host, transport, username, password, expires []byte
	port                                               int
}

func (t startTag) entry() (e entry) {
	t.each(func(name, value []byte) bool {
		switch string(name) {
		case "type":
			e.kind = value
		case "host":
			e.host = value
		case "transport":
			e.transport = value
		case "username":
			e.username = value
		case "password":
			e.password = value
		case "expires":
			e.expires = value
		case "port":
			for _, digit := range value {
				e.port = 10*e.port + int(digit-'0')
			}
		}
		return true
	})
	return e
}
