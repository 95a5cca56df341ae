package relay

import (
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/stun/v4"
)

// endings collects what Ended is told.
type endings struct {
	mu   sync.Mutex
	list []Ended
}

func (e *endings) add(ended Ended) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.list = append(e.list, ended)
}

func (e *endings) get() []Ended {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]Ended(nil), e.list...)
}

func TestReloadEndsAllocationsOfDeniedUsersAtOnce(t *testing.T) {
	var ends endings
	cfg := loopback(t)
	cfg.Ended = ends.add
	r := startRelay(t, cfg)
	mallory, alice, stream := r.raw(UDP, "mallory"), r.raw(UDP, "alice"), r.raw(TCP, "mallory")
	for _, c := range []*rawClient{mallory, alice, stream} {
		if code := c.allocate(); code != 0 {
			t.Fatalf("allocate: %d", code)
		}
	}
	if err := r.Reload(cfg.Limits, func(user string) bool { return user == "mallory" }); err != nil {
		t.Fatal(err)
	}
	if n := r.Snapshot().PortsInUse; n != 1 {
		t.Errorf("%d allocations are left", n)
	}
	for _, c := range []*rawClient{mallory, stream} {
		if code := c.request(stun.MethodRefresh); code != stun.CodeUnauthorized {
			t.Errorf("refresh of a denied user: %d", code)
		}
		if code := c.allocate(); code != stun.CodeUnauthorized {
			t.Errorf("allocate of a denied user: %d", code)
		}
	}
	if code := alice.request(stun.MethodRefresh); code != 0 {
		t.Errorf("refresh of another user: %d", code)
	}
	waitFor(t, "two reports", func() bool { return len(ends.get()) == 2 })
	for _, ended := range ends.get() {
		if ended.User != "mallory" || ended.Reason != "denied" || !ended.Client.IsValid() {
			t.Errorf("reported %+v", ended)
		}
	}
	if err := r.Reload(cfg.Limits, nil); err != nil {
		t.Fatal(err)
	}
	// pion forgets an allocation a little after it has ended, and answers 437 until then.
	waitFor(t, "an allocation of a user who is served again", func() bool { return mallory.allocate() == 0 })
}

// The user is denied between the check of the request and the allocation.
func TestEndsTheAllocationOfAUserWhoIsDeniedMeanwhile(t *testing.T) {
	var asked atomic.Int32
	cfg := loopback(t)
	cfg.Denied = func(string) bool { return asked.Add(1) > 1 }
	r := startRelay(t, cfg)
	r.raw(UDP, "mallory").allocate()
	s := r.Snapshot()
	if s.ByTransport[UDP].Made != 1 || s.PortsInUse != 0 {
		t.Errorf("%d allocations were made, %d ports are in use", s.ByTransport[UDP].Made, s.PortsInUse)
	}
}

func TestReloadTakesOverLimits(t *testing.T) {
	cfg := loopback(t)
	r := startRelay(t, cfg)
	c := r.raw(UDP, "alice")
	if code := c.allocate(); code != 0 {
		t.Fatalf("allocate: %d", code)
	}
	limits := cfg.Limits
	limits.PerUser = 1
	if err := r.Reload(limits, nil); err != nil {
		t.Fatal(err)
	}
	if code := r.raw(UDP, "alice").allocate(); code != stun.CodeAllocQuotaReached {
		t.Errorf("a second allocation: %d", code)
	}
	if code := c.request(stun.MethodRefresh); code != 0 {
		t.Errorf("refresh of the first: %d", code)
	}
	limits.PerUser = 0
	if err := r.Reload(limits, nil); err == nil || !strings.Contains(err.Error(), "limits.per_user") {
		t.Errorf("Reload with a limit of 0: %v", err)
	}
}

