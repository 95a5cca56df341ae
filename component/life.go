package component

import (
	"crypto/rand"
	"fmt"
	"time"
)

const (
	// silence is how long the server may send nothing whole before it is pinged, and
	// how long it then has to send something. Part of a stanza does not count: an
	// element that is never closed would make us deaf.
	silence = 25 * time.Second
	// confirmEvery is how long we send without knowing whether the server reads. What
	// it has not read, the system keeps, up to some ten megabytes.
	confirmEvery = 10 * time.Second
)

var (
	errNotRead    = fmt.Errorf("the server took nothing for %v", writeTimeout)
	errUnanswered = fmt.Errorf("the server did not answer a ping for %v", silence)
	errSilent     = fmt.Errorf("no complete stanza came from the server for %v, not even an answer to a ping", 2*silence)
)

// life is what a link knows about whether the server is alive: that it sends, and
// that it reads.
type life struct {
	quiet  time.Time // since when nothing whole has come, or since it was pinged for that
	pinged bool      // since then
	sent   time.Time // when the first thing was sent that may not have been read; zero for none
	pingID string    // of the last ping, until it is answered
	pingAt time.Time
}

// lookAt returns when to check again.
func (l *link) lookAt() time.Time {
	f := &l.life
	at := f.quiet.Add(silence)
	switch {
	case !l.mustAnswer():
		return at
	case f.pingID != "":
		return earliest(at, f.pingAt.Add(silence))
	case !f.sent.IsZero():
		return earliest(at, f.sent.Add(confirmEvery))
	}
	return at
}

// mustAnswer reports whether the host that is pinged is known to be on this server:
// one elsewhere may be away.
func (l *link) mustAnswer() bool {
	h := l.c.hosts[l.events.pingTarget]
	return h != nil && h.seen
}

// earliest returns the earliest of the instants that are not zero.
func earliest(instants ...time.Time) (first time.Time) {
	for _, t := range instants {
		if !t.IsZero() && (first.IsZero() || t.Before(first)) {
			first = t
		}
	}
	return first
}

// checkLife pings the server when it is time to know, and fails when it is
// not alive. Whole is whether something whole came since the last time.
func (l *link) checkLife(whole bool, now time.Time) error {
	switch {
	case whole:
		l.life.pinged, l.life.quiet = false, now
	case now.Sub(l.life.quiet) < silence: // woken for something else
	case l.life.pinged:
		return errSilent
	default:
		l.life.pinged, l.life.quiet = true, now
		l.ping(now)
		return nil
	}
	switch {
	case !l.mustAnswer():
	case l.life.pingID != "":
		if now.Sub(l.life.pingAt) >= silence {
			return errUnanswered
		}
	case !l.life.sent.IsZero() && now.Sub(l.life.sent) >= confirmEvery:
		l.ping(now)
	}
	return nil
}

// ping asks a host of the server for a sign of life. XEP-0199 §4.3. One that has sent
// nothing is asked for its features instead: it may delegate to another instance.
func (l *link) ping(now time.Time) {
	id := "ping-" + rand.Text()
	l.life.pingID, l.life.pingAt = id, now
	l.out = appendIQ(l.out, "", "get", address{from: &l.events.pingTarget, to: &l.c.cfg.JID, id: &id})
	if l.mustAnswer() {
		l.out = append(l.out, "<ping xmlns='"+nsPing+"'/></iq>"...)
		return
	}
	l.out = append(l.out, "<query xmlns='"+nsInfo+"'/></iq>"...)
}

// isAnswer reports whether doc answers the last ping, whatever it says. The id is
// secret until the server has read it.
func (f *life) isAnswer(doc document) bool {
	return f.pingID != "" && text(attr(doc.start(0), "id")) == f.pingID
}

// confirmed notes an answer to something that we asked: what was sent before was
// read.
func (f *life) confirmed() { f.pingID, f.sent = "", time.Time{} }
