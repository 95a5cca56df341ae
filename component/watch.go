package component

import (
	"crypto/rand"
	"errors"
	"slices"
	"time"
)

const (
	// firstWatch follows a new link, watchEvery each question after it.
	firstWatch = 5 * time.Second
	watchEvery = 30 * time.Second
)

// errDelegationLost ends a link over which the server forwards nothing any more.
var errDelegationLost = errors.New("the server no longer lists the namespaces that it had delegated")

// watch asks the hosts that delegate to us whether they still do. ejabberd withdraws
// a delegation when any connection of the component ends, including an old one that
// it notices late, and then forwards nothing over the remaining one. Reconnecting
// makes it delegate again. Prosody, which speaks the other version of the
// namespace, does not have this problem and is not asked.
//
// A watch belongs to a Component and outlives its links. One goroutine uses it.
type watch struct {
	hosts   map[string]*watchedHost
	pending map[string]string // id of a question to the host that was asked
	next    time.Time
}

type watchedHost struct {
	namespaces []string // of ours
	asked      bool     // whether it is asked at all
	retried    bool     // we have reconnected since the host was last seen to delegate
}

// announced notes that a host says that it delegates namespaces of ours. That alone
// does not count as delegating: ejabberd may announce and not forward.
func (w *watch) announced(host string, namespaces []string) {
	if w.hosts == nil {
		w.hosts = map[string]*watchedHost{}
	}
	h := w.hosts[host]
	if h == nil {
		h = new(watchedHost)
		w.hosts[host] = h
	}
	h.asked = true
	for _, ns := range namespaces {
		if !slices.Contains(h.namespaces, ns) {
			h.namespaces = append(h.namespaces, ns)
		}
	}
}

// start begins with a new link.
func (w *watch) start(now time.Time) {
	w.pending, w.next = map[string]string{}, now.Add(firstWatch)
}

// appendQuestions appends the questions that are due.
func (w *watch) appendQuestions(dst []byte, from string, now time.Time) []byte {
	if now.Before(w.next) {
		return dst
	}
	w.next = now.Add(watchEvery)
	clear(w.pending) // answers to earlier questions come too late
	for host, h := range w.hosts {
		if !h.asked {
			continue
		}
		id := "watch-" + rand.Text()
		w.pending[id] = host
		dst = appendIQ(dst, "", "get", address{from: &host, to: &from, id: &id})
		dst = append(dst, "<query xmlns='"+nsInfo+"'/></iq>"...)
	}
	return dst
}

// answered reports whether doc answers a question, and whether the host has stopped
// delegating so that reconnecting is worth a try. It is tried once: a host that does
// not delegate after that is left alone until it announces again, and there is no
// second try until it was seen to delegate. The id is secret until it is asked, so
// that nobody else can answer.
func (w *watch) answered(doc document) (asked, lost bool) {
	root := doc.start(0)
	id := text(attr(root, "id"))
	host, known := w.pending[id]
	if !known || sender(doc) != host {
		return false, false
	}
	delete(w.pending, id)
	query, ok := doc.onlyChild(0, "query", nsInfo)
	if !ok || doc.err != nil || text(attr(root, "type")) != "result" {
		return true, false // it does not say
	}
	features := map[string]bool{}
	children, _ := doc.children(query)
	for _, child := range children {
		if start := doc.start(child); start.Name.Local == "feature" {
			features[text(attr(start, "var"))] = true
		}
	}
	h := w.hosts[host]
	for _, ns := range h.namespaces {
		if features[ns] {
			continue
		}
		if h.retried {
			h.asked = false
			return true, false
		}
		h.retried = true
		return true, true
	}
	h.retried = false
	return true, false
}
