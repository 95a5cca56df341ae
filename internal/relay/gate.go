package relay

import (
	"encoding/binary"
	"net/netip"
	"slices"

	"github.com/pion/stun/v4"
)

// The types of requests that are served; everything else is dropped.
const (
	bindingRequest    = 0x0001
	allocateRequest   = 0x0003
	refreshRequest    = 0x0004
	permissionRequest = 0x0008
	channelRequest    = 0x0009
)

const transportUDP = 17 // of REQUESTED-TRANSPORT

// answer is what becomes of a frame; nothing of one with data, which was relayed.
type answer struct {
	pass  bool   // pion gets it
	reply []byte // the client gets this
	login login  // of a frame that passes, if it has proved one
}

// handle deals with one frame of a client: it relays data, and judges the rest.
func (l *listener) handle(frame []byte, client netip.AddrPort) answer {
	a := l.allocationOf(client)
	switch {
	case a != nil && a.fromClient(frame):
		return answer{}
	case a == nil && isChannelData(frame):
		l.relay.refused.add(noAllocation)
		return answer{}
	}
	return l.look(frame, client, a)
}

// look judges a frame that is no data, before pion sees it: who may have an
// answer, what pion would leave unanswered or answer wrongly, and what is off.
func (l *listener) look(frame []byte, client netip.AddrPort, a *allocation) answer {
	r := l.relay
	if !isSTUN(frame) {
		r.refused.add(malformed)
		return answer{}
	}
	kind := binary.BigEndian.Uint16(frame)
	switch kind {
	case bindingRequest:
		return answer{pass: a != nil || r.mayAnswer(client)}
	case allocateRequest, refreshRequest, permissionRequest, channelRequest:
	default:
		r.refused.add(notSupported)
		return answer{}
	}
	m := &stun.Message{Raw: slices.Clip(frame)} // stun writes behind it where there is room
	if m.Decode() != nil {
		r.refused.add(malformed)
		return answer{}
	}
	if !m.Contains(stun.AttrMessageIntegrity) {
		return answer{pass: r.mayAnswer(client)}
	}
	if a == nil && r.isNoisy(client) && r.verifies.OverTotal(r.now()) {
		r.refused.add(unauthenticated)
		return answer{}
	}
	who, ok := authenticate(m, r.cfg.realm(), r.cfg.Secrets())
	if !ok {
		r.refused.add(badCredential)
		return answer{pass: r.mayAnswer(client)} // pion says 401, or 438 if the nonce is old
	}
	if r.isDenied(who.user) {
		r.refused.add(deniedUser)
		return answer{pass: r.mayAnswer(client)}
	}
	if code, why := l.objection(m, kind, who, a); code != 0 {
		r.refused.add(why)
		return answer{reply: signed(m, code, who.key)}
	}
	if kind == allocateRequest && who.expires.Before(r.now()) {
		r.refused.add(expiredCredential)
		return answer{pass: r.mayAnswer(client)}
	}
	return answer{pass: true, login: who}
}

// objection returns the error that an authenticated request gets from us rather
// than from pion, or 0.
func (l *listener) objection(m *stun.Message, kind uint16, who login, a *allocation) (stun.ErrorCode, Reason) {
	r := l.relay
	if kind == allocateRequest {
		if transport, err := m.Get(stun.AttrRequestedTransport); err == nil && len(transport) == 4 && transport[0] != transportUDP {
			return stun.CodeUnsupportedTransProto, notSupported
		}
		if family, err := m.Get(stun.AttrRequestedAddressFamily); err == nil && len(family) == 4 &&
			(family[0] == familyIPv4 && l.placeFor(false) == nil || family[0] == familyIPv6 && l.placeFor(true) == nil) {
			return stun.CodeAddrFamilyNotSupported, notSupported
		}
		return 0, 0
	}
	if a == nil {
		return stun.CodeAllocMismatch, noAllocation
	}
	if a.user != who.user {
		return stun.CodeWrongCredentials, wrongUser
	}
	if kind == refreshRequest {
		return 0, 0
	}
	peers := peersOf(m)
	for _, peer := range peers {
		if r.policy.judge(peer.Addr()) == denied || kind == channelRequest && !r.policy.permits(r.policy.judge(peer.Addr()), peer) {
			return stun.CodeForbidden, forbiddenPeer
		}
	}
	var channel uint16
	if number, err := m.Get(stun.AttrChannelNumber); err == nil && len(number) == 4 && kind == channelRequest {
		channel = binary.BigEndian.Uint16(number)
	}
	if limit := r.limits().Permissions; !a.hasRoom(peers, channel, limit) {
		r.say.reached("limits.permissions", "user", a.user, "permissions", limit)
		return stun.CodeInsufficientCapacity, overPermissions
	}
	return 0, 0
}

// peersOf returns every XOR-PEER-ADDRESS of a request that can be read.
func peersOf(m *stun.Message) []netip.AddrPort {
	var peers []netip.AddrPort
	for _, attr := range m.Attributes {
		if attr.Type == stun.AttrXORPeerAddress {
			if peer := xorAddress(attr.Value, m.Raw); peer.IsValid() {
				peers = append(peers, peer)
			}
		}
	}
	return peers
}

// signed returns an error response with MESSAGE-INTEGRITY.
func signed(request *stun.Message, code stun.ErrorCode, key []byte) []byte {
	m, err := stun.Build(
		stun.NewTransactionIDSetter(request.TransactionID),
		stun.NewType(request.Type.Method, stun.ClassErrorResponse),
		&stun.ErrorCodeAttribute{Code: code},
		stun.MessageIntegrity(key),
	)
	if err != nil {
		return nil
	}
	return m.Raw
}
