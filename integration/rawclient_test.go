//go:build integration

package integration

import (
	"encoding/xml"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// rawClient is an XMPP client that sends whatever it is told to, which libraries
// refuse to do. It logs in anonymously over plain TCP.
type rawClient struct {
	t    *testing.T
	conn net.Conn
	dec  *xml.Decoder
	jid  string
	seen map[string]int // IQs by their id
}

// element is a stanza as it came.
type element struct {
	XMLName xml.Name
	Attrs   []xml.Attr `xml:",any,attr"`
	Inner   string     `xml:",innerxml"`
}

func (e element) attr(name string) string {
	for _, a := range e.Attrs {
		if a.Name.Space == "" && a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

// dialRaw logs in at domain, with this resource if it is not empty.
func dialRaw(t *testing.T, address, domain, resource string) *rawClient {
	t.Helper()
	c, err := connectRaw(t, address, domain, resource)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.conn.Close() })
	return c
}

func connectRaw(t *testing.T, address, domain, resource string) (*rawClient, error) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	c := &rawClient{t: t, conn: conn, seen: map[string]int{}}
	bind := ""
	if resource != "" {
		bind = "<resource>" + resource + "</resource>"
	}
	err = c.login(domain, bind)
	if err != nil {
		conn.Close()
		return nil, err
	}
	return c, nil
}

func (c *rawClient) login(domain, bind string) error {
	if err := c.openStream(domain); err != nil {
		return err
	}
	c.send("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='ANONYMOUS'/>")
	if e, err := c.read(); err != nil || e.XMLName.Local != "success" {
		return fmt.Errorf("login: %v %v", e, err)
	}
	if err := c.openStream(domain); err != nil {
		return err
	}
	bound, err := c.ask("bind", "<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>"+bind+"</bind></iq>")
	if err != nil {
		return err
	}
	_, after, _ := strings.Cut(bound.Inner, "<jid>")
	c.jid, _, _ = strings.Cut(after, "</jid>")
	return nil
}

func (c *rawClient) openStream(domain string) error {
	c.send("<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0' to='" + domain + "'>")
	c.dec = xml.NewDecoder(c.conn)
	if err := c.conn.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		return err
	}
	for {
		token, err := c.dec.Token()
		if err != nil {
			return err
		}
		if start, ok := token.(xml.StartElement); ok && start.Name.Local == "stream" {
			break
		}
	}
	_, err := c.read() // features
	return err
}

// send writes XML as it is.
func (c *rawClient) send(text string) {
	// A broken connection shows when the answer is read.
	_, _ = io.WriteString(c.conn, text)
}

// read returns the next element below the stream.
func (c *rawClient) read() (element, error) {
	if err := c.conn.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		return element{}, err
	}
	for {
		token, err := c.dec.Token()
		if err != nil {
			return element{}, err
		}
		if start, ok := token.(xml.StartElement); ok {
			var e element
			return e, c.dec.DecodeElement(&e, &start)
		}
	}
}

// ask sends a request and returns the answer with this id.
func (c *rawClient) ask(id, request string) (element, error) {
	c.send(request)
	return c.wait(id)
}

// wait returns the answer with this id.
func (c *rawClient) wait(id string) (element, error) {
	for {
		e, err := c.read()
		if err != nil {
			return element{}, fmt.Errorf("no answer to %.80s: %w", id, err)
		}
		if e.XMLName.Local != "iq" {
			continue
		}
		if c.seen[e.attr("id")]++; e.attr("id") == id {
			return e, nil
		}
	}
}

// mustAsk asks and fails the test when there is no answer.
func (c *rawClient) mustAsk(id, request string) element {
	c.t.Helper()
	e, err := c.ask(id, request)
	if err != nil {
		c.t.Fatal(err)
	}
	return e
}
