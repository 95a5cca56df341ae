package lab

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/pion/stun/v4"
	"github.com/pion/turn/v5"
)

// allocateTimeout bounds [Allocation.Do] when its context does not.
const allocateTimeout = 10 * time.Second

// unusedPeer is a documentation address (RFC 5737). A permission for it can be
// created although nothing will ever be sent there.
var unusedPeer = &net.UDPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 9}

// Allocation says where and how to make one TURN allocation. The fields up to
// Password are those of a XEP-0215 service.
type Allocation struct {
	Type      string // "turn", or "turns" for TLS
	Host      string
	Port      int    // default 3478, or 5349 for "turns"
	Transport string // "udp" or "tcp"; default "udp", and always "tcp" for "turns"
	Username  string
	Password  string

	// For "turns": the trusted authorities, nil for the system's, and the name
	// in the certificate, Host if empty.
	RootCAs    *x509.CertPool
	ServerName string

	// Echo sends a datagram through the relay to the relay's own address and
	// waits until it is back. The server must allow this peer.
	Echo bool
}

// AllocateError is a refusal by the TURN server.
type AllocateError struct {
	Op     string // "allocate" or "permission"
	Code   int    // STUN error code: 401 wrong credential, 403 forbidden peer, 486 quota…
	Reason string
}

func (e *AllocateError) Error() string {
	return fmt.Sprintf("turn %s: %d %s", e.Op, e.Code, e.Reason)
}

// Do makes the allocation, creates a permission, and deletes the allocation
// again. It returns the relayed address and how long the allocation took, or
// the echo if there was one. A refusal is an [*AllocateError].
func (a Allocation) Do(ctx context.Context) (relayed net.Addr, rtt time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, allocateTimeout)
	defer cancel()
	ctx, lost := context.WithCancelCause(ctx)
	defer lost(nil)
	conn, err := a.dial(ctx)
	if err != nil {
		return nil, 0, fmt.Errorf("turn dial: %w", err)
	}
	defer conn.Close()
	server := conn.RemoteAddr().String()
	client, err := turn.NewClient(&turn.ClientConfig{
		STUNServerAddr: server,
		TURNServerAddr: server,
		Username:       a.Username,
		Password:       a.Password,
		Conn:           conn,
	})
	if err != nil {
		return nil, 0, fmt.Errorf("turn client: %w", err)
	}
	received := make(chan struct{})
	go func() {
		defer close(received)
		lost(receive(conn, client))
	}()
	// Some steps know no context: they end when the client is closed.
	unwatch := context.AfterFunc(ctx, client.Close)
	defer func() {
		unwatch()
		client.Close()
		conn.Close()
		<-received
	}()
	return a.allocate(ctx, client)
}

func (a Allocation) allocate(ctx context.Context, client *turn.Client) (net.Addr, time.Duration, error) {
	start := time.Now()
	relay, err := client.AllocateWithContext(ctx)
	if err != nil {
		return nil, 0, refusal(ctx, "allocate", err)
	}
	rtt := time.Since(start)
	defer relay.Close() // a Refresh with lifetime 0 (RFC 8656 §7)
	peer := net.Addr(unusedPeer)
	if a.Echo {
		peer = relay.LocalAddr()
	}
	if err := client.CreatePermission(peer); err != nil {
		return nil, 0, refusal(ctx, "permission", err)
	}
	if a.Echo {
		if rtt, err = echo(ctx, relay); err != nil {
			return nil, 0, refusal(ctx, "echo", err)
		}
	}
	return relay.LocalAddr(), rtt, nil
}

// dial returns a connection that pion/turn takes for a packet connection.
func (a Allocation) dial(ctx context.Context) (connected, error) {
	network, port := "udp", 3478
	switch {
	case a.Type == "turns" && (a.Transport == "tcp" || a.Transport == ""):
		network, port = "tls", 5349
	case a.Type == "turn" && (a.Transport == "udp" || a.Transport == ""):
	case a.Type == "turn" && a.Transport == "tcp":
		network = "tcp"
	default:
		return nil, fmt.Errorf("cannot speak %s over %q", a.Type, a.Transport)
	}
	if a.Port != 0 {
		port = a.Port
	}
	address := net.JoinHostPort(a.Host, strconv.Itoa(port))
	if network == "tls" {
		dialer := tls.Dialer{Config: &tls.Config{RootCAs: a.RootCAs, ServerName: a.ServerName}}
		conn, err := dialer.DialContext(ctx, "tcp", address)
		if err != nil {
			return nil, err
		}
		return streamConn{turn.NewSTUNConn(conn), conn}, nil
	}
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	if network == "tcp" {
		return streamConn{turn.NewSTUNConn(conn), conn}, nil
	}
	return datagramConn{conn}, nil
}

// receive feeds the client until the connection fails or is closed. The
// client's own Listen would do the same in a goroutine that nobody can wait for,
// and would keep the error to itself.
func receive(conn net.PacketConn, client *turn.Client) error {
	buffer := make([]byte, 65535)
	for {
		n, from, err := conn.ReadFrom(buffer)
		if err != nil {
			return err
		}
		if _, err := client.HandleInbound(buffer[:n], from); err != nil {
			return err
		}
	}
}

// echo sends one datagram through the relay to itself. The context has a deadline.
func echo(ctx context.Context, relay net.PacketConn) (time.Duration, error) {
	deadline, _ := ctx.Deadline()
	if err := relay.SetReadDeadline(deadline); err != nil {
		return 0, err
	}
	payload := []byte("echo " + relay.LocalAddr().String())
	start := time.Now()
	if _, err := relay.WriteTo(payload, relay.LocalAddr()); err != nil {
		return 0, err
	}
	buffer := make([]byte, 1500)
	for {
		n, _, err := relay.ReadFrom(buffer)
		if err != nil {
			return 0, err
		}
		if bytes.Equal(buffer[:n], payload) {
			return time.Since(start), nil
		}
	}
}

// refusal finds the STUN error code, or the context's end, behind an error.
func refusal(ctx context.Context, op string, err error) error {
	var refused *stun.TurnError
	if errors.As(err, &refused) {
		return &AllocateError{Op: op, Code: int(refused.ErrorCodeAttr.Code), Reason: string(refused.ErrorCodeAttr.Reason)}
	}
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return fmt.Errorf("turn %s: %w", op, err)
}
