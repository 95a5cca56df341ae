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
)

// backoff gives the pauses between attempts to connect: doubling, and of random
// length in the upper half, so that many components do not come back at once.
type backoff struct{ pause time.Duration }

func (b *backoff) next(refused bool) time.Duration {
	b.pause = max(2*b.pause, firstPause)
	if refused {
		b.pause = max(b.pause, firstRefusedPause)
	}
	b.pause = min(b.pause, longestPause)
	return b.pause/2 + rand.N(b.pause/2)
}

func (b *backoff) reset() { b.pause = 0 }
