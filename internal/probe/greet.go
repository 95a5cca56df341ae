package probe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/pion/stun/v4"
)

// retransmits are when a question is sent over UDP, from the beginning, and
// greetTimeout when its answer is no longer waited for. RFC 8489 §6.2.1 goes on
// for 39.5 s, which nobody waits for who wants to know whether a server is there.
var retransmits = [...]time.Duration{0, 500 * time.Millisecond, 1500 * time.Millisecond}

const greetTimeout = 3 * time.Second

// maxMessage is the largest STUN message that is taken for an answer.
const maxMessage = 1500

// question is a request that shows by its answer, whatever that is, that a server is
// there.
type question struct {
	step    Step
	request *stun.Message
	asked   time.Time // when it was last sent
}

// greeting is the answer to a question.
type greeting struct {
	StepResult
	mapped netip.Addr // ours, as the server sees it; invalid if it did not say
}

// greet finds out whether the server is there, and how long it takes to answer. The
// connection is used for nothing else meanwhile.
//
// What is asked is a binding request (RFC 8489 §3). Servers that relay can be told
// not to answer those (coturn: no-stun) or not to just anybody (secure-stun), and
// serve TURN clients all the same. So they are asked also for a Refresh without a
// credential, when the first question stays open: its answer is 401, and nothing
// changes on the server (RFC 8656 §7.2).
func greet(ctx context.Context, conn net.Conn, datagrams, relays bool) (greeting, error) {
	questions, err := newQuestions(relays)
	if err != nil {
		return greeting{}, err
	}
	start := time.Now()
	end := start.Add(greetTimeout)
	if deadline, ok := ctx.Deadline(); ok && deadline.Before(end) {
		end = deadline
	}
	messages := &messageReader{conn: conn, datagrams: datagrams}
	for i := range retransmits {
		if err := conn.SetDeadline(end); err != nil {
			return greeting{}, err
		}
		if err := ask(conn, questions[:min(i+1, len(questions))], datagrams); err != nil {
			return greeting{}, err
		}
		until := end
		if i+1 < len(retransmits) && start.Add(retransmits[i+1]).Before(end) {
			until = start.Add(retransmits[i+1])
		}
		answered, err := awaitAnswer(messages, questions, until, relays)
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return answered, err
		}
		if until.Equal(end) {
			break
		}
	}
	return greeting{}, context.DeadlineExceeded
}

func newQuestions(relays bool) ([]*question, error) {
	binding, err := stun.Build(stun.TransactionID, stun.BindingRequest)
	if err != nil || !relays {
		return []*question{{step: StepBinding, request: binding}}, err
	}
	refresh, err := stun.Build(stun.TransactionID, stun.NewType(stun.MethodRefresh, stun.ClassRequest))
	return []*question{{step: StepBinding, request: binding}, {step: StepRefresh, request: refresh}}, err
}

// ask sends the questions, those over TCP once: it sends again by itself.
func ask(conn net.Conn, questions []*question, datagrams bool) error {
	for _, q := range questions {
		if !datagrams && !q.asked.IsZero() {
			continue
		}
		q.asked = time.Now()
		if _, err := conn.Write(q.request.Raw); err != nil {
			return err
		}
	}
	return nil
}

// awaitAnswer reads until the answer to one of the questions is there. Of a server
// that relays any answer will do.
func awaitAnswer(messages *messageReader, questions []*question, until time.Time, relays bool) (greeting, error) {
	if err := messages.conn.SetReadDeadline(until); err != nil {
		return greeting{}, err
	}
	for {
		raw, err := messages.next()
		if err != nil {
			return greeting{}, err
		}
		answer, err := parseAnswer(raw)
		if err != nil && !messages.datagrams {
			return greeting{}, err
		}
		q := questionOf(questions, answer)
		if q == nil {
			continue // over UDP anybody can send anything
		}
		took := greeting{StepResult: StepResult{q.step, time.Since(q.asked)}}
		if answer.Type == stun.BindingSuccess {
			var mapped stun.XORMappedAddress
			if mapped.GetFrom(answer) == nil {
				took.mapped, _ = netip.AddrFromSlice(mapped.IP)
				took.mapped = took.mapped.Unmap()
			}
			return took, nil
		}
		if err := answerError(answer); !relays || errors.Is(err, errNotSTUN) {
			return greeting{}, err
		}
		took.Step = StepRefresh // which would have been answered alike
		return took, nil
	}
}

// questionOf returns the question that has this answer, or nil. The answer may be nil.
func questionOf(questions []*question, answer *stun.Message) *question {
	for _, q := range questions {
		if answer != nil && !q.asked.IsZero() && q.request.TransactionID == answer.TransactionID {
			return q
		}
	}
	return nil
}

// messageReader reads STUN messages from a connection. What has come of a message when
// a deadline passes is kept for the next call.
type messageReader struct {
	conn      net.Conn
	datagrams bool
	buffer    [maxMessage]byte
	have      int
}

// next returns the next message: a datagram, or as much as the header in a stream says
// and not a byte more. It is good until the next call.
func (r *messageReader) next() ([]byte, error) {
	if r.datagrams {
		n, err := r.conn.Read(r.buffer[:])
		return r.buffer[:n], err
	}
	const header = 20 // RFC 8489 §5
	if err := r.fill(header); err != nil {
		return nil, err
	}
	size := header + int(r.buffer[2])<<8 + int(r.buffer[3])
	if !stun.IsMessage(r.buffer[:header]) || size > len(r.buffer) {
		return nil, errNotSTUN
	}
	if err := r.fill(size); err != nil {
		return nil, err
	}
	r.have = 0
	return r.buffer[:size], nil
}

func (r *messageReader) fill(size int) error {
	for r.have < size {
		n, err := r.conn.Read(r.buffer[r.have:size])
		r.have += n
		if err != nil {
			return err
		}
	}
	return nil
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
