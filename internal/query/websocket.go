package query

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"

	"github.com/coder/websocket"
)

// maxFrame bounds what the server may send at once over a WebSocket, in bytes. Prosody
// takes stanzas of 512 KiB from its users.
const maxFrame = 1 << 20

// webSocketConn is a connection over a WebSocket. Each write is one message, as RFC 7395
// §3.3.3 demands.
type webSocketConn struct {
	net.Conn
	socket *websocket.Conn
}

// Close ends the connection without waiting for the server. The XMPP stream has been
// closed before.
func (c webSocketConn) Close() error { return c.socket.CloseNow() }

// dialWebSocket connects to the URL of a WebSocket for XMPP.
func (l *Login) dialWebSocket(ctx context.Context) (net.Conn, error) {
	transport := &http.Transport{
		Proxy:           http.ProxyFromEnvironment,
		TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: l.Insecure, RootCAs: l.RootCAs},
	}
	defer transport.CloseIdleConnections() // of servers that refused
	socket, response, err := websocket.Dial(ctx, l.WebSocket, &websocket.DialOptions{
		HTTPClient: &http.Client{Transport: transport}, Subprotocols: []string{"xmpp"},
	})
	where := withoutQuery(l.WebSocket)
	switch {
	case err != nil && isCertificate(err):
		return nil, certificateError(where, err)
	case err != nil && response != nil && response.StatusCode != http.StatusSwitchingProtocols:
		return nil, fmt.Errorf("%s is no WebSocket for XMPP: it answered %s; --websocket is usually wss://DOMAIN/xmpp-websocket", where, response.Status)
	case err != nil:
		return nil, fmt.Errorf("cannot connect to %s: %w; check --websocket", where, cause(err))
	case socket.Subprotocol() != "xmpp":
		_ = socket.CloseNow()
		return nil, fmt.Errorf("%s is a WebSocket, but not for XMPP; --websocket is usually wss://DOMAIN/xmpp-websocket", where)
	}
	socket.SetReadLimit(maxFrame)
	return webSocketConn{websocket.NetConn(context.Background(), socket, websocket.MessageText), socket}, nil
}

// withoutQuery leaves out of a URL what may be secret: Jitsi Meet takes tokens in the query.
func withoutQuery(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "the WebSocket"
	}
	return u.Scheme + "://" + u.Host + u.Path
}

// cause leaves the URL, with its query, out of an error of the HTTP client.
func cause(err error) error {
	var failed *url.Error
	if errors.As(err, &failed) {
		return failed.Err
	}
	return err
}
