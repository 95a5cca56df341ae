package main

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash"
	"net"
	"strconv"
	"time"
)

const ttl = 24 * time.Hour

// minimal is a component as one writes it in an afternoon for speed alone: bytes
// are scanned by hand, a reply is appended to a buffer that is written once for
// each read, and each reply mints one credential with an HMAC that is keyed once.
// It knows no access list, limits, pseudonyms or metrics, believes every
// delegation and echoes addresses as they came.
type minimal struct {
	jid      string
	services []string // each up to where the credential goes
	mac      hash.Hash
	sum      [sha1.Size]byte

	buf, out             []byte
	username, credential []byte
	password             [28]byte
}

func newMinimal(jid, shared string, services int) *minimal {
	m := &minimal{jid: jid, mac: hmac.New(sha1.New, []byte(shared)), buf: make([]byte, 0, 256<<10)}
	for i := range services {
		kind := "turn"
		if i == 0 {
			kind = "stun"
		}
		m.services = append(m.services, fmt.Sprintf("<service type='%s' host='turn.example.org' port='%d' transport='udp'", kind, 3478+i))
	}
	return m
}

// serve does the handshake of XEP-0114 and answers until the connection ends.
func (m *minimal) serve(conn net.Conn, secret string) error {
	fmt.Fprintf(conn, "<stream:stream xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams' to='%s'>", m.jid)
	if err := m.readUntil(conn, "<stream:stream", ">"); err != nil {
		return err
	}
	header, _ := readTag(m.buf[bytes.Index(m.buf, []byte("<stream:stream")):])
	digest := sha1.Sum(append(bytes.Clone(header.id), secret...))
	m.buf = m.buf[:0]
	fmt.Fprintf(conn, "<handshake>%s</handshake>", hex.EncodeToString(digest[:]))
	if err := m.readUntil(conn, "<handshake", ">"); err != nil {
		return err
	}
	end := bytes.IndexByte(m.buf, '>') + 1
	if m.buf[end-2] != '/' {
		end = bytes.Index(m.buf, []byte("</handshake>")) + len("</handshake>")
	}
	m.buf = m.buf[:copy(m.buf, m.buf[end:])]
	for {
		done, now := 0, time.Now()
		for {
			n := stanzaLength(m.buf[done:])
			if n == 0 {
				break
			}
			m.answer(m.buf[done:done+n], now)
			done += n
		}
		if len(m.out) > 0 {
			if _, err := conn.Write(m.out); err != nil {
				return err
			}
			m.out = m.out[:0]
		}
		m.buf = m.buf[:copy(m.buf, m.buf[done:])]
		if err := m.read(conn); err != nil {
			return err
		}
	}
}

func (m *minimal) read(conn net.Conn) error {
	n, err := conn.Read(m.buf[len(m.buf):cap(m.buf)])
	m.buf = m.buf[:len(m.buf)+n]
	return err
}

// readUntil reads until end stands behind begin.
func (m *minimal) readUntil(conn net.Conn, begin, end string) error {
	for {
		if _, after, found := bytes.Cut(m.buf, []byte(begin)); found && bytes.Contains(after, []byte(end)) {
			return nil
		}
		if err := m.read(conn); err != nil {
			return err
		}
	}
}

// stanzaLength returns how long the element is that b begins with, or 0 while it
// has not come to its end. It knows tags and quotes.
func stanzaLength(b []byte) int {
	depth, quote := 0, byte(0)
	closing := false
	for i, c := range b {
		switch {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '<':
			closing = i+1 < len(b) && b[i+1] == '/'
		case c == '>':
			switch {
			case closing:
				depth--
			case b[i-1] != '/':
				depth++
			}
			closing = false
			if depth == 0 {
				return i + 1
			}
		case c == '\'' || c == '"':
			quote = c
		}
	}
	return 0
}

// tag is the attributes of a start tag that matter, as they are written.
type tag struct{ id, from, to, node, xmlns []byte }

