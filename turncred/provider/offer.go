package provider

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"extdisco/internal/iceuri"
	"extdisco/internal/reach"
	"extdisco/internal/xmltext"
	"extdisco/turncred"
)

const (
	maxURLs       = 32  // that one answer may name
	maxCredential = 508 // bytes of a username or password; RFC 8489 §14.3
)

// selection decides what of an answer is handed out, and says what is not.
type selection struct {
	*answer
	api   *API
	now   time.Time
	seen  map[string]bool
	count int

	servers    []Server
	expires    time.Time // the earliest end of what is handed out
	turnNamed  bool
	turnKept   bool
	turnIsOver bool
}

// offer turns an answer into a Set.
func (a *API) offer(parsed *answer, now time.Time) (Set, error) {
	s := &selection{answer: parsed, api: a, now: now, seen: map[string]bool{}}
	if !s.namesURLs() && len(a.URLs) > 0 {
		e := entry{place: "urls"}
		for i, u := range a.URLs {
			e.urls = append(e.urls, located{fmt.Sprintf("urls[%d] of the configuration", i), u})
		}
		s.entries = []entry{e}
	}
	for _, e := range s.entries {
		s.takeEntry(e)
	}
	if s.count > maxURLs {
		s.notes.add("only the first %d of %d URLs are used", maxURLs, s.count)
	}
	if len(s.servers) == 0 || s.turnNamed && !s.turnKept {
		return Set{}, s.nothing()
	}
	expires, err := s.end()
	if err != nil {
		return Set{}, err
	}
	return Set{Servers: s.servers, Fetched: now, Expires: expires, Notes: s.notes.all()}, nil
}

func (s *selection) namesURLs() bool {
	for _, e := range s.entries {
		if len(e.urls) > 0 {
			return true
		}
	}
	return false
}

// takeEntry takes what can be used of an entry: its STUN servers without a
// credential, then its TURN servers with one.
func (s *selection) takeEntry(e entry) {
	if e.username == "" && e.password == "" {
		e.username, e.password = s.username, s.password
	}
	if len(e.username) > maxCredential || len(e.password) > maxCredential || !xmltext.IsValid(e.username) || !xmltext.IsValid(e.password) {
		s.notes.add("the credential of %s is left out: it cannot be sent to clients, since it is longer than %d bytes or holds control characters", e.place, maxCredential)
		e.username, e.password = "", ""
	}
	stated := e.life.end()
	end := stated
	if t, ok := turncred.ExpiryOf(e.username); ok {
		end = earlier(end, t)
	}
	stun, turn := Server{}, Server{Username: e.username, Password: NewSecret([]byte(e.password))}
	for _, u := range e.urls {
		uri, text, ok := s.takeURL(u, e.password != "")
		if uri.IsTURN() {
			s.turnNamed = true
		}
		switch {
		case !ok:
		case !uri.IsTURN():
			if s.isFirst(uri) {
				stun.URLs = append(stun.URLs, text)
			}
		case e.username == "" || e.password == "":
			s.notes.add("%s is left out: it is a TURN server without username or password", u.place)
		case !end.IsZero() && !end.After(s.now):
			s.turnIsOver = true
			s.notes.add("%s is left out: its credential expired at %s", u.place, end.UTC().Format(time.RFC3339))
		case s.isFirst(uri):
			turn.URLs = append(turn.URLs, text)
		}
	}
	if len(stun.URLs) > 0 {
		s.servers = append(s.servers, stun)
		if stated.After(s.now) { // a server without a credential is not over
			s.expires = earlier(s.expires, stated)
		}
	}
	if len(turn.URLs) > 0 {
		s.turnKept = true
		s.servers = append(s.servers, turn)
		s.expires = earlier(s.expires, end)
	}
	if len(stun.URLs)+len(turn.URLs) > 0 {
		s.life.unread = append(s.life.unread, e.life.unread...)
		s.life.millis = append(s.life.millis, e.life.millis...)
	}
}

// isFirst reports whether the server was not taken before and there is room for it.
func (s *selection) isFirst(uri iceuri.URI) bool {
	key := strings.ToLower(uri.String())
	if s.seen[key] {
		return false
	}
	s.seen[key] = true
	s.count++
	return s.count <= maxURLs
}

// takeURL reads a URL and repairs it. It reports false for one that is not handed
// out, after a note that says why.
func (s *selection) takeURL(u located, hasCredential bool) (uri iceuri.URI, text string, ok bool) {
	text, change, err := iceuri.Repair(u.url)
	if withScheme, added := iceuri.AddScheme(text, hasCredential); err == nil && added {
		text, change = withScheme, "its scheme was missing"
	}
	if err == nil {
		var fault *iceuri.Fault
		if uri, err = iceuri.Parse(text); errors.As(err, &fault) {
			err = errors.New("it " + fault.Problem) // the advice is for whoever wrote it
		}
	}
	if err != nil {
		if scheme := strings.ToLower(strings.TrimSpace(u.url)); strings.HasPrefix(scheme, "turn") {
			s.turnNamed = true
		}
		s.notes.add("%s is left out: %v", u.place, err)
		return uri, "", false
	}
	where := u.place + " (" + uri.String() + ")"
	kind := reach.Of(uri.Host)
	switch {
	case uri.Port == 53 && !s.api.KeepPort53:
		s.notes.add("%s is left out: browsers refuse port 53; keep_port_53 = true keeps it", where)
		return uri, "", false
	case kind.IsNowhere():
		s.notes.add("%s is left out: its host is %v, to which nobody can connect", where, kind)
		return uri, "", false
	case kind.IsLocal():
		s.notes.add("%s: its host is %v, which clients elsewhere cannot reach", where, kind)
	}
	if change != "" {
		s.notes.add("%s was repaired: %s", where, change)
	}
	return uri, text, true
}

// end returns when the whole Set ends: the earliest of what usernames and the
// answer state and of the TTL that is configured.
func (s *selection) end() (time.Time, error) {
	end := earlier(s.expires, s.life.end())
	if end.IsZero() && len(s.life.unread) > 0 {
		return time.Time{}, s.life.fault()
	}
	if names := distinct(s.life.unread); names != "" {
		s.notes.add("%s is not understood as an expiry; the earliest of what else is stated counts", names)
	}
	if names := distinct(s.life.millis); names != "" {
		s.notes.add("%s is taken for milliseconds: as seconds it would be too long", names)
	}
	if s.api.TTL > 0 {
		end = earlier(end, s.now.Add(s.api.TTL))
	}
	if end.IsZero() {
		return time.Time{}, errors.New("the answer does not say how long the credentials live; set ttl")
	}
	end = time.Unix(min(end.Unix(), turncred.MaxExpires), 0).UTC()
	if !end.After(s.now) {
		return time.Time{}, errExpired
	}
	return end, nil
}

// nothing is the error of an answer of which nothing can be handed out, or no TURN
// server although it names some.
func (s *selection) nothing() error {
	why := s.notes.all()
	switch {
	case s.turnIsOver:
		return errExpired
	case s.says != "" && !s.turnNamed:
		return saysNoError{"the answer names no servers, " + s.says}
	case len(why) == 0:
		return errors.New("the answer names no servers")
	case s.turnNamed:
		return errors.New("the answer names no TURN server that clients can use: " + strings.Join(why, "; "))
	}
	return errors.New("the answer names no server that clients can use: " + strings.Join(why, "; "))
}
