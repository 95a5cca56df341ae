package provider

import (
	"fmt"
	"time"
)

// Set is what a provider hands out at once: TURN and STUN servers, with a
// credential that is valid until Expires.
type Set struct {
	Servers []Server
	Fetched time.Time // when it was asked for
	Expires time.Time // UTC, whole seconds
	// Notes say what of the answer was repaired or left out, and why, one line
	// each. They name places ("server 2, url 1") and hold no secret.
	Notes []string
}

// Server is ICE URIs (RFC 7064, RFC 7065) that share a credential.
type Server struct {
	URLs     []string
	Username string // empty for STUN servers
	Password Secret // empty for STUN servers
}

// Until returns the instant until which the Set is handed out: rest before it
// expires, or a quarter of its life before, whichever is later. It is refreshed
// at half of its life, and a Set that lives for minutes would otherwise never be
// handed out.
func (s Set) Until(rest time.Duration) time.Time {
	return s.Expires.Add(-min(rest, s.Expires.Sub(s.Fetched)/4))
}

// IsNearExpiry reports whether the Set should have been refreshed by now: less
// than a quarter of its life is left.
func (s Set) IsNearExpiry(now time.Time) bool {
	return s.Expires.Sub(now) < s.Expires.Sub(s.Fetched)/4
}

// maxNotes bounds the notes of one answer.
const maxNotes = 20

// notes gathers the notes of one answer.
type notes struct {
	lines []string
	more  int
}

func (n *notes) add(format string, args ...any) {
	if len(n.lines) >= maxNotes {
		n.more++
		return
	}
	n.lines = append(n.lines, fmt.Sprintf(format, args...))
}

func (n *notes) all() []string {
	if n.more == 0 {
		return n.lines
	}
	return append(n.lines, fmt.Sprintf("%d more notes of this kind are not shown", n.more))
}
