package relay

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/pion/stun/v4"
)

// quick is a timing that tests do not wait long for.
var quick = timing{handshake: 100 * time.Millisecond, unused: 150 * time.Millisecond, write: 100 * time.Millisecond}

func startQuickRelay(t *testing.T, cfg Config) *testRelay {
	t.Helper()
	log := &logBuffer{}
	cfg.Log = newTestLog(log)
	r, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	r.timing = quick
	return begin(t, r, log)
}

// untilClosed reads until the other side closes the connection.
func untilClosed(t testing.TB, conn net.Conn) {
	t.Helper()
	_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.Copy(io.Discard, conn); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("the relay keeps the connection")
	}
}

// isRefused checks that one more connection is closed.
func (r *testRelay) isRefused(transport Transport) {
	r.t.Helper()
	conn, err := net.Dial("tcp4", r.at(transport))
	if err != nil {
		return // it was reset already
	}
	defer conn.Close()
	untilClosed(r.t, conn)
}

// 2: a failed TLS handshake leaves the connection open.
func TestClosesConnectionWhoseHandshakeFails(t *testing.T) {
	for name, greeting := range map[string]string{"no TLS": "GET / HTTP/1.1\r\n\r\n", "nothing": ""} {
		t.Run(name, func(t *testing.T) {
			r := startQuickRelay(t, loopback(t))
			conn, err := net.Dial("tcp4", r.at(TLS))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if _, err := io.WriteString(conn, greeting); err != nil {
				t.Fatal(err)
			}
			untilClosed(t, conn)
			waitFor(t, "the failure to be counted", func() bool { return r.Snapshot().Refused[handshakeFailed] == 1 })
		})
	}
}

// 3: a connection on which nobody authenticates stays for ever.
func TestEndsConnectionWithoutAllocation(t *testing.T) {
	for _, transport := range []Transport{TCP, TLS} {
		t.Run(transport.String(), func(t *testing.T) {
			r := startQuickRelay(t, loopback(t))
			conn := r.connect(transport)
			defer conn.Close()
			untilClosed(t, conn)
			// One that asks now and then is no better.
			c := r.raw(transport, "alice")
			for c.read() == nil {
				if _, err := c.conn.Write(c.build(stun.MethodBinding).Raw); err != nil {
					return
				}
			}
			untilClosed(t, c.conn)
		})
	}
}

func TestKeepsConnectionWithAllocation(t *testing.T) {
	r := startQuickRelay(t, loopback(t))
	c := r.raw(TCP, "alice")
	if code := c.allocate(); code != 0 {
		t.Fatalf("allocate: %d", code)
	}
	time.Sleep(2 * quick.unused) // that nothing happens cannot be waited for
	if code := c.request(stun.MethodRefresh, lifetime(0)); code != 0 {
		t.Fatalf("refresh: %d", code)
	}
	untilClosed(t, c.conn)
}

// A client that reads nothing makes nobody wait and the relay not grow; what is old
// is dropped.
func TestDropsTheOldestForASlowClient(t *testing.T) {
	for _, transport := range []Transport{TCP, TLS} {
		t.Run(transport.String(), func(t *testing.T) {
			cfg := loopback(t)
			cfg.Limits.Bandwidth = 0
			cfg.AllowPeers = []Peer{{Prefix: netip.MustParsePrefix("127.0.0.1/32")}}
			r := startRelay(t, cfg)
			slow := r.raw(transport, "slow")
			if code := slow.allocate(); code != 0 {
				t.Fatalf("allocate: %d", code)
			}
			peer, err := net.ListenPacket("udp4", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer peer.Close()
			if code := slow.request(stun.MethodChannelBind, channelNumber(0x4000), peerAddr(peer.LocalAddr().String())); code != 0 {
				t.Fatalf("channel: %d", code)
			}
			relayed := net.UDPAddrFromAddrPort(r.allocations()[0].address())
			sent := 0
			waitFor(t, "packets to be dropped", func() bool {
				for range 100 {
					sent++
					if _, err := peer.WriteTo(fmt.Appendf(make([]byte, 0, 1200), "%-1200d", sent), relayed); err != nil {
						t.Fatal(err)
					}
				}
				return r.Snapshot().Refused[slowClient] > 1000
			})
			s := r.streamsOf(transport)[0]
			s.mu.Lock()
			if size := cap(s.data) + cap(s.control); size > 4*cfg.Limits.Queue {
				t.Errorf("the queue has %d bytes", size)
			}
			s.mu.Unlock()
			if !strings.Contains(r.log.String(), "a slow client loses packets") {
				t.Error("the log does not say that the limit is reached")
			}
			// It reads again: what comes last is the newest, in whole frames.
			last := readChannelData(t, slow.conn, func() {
				sent++
				if _, err := peer.WriteTo(fmt.Appendf(nil, "%-1200d", sent), relayed); err != nil {
					t.Fatal(err)
				}
			}, func(text string) bool { return strings.TrimSpace(text) == fmt.Sprint(sent) })
			if !last {
				t.Error("the newest packet did not come")
			}
		})
	}
}

// A client that takes nothing at all is let go.
func TestEndsConnectionThatTakesNothing(t *testing.T) {
	cfg := loopback(t)
	cfg.Limits.Bandwidth = 0
	r := startQuickRelay(t, cfg)
	slow := r.raw(TCP, "slow")
	if code := slow.allocate(); code != 0 {
		t.Fatalf("allocate: %d", code)
	}
	bob := r.client(UDP, "bob")
	relayed := allocate(t, bob)
	to := net.UDPAddrFromAddrPort(func() netip.AddrPort {
		for _, a := range r.allocations() {
			if a.user == "slow" {
				return a.address()
			}
		}
		return netip.AddrPort{}
	}())
	if code := slow.request(stun.MethodCreatePermission, peerAddr(relayed.LocalAddr().String())); code != 0 {
		t.Fatalf("permission: %d", code)
	}
	waitFor(t, "the connection to end", func() bool {
		for range 100 {
			_, _ = relayed.WriteTo(make([]byte, 1200), to)
		}
		return r.Snapshot().Connections == 0
	})
}
