package relay

import (
	"sync"
	"time"
)

// bucket bounds bytes per second: what was not used within the last second may
// be used at once. A rate of 0 sets no bound.
type bucket struct {
	mu   sync.Mutex
	rate int64
	have int64 // bytes, times a second
	last int64 // nanoseconds
}

// setRate changes the rate; the bucket is full afterwards.
func (b *bucket) setRate(rate int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.rate, b.have = rate, rate
}

// take reports whether n bytes may pass at now, which counts nanoseconds from
// any fixed instant.
func (b *bucket) take(n int, now int64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.rate == 0 {
		return true
	}
	if passed := now - b.last; passed > 0 {
		b.last = now
		if passed >= int64(time.Second) {
			b.have = b.rate
		} else {
			// Below a second and a terabyte per second this does not overflow
			// a float's 53 bits by more than a byte.
			b.have = min(b.rate, b.have+int64(float64(b.rate)*float64(passed)/float64(time.Second)))
		}
	}
	if b.have < int64(n) {
		return false
	}
	b.have -= int64(n)
	return true
}
