package relay

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/pion/stun/v4"
)

// rawClient speaks STUN by hand, to say what no decent client says.
type rawClient struct {
	t        testing.TB
	conn     net.Conn
	stream   bool
	username string
	key      []byte
	nonce    stun.Nonce
}

// raw connects over a transport with the credential of a user that is good for an
// hour, and fetches a nonce.
func (r *testRelay) raw(transport Transport, user string) *rawClient {
	r.t.Helper()
	username, _ := credential(user, time.Now().Add(time.Hour), testSecret)
	return r.rawWith(transport, username, testSecret)
}

func (r *testRelay) rawWith(transport Transport, username, secret string) *rawClient {
	r.t.Helper()
	c := &rawClient{t: r.t, username: username, stream: transport != UDP,
		key: stun.NewLongTermIntegrity(username, "relay.example.org", restPassword(username, secret))}
	var err error
	if transport == UDP {
		c.conn, err = net.Dial("udp4", r.at(UDP))
	} else {
		c.conn = r.connect(transport)
	}
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = c.conn.Close() })
	c.fetchNonce()
	return c
}

func (c *rawClient) fetchNonce() {
	c.t.Helper()
	response := c.roundtrip(c.build(stun.MethodAllocate, requestedTransport(17)))
	if code := codeOf(response); code != stun.CodeUnauthorized {
		c.t.Fatalf("a request without a credential gets %d", code)
	}
	if err := c.nonce.GetFrom(response); err != nil {
		c.t.Fatal(err)
	}
}

func (c *rawClient) build(method stun.Method, attrs ...stun.Setter) *stun.Message {
	c.t.Helper()
	m, err := stun.Build(append([]stun.Setter{stun.TransactionID, stun.NewType(method, stun.ClassRequest)}, attrs...)...)
	if err != nil {
		c.t.Fatal(err)
	}
	return m
}

// request sends a request with the credential and returns its error code, 0 for
// success. The response must be signed unless it is a 401 or 438.
func (c *rawClient) request(method stun.Method, attrs ...stun.Setter) stun.ErrorCode {
	c.t.Helper()
	attrs = append(attrs, stun.NewUsername(c.username), stun.NewRealm("relay.example.org"), c.nonce, stun.MessageIntegrity(c.key))
	response := c.roundtrip(c.build(method, attrs...))
	code := codeOf(response)
	if code != stun.CodeUnauthorized && code != stun.CodeStaleNonce {
		if err := stun.MessageIntegrity(c.key).Check(response); err != nil {
			c.t.Errorf("the response %d to %s is not signed: %v", code, method, err)
		}
	}
	return code
}

func (c *rawClient) roundtrip(request *stun.Message) *stun.Message {
	c.t.Helper()
	c.send(request.Raw)
	response := c.read()
	if response == nil || response.TransactionID != request.TransactionID {
		c.t.Fatalf("no response to %s", request.Type)
	}
	return response
}

func (c *rawClient) send(frame []byte) {
	c.t.Helper()
	if _, err := c.conn.Write(frame); err != nil {
		c.t.Fatal(err)
	}
}

// read returns the next STUN message, or nil if none comes in time.
func (c *rawClient) read() *stun.Message {
	c.t.Helper()
	_ = c.conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	buf := make([]byte, 2000)
	n, err := c.conn.Read(buf)
	if err != nil {
		return nil
	}
	m := &stun.Message{Raw: buf[:n]}
	if err := m.Decode(); err != nil {
		c.t.Fatal(err)
	}
	return m
}

// allocate asks for an allocation.
func (c *rawClient) allocate() stun.ErrorCode {
	c.t.Helper()
	return c.request(stun.MethodAllocate, requestedTransport(17))
}

func codeOf(m *stun.Message) stun.ErrorCode {
	var e stun.ErrorCodeAttribute
	if e.GetFrom(m) != nil {
		return 0
	}
	return e.Code
}

func requestedTransport(protocol byte) stun.Setter {
	return stun.RawAttribute{Type: stun.AttrRequestedTransport, Value: []byte{protocol, 0, 0, 0}}
}

func channelNumber(n uint16) stun.Setter {
	return stun.RawAttribute{Type: stun.AttrChannelNumber, Value: []byte{byte(n >> 8), byte(n), 0, 0}}
}

func lifetime(seconds byte) stun.Setter {
	return stun.RawAttribute{Type: stun.AttrLifetime, Value: []byte{0, 0, 0, seconds}}
}

// peerAddr is an XOR-PEER-ADDRESS.
type peerAddr string

func (p peerAddr) AddTo(m *stun.Message) error {
	ap := netip.MustParseAddrPort(string(p))
	return stun.XORMappedAddress{IP: ap.Addr().AsSlice(), Port: int(ap.Port())}.AddToAs(m, stun.AttrXORPeerAddress)
}
