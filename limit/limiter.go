package limit

import (
	"hash/maphash"
	"sync"
	"time"
)

const (
	// ways is how many keys share a slot of the table.
	ways = 4
	// sets × ways keys are remembered. The least recently busy one makes room,
	// and one that has its whole allowance back loses nothing by it.
	sets = 1 << 14
)

// Limiter answers whether one more event is allowed, for a key and in total. It
// is safe for concurrent use and holds about a mebibyte.
type Limiter struct {
	perKey, total pace
	limitsKeys    bool
	limitsTotal   bool
	start         time.Time
	seed          maphash.Seed

	mu           sync.Mutex
	table        [][ways]entry
	totalArrival time.Duration
}

type entry struct {
	key     uint64 // hash under a random seed, so that nobody can aim at a slot
	arrival time.Duration
}

// New returns a Limiter. A zero Rate sets no limit. Instants given to
// [Limiter.Allow] are measured from start.
func New(perKey, total Rate, start time.Time) *Limiter {
	l := &Limiter{start: start, seed: maphash.MakeSeed()}
	if l.limitsKeys = perKey.Events > 0; l.limitsKeys {
		l.perKey, l.table = newPace(perKey), make([][ways]entry, sets)
	}
	if l.limitsTotal = total.Events > 0; l.limitsTotal {
		l.total = newPace(total)
	}
	return l
}

// Allow counts an event of key at now and reports whether it is within the
// limits. An event that is not allowed does not count.
func (l *Limiter) Allow(key []byte, now time.Time) bool {
	elapsed := now.Sub(l.start)
	l.mu.Lock()
	defer l.mu.Unlock()

	var own *entry
	next := entry{}
	ok := true
	if l.limitsKeys {
		next.key = maphash.Bytes(l.seed, key)
		own = l.find(next.key)
		if own.key == next.key {
			next.arrival = own.arrival
		}
		if next.arrival, ok = l.perKey.next(next.arrival, elapsed); !ok {
			return false
		}
	}
	if l.limitsTotal {
		if l.totalArrival, ok = l.total.next(l.totalArrival, elapsed); !ok {
			return false
		}
	}
	if own != nil {
		*own = next
	}
	return true
}

// find returns the entry of the key with this hash, or the entry that makes room
// for it.
func (l *Limiter) find(hash uint64) *entry {
	set := &l.table[hash%sets]
	oldest := &set[0]
	for i := range set {
		if set[i].key == hash {
			return &set[i]
		}
		if set[i].arrival < oldest.arrival {
			oldest = &set[i]
		}
	}
	return oldest
}
