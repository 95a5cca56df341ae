package component

import (
	"math/rand/v2"
	"time"
)

const (
	// firstPause follows a link that broke, firstRefusedPause one that the
	// server refused: that needs a change of somebody's configuration.
	firstPause        = 200 * time.Millisecond
	firstRefusedPause = 2 * time.Second
	longestPause      = 30 * time.Second
	// stableAfter is how long a link must have held to count as well again.
	stableAfter = 30 * time.Second

	// A server that is being restarted refuses connections, and is asked again
	// soon, so that its users wait for it alone. Each time costs a packet each
	// way and us about 0.1 ms. For a server that stays away it ends.
	restartPause = 50 * time.Millisecond
	restartFor   = time.Minute
)

// backoff gives the pauses between attempts to connect: doubling, and of random
// length in the upper half, so that many components do not come back at once.
type backoff struct{ pause time.Duration }

// next returns the pause after a fault, when there has been no link for as long as
// away.
func (b *backoff) next(f fault, away time.Duration) time.Duration {
	if f.closed && away < restartFor {
		return jittered(restartPause)
	}
	b.pause = max(2*b.pause, firstPause)
	if f.refused {
		b.pause = max(b.pause, firstRefusedPause)
	}
	b.pause = min(b.pause, longestPause)
	return jittered(b.pause)
}

func jittered(pause time.Duration) time.Duration { return pause/2 + rand.N(pause/2) }

func (b *backoff) reset() { b.pause = 0 }
