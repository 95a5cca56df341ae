package vendors

import (
	"fmt"
	"html"
	"io"
	"net/http"
	"strings"
	"time"
)

// Mode is a way to fail. Its text is fit to name a test.
type Mode string

// Statuses. OK and Created are no failures: the vendor's answer has that status.
// The others come with a body that repeats what was sent, secrets included.
const (
	Working         Mode = ""
	OK              Mode = "200"
	Created         Mode = "201"
	NoContent       Mode = "204"
	BadRequest      Mode = "400"
	Unauthorized    Mode = "401"
	Forbidden       Mode = "403"
	NotFound        Mode = "404"
	RequestTimeout  Mode = "408"
	TooEarly        Mode = "425"
	TooMany         Mode = "429 with seconds"   // Retry-After: [RetrySeconds]
	TooManyUntil    Mode = "429 with a date"    // Retry-After: as long as that from now
	InternalError   Mode = "500"                //
	BadGateway      Mode = "502 with HTML"      // from a proxy before the vendor
	Unavailable     Mode = "503 with seconds"   // as TooMany
	RedirectSame    Mode = "redirect"           // 307, to where the answer is
	RedirectLoop    Mode = "redirect for ever"  // 307, to itself
	RedirectAway    Mode = "redirect away"      // 307, to another host; see [Server.Strays]
	RedirectPlain   Mode = "redirect to HTTP"   // 307, from HTTPS to the same by HTTP
	RedirectNowhere Mode = "redirect, unusable" // 302, to what is no URL
)

// Answers that never end, end too early, or are of no use.
const (
	Slow             Mode = "slow"              // no answer until another mode is set
	SlowBody         Mode = "slow body"         // half of the answer, and no more until another mode is set
	Dropped          Mode = "dropped"           // the connection is closed without an answer
	CutOff           Mode = "cut off"           // in the middle of the body
	Huge             Mode = "huge"              // 8 MiB of JSON
	HugeHeader       Mode = "huge header"       // 1 MiB of it
	NotJSON          Mode = "not JSON"          // with status 200
	HTML             Mode = "HTML"              // with status 200, as a portal gives
	WrongTypes       Mode = "wrong types"       // JSON whose members are something else
	NoServers        Mode = "no servers"        // an empty list of them
	SaysNo           Mode = "says no"           // s: error with status 200
	WrongCertificate Mode = "wrong certificate" // for another name; HTTPS only
)

// RetrySeconds is what the modes with Retry-After ask for.
const RetrySeconds = 120

// Fail makes the server fail in a way until [Server.Restore], for all requests
// that come from now on. Requests that wait because of an earlier mode go on.
func (s *Server) Fail(mode Mode) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	close(s.released)
	s.mode, s.released = mode, make(chan struct{})
}

// Restore makes the server work again.
func (s *Server) Restore() { s.Fail(Working) }

func (s *Server) current() (Mode, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mode, s.released
}

// act answers a request in a mode.
func (s *Server) act(mode Mode, released <-chan struct{}, w http.ResponseWriter, r *http.Request) {
	switch mode {
	case OK:
		s.mux.ServeHTTP(withStatus{w, http.StatusOK}, r)
	case Created:
		s.mux.ServeHTTP(withStatus{w, http.StatusCreated}, r)
	case Slow:
		select {
		case <-released:
		case <-r.Context().Done():
			return
		}
		s.mux.ServeHTTP(w, r)
	case Dropped:
		panic(http.ErrAbortHandler)
	case RedirectSame, RedirectLoop, RedirectAway, RedirectPlain, RedirectNowhere:
		s.redirect(mode, w, r)
	default:
		if !refuse(mode, w, r) && !spoil(mode, released, w, r) {
			s.mux.ServeHTTP(w, r)
		}
	}
}