func TestReportsWhatAnAllocationHasDone(t *testing.T) {
	var ends endings
	cfg := loopback(t)
	cfg.Ended = ends.add
	r := startRelay(t, cfg)
	one, other := r.pair(UDP, TLS)
	exchange(t, one, other, strings.Repeat("a", 1000))
	exchange(t, other, one, strings.Repeat("b", 10))
	if err := one.Close(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the report", func() bool { return len(ends.get()) == 1 })
	got := ends.get()[0]
	if got.User != "alice" || got.Transport != UDP || got.Reason != "client" || got.Up.Bytes != 1000 || got.Down.Bytes != 10 ||
		got.Up.Packets != 1 || got.Duration <= 0 || got.Relayed.String() != one.LocalAddr().String() {
		t.Errorf("reported %+v", got)
	}
	s := r.Snapshot()
	if u := s.ByTransport[UDP]; u.Allocations != 0 || u.Made != 1 || u.Up.Bytes != 1000 || u.Down.Bytes != 10 {
		t.Errorf("counted %+v over UDP", u)
	}
	if u := s.ByTransport[TLS]; u.Allocations != 1 || u.Made != 1 || u.Up.Bytes != 10 || u.Down.Bytes != 1000 {
		t.Errorf("counted %+v over TLS", u)
	}
}

func TestAnAllocationEndsWithItsConnection(t *testing.T) {
	r := startRelay(t, loopback(t))
	c := r.raw(TCP, "alice")
	if code := c.allocate(); code != 0 {
		t.Fatalf("allocate: %d", code)
	}
	_ = c.conn.Close()
	waitFor(t, "the allocation to end", func() bool { s := r.Snapshot(); return s.PortsInUse == 0 && s.Connections == 0 })
}

func TestAnAllocationEndsWithItsLifetime(t *testing.T) {
	r := startRelay(t, loopback(t))
	c := r.raw(UDP, "alice")
	if code := c.request(stun.MethodAllocate, requestedTransport(17), lifetime(1)); code != 0 {
		t.Fatalf("allocate: %d", code)
	}
	waitFor(t, "the allocation to end", func() bool { return r.Snapshot().PortsInUse == 0 })
}

func TestDrains(t *testing.T) {
	for transport := range transports {
		t.Run(transport.String(), func(t *testing.T) { testDrains(t, transport) })
	}
}

func testDrains(t *testing.T, transport Transport) {
	r := startRelay(t, loopback(t))
	running, late := r.raw(transport, "alice"), r.raw(transport, "bob")
	if code := running.allocate(); code != 0 {
		t.Fatalf("allocate: %d", code)
	}
	closed := make(chan error, 1)
	go func() { closed <- r.Close(time.Minute) }()
	waitFor(t, "the drain", func() bool { return r.Snapshot().Draining })
	if code := late.allocate(); code != stun.CodeAllocQuotaReached {
		t.Errorf("allocate while it drains: %d", code)
	}
	if code := running.request(stun.MethodRefresh); code != 0 {
		t.Errorf("refresh while it drains: %d", code)
	}
	select {
	case <-closed:
		t.Fatal("the relay did not wait for the allocation")
	default:
	}
	if code := running.request(stun.MethodRefresh, lifetime(0)); code != 0 {
		t.Errorf("the end of the allocation: %d", code)
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
}

func TestDrainIsBounded(t *testing.T) {
	r := startRelay(t, loopback(t))
	if code := r.raw(TLS, "alice").allocate(); code != 0 {
		t.Fatalf("allocate: %d", code)
	}
	if err := r.Close(time.Millisecond); err != nil {
		t.Fatal(err)
	}
	if n := r.Snapshot().PortsInUse; n != 0 {
		t.Errorf("%d ports are in use", n)
	}
}

func TestStartFailsAsAWhole(t *testing.T) {
	taken, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	cfg := loopback(t)
	cfg.TLSListen = []string{taken.Addr().String()}
	cfg.Log = newTestLog(&logBuffer{})
	r, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Start(); err == nil || !strings.Contains(err.Error(), taken.Addr().String()) {
		t.Errorf("Start() = %v", err)
	}
}
