package probe

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/pion/stun/v4"
)

// maxMessage is the size of the largest STUN message that is read.
const maxMessage = 1500

// errNotSTUN reports bytes that are no STUN message.
var errNotSTUN = errors.New("not a STUN message")

// fault is a breach of the protocol in an answer that is otherwise a STUN message.
type fault struct {
	kind   Kind
	detail string // what was wrong, for people
}

func (f *fault) Error() string { return f.detail }

// messageReader reads STUN messages from a connection. A message that is incomplete
// when a deadline passes is kept for the next call.
type messageReader struct {
	conn      net.Conn
	datagrams bool
	buffer    [maxMessage]byte
	have      int

	sent   [][stun.TransactionIDSize]byte // of all requests
	strays int                            // responses to none of them
}

func newMessageReader(conn net.Conn, datagrams bool) *messageReader {
	return &messageReader{conn: conn, datagrams: datagrams}
}

// noteStray counts a response that belongs to no request.
func (r *messageReader) noteStray(m *stun.Message) {
	response := m.Type.Class == stun.ClassSuccessResponse || m.Type.Class == stun.ClassErrorResponse
	if response && !slices.Contains(r.sent, m.TransactionID) {
		r.strays++
	}
}

// next returns the next message: a datagram, or from a stream exactly as many bytes as
// the header announces. The result is valid until the next call.
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

// parseMessage decodes a STUN message. It copies raw.
func parseMessage(raw []byte) (*stun.Message, error) {
	if !stun.IsMessage(raw) {
		return nil, errNotSTUN
	}
	m := new(stun.Message)
	if err := stun.Decode(bytes.Clone(raw), m); err != nil {
		return nil, fmt.Errorf("%w: %w", errNotSTUN, err)
	}
	return m, nil
}

// isResponse reports whether m is an answer to request.
func isResponse(m, request *stun.Message) bool {
	return m.TransactionID == request.TransactionID && m.Type.Method == request.Type.Method &&
		(m.Type.Class == stun.ClassSuccessResponse || m.Type.Class == stun.ClassErrorResponse)
}

// answerError returns the error in an error response.
func answerError(m *stun.Message) error {
	var code stun.ErrorCodeAttribute
	if err := code.GetFrom(m); err != nil {
		return &fault{KindIncomplete, "an error response without ERROR-CODE"}
	}
	refused := &stun.TurnError{StunMessageType: m.Type, ErrorCodeAttr: code}
	if code.Code != stun.CodeTryAlternate {
		return refused
	}
	return &redirectError{refused, alternateServer(m)}
}

// redirectError is a 300 (Try Alternate), RFC 8489 §10.
type redirectError struct {
	refused *stun.TurnError
	server  string // address, with the host name if the answer has one; empty if it names none
}

func (e *redirectError) Error() string { return e.refused.Error() }
func (e *redirectError) Unwrap() error { return e.refused }

func alternateServer(m *stun.Message) string {
	var address stun.AlternateServer
	if address.GetFrom(m) != nil {
		return ""
	}
	server := (&net.UDPAddr{IP: address.IP, Port: address.Port}).String()
	if domain, err := m.Get(stun.AttrAlternateDomain); err == nil && len(domain) > 0 {
		server = fmt.Sprintf("%.100q at %s", domain, server)
	}
	return server
}

// understood are the comprehension-required attributes that clients know in responses
// and indications: those of RFC 8489 and RFC 8656, and the ones of RFC 3489 and
// RFC 5780 that old servers still send. MESSAGE-INTEGRITY-SHA256 is missing because
// no request asks for it and browsers do not know it.
var understood = []stun.AttrType{
	stun.AttrMappedAddress, 0x0002, stun.AttrChangeRequest, stun.AttrSourceAddress, stun.AttrChangedAddress, stun.AttrUsername,
	stun.AttrMessageIntegrity, stun.AttrErrorCode, stun.AttrUnknownAttributes, 0x000B, stun.AttrChannelNumber, stun.AttrLifetime,
	stun.AttrXORPeerAddress, stun.AttrData, stun.AttrRealm, stun.AttrNonce, stun.AttrXORRelayedAddress, stun.AttrRequestedAddressFamily,
	stun.AttrEvenPort, stun.AttrRequestedTransport, stun.AttrDontFragment, stun.AttrXORMappedAddress, stun.AttrReservationToken,
	stun.AttrPadding, stun.AttrResponsePort,
}

// unknownAttributes returns a fault if m has comprehension-required attributes that
// clients do not know: they must discard such a response (RFC 8489 §6.3.3).
func unknownAttributes(m *stun.Message) error {
	var unknown []string
	for _, a := range m.Attributes {
		if a.Type < 0x8000 && !slices.Contains(understood, a.Type) && len(unknown) < 5 {
			unknown = append(unknown, fmt.Sprintf("0x%04x", uint16(a.Type)))
		}
	}
	if unknown == nil {
		return nil
	}
	return &fault{KindUnknownAttributes, strings.Join(unknown, ", ")}
}

// addressIn returns an XOR-coded address attribute. The result is invalid if the
// attribute is missing or malformed.
func addressIn(m *stun.Message, t stun.AttrType) netip.AddrPort {
	var x stun.XORMappedAddress
	if x.GetFromAs(m, t) != nil {
		return netip.AddrPort{}
	}
	return newAddrPort(x.IP, x.Port)
}

// mappedAddress returns our own address as a binding response has it. Clients also
// accept MAPPED-ADDRESS, the attribute of RFC 3489.
func mappedAddress(m *stun.Message) netip.AddrPort {
	if a := addressIn(m, stun.AttrXORMappedAddress); a.IsValid() {
		return a
	}
	var plain stun.MappedAddress
	if plain.GetFrom(m) != nil {
		return netip.AddrPort{}
	}
	return newAddrPort(plain.IP, plain.Port)
}

func newAddrPort(ip net.IP, port int) netip.AddrPort {
	a, ok := netip.AddrFromSlice(ip)
	if !ok {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(a.Unmap(), uint16(port))
}

// isUsable reports whether a datagram can be sent to the address at all.
func isUsable(a netip.AddrPort) bool {
	return a.IsValid() && a.Port() != 0 && !a.Addr().IsUnspecified() && !a.Addr().IsMulticast() && a.Addr() != netip.AddrFrom4([4]byte{255, 255, 255, 255})
}
