package component

import (
	"sync/atomic"
	"time"
)

// LongestTurn is an upper bound for one turn of the loop of [Component.Run] while it
// works: it waits at most 30 s at a time, between two attempts to connect, and every
// wait for the network has a shorter deadline.
const LongestTurn = time.Minute

// pulse records when a goroutine last went round its loop.
type pulse struct {
	start time.Time // with the monotonic clock, which does not jump
	last  atomic.Int64
}

func (p *pulse) beat(now time.Time) { p.last.Store(int64(now.Sub(p.start))) }

// LastTurn returns when the goroutine of [Component.Run] last went round its loop, or
// when the component was made. If that is longer ago than [LongestTurn], it is stuck.
func (c *Component) LastTurn() time.Time {
	return c.pulse.start.Add(time.Duration(c.pulse.last.Load()))
}
