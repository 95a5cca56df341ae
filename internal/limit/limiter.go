package limit

import (
	"hash/maphash"
	"sync"
	"time"
)

const (
	// ways is how many keys share a slot of a table.
	ways = 4
	// sets × ways keys are remembered, and groupSets × ways groups. The one that
	// was idle the longest makes room; if it has its whole allowance back, it loses
	// nothing by that.
	sets      = 1 << 14
	groupSets = 1 << 10
)

// Level is the limit that an event exceeds.
type Level uint8

// The levels, in the order in which they are checked.
const (
	None  Level = iota // within all limits
	Key                // the limit of the key
	Group              // the limit of the group that the key belongs to
	Total              // the limit of all events together
)

// Rates are the limits of a [Limiter]. A zero Rate sets no limit.
type Rates struct{ Key, Group, Total Rate }

// Limiter tells whether one more event is allowed: for a key, for the group that the
// key belongs to, and in total. It is safe for concurrent use and takes about one
// mebibyte.
type Limiter struct {
	start time.Time
	seed  maphash.Seed

	mu           sync.Mutex
	keys, groups table
	total        pace
	totalArrival time.Duration
}

// New returns a Limiter. It measures the instants that it is given from start.
func New(rates Rates, start time.Time) *Limiter {
	return &Limiter{
		start: start, seed: maphash.MakeSeed(),
		keys: newTable(rates.Key, sets), groups: newTable(rates.Group, groupSets), total: newPace(rates.Total),
	}
}

// Over counts an event of key, which belongs to group, at now. It returns the first
// limit that the event exceeds, or None. An event that exceeds a limit does not
// count.
func (l *Limiter) Over(key, group []byte, now time.Time) Level {
	elapsed := now.Sub(l.start)
	l.mu.Lock()
	defer l.mu.Unlock()
	keySlot, keyNext, ok := l.keys.next(l.seed, key, elapsed)
	if !ok {
		return Key
	}
	groupSlot, groupNext, ok := l.groups.next(l.seed, group, elapsed)
	if !ok {
		return Group
	}
	totalNext, ok := l.total.next(l.totalArrival, elapsed)
	if !ok {
		return Total
	}
	l.totalArrival = totalNext
	keySlot.set(keyNext)
	groupSlot.set(groupNext)
	return None
}

// OverTotal counts an event without a key at now, and reports whether it exceeds
// the total limit. If so, it does not count.
func (l *Limiter) OverTotal(now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	next, ok := l.total.next(l.totalArrival, now.Sub(l.start))
	l.totalArrival = next
	return !ok
}

// IsOver reports whether an event of key at now would exceed the limit of the key.
// It counts nothing.
func (l *Limiter) IsOver(key []byte, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, _, ok := l.keys.next(l.seed, key, now.Sub(l.start))
	return !ok
}

// table remembers a fixed number of keys.
type table struct {
	pace pace
	sets [][ways]entry // none if there is no limit
}

type entry struct {
	key     uint64        // hash with a random seed, so that nobody can aim at a slot
	arrival time.Duration // see pace.next
}

func (e *entry) set(next entry) {
	if e != nil {
		*e = next
	}
}

func newTable(r Rate, size int) table {
	t := table{pace: newPace(r)}
	if r.Events > 0 {
		t.sets = make([][ways]entry, size)
	}
	return t
}

// next returns the slot of the key and what it becomes if its event counts.
func (t *table) next(seed maphash.Seed, key []byte, now time.Duration) (slot *entry, next entry, ok bool) {
	if t.sets == nil {
		return nil, entry{}, true
	}
	next.key = maphash.Bytes(seed, key)
	slot = t.find(next.key)
	if slot.key == next.key {
		next.arrival = slot.arrival
	}
	next.arrival, ok = t.pace.next(next.arrival, now)
	return slot, next, ok
}

// find returns the entry of the key with this hash, or the entry that it replaces.
func (t *table) find(hash uint64) *entry {
	set := &t.sets[hash%uint64(len(t.sets))]
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
