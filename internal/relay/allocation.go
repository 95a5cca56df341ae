package relay

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/pion/stun/v4"
)

// allocation is one relayed transport address: a socket that peers see, and what
// is known of the client behind it. It is the net.PacketConn that pion has for it.
//
// pion does what the protocol asks for: lifetimes, permissions, channels. The data
// never reaches pion: it goes straight from one socket to the other here, with one
// lookup and no allocation of memory.
type allocation struct {
	relay     *Relay
	listener  *listener
	conn      *net.UDPConn
	reader    *reader
	place     *place
	port      uint16
	user      string
	started   time.Time
	transport Transport

	client netip.AddrPort // set once, before anything is read
	out    toClient
	closed bool // guarded by listener.mu

	mu          sync.RWMutex
	permissions map[netip.Addr]verdict
	channels    map[uint16]destination
	byPeer      map[netip.AddrPort]uint16

	up, down      bucket
	upCount       counter
	downCount     counter
	reason        atomic.Value // string: why we ended it, if we did
	closeOnce     sync.Once
	finishOnce    sync.Once
	firstDropSaid atomic.Bool
}

// toClient sends a whole frame to a client. It may keep nothing of it.
type toClient interface {
	sendData(frame []byte, client netip.AddrPort)
}

// destination is a peer, and what the policy said of its address.
type destination struct {
	peer    netip.AddrPort
	verdict verdict
}

// Sizes of what stands in front of the data that is sent to a client.
const (
	channelHeader = 4  // RFC 8656 §12.4
	stunHeader    = 20 // RFC 8489 §5
	attrHeader    = 4
	indication4   = stunHeader + attrHeader + 8 + attrHeader
	indication6   = stunHeader + attrHeader + 20 + attrHeader
	headroom      = indication6
	magicCookie   = 0x2112A442
	typeSend      = 0x0016 // Send indication
	typeData      = 0x0017 // Data indication
	familyIPv4    = 1
	familyIPv6    = 2
)

// isChannelData reports whether a frame begins as ChannelData does: with 0x4000 to
// 0x4FFF (RFC 8656 §12), or, as RFC 5766 had it and coturn's client does, to 0x7FFF.
func isChannelData(frame []byte) bool {
	return len(frame) >= channelHeader && frame[0]&0xC0 == 0x40
}

// isSTUN reports whether a frame has the header of a STUN message.
func isSTUN(frame []byte) bool {
	return len(frame) >= stunHeader && frame[0]&0xC0 == 0 && binary.BigEndian.Uint32(frame[4:]) == magicCookie
}

// fromClient relays ChannelData and Send indications. It reports whether the frame
// was one of them, relayed or not.
func (a *allocation) fromClient(frame []byte) bool {
	if isChannelData(frame) {
		number, size := binary.BigEndian.Uint16(frame), int(binary.BigEndian.Uint16(frame[2:]))
		if size > len(frame)-channelHeader {
			a.relay.refused.add(malformed)
			return true
		}
		a.mu.RLock()
		to, bound := a.channels[number]
		a.mu.RUnlock()
		if !bound {
			a.relay.refused.add(noPermission)
			return true
		}
		a.toPeer(frame[channelHeader:channelHeader+size], to)
		return true
	}
	if !isSTUN(frame) || binary.BigEndian.Uint16(frame) != typeSend {
		return false
	}
	peer, data, ok := parseSend(frame)
	if !ok {
		a.relay.refused.add(malformed)
		return true
	}
	a.mu.RLock()
	v, permitted := a.permissions[peer.Addr()]
	a.mu.RUnlock()
	if !permitted {
		a.relay.refused.add(noPermission)
		return true
	}
	a.toPeer(data, destination{peer, v})
	return true
}

// parseSend returns what a Send indication (RFC 8656 §11.1) asks for. DONT-FRAGMENT
// is not supported, and a message with it or another attribute that must be
// understood is dropped.
func parseSend(frame []byte) (peer netip.AddrPort, data []byte, ok bool) {
	size := int(binary.BigEndian.Uint16(frame[2:]))
	if size%4 != 0 || size > len(frame)-stunHeader {
		return netip.AddrPort{}, nil, false
	}
	hasData := false
	for rest := frame[stunHeader : stunHeader+size]; len(rest) >= attrHeader; {
		kind, n := stun.AttrType(binary.BigEndian.Uint16(rest)), int(binary.BigEndian.Uint16(rest[2:]))
		padded := (n + 3) &^ 3
		if padded > len(rest)-attrHeader {
			return netip.AddrPort{}, nil, false
		}
		value := rest[attrHeader : attrHeader+n]
		switch {
		case kind == stun.AttrXORPeerAddress && !peer.IsValid():
			peer = xorAddress(value, frame)
		case kind == stun.AttrData && !hasData:
			data, hasData = value, true
		case kind == stun.AttrMessageIntegrity, kind == stun.AttrMessageIntegritySHA256: // nothing counts behind it
			return peer, data, hasData && peer.IsValid()
		case kind.Required() && !isTolerated(kind):
			return netip.AddrPort{}, nil, false
		}
		rest = rest[attrHeader+padded:]
	}
	return peer, data, hasData && peer.IsValid()
}

