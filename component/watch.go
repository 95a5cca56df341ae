package component

import (
	"crypto/rand"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	// firstWatch is when a host that delegates is asked on a new link, and watchEvery
	// how often after that. Until a lost delegation is noticed, the server refuses its
	// users' requests, so it is often; a question costs ejabberd 0.3 ms.
	firstWatch = time.Second
	watchEvery = 500 * time.Millisecond
	// maxRetries is how often we reconnect in a row because of one host: another
	// instance that ends just then spoils it. After that the host is asked every
	// watchRarely, in case somebody mends it.
	maxRetries  = 3
	watchRarely = 30 * time.Second
)

// errDelegationLost ends a link over which the server forwards nothing any more.
var errDelegationLost = errors.New("the server no longer lists the namespaces that it had delegated")

// watch asks the hosts that delegate to us whether they still do. ejabberd withdraws
// a delegation when any connection of the component ends, that of another instance or
// an old one that it notices late, and then forwards nothing over the remaining one.
// Reconnecting makes it delegate again. Prosody, which speaks the other version of the
// namespace, does not have this problem and is not watched.
//
// ejabberd announces a delegation once, to any one of its connections. So whatever
// comes from a host counts as a sign that it delegates, and an idle host that has sent
// nothing is asked; see [link.ping]. An answer comes over any connection, too, so
// another question follows whether it comes or not.
//
// A watch belongs to a Component and outlives its links. One goroutine uses it.
type watch struct {
	hosts map[string]*watchedHost
	next  time.Time // when the next question is due; zero for never
}

type watchedHost struct {
	namespaces []string  // of ours that it delegates
	id         string    // with which those of questions on this link begin
	asked      int       // questions on this link
	due        time.Time // when the next one is
	retries    int       // how often we have reconnected since it was last seen to delegate
	rarely     bool      // that did not help
}

func newQuestions() string { return "watch-" + rand.Text() + "-" }

// delegates notes a sign that a host delegates a namespace of ours. That alone does
// not count as delegating: ejabberd may announce and not forward.
func (w *watch) delegates(host, ns string, now time.Time) {
	h := w.hosts[host]
	if h == nil {
		if w.hosts == nil {
			w.hosts = map[string]*watchedHost{}
		}
		h = &watchedHost{id: newQuestions()}
		w.hosts[host] = h
	}
	if !slices.Contains(h.namespaces, ns) {
		h.namespaces = append(h.namespaces, ns)
	}
	if h.due.IsZero() || h.due.After(now.Add(firstWatch)) {
		w.ask(h, now.Add(firstWatch))
	}
}

func (w *watch) ask(h *watchedHost, at time.Time) {
	h.due = at
	w.next = earliest(w.next, at)
}

// start begins with a new link.
func (w *watch) start(now time.Time) {
	w.next = time.Time{}
	for _, h := range w.hosts {
		h.id, h.asked = newQuestions(), 0
		w.ask(h, now.Add(firstWatch))
	}
}

// appendQuestions appends the questions that are due.
func (w *watch) appendQuestions(dst []byte, from string, now time.Time) []byte {
	if w.next.IsZero() || now.Before(w.next) {
		return dst
	}
	w.next = time.Time{}
	for name, h := range w.hosts {
		if !now.Before(h.due) {
			h.due = now.Add(watchEvery)
			if h.rarely {
				h.due = now.Add(watchRarely)
			}
			h.asked++
			id := h.id + strconv.Itoa(h.asked)
			dst = appendIQ(dst, "", "get", address{from: &name, to: &from, id: &id})
			dst = append(dst, "<query xmlns='"+nsInfo+"'/></iq>"...)
		}
		w.next = earliest(w.next, h.due)
	}
	return dst
}

// answered reports whether doc answers a question of ours, and what the answer says. The
// id is secret until it is asked, so that nobody else can answer.
func (w *watch) answered(doc document) (asked bool, says watchSays) {
	h := w.hosts[sender(doc)]
	if h == nil || h.asked == 0 || !strings.HasPrefix(text(attr(doc.start(0), "id")), h.id) {
		return false, saysNothing
	}
	features, ok := featuresIn(doc)
	if !ok {
		return true, saysNothing
	}
	return true, h.judge(features)
}

// featuresIn returns what an answer to disco#info lists. XEP-0030 §3.1.
func featuresIn(doc document) (features []string, ok bool) {
	query, ok := doc.onlyChild(0, "query", nsInfo)
	if !ok || doc.err != nil || text(attr(doc.start(0), "type")) != "result" {
		return nil, false
	}
	children, _ := doc.children(query)
	for _, child := range children {
		if start := doc.start(child); start.Name.Local == "feature" {
			features = append(features, text(attr(start, "var")))
		}
	}
	return features, true
}

// watchSays is what an answer says about the delegation.
type watchSays uint8

const (
	saysNothing watchSays = iota
	saysDelegates
	saysLost // and reconnecting is worth a try
)

// judge compares what a host lists with what it is known to delegate.
func (h *watchedHost) judge(listed []string) watchSays {
	lost := slices.ContainsFunc(h.namespaces, func(ns string) bool { return !slices.Contains(listed, ns) })
	switch {
	case !lost:
		h.retries, h.rarely = 0, false
		return saysDelegates
	case h.retries < maxRetries:
		h.retries++
		return saysLost
	}
	h.rarely = true
	return saysNothing
}
