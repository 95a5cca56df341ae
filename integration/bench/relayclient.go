package main

import (
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/stun/v4"

	"extdisco/turncred"
)

// relayUser is a client with an allocation and a channel, and its peer.
type relayUser struct {
	conn    net.Conn
	stream  bool
	peer    *net.UDPConn
	peerAt  netip.AddrPort
	relayed netip.AddrPort
	channel bool
	frame   []byte // ChannelData or Send indication with room for the payload
	payload []byte // inside frame
	goodbye []byte // ends the allocation
}

const benchChannel = 0x4001

// newRelayUser is makeRelayUser, tried again: a server may still have an allocation
// for the port that the client happens to get.
func newRelayUser(network, server, sharedSecret, user string, channel bool, size int) (u *relayUser, err error) {
	for range 5 {
		if u, err = makeRelayUser(network, server, sharedSecret, user, channel, size); err == nil {
			return u, nil
		}
	}
	return nil, err
}

// makeRelayUser allocates, and binds a channel or makes a permission.
func makeRelayUser(network, server, sharedSecret, user string, channel bool, size int) (*relayUser, error) {
	u := &relayUser{stream: network != "udp4", channel: channel}
	var err error
	if network == "tls4" { // the authority is made up for the run, and nobody is in between
		u.conn, err = tls.Dial("tcp4", server, &tls.Config{InsecureSkipVerify: true})
	} else {
		u.conn, err = net.Dial(network, server)
	}
	if err != nil {
		return nil, err
	}
	if u.peer, err = net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}); err != nil {
		return nil, err
	}
	_ = u.peer.SetReadBuffer(1 << 20)
	u.peerAt = u.peer.LocalAddr().(*net.UDPAddr).AddrPort()
	if err := u.allocate(sharedSecret, user); err != nil {
		u.close()
		return nil, err
	}
	return u, u.prepare(size)
}

func (u *relayUser) close() {
	_, _ = u.conn.Write(u.goodbye) // the next client may get the same port
	_ = u.conn.Close()
	_ = u.peer.Close()
}

func (u *relayUser) allocate(sharedSecret, user string) error {
	var c turncred.Credential
	issuer := turncred.NewSharedSecret([]byte(sharedSecret), nil, time.Hour)
	if err := issuer.IssueTo(&c, user, time.Now(), time.Hour); err != nil {
		return err
	}
	udp := stun.RawAttribute{Type: stun.AttrRequestedTransport, Value: []byte{17, 0, 0, 0}}
	first, err := u.ask(stun.MethodAllocate, udp)
	if err != nil {
		return err
	}
	var nonce stun.Nonce
	var realm stun.Realm
	if err := errors.Join(nonce.GetFrom(first), realm.GetFrom(first)); err != nil {
		return err
	}
	auth := []stun.Setter{stun.NewUsername(string(c.Username)), realm, nonce, stun.NewLongTermIntegrity(string(c.Username), realm.String(), string(c.Password))}
	response, err := u.ask(stun.MethodAllocate, append([]stun.Setter{udp}, auth...)...)
	if err != nil {
		return err
	}
	var relayed stun.XORMappedAddress
	if err := relayed.GetFromAs(response, stun.AttrXORRelayedAddress); err != nil {
		return fmt.Errorf("allocate: %w: %s", err, response)
	}
	addr, _ := netip.AddrFromSlice(relayed.IP)
	u.relayed = netip.AddrPortFrom(addr.Unmap(), uint16(relayed.Port))
	none := stun.RawAttribute{Type: stun.AttrLifetime, Value: make([]byte, 4)}
	goodbye, err := stun.Build(append([]stun.Setter{stun.TransactionID, stun.NewType(stun.MethodRefresh, stun.ClassRequest), none}, auth...)...)
	if err != nil {
		return err
	}
	u.goodbye = goodbye.Raw
	method, extra := stun.MethodCreatePermission, []stun.Setter{}
	if u.channel {
		method = stun.MethodChannelBind
		extra = append(extra, stun.RawAttribute{Type: stun.AttrChannelNumber, Value: []byte{benchChannel >> 8, benchChannel & 0xff, 0, 0}})
	}
	response, err = u.ask(method, append(append(extra, benchPeer(u.peerAt)), auth...)...)
	if err == nil && response.Type.Class != stun.ClassSuccessResponse {
		err = fmt.Errorf("%s: %s", method, response)
	}
	return err
}

// benchPeer is an XOR-PEER-ADDRESS.
type benchPeer netip.AddrPort

func (p benchPeer) AddTo(m *stun.Message) error {
	ap := netip.AddrPort(p)
	return stun.XORMappedAddress{IP: ap.Addr().AsSlice(), Port: int(ap.Port())}.AddToAs(m, stun.AttrXORPeerAddress)
}

