package web

import (
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"extdisco/internal/limit"
	"extdisco/internal/secret"
)

const (
	// maxBody is how much of a request's body is read.
	maxBody = 8 << 10
	// policy lets the page load what is served here and nothing else.
	policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; " +
		"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

func setHeaders(h http.Header) {
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
}

// newOrigins returns the check that a request comes from our own page, which a proxy
// may serve under one of the hosts.
func newOrigins(hosts []string) *http.CrossOriginProtection {
	p := http.NewCrossOriginProtection()
	for _, h := range hosts {
		for _, scheme := range []string{"https://", "http://"} {
			// It fails for an invalid host, which the configuration refuses.
			_ = p.AddTrustedOrigin(scheme + h)
		}
	}
	return p
}

// ownName refuses requests for a name that is not ours. Otherwise a foreign page
// whose name resolves to us (DNS rebinding) could read the answer. An IP address
// cannot be rebound.
func (s *Site) ownName(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !s.isOwnName(r.Host) {
			plain(w, http.StatusMisdirectedRequest, "this page is not served as "+printable(r.Host)+"; if it should be, add the name to http.hosts")
			return
		}
		next(w, r)
	}
}

func (s *Site) isOwnName(hostPort string) bool {
	host, _, err := net.SplitHostPort(hostPort)
	if err != nil {
		host = strings.TrimSuffix(strings.TrimPrefix(hostPort, "["), "]")
	}
	host = strings.ToLower(host)
	return host == "localhost" || net.ParseIP(host) != nil || slices.Contains(s.cfg.Hosts, host) || slices.Contains(s.cfg.Hosts, strings.ToLower(hostPort))
}

// maxShown is how many bytes of a text by a stranger are shown.
const maxShown = 100

// printable shortens what a stranger wrote, and takes out what is not text.
func printable(s string) string {
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) || r == utf8.RuneError {
			return -1
		}
		return r
	}, s)
	if len(s) <= maxShown {
		return s
	}
	end := maxShown
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + "…"
}

// sameSecret compares in constant time.
func sameSecret(given string, want secret.Secret) bool {
	a, b := sha256.Sum256([]byte(given)), sha256.Sum256([]byte(want.Reveal()))
	return !want.IsEmpty() && subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

// sender returns the address that a request comes from, without the port. All who
// come through a proxy share the proxy's.
func sender(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

// wrongDelay is how long an answer waits to somebody who guesses.
const wrongDelay = time.Second

// brake counts a wrong key or token, and reports whether its sender has given too
// many lately. The answer is then written late, and closes the connection, which
// makes guessing slow. The right key is compared and served all the same: it may
// come through the same proxy, and guessing what has 128 bits is hopeless anyway.
func (s *Site) brake(w http.ResponseWriter, r *http.Request, now time.Time) bool {
	network, err := networkOf(r.RemoteAddr).MarshalText()
	if err != nil || s.wrong.Over(network, nil, now) == limit.None {
		return false
	}
	w.Header().Set("Connection", "close")
	w.Header().Set("Retry-After", "60")
	if a, ok := w.(*answer); ok {
		a.delay = wrongDelay
	}
	return true
}
