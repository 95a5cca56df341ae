// Package query asks an XMPP server for its services (XEP-0215) as a client would: it
// logs in with SASL, anonymously or with an account, and asks in both versions of the
// protocol. It can also join a room as Jitsi Meet does, to see the services that are
// pushed there.
package query

import (
	"context"
	"encoding/xml"
	"net"
	"sync"
	"time"

	"extdisco/xep0215"

	"mellium.im/xmlstream"
	"mellium.im/xmpp"
	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/stanza"
)

// Client is a session that is logged in. Its reader is a goroutine that Close waits
// for.
type Client struct {
	session *xmpp.Session
	conn    net.Conn
	stop    func() bool
	done    chan struct{}

	mu     sync.Mutex
	listen func(received) // gets messages and presences; nil: nobody wants them
}

// received is a message or presence, as far as it matters here.
type received struct {
	XMLName xml.Name
	From    string   `xml:"from,attr"`
	Type    string   `xml:"type,attr"`
	JSON    []string `xml:"http://jitsi.org/jitmeet json-message"`
	Status  []struct {
		Code string `xml:"code,attr"`
	} `xml:"http://jabber.org/protocol/muc#user x>status"`
	Error *stanza.Error `xml:"error"`
}

// Connect logs in. When ctx ends the connection is cut, also later.
func (l *Login) Connect(ctx context.Context) (*Client, error) {
	conn, err := l.dial(ctx)
	if err != nil {
		return nil, err
	}
	// mellium does not heed the context while it reads.
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	session, err := l.negotiate(conn)
	if err != nil {
		stop()
		_ = conn.Close()
		return nil, l.explainLogin(ctx, err)
	}
	c := &Client{session: session, conn: conn, stop: stop, done: make(chan struct{})}
	go func() {
		defer close(c.done)
		_ = session.Serve(c) // how it ends does not matter, the answers do
	}()
	return c, nil
}

// HandleXMPP hands messages and presences to whoever listens.
func (c *Client) HandleXMPP(t xmlstream.TokenReadEncoder, start *xml.StartElement) error {
	c.mu.Lock()
	listen := c.listen
	c.mu.Unlock()
	if listen == nil || start.Name.Local != "message" && start.Name.Local != "presence" {
		return nil
	}
	var r received
	if err := xml.NewTokenDecoder(xmlstream.MultiReader(xmlstream.Token(*start), t)).Decode(&r); err != nil {
		return err
	}
	listen(r)
	return nil
}

// onReceived sets who gets messages and presences from now on.
func (c *Client) onReceived(f func(received)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.listen = f
}

// JID returns the address that the server gave to this session.
func (c *Client) JID() jid.JID { return c.session.LocalAddr() }

// Ask requests the services in one namespace.
func (c *Client) Ask(ctx context.Context, to jid.JID, namespace string) Answer {
	start := time.Now()
	services, err := xep0215.Fetch(ctx, c.session, to, xep0215.Request{NS: namespace})
	return Answer{Namespace: namespace, Services: services, Err: err, Took: time.Since(start)}
}

// Close logs out and waits for the reader.
func (c *Client) Close() {
	_ = c.conn.SetDeadline(time.Now().Add(time.Second)) // a server that is gone must not hold us
	_ = c.session.Close()
	_ = c.conn.Close()
	c.stop()
	<-c.done
}