// refuse answers with the status of a mode, if it is one.
func refuse(mode Mode, w http.ResponseWriter, r *http.Request) bool {
	status := 0
	if _, err := fmt.Sscanf(string(mode), "%d", &status); err != nil {
		return false
	}
	switch mode {
	case TooMany, Unavailable:
		w.Header().Set("Retry-After", fmt.Sprint(RetrySeconds))
	case TooManyUntil:
		w.Header().Set("Retry-After", time.Now().Add(RetrySeconds*time.Second).UTC().Format(http.TimeFormat))
	}
	repeated := r.URL.String() + " " + r.Header.Get("Authorization")
	switch mode {
	case NoContent:
		w.WriteHeader(status)
	case BadGateway:
		w.Header().Set("Content-Type", "text/html; charset=UTF-8")
		w.WriteHeader(status)
		fmt.Fprintf(w, "<!DOCTYPE html>\n<html><head><title>502 Bad Gateway</title></head>\n<body>%s</body></html>\n", html.EscapeString(repeated))
	default:
		writeJSON(w, status, object{{"error", "refused: " + repeated}})
	}
	return true
}

// spoil gives the answer of a mode that has the status of success, if it is one.
func spoil(mode Mode, released <-chan struct{}, w http.ResponseWriter, r *http.Request) bool {
	const half = `{"iceServers":[{"urls":["turn:turn.example.org`
	body := ""
	switch mode {
	case CutOff, SlowBody:
		w.Header().Set("Content-Type", jsonType)
		w.Header().Set("Content-Length", "1000")
		_, _ = io.WriteString(w, half)
		_ = http.NewResponseController(w).Flush()
		if mode == SlowBody {
			select {
			case <-released:
			case <-r.Context().Done():
			}
		}
		panic(http.ErrAbortHandler)
	case Huge:
		body = half + strings.Repeat("x", 8<<20) + `"]}]}`
	case HugeHeader:
		w.Header().Set("X-Filler", strings.Repeat("x", 1<<20))
		body = "{}"
	case NotJSON:
		body = `{'iceServers': [undefined]}`
	case HTML:
		body = "<!DOCTYPE html>\n<html><body>Sign in: " + html.EscapeString(r.URL.String()) + "</body></html>\n"
	case WrongTypes:
		body = `{"iceServers":[{"urls":[1,{"a":"b"}],"username":12,"credential":[]}],"ttl":"soon"}`
	case NoServers:
		body = `{"iceServers":[]}`
	case SaysNo:
		body = fmt.Sprintf(`{"v":"unauthorized: %s","s":"error"}`, r.Header.Get("Authorization"))
	default:
		return false
	}
	w.Header().Set("Content-Type", jsonType)
	_, _ = io.WriteString(w, body)
	return true
}

// moved is before the path of what a redirect leads to.
const moved = "/moved"

func (s *Server) redirect(mode Mode, w http.ResponseWriter, r *http.Request) {
	target, status := *r.URL, http.StatusTemporaryRedirect
	switch mode {
	case RedirectSame:
		path, already := strings.CutPrefix(r.URL.Path, moved)
		if already {
			r.URL.Path, r.URL.RawPath = path, ""
			s.mux.ServeHTTP(w, r)
			return
		}
		target.Path = moved + path
	case RedirectAway:
		target.Scheme, target.Host = "http", s.elsewhere.Addr().String()
	case RedirectPlain:
		target.Scheme, target.Host = "http", s.plain.Addr().String()
	case RedirectNowhere:
		w.Header().Set("Location", "http://%zz/"+target.String())
		w.WriteHeader(http.StatusFound)
		return
	}
	w.Header().Set("Location", target.String())
	w.WriteHeader(status)
}

// withStatus gives every answer of success another status.
type withStatus struct {
	http.ResponseWriter
	status int
}

func (w withStatus) WriteHeader(status int) {
	if status/100 == 2 {
		status = w.status
	}
	w.ResponseWriter.WriteHeader(status)
}
