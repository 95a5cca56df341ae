package relay

import (
	"bufio"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"

	"extdisco/internal/limit"
)

const (
	// maxFrame bounds what one client may send in a piece: more than a relayed
	// datagram ever has.
	maxFrame = 4096
	// maxRequest is what pion reads at once.
	maxRequest = 1500
)

var (
	errNotTURN = errors.New("relay: neither STUN nor ChannelData")
	errTooLong = errors.New("relay: a frame is too long")
)

// stream is a connection over TCP or TLS. It cuts what it reads into frames,
// relays the data among them and gives pion the requests alone. What it sends
// waits in a queue of its own, so that a slow client holds up nobody.
type stream struct {
	net.Conn
	l      *listener
	client netip.AddrPort
	source netip.Addr // what connections are counted by
	r      *bufio.Reader
	login  login // of the frame that pion got last

	shutOnce, closeOnce sync.Once
	gone                chan struct{} // closed once the connection is closed
	left                chan struct{} // closed once pion has let go
	sent                chan struct{} // closed once nothing is written any more

	mu      sync.Mutex
	wake    chan struct{}
	control []byte // responses: never dropped
	data    []byte // frames of data, of which the oldest are dropped
	start   int    // of the oldest frame in data
	spare   []byte
}

func newStream(l *listener, conn net.Conn, client netip.AddrPort) *stream {
	return &stream{Conn: conn, l: l, client: client, source: sourceOf(client.Addr()),
		r: bufio.NewReaderSize(conn, maxFrame), gone: make(chan struct{}), left: make(chan struct{}), sent: make(chan struct{}), wake: make(chan struct{}, 1)}
}

// Read relays data until a whole request has come, and returns that.
func (s *stream) Read(p []byte) (int, error) {
	for {
		frame, err := s.next()
		if err != nil {
			var timeout net.Error
			if errors.As(err, &timeout) && timeout.Timeout() {
				s.l.relay.refused.add(idle)
			}
			return 0, err
		}
		pass := s.handle(frame)
		n := 0
		if pass {
			n = copy(p, frame)
		}
		if _, err := s.r.Discard(padded(frame)); err != nil {
			return 0, err
		}
		if pass {
			return n, nil
		}
	}
}

// next waits for a whole frame and returns it without its padding. The next read
// overwrites it.
func (s *stream) next() ([]byte, error) {
	head, err := s.r.Peek(channelHeader)
	if err != nil {
		return nil, err
	}
	size := int(binary.BigEndian.Uint16(head[2:]))
	switch {
	case head[0]&0xC0 == 0:
		size += stunHeader
		if size > maxRequest && binary.BigEndian.Uint16(head) != typeSend {
			return nil, errTooLong
		}
	case head[0]&0xC0 == 0x40:
		size += channelHeader
	default:
		s.l.relay.refused.add(malformed)
		return nil, errNotTURN
	}
	if (size+3)&^3 > maxFrame {
		s.l.relay.refused.add(malformed)
		return nil, errTooLong
	}
	frame, err := s.r.Peek((size + 3) &^ 3)
	if err != nil {
		return nil, err
	}
	return frame[:size], nil
}

// padded is how many bytes a frame takes up in the stream (RFC 8656 §12.5).
func padded(frame []byte) int { return (len(frame) + 3) &^ 3 }

// handle deals with one frame and reports whether pion is to have it.
func (s *stream) handle(frame []byte) bool {
	got := s.l.handle(frame, s.client)
	if got.reply != nil {
		_, _ = s.Write(got.reply)
	}
	if got.pass {
		s.login = got.login
	}
	return got.pass
}

// Write queues a response. Who asks and does not read is not served for long.
func (s *stream) Write(p []byte) (int, error) {
	s.mu.Lock()
	full := len(s.control)+len(p) > s.l.relay.cfg.Limits.Queue
	if !full {
		s.control = append(s.control, p...)
	}
	s.mu.Unlock()
	if full {
		s.l.relay.refused.add(slowClient)
		s.shut()
		return 0, net.ErrClosed
	}
	s.signal()
	return len(p), nil
}

