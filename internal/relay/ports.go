package relay

import (
	"math/rand/v2"
	"sync"
	"time"
)

// restFor is how long a port is left alone after its allocation ended, so that
// what peers still send does not reach whoever has the port next.
const restFor = 30 * time.Second

// ports knows which relay ports of one address are free. It hands them out in
// random order, as RFC 8656 §7.2 asks, and never has to guess.
type ports struct {
	portRange

	mu      sync.Mutex
	free    []uint16
	place   []int32 // by port: its index in free, or one of the states below
	resting []rest  // by instant
	used    int
}

type rest struct {
	port  uint16
	until time.Time
}

const (
	portUsed    = -1
	portResting = -2
)

func newPorts(r portRange) *ports {
	p := &ports{portRange: r}
	p.place = make([]int32, int(r.last)-int(r.first)+1)
	for i := range p.place {
		p.place[i] = portResting
		p.add(r.first + uint16(i))
	}
	return p
}

func (p *ports) at(port uint16) *int32 { return &p.place[port-p.first] }

func (p *ports) add(port uint16) {
	*p.at(port) = int32(len(p.free))
	p.free = append(p.free, port)
}

func (p *ports) remove(port uint16) {
	i, last := *p.at(port), p.free[len(p.free)-1]
	p.free[i] = last
	*p.at(last) = i
	p.free = p.free[:len(p.free)-1]
}

// wake frees the ports that have rested long enough; if none is free, also the
// one that has rested longest.
func (p *ports) wake(now time.Time) {
	for len(p.resting) > 0 && (len(p.free) == 0 || !p.resting[0].until.After(now)) {
		port := p.resting[0].port
		p.resting = p.resting[1:]
		if *p.at(port) == portResting {
			p.add(port)
		}
	}
}

// take returns a port that is free and marks it used.
func (p *ports) take(now time.Time) (uint16, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wake(now)
	if len(p.free) == 0 {
		return 0, false
	}
	return p.use(p.free[rand.IntN(len(p.free))]), true
}

// takeEven is take for an even port whose next one is free as well (RFC 8656 §7.2,
// EVEN-PORT).
func (p *ports) takeEven(now time.Time) (uint16, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wake(now)
	if len(p.free) == 0 {
		return 0, false
	}
	start := rand.IntN(len(p.free))
	for i := range p.free {
		port := p.free[(start+i)%len(p.free)]
		if port%2 == 0 && p.contains(port+1) && *p.at(port + 1) >= 0 {
			return p.use(port), true
		}
	}
	return 0, false
}

// takeThis marks one particular port used unless it is used already.
func (p *ports) takeThis(port uint16) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.contains(port) || *p.at(port) == portUsed {
		return false
	}
	p.use(port)
	return true
}

func (p *ports) use(port uint16) uint16 {
	if *p.at(port) >= 0 {
		p.remove(port)
	}
	*p.at(port) = portUsed
	p.used++
	return port
}

// hold lets a free port rest, so that it is there for whoever asks for it by
// number.
func (p *ports) hold(port uint16, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.contains(port) && *p.at(port) >= 0 {
		p.remove(port)
		p.rest(port, now)
	}
}

// release takes a used port back.
func (p *ports) release(port uint16, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.used--
	p.rest(port, now)
}

func (p *ports) rest(port uint16, now time.Time) {
	*p.at(port) = portResting
	p.resting = append(p.resting, rest{port, now.Add(restFor)})
}

// isUsed reports whether an allocation has the port.
func (p *ports) isUsed(port uint16) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.contains(port) && *p.at(port) == portUsed
}

// inUse returns how many ports are used.
func (p *ports) inUse() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.used
}
