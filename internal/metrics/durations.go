package metrics

import (
	"strconv"
	"sync"
	"time"
)

// bounds are the upper bounds of the buckets in which answers are counted by their
// duration: from an answer that is made on the spot to the 15 s after which a
// request waits no longer for a provider.
var bounds = [...]time.Duration{
	10 * time.Microsecond, 25 * time.Microsecond, 50 * time.Microsecond, 100 * time.Microsecond,
	250 * time.Microsecond, 500 * time.Microsecond, time.Millisecond, 5 * time.Millisecond,
	25 * time.Millisecond, 100 * time.Millisecond, 500 * time.Millisecond, time.Second,
	5 * time.Second, 15 * time.Second,
}

// durations is a histogram of the durations of answers, by route.
type durations struct {
	mu     sync.Mutex
	routes [len(routes)]struct {
		buckets [len(bounds) + 1]uint64 // the last one is above all bounds
		sum     time.Duration
	}
}

// add counts answers that each took this long.
func (d *durations) add(count, route int, took time.Duration) {
	bucket := 0
	for bucket < len(bounds) && took > bounds[bucket] {
		bucket++
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.routes[route].buckets[bucket] += uint64(count)
	d.routes[route].sum += time.Duration(count) * took
}

func (d *durations) write(t *text) {
	const name = prefix + "answer_duration_seconds"
	d.mu.Lock()
	now := d.routes
	d.mu.Unlock()
	t.family(name, histogram, "Time from reading a request to its reply, including the wait for a provider.")
	for i, r := range now {
		total := uint64(0)
		for j, count := range r.buckets {
			total += count
			le := "+Inf"
			if j < len(bounds) {
				le = strconv.FormatFloat(bounds[j].Seconds(), 'g', -1, 64)
			}
			t.sample(name+"_bucket", float64(total), "route", routes[i], "le", le)
		}
		t.sample(name+"_sum", r.sum.Seconds(), "route", routes[i])
		t.sample(name+"_count", float64(total), "route", routes[i])
	}
}
