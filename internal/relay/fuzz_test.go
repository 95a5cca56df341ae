package relay

import (
	"bufio"
	"bytes"
	"net/netip"
	"testing"

	"github.com/pion/stun/v4"
)

// FuzzParseSend compares what is read of a Send indication with what stun reads.
func FuzzParseSend(f *testing.F) {
	for _, peer := range []peerAddr{"192.0.2.1:9", "[2001:db8::1]:9"} {
		for _, data := range []string{"", "a", "four", "hello"} {
			m, err := stun.Build(stun.TransactionID, stun.NewType(stun.MethodSend, stun.ClassIndication), peer,
				stun.RawAttribute{Type: stun.AttrData, Value: []byte(data)}, stun.Fingerprint)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(m.Raw)
		}
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		if !isSTUN(frame) {
			return
		}
		peer, data, ok := parseSend(frame)
		if !ok {
			return
		}
		m := &stun.Message{Raw: bytes.Clone(frame)}
		if err := m.Decode(); err != nil {
			t.Fatalf("stun refuses what was read as data for %s: %v", peer, err)
		}
		// Of the family, receivers must ignore the first byte (RFC 8489 §14.1), which
		// stun does not.
		if value, err := m.Get(stun.AttrXORPeerAddress); err != nil || value[0] != 0 {
			return
		}
		var want stun.XORMappedAddress
		if err := want.GetFromAs(m, stun.AttrXORPeerAddress); err != nil {
			t.Fatal(err)
		}
		addr, _ := netip.AddrFromSlice(want.IP)
		if peer != netip.AddrPortFrom(addr.Unmap(), uint16(want.Port)) {
			t.Errorf("the peer is %s, stun reads %s", peer, want)
		}
		if value, err := m.Get(stun.AttrData); err != nil || !bytes.Equal(value, data) {
			t.Errorf("the data are %q, stun reads %q, %v", data, value, err)
		}
	})
}

// FuzzDataIndication checks that stun reads what is written around a packet.
func FuzzDataIndication(f *testing.F) {
	f.Add([]byte("hello"), []byte{192, 0, 2, 1}, uint16(9))
	f.Add([]byte{}, []byte{0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, uint16(65535))
	f.Fuzz(func(t *testing.T, data, ip []byte, port uint16) {
		addr, ok := netip.AddrFromSlice(ip)
		if !ok || len(data) > maxDatagram {
			return
		}
		buf := make([]byte, headroom+maxDatagram)
		copy(buf[headroom:], data)
		peer := netip.AddrPortFrom(addr.Unmap(), port)
		m := &stun.Message{Raw: dataIndication(buf, len(data), peer)}
		if err := m.Decode(); err != nil {
			t.Fatal(err)
		}
		var from stun.XORMappedAddress
		if err := from.GetFromAs(m, stun.AttrXORPeerAddress); err != nil || from.Port != int(port) || !from.IP.Equal(peer.Addr().AsSlice()) {
			t.Errorf("from %s, %v, want %s", from, err, peer)
		}
		if value, err := m.Get(stun.AttrData); err != nil || !bytes.Equal(value, data) {
			t.Errorf("data %q, %v, want %q", value, err, data)
		}
		if m.Type != stun.NewType(stun.MethodData, stun.ClassIndication) {
			t.Errorf("the type is %s", m.Type)
		}
	})
}

// FuzzStream cuts a stream of anything into frames: whatever comes, each frame lies
// within what was read, and the next one begins behind it.
func FuzzStream(f *testing.F) {
	f.Add([]byte("\x40\x00\x00\x05hello\x00\x00\x00\x40\x01\x00\x00"))
	f.Add([]byte("\x00\x01\x00\x00\x21\x12\xa4\x42012345678901\x00\x16\x00\x00\x21\x12\xa4\x42012345678901"))
	f.Add([]byte("\x7f\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, text []byte) {
		s := &stream{l: &listener{relay: &Relay{}}, r: bufio.NewReaderSize(bytes.NewReader(text), maxFrame)}
		for at := 0; ; {
			frame, err := s.next()
			if err != nil {
				return
			}
			if len(frame) < channelHeader || !bytes.Equal(frame, text[at:at+len(frame)]) {
				t.Fatalf("frame %x at %d of %x", frame, at, text)
			}
			at += padded(frame)
			if _, err := s.r.Discard(padded(frame)); err != nil {
				t.Fatal(err)
			}
		}
	})
}
