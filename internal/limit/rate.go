// Package limit limits how often something happens: for each key, such as a
// requester's address, for each group of keys, such as a domain, and in total.
// Memory and the cost of a check are fixed, whatever the number of keys.
//
// The algorithm is GCRA, the generic cell rate algorithm: a key may use its whole
// allowance at once and then gets it back evenly. Time is passed in.
package limit

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Rate is a number of events per duration. All of them may come at once; after that
// there is one more every Per/Events.
type Rate struct {
	Events int
	Per    time.Duration
}

// maxEvents keeps the interval between two events at a nanosecond or more for every
// unit.
const maxEvents = 1_000_000_000

// ParseRate reads a rate such as "10/s", "60/m" or "1000/h".
func ParseRate(s string) (Rate, error) {
	events, unit, found := strings.Cut(s, "/")
	n, err := strconv.Atoi(events)
	if !found || err != nil || n < 1 || n > maxEvents {
		return Rate{}, fmt.Errorf(`%q is not a rate; write a whole number and a unit, such as "10/s", "60/m" or "1000/h"`, s)
	}
	per, ok := map[string]time.Duration{"s": time.Second, "m": time.Minute, "h": time.Hour}[unit]
	if !ok {
		return Rate{}, fmt.Errorf(`%q has an unknown unit; use /s, /m or /h, such as "10/s"`, s)
	}
	return Rate{Events: n, Per: per}, nil
}

// String returns the rate in the form that [ParseRate] reads.
func (r Rate) String() string {
	switch r.Per {
	case time.Second:
		return fmt.Sprintf("%d/s", r.Events)
	case time.Minute:
		return fmt.Sprintf("%d/m", r.Events)
	case time.Hour:
		return fmt.Sprintf("%d/h", r.Events)
	}
	return fmt.Sprintf("%d/%v", r.Events, r.Per)
}

// pace is a Rate as GCRA uses it.
type pace struct {
	interval  time.Duration // between two events
	tolerance time.Duration // how far ahead of even spacing a key may run
}

// newPace returns the pace of a rate; the zero Rate sets no limit.
func newPace(r Rate) pace {
	if r.Events == 0 {
		return pace{}
	}
	interval := r.Per / time.Duration(r.Events)
	return pace{interval: interval, tolerance: interval * time.Duration(r.Events)}
}

// next takes and returns the theoretical arrival time, which is the instant when a
// key has its whole allowance back, and reports whether an event at now conforms.
func (p pace) next(arrival, now time.Duration) (time.Duration, bool) {
	if p.interval == 0 {
		return arrival, true
	}
	after := max(arrival, now) + p.interval
	if after-now > p.tolerance {
		return arrival, false
	}
	return after, true
}
