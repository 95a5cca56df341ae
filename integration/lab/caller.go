package lab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/pion/turn/v5"
)

// Caller is a client over udp that keeps an allocation. Its PacketConn is the relayed
// address.
type Caller struct {
	net.PacketConn
	client *turn.Client
	conn   net.PacketConn
}

// StartCaller makes the allocation.
func StartCaller(ctx context.Context, a Allocation) (*Caller, error) {
	conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	c := &Caller{conn: conn}
	address := net.JoinHostPort(a.Host, strconv.Itoa(a.Port))
	c.client, err = turn.NewClient(&turn.ClientConfig{STUNServerAddr: address, TURNServerAddr: address, Conn: conn, Username: a.Username, Password: a.Password})
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	if err = c.client.Listen(); err == nil {
		c.PacketConn, err = c.client.AllocateWithContext(ctx)
	}
	if err != nil {
		c.client.Close()
		return nil, errors.Join(err, conn.Close())
	}
	return c, nil
}

// Close ends the allocation.
func (c *Caller) Close() error {
	err := c.PacketConn.Close()
	c.client.Close()
	return errors.Join(err, c.conn.Close())
}

// Say sends a text to another caller until it has come.
func (c *Caller) Say(ctx context.Context, to *Caller, text string) error {
	for _, pair := range [][2]*Caller{{c, to}, {to, c}} {
		if err := pair[0].client.CreatePermission(pair[1].LocalAddr()); err != nil {
			return err
		}
	}
	buffer := make([]byte, 1500)
	return Poll(ctx, func(context.Context) error {
		if _, err := c.WriteTo([]byte(text), to.LocalAddr()); err != nil {
			return err
		}
		if err := to.SetReadDeadline(time.Now().Add(200 * time.Millisecond)); err != nil {
			return err
		}
		n, from, err := to.ReadFrom(buffer)
		if err == nil && (string(buffer[:n]) != text || from.String() != c.LocalAddr().String()) {
			err = fmt.Errorf("%q from %s", buffer[:n], from)
		}
		return err
	})
}
