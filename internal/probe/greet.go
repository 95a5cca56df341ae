package probe

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/pion/stun/v4"
)

// retransmits are the times at which a request is sent over UDP, counted from the
// start. RFC 8489 §6.2.1 goes on for 39.5 s, too long for somebody who wants to know
// whether a server is up.
var retransmits = [...]time.Duration{0, 500 * time.Millisecond, 1500 * time.Millisecond}

// greetTimeout is how long the first answer of a server is waited for.
const greetTimeout = 3 * time.Second

// question is a request whose answer, whatever it says, shows that the server is up.
type question struct {
	step    Step
	request *stun.Message
	asked   time.Time // when it was last sent
}

// greeting is the answer to a question.
type greeting struct {
	StepResult
	mapped netip.AddrPort // our address as the server sees it; invalid if it did not say
}

// greet finds out whether the server is up, and how long it takes to answer. Nothing
// else may use the connection meanwhile.
//
// It sends a binding request (RFC 8489 §3). TURN servers can be told to ignore those
// (coturn: no-stun) or to ask for a credential (secure-stun), and still serve TURN
// clients. So a TURN server that does not answer is also sent a Refresh without a
// credential: the answer is 401, and nothing changes on the server (RFC 8656 §7.2).
func greet(ctx context.Context, messages *messageReader, relays bool) (greeting, error) {
	questions, err := newQuestions(relays)
	if err != nil {
		return greeting{}, err
	}
	start := time.Now()
	end := start.Add(greetTimeout)
	if deadline, ok := ctx.Deadline(); ok && deadline.Before(end) {
		end = deadline
	}
	g := greeter{messages, questions, relays}
	for i := range retransmits {
		if err := messages.conn.SetDeadline(end); err != nil {
			return greeting{}, err
		}
		if err := ask(messages, questions[:min(i+1, len(questions))]); err != nil {
			return greeting{}, err
		}
		until := end
		if i+1 < len(retransmits) && start.Add(retransmits[i+1]).Before(end) {
			until = start.Add(retransmits[i+1])
		}
		answered, err := g.await(until)
		if ctx.Err() != nil || until.Equal(end) && errors.Is(err, os.ErrDeadlineExceeded) {
			break
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return answered, err
		}
	}
	if messages.strays > 0 {
		return greeting{}, errStray
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

// ask sends the questions. Over TCP each is sent once, since TCP retransmits.
func ask(messages *messageReader, questions []*question) error {
	for _, q := range questions {
		if !messages.datagrams && !q.asked.IsZero() {
			continue
		}
		q.asked = time.Now()
		messages.sent = append(messages.sent, q.request.TransactionID)
		if _, err := messages.conn.Write(q.request.Raw); err != nil {
			return err
		}
	}
	return nil
}

// greeter waits for the answer to one of its questions.
type greeter struct {
	messages  *messageReader
	questions []*question
	relays    bool
}

// await reads until a question is answered. From a TURN server any answer will do.
func (g *greeter) await(until time.Time) (greeting, error) {
	if err := g.messages.conn.SetReadDeadline(until); err != nil {
		return greeting{}, err
	}
	for {
		raw, err := g.messages.next()
		if err != nil {
			return greeting{}, err
		}
		answer, err := parseMessage(raw)
		if err != nil {
			if g.messages.datagrams {
				continue // over UDP anybody can send anything
			}
			return greeting{}, err
		}
		q := g.questionOf(answer)
		switch {
		case q == nil:
			g.messages.noteStray(answer)
		case !isResponse(answer, q.request):
			return greeting{}, errNotSTUN // it sends back what it gets
		default:
			return g.judge(q, answer)
		}
	}
}

// judge returns the greeting in an answer, or what is wrong with it.
func (g *greeter) judge(q *question, answer *stun.Message) (greeting, error) {
	got := greeting{StepResult: StepResult{q.step, time.Since(q.asked)}}
	if answer.Type == stun.BindingSuccess {
		got.mapped = mappedAddress(answer)
	} else {
		got.Step = StepRefresh // a Refresh would have been refused as well
	}
	if g.relays {
		return got, nil // the allocation shows whether it is of use to clients
	}
	if answer.Type != stun.BindingSuccess {
		return greeting{}, answerError(answer)
	}
	if err := unknownAttributes(answer); err != nil {
		return greeting{}, err
	}
	if !isUsable(got.mapped) {
		return greeting{}, &fault{KindIncomplete, "no usable XOR-MAPPED-ADDRESS"}
	}
	if answer.Contains(stun.AttrFingerprint) && stun.Fingerprint.Check(answer) != nil {
		return greeting{}, errFingerprint
	}
	return got, nil
}

// questionOf returns the question that has this answer, or nil.
func (g *greeter) questionOf(answer *stun.Message) *question {
	for _, q := range g.questions {
		if !q.asked.IsZero() && q.request.TransactionID == answer.TransactionID {
			return q
		}
	}
	return nil
}

// elsewhereTimeout is how long an answer from another address is waited for.
const elsewhereTimeout = time.Second

// answersFromElsewhere asks the server, which has not answered, once more from a
// socket that takes datagrams from everywhere. It returns the address that the answer
// came from, if it was another one: clients drop such answers.
func answersFromElsewhere(ctx context.Context, server netip.AddrPort) (netip.AddrPort, bool) {
	conn, err := net.ListenUDP("udp", nil)
	if err != nil {
		return netip.AddrPort{}, false
	}
	defer conn.Close()
	unwatch := context.AfterFunc(ctx, func() { conn.Close() })
	defer unwatch()
	request, err := stun.Build(stun.TransactionID, stun.BindingRequest)
	if err != nil || conn.SetDeadline(time.Now().Add(elsewhereTimeout)) != nil {
		return netip.AddrPort{}, false
	}
	if _, err := conn.WriteToUDPAddrPort(request.Raw, server); err != nil {
		return netip.AddrPort{}, false
	}
	buffer := make([]byte, maxMessage)
	for {
		n, from, err := conn.ReadFromUDPAddrPort(buffer)
		if err != nil {
			return netip.AddrPort{}, false
		}
		from = netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
		if m, err := parseMessage(buffer[:n]); err == nil && isResponse(m, request) {
			return from, from != server
		}
	}
}