// isTolerated reports whether an attribute that must be understood means nothing in
// an indication, where some clients put it all the same.
func isTolerated(kind stun.AttrType) bool {
	switch kind {
	case stun.AttrXORPeerAddress, stun.AttrData, stun.AttrUsername, stun.AttrRealm, stun.AttrNonce:
		return true
	}
	return false
}

// xorAddress decodes XOR-PEER-ADDRESS (RFC 8489 §14.2); it is not valid if value
// is not.
func xorAddress(value, frame []byte) netip.AddrPort {
	if len(value) < 8 {
		return netip.AddrPort{}
	}
	port := binary.BigEndian.Uint16(value[2:]) ^ magicCookie>>16
	switch {
	case value[1] == familyIPv4 && len(value) == 8:
		var ip [4]byte
		binary.BigEndian.PutUint32(ip[:], binary.BigEndian.Uint32(value[4:])^magicCookie)
		return netip.AddrPortFrom(netip.AddrFrom4(ip), port)
	case value[1] == familyIPv6 && len(value) == 20:
		var ip [16]byte
		for i := range ip {
			ip[i] = value[4+i] ^ frame[4+i]
		}
		return netip.AddrPortFrom(netip.AddrFrom16(ip).Unmap(), port)
	}
	return netip.AddrPort{}
}

// toPeer sends data from the relayed address, if that is allowed.
func (a *allocation) toPeer(data []byte, to destination) {
	r := a.relay
	if !r.policy.permits(to.verdict, to.peer) {
		r.refused.add(forbiddenPeer)
		return
	}
	if !a.may(&a.up, &r.totalUp, len(data)) {
		return
	}
	peer := to.peer
	if r.mapped {
		if local, ok := r.toLocal[peer.Addr()]; ok { // a user of ours behind the same NAT
			peer = netip.AddrPortFrom(local, peer.Port())
		}
	}
	if _, err := a.conn.WriteToUDPAddrPort(data, peer); err != nil {
		r.refused.add(sendFailed)
		return
	}
	a.upCount.add(len(data))
}

// may asks both bounds on bytes per second.
func (a *allocation) may(own, total *bucket, n int) bool {
	r := a.relay
	now := int64(time.Since(r.epoch))
	if !own.take(n, now) {
		r.refused.add(overBandwidth)
		if a.firstDropSaid.CompareAndSwap(false, true) {
			r.say.reached("limits.bandwidth", "user", a.user)
		}
		return false
	}
	if !total.take(n, now) {
		r.refused.add(overBandwidth)
		r.say.reached("limits.total_bandwidth")
		return false
	}
	return true
}

// ReadFrom relays what peers send until the allocation ends. pion calls it to read
// one packet, but gets none.
func (a *allocation) ReadFrom([]byte) (int, net.Addr, error) {
	r := a.relay
	for {
		err := a.reader.read(func(buf []byte, n int, peer netip.AddrPort) bool {
			if r.mapped {
				if public, ok := r.toPublic[peer.Addr()]; ok && a.place.ports.contains(peer.Port()) {
					peer = netip.AddrPortFrom(public, peer.Port())
				}
			}
			a.fromPeer(buf, n, peer)
			return false
		})
		if isTransient(err) {
			continue
		}
		_ = a.Close() // pion deletes it now
		a.finishOnce.Do(r.running.Done)
		return 0, nil, err
	}
}

// fromPeer sends n bytes that stand behind the headroom of p to the client, if it
// wants to hear of the peer (RFC 8656 §11.3, §12.7).
func (a *allocation) fromPeer(p []byte, n int, peer netip.AddrPort) {
	a.mu.RLock()
	number, bound := a.byPeer[peer]
	permitted := bound
	if !bound {
		_, permitted = a.permissions[peer.Addr()]
	}
	a.mu.RUnlock()
	if !permitted {
		a.relay.refused.add(noPermission)
		return
	}
	if !a.may(&a.down, &a.relay.totalDown, n) {
		return
	}
	var frame []byte
	if bound {
		frame = p[headroom-channelHeader : headroom+n]
		binary.BigEndian.PutUint16(frame, number)
		binary.BigEndian.PutUint16(frame[2:], uint16(n))
	} else {
		frame = dataIndication(p, n, peer)
	}
	a.out.sendData(frame, a.client)
	a.downCount.add(n)
}

