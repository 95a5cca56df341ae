package daemon

import (
	"slices"
	"sync"
	"time"

	"extdisco/internal/limit"
	"extdisco/internal/web"
)

// maxRefusals is how many domains the status page shows.
const maxRefusals = 20

// refusalReason says why requesters were refused: a limit, notAllowed or inDeny.
type refusalReason limit.Level

const (
	// notAllowed stands for a requester that is not in access.allow, inDeny for one that
	// is in access.deny. They are no limits.
	notAllowed = refusalReason(limit.None)
	inDeny     = refusalReason(limit.Total + 1)
)

// String returns the reason as the page shows it.
func (r refusalReason) String() string {
	switch r {
	case notAllowed:
		return "not in access.allow"
	case inDeny:
		return "in access.deny"
	}
	return "over limits." + limitNames[r]
}

// cure returns what to do if they should be served; nothing where that was decided.
func (r refusalReason) cure() string {
	switch r {
	case notAllowed:
		return "if they are your users, add the domain to access.allow"
	case inDeny:
		return ""
	}
	return "if the load is legitimate, raise limits." + limitNames[r]
}

// refusals keeps the domains whose requesters were refused last. A stranger can add
// domains, and push out others, but not make it grow.
type refusals struct {
	mu   sync.Mutex
	list []refusal // the latest first
}

type refusal struct {
	domain string
	reason refusalReason
	times  int
	last   time.Time
}

// add counts a refusal. One of a domain that is known allocates nothing.
func (r *refusals) add(domain []byte, reason refusalReason, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	i := slices.IndexFunc(r.list, func(known refusal) bool { return known.reason == reason && known.domain == string(domain) })
	var this refusal
	switch {
	case i >= 0:
		this = r.list[i]
	case len(r.list) < maxRefusals:
		this = refusal{domain: string(domain), reason: reason}
		r.list, i = append(r.list, this), len(r.list)
	default:
		this, i = refusal{domain: string(domain), reason: reason}, maxRefusals-1
	}
	this.times, this.last = this.times+1, now
	copy(r.list[1:i+1], r.list[:i])
	r.list[0] = this
}

// latest returns what the page shows.
func (r *refusals) latest() []web.Refusal {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []web.Refusal
	for _, f := range r.list {
		out = append(out, web.Refusal{Domain: f.domain, Reason: f.reason.String(), Cure: f.reason.cure(), Times: f.times, Last: f.last})
	}
	return out
}
