package relay

import (
	"testing"
	"time"
)

func TestPortsHandsOutEachOnce(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	p := newPorts(portRange{50000, 50999})
	seen := map[uint16]bool{}
	ordered := true
	last := uint16(0)
	for range 1000 {
		port, ok := p.take(now)
		if !ok || seen[port] || port < 50000 || port > 50999 {
			t.Fatalf("take() = %d, %t", port, ok)
		}
		seen[port] = true
		ordered = ordered && port > last
		last = port
	}
	if ordered {
		t.Error("the ports come in order")
	}
	if port, ok := p.take(now); ok {
		t.Errorf("take() = %d although none is free", port)
	}
	if p.inUse() != 1000 {
		t.Errorf("inUse() = %d", p.inUse())
	}
}

func TestPortsLetsAPortRest(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	p := newPorts(portRange{50000, 50001})
	first, _ := p.take(now)
	p.release(first, now)
	second, _ := p.take(now)
	if second == first {
		t.Fatal("a port is used again at once although another one is free")
	}
	if third, ok := p.take(now); !ok || third != first {
		t.Fatalf("take() = %d, %t; a port that rests is better than none", third, ok)
	}
	p.release(first, now)
	p.release(second, now)
	if got, ok := p.take(now.Add(restFor)); !ok || !p.isUsed(got) {
		t.Fatalf("take() = %d, %t after the rest", got, ok)
	}
}

func TestPortsInPairs(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	p := newPorts(portRange{50001, 50004})
	even, ok := p.takeEven(now)
	if !ok || even != 50002 { // 50004 has no next one
		t.Fatalf("takeEven() = %d, %t", even, ok)
	}
	p.hold(even+1, now)
	for range 2 {
		if port, ok := p.take(now); !ok || port == even+1 {
			t.Fatalf("take() = %d, %t, which is kept", port, ok)
		}
	}
	if !p.takeThis(even + 1) {
		t.Error("the port that is kept cannot be had by number")
	}
	for _, port := range []uint16{even + 1, 50000, 50005, 0} {
		if p.takeThis(port) {
			t.Errorf("takeThis(%d) succeeds", port)
		}
	}
	if _, ok := p.takeEven(now); ok {
		t.Error("takeEven() finds a pair where none is left")
	}
}

// FuzzPorts checks the allocator against a list of what is used.
func FuzzPorts(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9})
	f.Add([]byte{0, 0, 0, 0, 0, 0, 4, 9, 14, 5, 1, 1})
	f.Fuzz(func(t *testing.T, steps []byte) {
		now := time.Unix(1_800_000_000, 0)
		p := newPorts(portRange{65530, 65535}) // up to the last port there is
		used := map[uint16]bool{}
		claim := func(port uint16, ok bool) {
			if !ok {
				return
			}
			if used[port] {
				t.Fatalf("%d is handed out twice", port)
			}
			used[port] = true
		}
		for _, step := range steps {
			port := 65530 + uint16(step/5)%6
			switch step % 5 {
			case 0:
				before := len(used)
				got, ok := p.take(now)
				if ok != (before < 6) {
					t.Fatalf("take() = %t with %d used", ok, before)
				}
				claim(got, ok)
			case 1:
				claim(p.takeEven(now))
			case 2:
				claim(port, p.takeThis(port))
			case 3:
				p.hold(port, now)
			case 4:
				if used[port] {
					delete(used, port)
					p.release(port, now)
				}
				now = now.Add(7 * time.Second)
			}
			if p.inUse() != len(used) {
				t.Fatalf("inUse() = %d, want %d", p.inUse(), len(used))
			}
		}
	})
}
