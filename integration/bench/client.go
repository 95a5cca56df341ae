package main

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"
)

// client is an XMPP client that logs in anonymously over plain TCP and then asks
// one address for services, again and again.
type client struct {
	conn    net.Conn
	buf     []byte
	to      string
	checker *checker
	asked   uint64
	request []byte
}

const loginDeadline = 20 * time.Second

// login connects a user of domain, who will ask the address to.
func login(server, domain, to string, services int) (_ *client, err error) {
	conn, err := net.Dial("tcp", server)
	if err != nil {
		return nil, err
	}
	c := &client{conn: conn, buf: make([]byte, 0, 64<<10), to: to, checker: newChecker(services)}
	defer func() {
		if err != nil {
			conn.Close()
		}
	}()
	if err := conn.SetDeadline(time.Now().Add(loginDeadline)); err != nil {
		return nil, err
	}
	header := "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0' to='" + domain + "'>"
	for _, step := range []struct{ say, hear string }{
		{header, "</stream:features>"},
		{"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='ANONYMOUS'/>", "<success"},
		{header, "</stream:features>"},
		{"<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>", "</iq>"},
	} {
		if _, err := conn.Write([]byte(step.say)); err != nil {
			return nil, err
		}
		if err := c.readPast(step.hear); err != nil {
			return nil, fmt.Errorf("login at %s: %w", domain, err)
		}
	}
	return c, conn.SetDeadline(time.Time{})
}

// readPast reads until text has come and forgets all that was read.
func (c *client) readPast(text string) error {
	for c.buf = c.buf[:0]; !bytes.Contains(c.buf, []byte(text)); {
		if bytes.Contains(c.buf, []byte("<failure")) || bytes.Contains(c.buf, []byte("stream:error")) {
			return fmt.Errorf("the server says %q", c.buf)
		}
		if err := c.read(); err != nil {
			return err
		}
	}
	return nil
}

func (c *client) read() error {
	if len(c.buf) == cap(c.buf) {
		return errors.New("the server says too much")
	}
	n, err := c.conn.Read(c.buf[len(c.buf):cap(c.buf)])
	c.buf = c.buf[:len(c.buf)+n]
	return err
}

// errRefused is an answer that is an error, as servers give while a component is
// away.
var errRefused = errors.New("the answer is an error")

// ask asks once, waits for the answer and checks it.
func (c *client) ask() error {
	c.asked++
	id := strconv.AppendUint([]byte("ask"), c.asked, 10)
	c.request = append(append(c.request[:0], "<iq type='get' id='"...), id...)
	c.request = append(append(c.request, "' to='"...), c.to...)
	c.request = append(c.request, "'><services xmlns='urn:xmpp:extdisco:2'/></iq>"...)
	if _, err := c.conn.Write(c.request); err != nil {
		return err
	}
	for c.buf = c.buf[:0]; !bytes.HasSuffix(c.buf, []byte("</iq>")); {
		if err := c.read(); err != nil {
			return err
		}
	}
	if bytes.Contains(c.buf, []byte("</error>")) {
		return fmt.Errorf("%w: %s", errRefused, c.buf)
	}
	payload, err := address{id: id, from: []byte(c.to)}.check(c.buf)
	if err == nil {
		err = c.checker.check(payload, time.Now())
	}
	if err != nil {
		return fmt.Errorf("%w in %q", err, c.buf)
	}
	return nil
}

// askRepeatedly asks, one question after the other, until the time is over.
func (c *client) askRepeatedly(until time.Time) (answers uint64, err error) {
	if err := c.conn.SetDeadline(until.Add(20 * time.Second)); err != nil {
		return 0, err
	}
	for time.Now().Before(until) {
		if err := c.ask(); err != nil {
			return answers, fmt.Errorf("%s: %w", c.to, err)
		}
		answers++
	}
	return answers, nil
}
