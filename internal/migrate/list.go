package migrate

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"time"
	"unicode"

	"extdisco/internal/iceuri"
	"extdisco/internal/reach"
	"extdisco/turncred"
	"extdisco/xep0215"
)

// Server is an [[ice_server]] to be written: the services that share a credential.
type Server struct {
	URIs []string // ICE URIs (RFC 7064, RFC 7065), with port and, for TURN, transport
	Credential

	hosts []string // of the URIs, in lower case
}

// List is what was found.
type List struct {
	Format  Format
	Servers []*Server
	Notes   []string // what was left out, changed or needs a look; one line each, without secrets

	Coturn *Coturn // what else a turnserver.conf says; nil for other formats

	host         string // what clients know the TURN server by, or empty
	noted        map[string]bool
	byCredential map[[sha256.Size]byte]*Server
	known        map[xep0215.Key]int // the lines of the services
}

func newList() *List {
	return &List{noted: map[string]bool{}, byCredential: map[[sha256.Size]byte]*Server{}, known: map[xep0215.Key]int{}}
}

// note adds a note. No secret may be in it. What it quotes may hold anything.
func (l *List) note(line int, format string, args ...any) {
	text := fmt.Sprintf("line %d: ", line) + fmt.Sprintf(format, args...)
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return unicode.ReplacementChar
		}
		return r
	}, strings.ToValidUTF8(text, "\ufffd"))
	if !l.noted[text] {
		l.noted[text] = true
		l.Notes = append(l.Notes, text)
	}
}

// add adds the service that an ICE URI names. A URI that cannot be read is not shown:
// there may be a password in it. what names it in its place, such as "a URI of the entry".
func (l *List) add(line int, what, uri string, c Credential) {
	uri, change, err := iceuri.Repair(uri)
	if err != nil {
		l.note(line, "%s is left out: %v", what, err)
		return
	}
	s, err := xep0215.ParseURI(uri)
	if err != nil {
		completed, ok := iceuri.AddScheme(uri, c.Kind != NoCredential)
		if !ok {
			l.note(line, "%s is left out: it %v", what, err)
			return
		}
		if s, err = xep0215.ParseURI(completed); err != nil {
			l.note(line, "%s is left out: it %v", what, err)
			return
		}
		change = "it had no scheme, and an ICE URI begins with one; please check that " + s.Type + " is right"
	}
	l.addService(line, s, change, c)
}

func (l *List) addService(line int, s xep0215.Service, change string, c Credential) {
	uri := s.URI()
	if kind := reach.Of(s.Host); kind.IsNowhere() {
		l.note(line, "%s is left out: it names %v, which nobody can connect to", uri, kind)
		return
	}
	if !s.Restricted {
		c = Credential{}
	} else if err := c.fault(); err != nil {
		l.note(line, "%s is left out: %v", uri, err)
		return
	}
	if first, twice := l.known[s.Key()]; twice {
		l.note(line, "%s is left out: it is already in line %d", uri, first)
		return
	}
	l.known[s.Key()] = line
	if change != "" {
		l.note(line, "%s: %s", uri, change)
	}
	if s.Port == 53 {
		l.note(line, "%s is kept, but browsers refuse port 53; remove it unless other clients use it", uri)
	}
	l.server(c).add(s)
}

// server returns the table for a credential.
func (l *List) server(c Credential) *Server {
	server, known := l.byCredential[c.key()]
	if !known {
		server = &Server{Credential: c}
		l.byCredential[c.key()] = server
		l.Servers = append(l.Servers, server)
	}
	return server
}

func (s *Server) add(service xep0215.Service) {
	s.URIs = append(s.URIs, service.URI())
	s.hosts = append(s.hosts, xep0215.CanonicalHost(service.Host))
}

// Warning says why a fixed account will not work for long, or "".
func (s *Server) Warning(now time.Time) string {
	if s.Kind != FixedAccount {
		return ""
	}
	if expires, limited := turncred.ExpiryOf(s.Username); limited {
		verb := "expires"
		if !expires.After(now) {
			verb = "expired"
		}
		return fmt.Sprintf("this account was made for a limited time and %s on %s. Use the TURN server's shared secret instead: secret_file.", verb, expires.Format(time.RFC3339))
	}
	for _, host := range s.hosts {
		switch {
		case strings.HasSuffix(host, ".cloudflare.com"):
			return `Cloudflare's accounts expire after 48 hours at most. Let extdisco request them instead: provider = "cloudflare".`
		case strings.HasSuffix(host, ".twilio.com"):
			return `Twilio's accounts expire after 24 hours at most. Let extdisco request them instead: provider = "twilio".`
		}
	}
	return ""
}
