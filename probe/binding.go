package probe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"github.com/pion/stun/v4"
)

// retransmits are when a binding request is sent over UDP, from the beginning, and
// bindingTimeout when its answer is no longer waited for. RFC 8489 §6.2.1 goes on
// for 39.5 s, which nobody waits for who wants to know whether a server is there.
var retransmits = [...]time.Duration{0, 500 * time.Millisecond, 1500 * time.Millisecond}

const bindingTimeout = 3 * time.Second

// maxMessage is the largest STUN message that is taken for an answer.
const maxMessage = 1500

// bind sends a binding request (RFC 8489 §3) and waits for its answer. The
// connection is used for nothing else meanwhile.
func bind(ctx context.Context, conn net.Conn, datagrams bool) error {
	request, err := stun.Build(stun.TransactionID, stun.BindingRequest)
	if err != nil {
		return err
	}
	start := time.Now()
	end := start.Add(bindingTimeout)
	if deadline, ok := ctx.Deadline(); ok && deadline.Before(end) {
		end = deadline
	}
	sends := retransmits[:]
	if !datagrams {
		sends = retransmits[:1] // TCP sends again by itself
	}
	for i := range sends {
		if err := conn.SetDeadline(end); err != nil {
			return err
		}
		if _, err := conn.Write(request.Raw); err != nil {
			return err
		}
		until := end
		if i+1 < len(sends) && start.Add(sends[i+1]).Before(end) {
			until = start.Add(sends[i+1])
		}
		err = awaitBinding(conn, request.TransactionID, until, datagrams)
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return err
		}
		if until == end {
			break
		}
	}
	return context.DeadlineExceeded
}

// awaitBinding reads until the answer to the transaction is there.
func awaitBinding(conn net.Conn, id [stun.TransactionIDSize]byte, until time.Time, datagrams bool) error {
	if err := conn.SetReadDeadline(until); err != nil {
		return err
	}
	buffer := make([]byte, maxMessage)
	for {
		n, err := readMessage(conn, buffer, datagrams)
		if err != nil {
			return err
		}
		answer, err := parseAnswer(buffer[:n])
		switch {
		case err != nil && !datagrams:
			return err
		case err != nil || answer.TransactionID != id:
			continue // over UDP anybody can send anything
		case answer.Type == stun.BindingSuccess:
			return nil
		}
		return answerError(answer)
	}
}

// readMessage reads one message: a datagram, or what the header in a stream says.
func readMessage(conn net.Conn, buffer []byte, datagrams bool) (int, error) {
	if datagrams {
		return conn.Read(buffer)
	}
	const header = 20
	if _, err := io.ReadFull(conn, buffer[:header]); err != nil {
		return 0, err
	}
	n := header + int(buffer[2])<<8 + int(buffer[3])
	if !stun.IsMessage(buffer[:header]) || n > len(buffer) {
		return 0, errNotSTUN
	}
	_, err := io.ReadFull(conn, buffer[header:n])
	return n, err
}

// parseAnswer reads a STUN message.
func parseAnswer(raw []byte) (*stun.Message, error) {
	if !stun.IsMessage(raw) {
		return nil, errNotSTUN
	}
	m := new(stun.Message)
	if err := stun.Decode(raw, m); err != nil {
		return nil, fmt.Errorf("%w: %w", errNotSTUN, err)
	}
	return m, nil
}

// answerError returns the error that a server answered with.
func answerError(m *stun.Message) error {
	var code stun.ErrorCodeAttribute
	if err := code.GetFrom(m); err != nil {
		return errNotSTUN
	}
	return &stun.TurnError{StunMessageType: m.Type, ErrorCodeAttr: code}
}
