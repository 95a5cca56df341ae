package component

import (
	"sync/atomic"
	"time"
)

// LongestTurn is more than the goroutine of [Component.Run] ever takes for one
// turn of its loop while it is well: it waits at most 30 s at a time, between
// two attempts to connect, and each wait for the network has a deadline below.
const LongestTurn = time.Minute

// pulse is when a goroutine last went round its loop.
type pulse struct {
	start time.Time // with the monotonic clock, which no administrator sets
	last  atomic.Int64
}

func (p *pulse) beat(now time.Time) { p.last.Store(int64(now.Sub(p.start))) }

// LastTurn returns when the goroutine of [Component.Run] last went round its
// loop, or when the component was made. If that is longer ago than
// [LongestTurn], it hangs.
func (c *Component) LastTurn() time.Time {
	return c.pulse.start.Add(time.Duration(c.pulse.last.Load()))
}