// sendData implements toClient: it queues a frame, and drops the oldest ones that
// are too many. What is late is of no use in a call.
func (s *stream) sendData(frame []byte, _ netip.AddrPort) {
	r := s.l.relay
	dropped := 0
	s.mu.Lock()
	for len(s.data)-s.start+len(frame) > r.cfg.Limits.Queue && s.start < len(s.data) {
		s.start += frameSize(s.data[s.start:])
		dropped++
	}
	if s.start == len(s.data) {
		s.data, s.start = s.data[:0], 0
	} else if s.start > r.cfg.Limits.Queue {
		s.data, s.start = s.data[:copy(s.data, s.data[s.start:])], 0
	}
	s.data = append(s.data, frame...)
	for range padded(frame) - len(frame) {
		s.data = append(s.data, 0)
	}
	s.mu.Unlock()
	s.signal()
	if dropped > 0 {
		r.refused[slowClient].Add(uint64(dropped))
		r.say.warn("a slow client loses packets", "transport", s.l.transport.String(), "bytes", r.cfg.Limits.Queue)
	}
}

// frameSize returns the size of the first frame of queued data.
func frameSize(data []byte) int {
	size := int(binary.BigEndian.Uint16(data[2:]))
	if data[0]&0xC0 == 0 {
		return size + stunHeader
	}
	return (size + channelHeader + 3) &^ 3
}

func (s *stream) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// send writes what is queued until the connection is gone, or pion has let go of it.
func (s *stream) send() {
	defer close(s.sent)
	for last := false; !last; {
		select {
		case <-s.gone:
			return
		case <-s.left:
			last = true
		case <-s.wake:
		}
		for {
			batch := s.take()
			if len(batch) == 0 {
				break
			}
			_ = s.SetWriteDeadline(time.Now().Add(s.l.relay.timing.write))
			if _, err := s.Conn.Write(batch); err != nil {
				var timeout net.Error
				if errors.As(err, &timeout) && timeout.Timeout() {
					s.l.relay.refused.add(slowClient)
				}
				s.shut()
				return
			}
		}
	}
}

// maxBatch bounds what is written at once, which can no longer be dropped.
const maxBatch = 16 << 10

// take returns what is to be written next: whole frames, responses first. It is
// good until the next call.
func (s *stream) take() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	batch := append(s.spare[:0], s.control...)
	s.control = s.control[:0]
	for s.start < len(s.data) && len(batch) < maxBatch {
		size := frameSize(s.data[s.start:])
		batch = append(batch, s.data[s.start:s.start+size]...)
		s.start += size
	}
	if s.start == len(s.data) {
		s.start = 0
		if s.data = s.data[:0]; cap(s.data) > maxBatch {
			s.data = nil // a burst is over
		}
	}
	s.spare = batch
	return batch
}

// keep lifts the deadline of a connection that has an allocation now: the
// allocation has a lifetime itself.
func (s *stream) keep() { _ = s.SetReadDeadline(time.Time{}) }

// giveTime ends the connection soon unless it gets an allocation.
func (s *stream) giveTime() { _ = s.SetReadDeadline(time.Now().Add(s.l.relay.timing.unused)) }

// shut ends the connection; pion sees it and calls Close.
func (s *stream) shut() {
	s.shutOnce.Do(func() {
		close(s.gone)
		_ = s.SetDeadline(time.Now()) // a TLS connection must not wait to say goodbye
		_ = s.Conn.Close()
	})
}

// Close is called by pion, once it no longer reads. The answers that it has written are
// sent before; data is not.
func (s *stream) Close() error {
	s.closeOnce.Do(func() {
		s.mu.Lock()
		s.data, s.start = nil, 0
		s.mu.Unlock()
		close(s.left)
		<-s.sent
		s.shut()
		s.l.accept.left(s)
		s.l.reading.Done()
	})
	return nil
}

// RemoteAddr returns the client as pion knows it.
func (s *stream) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(s.client) }

// LocalAddr returns the address that was listened at.
func (s *stream) LocalAddr() net.Addr { return net.TCPAddrFromAddrPort(s.l.addr) }

// sourceOf returns the first address of whom an address belongs to; see [limit.Network].
func sourceOf(addr netip.Addr) netip.Addr { return limit.Network(addr).Addr() }
