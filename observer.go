package main

import (
	"sync"
	"time"

	"mellium.im/xmpp/stanza"

	"extdisco/component"
	"extdisco/internal/limit"
	"extdisco/internal/metrics"
	"extdisco/internal/web"
	"extdisco/xep0215"
)

// observer keeps what happens, for the metrics and the status page. It implements
// [component.Observer].
type observer struct {
	metrics  *metrics.Metrics
	started  time.Time
	problems *problemLog

	mu      sync.Mutex
	link    linkState
	reading web.Reading
	hour    hour
}

// linkState is how the link is at present.
type linkState struct {
	up    bool
	since time.Time // zero before the first connection
	why   component.Fault
}

func newObserver(d *daemon, now time.Time) *observer {
	return &observer{
		metrics: metrics.New(programVersion(), []string{xep0215.NS, xep0215.NS1, nsFeed}, func() metrics.State { return d.metricsState(time.Now()) }),
		started: now, problems: problemsOf(d.log),
	}
}

// Answered implements [component.Observer].
func (o *observer) Answered(a component.Answers) {
	outcome := "result"
	if e, ok := a.Err.(stanza.Error); ok {
		outcome = string(e.Condition)
	}
	o.metrics.Answered(a.Count, a.NS, a.Route == component.RouteDelegated, outcome, a.Took)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.hour.add(a.Count, a.At, outcome)
}

// LinkUp implements [component.Observer].
func (o *observer) LinkUp(at time.Time) {
	o.metrics.LinkUp()
	o.setLink(linkState{up: true, since: at})
}

// LinkDown implements [component.Observer].
func (o *observer) LinkDown(at time.Time, why component.Fault) {
	o.metrics.LinkDown()
	o.setLink(linkState{since: at, why: why})
}

// AttemptFailed implements [component.Observer].
func (o *observer) AttemptFailed(_ time.Time, why component.Fault) {
	o.metrics.AttemptFailed()
	o.mu.Lock()
	defer o.mu.Unlock()
	o.link.why = why
}

// HostsChanged implements [component.Observer].
func (o *observer) HostsChanged([]component.HostState) {}

func (o *observer) setLink(l linkState) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.link = l
}

// limited counts a request over a limit.
func (o *observer) limited(over limit.Level) { o.metrics.Limited(int(over - limit.Key)) }

// configRead notes that the configuration was read, at the start or again.
func (o *observer) configRead(r web.Reading, reload bool) {
	o.metrics.ConfigRead(r.At, r.OK, reload)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.reading = r
}

// linkNow returns how the link is.
func (o *observer) linkNow() linkState {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.link
}

// readingAndHour returns how the configuration was read, and the requests of the
// last hour.
func (o *observer) readingAndHour(now time.Time) (web.Reading, []web.Minute) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.reading, o.hour.list(now)
}

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
