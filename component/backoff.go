package component

import (
	"math/rand/v2"
	"net"
	"net/netip"
	"time"
)

const (
	// firstPause follows a link that broke, firstRefusedPause one that the server
	// refused, for which somebody has to change a configuration.
	firstPause        = 200 * time.Millisecond
	firstRefusedPause = 2 * time.Second
	longestPause      = 30 * time.Second
	// longestPauseLoopback is for a server on this machine, which an attempt costs
	// next to nothing.
	longestPauseLoopback = time.Second
	// replacedPause follows a link that another connection has replaced, so that two
	// instances do not take the link from each other all the time.
	replacedPause = 30 * time.Second
	// standbyPause follows an attempt that was refused because another instance is
	// connected. It is short, so that this one takes over soon when that one ends.
	standbyPause = time.Second

	// A server that restarts refuses connections, and is asked again soon: nobody
	// should have to wait longer than for the server itself. An attempt costs a
	// packet each way and us about 0.1 ms. It ends when a server stays away.
	restartPause = 50 * time.Millisecond
	restartFor   = time.Minute

	// After more than maxFlaps links in a row that the server accepted and ended
	// within flapTime, without having been away, the pauses grow.
	flapTime = time.Second
	maxFlaps = 5
)

// backoff gives the pauses between attempts to connect: doubling while there is no
// link, and of random length in the upper half, so that many components do not
// come back at once.
type backoff struct {
	longest time.Duration
	pause   time.Duration
	flaps   int
}

func newBackoff(server string) backoff {
	if isLoopback(server) {
		return backoff{longest: longestPauseLoopback}
	}
	return backoff{longest: longestPause}
}

// isLoopback reports whether the server's address is on this machine.
func isLoopback(server string) bool {
	host, _, err := net.SplitHostPort(server)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.Unmap().IsLoopback()
}

// next returns the pause after a fault. The link was up for as long as held, which
// is zero if the server did not accept it, and there has been none for as long as
// away.
func (b *backoff) next(f fault, held, away time.Duration) time.Duration {
	switch {
	case f.soon:
		return 0
	case f.replaced:
		return replacedPause
	case f.standby:
		return jittered(standbyPause)
	}
	if f.closed || held >= flapTime {
		b.flaps = 0
	}
	if f.closed && away < restartFor {
		return jittered(restartPause)
	}
	if held > 0 {
		if b.flaps++; b.flaps <= maxFlaps {
			b.pause = 0
		}
	}
	b.pause = max(2*b.pause, firstPause)
	if f.refused {
		b.pause = max(b.pause, firstRefusedPause)
	}
	b.pause = min(b.pause, b.longest)
	return jittered(b.pause)
}

func jittered(pause time.Duration) time.Duration { return pause/2 + rand.N(pause/2) }