func (u *relayUser) ask(method stun.Method, attrs ...stun.Setter) (*stun.Message, error) {
	request, err := stun.Build(append([]stun.Setter{stun.TransactionID, stun.NewType(method, stun.ClassRequest)}, attrs...)...)
	if err != nil {
		return nil, err
	}
	buf := make([]byte, 2000)
	for range 8 {
		if _, err := u.conn.Write(request.Raw); err != nil {
			return nil, err
		}
		_ = u.conn.SetReadDeadline(time.Now().Add(time.Second))
		n, err := u.conn.Read(buf)
		if errors.Is(err, io.EOF) {
			return nil, err
		}
		response := &stun.Message{Raw: buf[:max(n, 0)]}
		if err == nil && response.Decode() == nil && response.TransactionID == request.TransactionID {
			_ = u.conn.SetReadDeadline(time.Time{})
			return response, nil
		}
		if u.stream {
			break // it does not repeat
		}
	}
	return nil, fmt.Errorf("no answer to %s", method)
}

// prepare makes the frame that carries a payload of that size to the peer.
func (u *relayUser) prepare(size int) error {
	if u.channel {
		u.frame = make([]byte, 4+(size+3)&^3)
		binary.BigEndian.PutUint16(u.frame, benchChannel)
		binary.BigEndian.PutUint16(u.frame[2:], uint16(size))
		u.payload = u.frame[4 : 4+size]
		return nil
	}
	m, err := stun.Build(stun.TransactionID, stun.NewType(stun.MethodSend, stun.ClassIndication), benchPeer(u.peerAt),
		stun.RawAttribute{Type: stun.AttrData, Value: make([]byte, size)})
	if err != nil {
		return err
	}
	u.frame = m.Raw
	u.payload = u.frame[len(u.frame)-(size+3)&^3:][:size]
	return nil
}

// relayLoad is what came of one load.
type relayLoad struct {
	sent, received int
	delays         []time.Duration // sorted
}

// drive sends perSecond packets in all for a while, from the clients to their peers
// or the other way, and counts what arrives.
func drive(users []*relayUser, up bool, perSecond int, during time.Duration) relayLoad {
	var received atomic.Int64
	var mu sync.Mutex
	var delays []time.Duration
	var reading sync.WaitGroup
	for _, u := range users {
		reading.Go(func() {
			mine := u.receive(up, &received)
			mu.Lock()
			defer mu.Unlock()
			delays = append(delays, mine...)
		})
	}
	start := time.Now()
	sent := 0
	for i := 0; ; i++ {
		now := time.Since(start)
		if now >= during {
			break
		}
		due := int(now.Seconds() * float64(perSecond))
		for ; sent < due; sent++ {
			u := users[sent%len(users)]
			binary.BigEndian.PutUint64(u.payload, uint64(time.Since(benchEpoch)))
			if up {
				_, _ = u.conn.Write(u.frame)
			} else {
				_, _ = u.peer.WriteToUDPAddrPort(u.payload, u.relayed)
			}
		}
		time.Sleep(200 * time.Microsecond)
	}
	time.Sleep(100 * time.Millisecond) // for what is under way
	for _, u := range users {
		_ = u.conn.SetReadDeadline(time.Now())
		_ = u.peer.SetReadDeadline(time.Now())
	}
	reading.Wait()
	for _, u := range users {
		_ = u.conn.SetReadDeadline(time.Time{})
		_ = u.peer.SetReadDeadline(time.Time{})
	}
	slices.Sort(delays)
	return relayLoad{sent, int(received.Load()), delays}
}

var benchEpoch = time.Now()

// receive reads until a deadline, and takes the delay of every eighth packet.
func (u *relayUser) receive(up bool, received *atomic.Int64) []time.Duration {
	var delays []time.Duration
	buf := make([]byte, 64<<10)
	begun := 0 // bytes of a frame that has not come whole
	for n := 0; ; n++ {
		var size int
		var err error
		if up {
			size, _, err = u.peer.ReadFromUDPAddrPort(buf)
		} else {
			size, err = u.conn.Read(buf)
		}
		if err != nil {
			return delays
		}
		if !up && u.stream {
			frame := 4 + (len(u.payload)+3)&^3
			received.Add(int64((begun + size) / frame))
			begun = (begun + size) % frame
			continue
		}
		received.Add(1)
		if n%8 != 0 {
			continue
		}
		if at := u.find(buf[:size], up); at >= 0 {
			delays = append(delays, time.Since(benchEpoch)-time.Duration(binary.BigEndian.Uint64(buf[at:])))
		}
	}
}

// find returns where the payload begins in what arrived, or -1.
func (u *relayUser) find(frame []byte, up bool) int {
	if up {
		return 0
	}
	if u.channel {
		return 4
	}
	for at := 20; at+4 < len(frame); { // the attributes of a Data indication
		size := int(binary.BigEndian.Uint16(frame[at+2:]))
		if binary.BigEndian.Uint16(frame[at:]) == uint16(stun.AttrData) && at+4+8 <= len(frame) {
			return at + 4
		}
		at += 4 + (size+3)&^3
	}
	return -1
}

func (l relayLoad) quantile(q float64) time.Duration {
	if len(l.delays) == 0 {
		return 0
	}
	return l.delays[int(q*float64(len(l.delays)-1))]
}

func (l relayLoad) String() string {
	lost := 100 * float64(l.sent-l.received) / float64(max(l.sent, 1))
	text := fmt.Sprintf("%.1f %% lost, p50 %.2f ms, p99 %.2f ms", max(lost, 0), l.quantile(0.5).Seconds()*1e3, l.quantile(0.99).Seconds()*1e3)
	return strings.Replace(text, "0.0 % lost, ", "", 1)
}
