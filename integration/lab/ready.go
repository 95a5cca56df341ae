package lab

import (
	"context"
	"net"
	"os"
	"time"

	"github.com/pion/stun/v4"
)

// accepts reports a server as ready when it accepts TCP connections.
func accepts(address string) func(context.Context) error {
	return func(ctx context.Context) error {
		var dialer net.Dialer
		conn, err := dialer.DialContext(ctx, "tcp", address)
		if err != nil {
			return err
		}
		return conn.Close()
	}
}

// exists reports a server as ready when it has written a file.
func exists(file string) func(context.Context) error {
	return func(context.Context) error {
		_, err := os.Stat(file)
		return err
	}
}

// answersSTUN reports a server as ready when it answers a binding request
// (RFC 8489 §3) over UDP. It waits little: the question is asked again.
func answersSTUN(address string) func(context.Context) error {
	return func(ctx context.Context) error {
		var dialer net.Dialer
		conn, err := dialer.DialContext(ctx, "udp", address)
		if err != nil {
			return err
		}
		defer conn.Close()
		if err := conn.SetDeadline(time.Now().Add(5 * pollInterval)); err != nil {
			return err
		}
		request, err := stun.Build(stun.TransactionID, stun.BindingRequest)
		if err != nil {
			return err
		}
		if _, err := conn.Write(request.Raw); err != nil {
			return err
		}
		answer := make([]byte, 1500)
		n, err := conn.Read(answer)
		if err != nil {
			return err
		}
		return stun.Decode(answer[:n], new(stun.Message))
	}
}
