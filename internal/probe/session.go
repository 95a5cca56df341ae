package probe

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"time"

	"github.com/pion/stun/v4"
)

// session is the exchange of TURN messages with one server over one connection. It
// judges answers as browsers do: what they drop or give up on is an error here. (The
// client of pion/turn forgives much of it, and does not show the answers.)
//
// One request is sent at a time, and nothing reads from the connection in between.
type session struct {
	messages *messageReader
	username string
	password string

	realm, nonce string
	software     string                // what the server calls itself, if it says so
	integrity    stun.MessageIntegrity // nil before the server has asked for a credential

	received []datagram // came through the relay while an answer was awaited
	forgiven error      // the first fault that browsers forgive and others do not
}

// datagram is one that the relay has received for us.
type datagram struct {
	from    netip.AddrPort
	payload []byte
}

// errFingerprint is behind the failure of a server whose FINGERPRINT is wrong.
var errFingerprint = &fault{KindFingerprint, "the FINGERPRINT of an answer is wrong"}

// errStray is behind the failure of a server whose answers fit none of our requests.
var errStray = &fault{KindStray, "the answers have other transaction IDs than the requests"}

// do sends a request, authenticated if the server has asked for that, and returns the
// success response. An error response is a [*stun.TurnError] or wraps one. A stale nonce (438) is
// replaced once, but for an Allocate: browsers give up on that.
func (s *session) do(ctx context.Context, method stun.Method, attributes ...stun.Setter) (*stun.Message, error) {
	m, err := s.exchange(ctx, method, attributes)
	if codeOf(err) != int(stun.CodeStaleNonce) || method == stun.MethodAllocate {
		return m, err
	}
	if err := s.takeChallenge(m); err != nil {
		return m, err
	}
	return s.exchange(ctx, method, attributes)
}

// exchange is do without a second try. With an error it returns the response as well,
// if there was one.
func (s *session) exchange(ctx context.Context, method stun.Method, attributes []stun.Setter) (*stun.Message, error) {
	request, err := s.build(method, attributes)
	if err != nil {
		return nil, err
	}
	m, err := s.await(ctx, request)
	if err != nil {
		return nil, err
	}
	return m, s.judge(m)
}

func (s *session) build(method stun.Method, attributes []stun.Setter) (*stun.Message, error) {
	setters := append([]stun.Setter{stun.TransactionID, stun.NewType(method, stun.ClassRequest)}, attributes...)
	if s.integrity != nil {
		setters = append(setters, stun.NewUsername(s.username), stun.NewRealm(s.realm), stun.NewNonce(s.nonce), s.integrity)
	}
	return stun.Build(append(setters, stun.Fingerprint)...)
}

// await sends the request, over UDP again and again, until its response has come or
// ctx ends.
func (s *session) await(ctx context.Context, request *stun.Message) (*stun.Message, error) {
	start, strays := time.Now(), s.messages.strays
	s.messages.sent = append(s.messages.sent, request.TransactionID)
	for i := 0; ; i++ {
		if i == 0 || s.messages.datagrams {
			if err := s.write(request.Raw); err != nil {
				return nil, because(ctx, err)
			}
		}
		until := time.Time{}
		if i+1 < len(retransmits) {
			until = start.Add(retransmits[i+1])
		}
		m, err := s.read(ctx, until, func(m *stun.Message) bool { return isResponse(m, request) })
		switch {
		case err == nil:
			return m, nil
		case errors.Is(err, os.ErrDeadlineExceeded) && ctx.Err() == nil && !until.IsZero():
			continue
		case newFailure("", because(ctx, err)).Kind == KindTimeout && s.messages.strays > strays:
			return nil, errStray
		}
		return nil, because(ctx, err)
	}
}

func (s *session) write(raw []byte) error {
	if err := s.messages.conn.SetWriteDeadline(time.Now().Add(greetTimeout)); err != nil {
		return err
	}
	_, err := s.messages.conn.Write(raw)
	return err
}

// read returns the next message that is wanted. Datagrams from the relay that come
// before it are kept. It ends with ctx, and at until if that is not zero.
func (s *session) read(ctx context.Context, until time.Time, wanted func(*stun.Message) bool) (*stun.Message, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if deadline, ok := ctx.Deadline(); ok && (until.IsZero() || deadline.Before(until)) {
		until = deadline
	}
	if err := s.messages.conn.SetReadDeadline(until); err != nil {
		return nil, err
	}
	for {
		raw, err := s.messages.next()
		if err != nil {
			return nil, err
		}
		m, err := parseMessage(raw)
		switch {
		case err != nil && s.messages.datagrams: // over UDP anybody can send anything
		case err != nil:
			return nil, err
		case wanted(m):
			return m, nil
		case m.Type == stun.NewType(stun.MethodData, stun.ClassIndication):
			s.keep(m)
		default:
			s.messages.noteStray(m)
		}
	}
}

// keep keeps the datagram in a Data indication.
func (s *session) keep(m *stun.Message) {
	payload, err := m.Get(stun.AttrData)
	if from := addressIn(m, stun.AttrXORPeerAddress); err == nil && from.IsValid() {
		s.received = append(s.received, datagram{from, payload})
	}
}

// judge returns what is wrong with a response.
func (s *session) judge(m *stun.Message) error {
	if m.Contains(stun.AttrFingerprint) && stun.Fingerprint.Check(m) != nil && s.forgiven == nil {
		s.forgiven = errFingerprint
	}
	if err := unknownAttributes(m); err != nil {
		return err
	}
	if m.Type.Class == stun.ClassErrorResponse {
		return answerError(m)
	}
	if s.integrity == nil {
		return nil
	}
	if !m.Contains(stun.AttrMessageIntegrity) {
		return &fault{KindIntegrity, "it has none"}
	}
	if s.integrity.Check(m) != nil {
		return &fault{KindIntegrity, "it is wrong"}
	}
	return nil
}

// takeChallenge keeps what the server wants to have in authenticated requests.
// RFC 8489 §9.2.4.
func (s *session) takeChallenge(m *stun.Message) error {
	if software, err := m.Get(stun.AttrSoftware); err == nil {
		s.software = string(software)
	}
	realm, err := m.Get(stun.AttrRealm)
	switch {
	case err != nil:
		return &fault{KindNoRealm, "no REALM"}
	case len(realm) == 0:
		return &fault{KindNoRealm, "an empty REALM"}
	}
	nonce, err := m.Get(stun.AttrNonce)
	switch {
	case err != nil:
		return &fault{KindNoNonce, "no NONCE"}
	case len(nonce) == 0:
		return &fault{KindNoNonce, "an empty NONCE"}
	}
	s.realm, s.nonce = string(realm), string(nonce)
	s.integrity = stun.NewLongTermIntegrity(s.username, s.realm, s.password)
	return nil
}

// codeOf returns the STUN error code of a refusal, or 0.
func codeOf(err error) int {
	var refused *stun.TurnError
	if !errors.As(err, &refused) {
		return 0
	}
	return int(refused.ErrorCodeAttr.Code)
}

// because returns the cause of an error if that is the end of ctx.
func because(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil && codeOf(err) == 0 && !errors.As(err, new(*fault)) {
		return context.Cause(ctx)
	}
	return err
}