// dataIndication writes a Data indication (RFC 8656 §11.3) around the n bytes
// behind the headroom of p.
func dataIndication(p []byte, n int, peer netip.AddrPort) []byte {
	size := indication4
	if peer.Addr().Is6() {
		size = indication6
	}
	padded := (n + 3) &^ 3
	frame := p[headroom-size : headroom+padded]
	clear(frame[size+n:])
	binary.BigEndian.PutUint16(frame, typeData)
	binary.BigEndian.PutUint16(frame[2:], uint16(len(frame)-stunHeader))
	binary.BigEndian.PutUint32(frame[4:], magicCookie)
	id := stun.NewTransactionID()
	copy(frame[8:stunHeader], id[:])
	attr := frame[stunHeader:]
	binary.BigEndian.PutUint16(attr, uint16(stun.AttrXORPeerAddress))
	binary.BigEndian.PutUint16(attr[2:], uint16(size-stunHeader-2*attrHeader))
	binary.BigEndian.PutUint16(attr[6:], peer.Port()^magicCookie>>16)
	if peer.Addr().Is4() {
		ip := peer.Addr().As4()
		attr[4], attr[5] = 0, familyIPv4
		binary.BigEndian.PutUint32(attr[8:], binary.BigEndian.Uint32(ip[:])^magicCookie)
	} else {
		ip := peer.Addr().As16()
		attr[4], attr[5] = 0, familyIPv6
		for i := range ip {
			attr[8+i] = ip[i] ^ frame[4+i]
		}
	}
	data := frame[size-attrHeader:]
	binary.BigEndian.PutUint16(data, uint16(stun.AttrData))
	binary.BigEndian.PutUint16(data[2:], uint16(n))
	return frame
}

// WriteTo is there for pion, which has no data to send.
func (a *allocation) WriteTo(p []byte, addr net.Addr) (int, error) {
	peer := addrPort(addr)
	a.toPeer(p, destination{peer, a.relay.policy.judge(peer.Addr())})
	return len(p), nil
}

// Close ends the allocation. pion calls it with its locks held.
func (a *allocation) Close() error {
	a.closeOnce.Do(func() {
		_ = a.conn.Close()
		a.relay.ended(a)
	})
	return nil
}

// setRate bounds the bytes per second in each direction.
func (a *allocation) setRate(rate int64) {
	a.up.setRate(rate)
	a.down.setRate(rate)
}

// end closes the allocation for a reason of ours.
func (a *allocation) end(reason string) {
	a.reason.CompareAndSwap(nil, reason)
	_ = a.Close()
}

func (a *allocation) LocalAddr() net.Addr                { return a.conn.LocalAddr() }
func (a *allocation) SetDeadline(t time.Time) error      { return a.conn.SetDeadline(t) }
func (a *allocation) SetReadDeadline(t time.Time) error  { return a.conn.SetReadDeadline(t) }
func (a *allocation) SetWriteDeadline(t time.Time) error { return a.conn.SetWriteDeadline(t) }

// permit remembers a permission that pion has granted.
func (a *allocation) permit(addr netip.Addr) {
	v := a.relay.policy.judge(addr)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.permissions[addr] = v
}

func (a *allocation) forbid(addr netip.Addr) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.permissions, addr)
}

func (a *allocation) bind(number uint16, peer netip.AddrPort) {
	v := a.relay.policy.judge(peer.Addr())
	a.mu.Lock()
	defer a.mu.Unlock()
	a.channels[number] = destination{peer, v}
	a.byPeer[peer] = number
}

func (a *allocation) unbind(number uint16, peer netip.AddrPort) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.channels, number)
	delete(a.byPeer, peer)
}

// hasRoom reports whether the peers, and with it the channel unless it is 0, stay
// within the bound on permissions, which is one on channels as well.
func (a *allocation) hasRoom(peers []netip.AddrPort, channel uint16, limit int) bool {
	a.mu.RLock()
	defer a.mu.RUnlock()
	fresh := map[netip.Addr]bool{}
	for _, peer := range peers {
		if _, known := a.permissions[peer.Addr()]; !known {
			fresh[peer.Addr()] = true
		}
	}
	if len(fresh) > 0 && len(a.permissions)+len(fresh) > limit {
		return false
	}
	_, bound := a.channels[channel]
	return channel == 0 || bound || len(a.channels) < limit
}

// addrPort returns the address of a net.Addr of UDP or TCP, in its plainest form.
func addrPort(addr net.Addr) netip.AddrPort {
	var ap netip.AddrPort
	switch a := addr.(type) {
	case *net.UDPAddr:
		ap = a.AddrPort()
	case *net.TCPAddr:
		ap = a.AddrPort()
	}
	return netip.AddrPortFrom(ap.Addr().Unmap().WithZone(""), ap.Port())
}

// isTransient reports whether a socket can be read again after err.
func isTransient(err error) bool {
	if errors.Is(err, net.ErrClosed) || errors.Is(err, os.ErrDeadlineExceeded) {
		return false
	}
	for _, transient := range []error{syscall.ECONNREFUSED, syscall.EHOSTUNREACH, syscall.ENETUNREACH,
		syscall.EMSGSIZE, syscall.ENOBUFS, syscall.ENOMEM, syscall.EINTR, syscall.EAGAIN} {
		if errors.Is(err, transient) {
			return true
		}
	}
	return false
}