// readTag reads the start tag that b begins with and returns what follows.
func readTag(b []byte) (t tag, rest []byte) {
	i := 1
	for b[i] != ' ' && b[i] != '>' && b[i] != '/' {
		i++
	}
	for {
		for b[i] == ' ' || b[i] == '/' {
			i++
		}
		if b[i] == '>' {
			return t, b[i+1:]
		}
		name := b[i : i+bytes.IndexByte(b[i:], '=')]
		i += len(name) + 1
		value := b[i+1:]
		value = value[:bytes.IndexByte(value, b[i])]
		i += len(value) + 2
		switch string(name) {
		case "id":
			t.id = value
		case "from":
			t.from = value
		case "to":
			t.to = value
		case "node":
			t.node = value
		case "xmlns":
			t.xmlns = value
		}
	}
}

// answer answers a request for services, asked directly or forwarded, and the
// disco#info that servers ask before they forward anything.
func (m *minimal) answer(stanza []byte, now time.Time) {
	if !bytes.HasPrefix(stanza, []byte("<iq ")) {
		return
	}
	iq, payload := readTag(stanza)
	m.open(iq, "")
	switch {
	case bytes.HasPrefix(payload, []byte("<query")):
		query, _ := readTag(payload)
		m.out = append(m.out, "<query xmlns='http://jabber.org/protocol/disco#info' node='"...)
		m.out = append(append(m.out, query.node...), "'>"...)
		if _, ns, nested := bytes.Cut(query.node, []byte("::")); nested {
			m.out = append(append(append(m.out, "<feature var='"...), ns...), "'/>"...)
		}
		m.out = append(m.out, "</query></iq>"...)
	case bytes.HasPrefix(payload, []byte("<delegation ")):
		delegation, rest := readTag(payload)
		_, rest = readTag(rest)
		inner, _ := readTag(rest)
		m.out = append(append(m.out, "<delegation xmlns='"...), delegation.xmlns...)
		m.out = append(m.out, "'><forwarded xmlns='urn:xmpp:forward:0'>"...)
		m.open(inner, " xmlns='jabber:client'")
		m.answerServices(now)
		m.out = append(m.out, "</iq></forwarded></delegation></iq>"...)
	default:
		m.answerServices(now)
		m.out = append(m.out, "</iq>"...)
	}
}

// open appends the start tag of the reply to an IQ.
func (m *minimal) open(iq tag, xmlns string) {
	m.out = append(append(m.out, "<iq type='result'"...), xmlns...)
	m.out = append(append(m.out, " id='"...), iq.id...)
	if iq.to != nil {
		m.out = append(append(m.out, "' from='"...), iq.to...)
	}
	m.out = append(append(m.out, "' to='"...), iq.from...)
	m.out = append(m.out, "'>"...)
}

func (m *minimal) answerServices(now time.Time) {
	expires := now.Add(ttl)
	// As long as a pseudonym, so that as many bytes are sent.
	m.username = append(strconv.AppendInt(m.username[:0], expires.Unix(), 10), ":one-for-everyone"...)
	m.mac.Reset()
	m.mac.Write(m.username)
	base64.StdEncoding.Encode(m.password[:], m.mac.Sum(m.sum[:0]))

	c := append(m.credential[:0], " restricted='true' expires='"...)
	c = expires.UTC().AppendFormat(c, "2006-01-02T15:04:05Z")
	c = append(append(c, "' username='"...), m.username...)
	c = append(append(c, "' password='"...), m.password[:]...)
	m.credential = append(c, '\'')

	m.out = append(m.out, "<services xmlns='urn:xmpp:extdisco:2'>"...)
	for i, s := range m.services {
		m.out = append(m.out, s...)
		if i > 0 {
			m.out = append(m.out, m.credential...)
		}
		m.out = append(m.out, "/>"...)
	}
	m.out = append(m.out, "</services>"...)
}
