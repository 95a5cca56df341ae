package metrics

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// bounds are the upper bounds of the buckets that answers are counted in by their
// duration, from what an answer takes that is made on the spot to the 15 s after
// which a request waits no longer for a provider.
var bounds = [...]time.Duration{
	10 * time.Microsecond, 25 * time.Microsecond, 50 * time.Microsecond, 100 * time.Microsecond,
	250 * time.Microsecond, 500 * time.Microsecond, time.Millisecond, 5 * time.Millisecond,
	25 * time.Millisecond, 100 * time.Millisecond, 500 * time.Millisecond, time.Second,
	5 * time.Second, 15 * time.Second,
}

// durations is a histogram of the durations of answers, by route. Unlike
// [prometheus.Histogram] it counts several answers of the same duration at once.
type durations struct {
	desc *prometheus.Desc

	mu     sync.Mutex
	routes [len(routes)]struct {
		buckets [len(bounds) + 1]uint64 // the last one for what is longer than all bounds
		sum     time.Duration
	}
}

func newDurations(name, help string) *durations {
	return &durations{desc: prometheus.NewDesc(name, help, []string{"route"}, nil)}
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

// Describe implements [prometheus.Collector].
func (d *durations) Describe(to chan<- *prometheus.Desc) { to <- d.desc }

// Collect implements [prometheus.Collector].
func (d *durations) Collect(to chan<- prometheus.Metric) {
	d.mu.Lock()
	now := d.routes
	d.mu.Unlock()
	for i, r := range now {
		total, below := uint64(0), make(map[float64]uint64, len(bounds))
		for j, bound := range bounds {
			total += r.buckets[j]
			below[bound.Seconds()] = total
		}
		total += r.buckets[len(bounds)]
		to <- prometheus.MustNewConstHistogram(d.desc, total, r.sum.Seconds(), below, routes[i])
	}
}
