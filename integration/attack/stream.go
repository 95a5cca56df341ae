package main

import (
	"bufio"
	"crypto/sha1"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// stream is either side of a component's connection (XEP-0114).
type stream struct {
	net.Conn
	dec *xml.Decoder
}

const streamHeader = "<?xml version='1.0'?><stream:stream xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams'"

// handshakeTimeout bounds what comes before the first stanza.
const handshakeTimeout = 10 * time.Second

func newStream(conn net.Conn) *stream {
	return &stream{conn, xml.NewDecoder(bufio.NewReaderSize(conn, 64<<10))}
}

func digest(id, secret string) string { return fmt.Sprintf("%x", sha1.Sum([]byte(id+secret))) }

// serveComponent lets a component in, as a server does.
func serveComponent(conn net.Conn, secret string) (*stream, error) {
	s := newStream(conn)
	if err := s.SetDeadline(time.Now().Add(handshakeTimeout)); err != nil {
		return nil, err
	}
	if _, err := s.start(); err != nil {
		return nil, err
	}
	const id = "stream-id"
	if _, err := io.WriteString(s, streamHeader+" id='"+id+"' from='"+component+"'>"); err != nil {
		return nil, err
	}
	var got string
	if err := s.dec.Decode(&got); err != nil {
		return nil, err
	}
	if got != digest(id, secret) {
		return nil, errors.New("the component has another handshake secret")
	}
	if _, err := io.WriteString(s, "<handshake/>"); err != nil {
		return nil, err
	}
	return s, s.SetDeadline(time.Time{})
}

// dialComponent connects as a component.
func dialComponent(address, jid, secret string) (*stream, error) {
	conn, err := net.DialTimeout("tcp", address, handshakeTimeout)
	if err != nil {
		return nil, err
	}
	s := newStream(conn)
	if err := errors.Join(s.SetDeadline(time.Now().Add(handshakeTimeout)), s.greet(jid, secret), s.SetDeadline(time.Time{})); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return s, nil
}

func (s *stream) greet(jid, secret string) error {
	if _, err := io.WriteString(s, streamHeader+" to='"+jid+"'>"); err != nil {
		return err
	}
	header, err := s.start()
	if err != nil {
		return err
	}
	for _, a := range header.Attr {
		if a.Name.Local != "id" {
			continue
		}
		if _, err := io.WriteString(s, "<handshake>"+digest(a.Value, secret)+"</handshake>"); err != nil {
			return err
		}
		r, err := s.read()
		if err == nil && r.XMLName.Local != "handshake" {
			err = errors.New("the server refuses the handshake: " + r.Body)
		}
		return err
	}
	return errors.New("the stream has no id")
}

// start reads up to the next start tag.
func (s *stream) start() (xml.StartElement, error) {
	for {
		token, err := s.dec.Token()
		if err != nil {
			return xml.StartElement{}, err
		}
		switch t := token.(type) {
		case xml.StartElement:
			return t, nil
		case xml.EndElement:
			return xml.StartElement{}, io.EOF
		}
	}
}

// read returns the next stanza, or io.EOF at the end of the stream.
func (s *stream) read() (reply, error) {
	start, err := s.start()
	if err != nil {
		return reply{}, err
	}
	var r reply
	return r, s.dec.DecodeElement(&r, &start)
}

// reset breaks the connection off, without its usual end.
func (s *stream) reset() error {
	if tcp, ok := s.Conn.(*net.TCPConn); ok {
		if err := tcp.SetLinger(0); err != nil {
			return err
		}
	}
	return s.Close()
}
