package daemon

import (
	"time"

	"extdisco/internal/web"

	"mellium.im/xmpp/stanza"
)

// hour counts the requests of each of the last sixty minutes.
type hour struct {
	minutes [60]web.Minute
	last    int64 // the minute that was counted last, since 1970
}

// advance forgets the minutes that are older than an hour at the instant, and
// returns its minute. A clock that goes back counts for the last minute.
func (h *hour) advance(at time.Time) *web.Minute {
	minute := at.Unix() / 60
	for m := max(h.last+1, minute-int64(len(h.minutes))+1); m <= minute; m++ {
		h.minutes[m%int64(len(h.minutes))] = web.Minute{}
	}
	h.last = max(h.last, minute)
	return &h.minutes[h.last%int64(len(h.minutes))]
}

// add counts requests that were answered alike at the instant.
func (h *hour) add(count int, at time.Time, outcome string) {
	m := h.advance(at)
	switch outcome {
	case "result":
		m.Answered += count
	case string(stanza.RemoteServerTimeout), string(stanza.InternalServerError):
		m.Failed += count
	default:
		m.Refused += count
	}
}

// list returns the minutes up to now, the oldest first.
func (h *hour) list(now time.Time) []web.Minute {
	h.advance(now)
	n := int64(len(h.minutes))
	out := make([]web.Minute, 0, n)
	for m := h.last - n + 1; m <= h.last; m++ {
		out = append(out, h.minutes[(m%n+n)%n])
	}
	return out
}
