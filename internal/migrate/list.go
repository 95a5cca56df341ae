package migrate

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"

	"extdisco/internal/config"
	"extdisco/internal/iceuri"
	"extdisco/internal/secret"
	"extdisco/internal/xmltext"
	"extdisco/xep0215"
)

// credential is what a TURN server needs: a shared secret, a fixed
// account, or nothing.
type credential struct {
	sharedSecret secret.Secret
	ttl          time.Duration // of a shared secret
	username     string
	password     secret.Secret
	where        string // where the secret or password stands in what is imported
	missing      string // why there is none
}

// key is equal for credentials that belong into one table.
func (c credential) key() string {
	return strconv.Quote(c.sharedSecret.Reveal()) + c.ttl.String() + strconv.Quote(c.username) + strconv.Quote(c.password.Reveal())
}

// fault says why the configuration cannot hold the credential.
func (c credential) fault() error {
	account := c.username != "" || !c.password.IsEmpty()
	switch {
	case !c.sharedSecret.IsEmpty():
		if !xmltext.IsValid(c.sharedSecret.Reveal()) {
			return errors.New("its shared secret holds characters that are no text")
		}
	case c.missing != "":
		return errors.New(c.missing)
	case !account:
		return errors.New("it comes without credentials, and a TURN server is of no use without")
	case c.password.IsEmpty():
		return errors.New("it has a username and no password")
	case strings.TrimSpace(c.username) == "":
		return errors.New("it has a password and no username")
	}
	for _, value := range []string{c.username, c.password.Reveal()} {
		if !xmltext.IsValid(value) || len(value) > config.MaxCredential {
			return fmt.Errorf("its username or password holds characters that XML cannot carry, or more than %d bytes", config.MaxCredential)
		}
	}
	return nil
}

// Server is an [[ice_server]] to be written.
type Server struct {
	URIs       []string // ICE URIs (RFC 7064, RFC 7065)
	credential credential
	hosts      []string // of the URIs, in lower case
}

// List is what was found.
type List struct {
	Servers []*Server
	Notes   []string // what was left out or changed, and why; one line each, without secrets

	byCredential map[string]*Server
	known        map[xep0215.Key]int // the lines of the services
}

func newList() *List {
	return &List{byCredential: map[string]*Server{}, known: map[xep0215.Key]int{}}
}

// note adds a note. No secret may be in it. What it quotes may hold anything.
func (l *List) note(line int, format string, args ...any) {
	text := fmt.Sprintf("line %d: ", line) + fmt.Sprintf(format, args...)
	l.Notes = append(l.Notes, strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return unicode.ReplacementChar
		}
		return r
	}, strings.ToValidUTF8(text, "\ufffd")))
}

// add adds the service that an ICE URI names.
func (l *List) add(line int, uri string, c credential) {
	shown := showURI(uri)
	uri, change, err := iceuri.Repair(uri)
	if err != nil {
		l.note(line, "%q is left out: %v", shown, err)
		return
	}
	s, err := xep0215.ParseURI(uri)
	if err != nil {
		l.note(line, "%q is left out: it %v", shown, err)
		return
	}
	uri = s.URI()
	if !s.Restricted {
		c = credential{}
	} else if err := c.fault(); err != nil {
		l.note(line, "%s is left out: %v", uri, err)
		return
	}
	if first, twice := l.known[s.Key()]; twice {
		l.note(line, "%s is left out: it is in line %d already", uri, first)
		return
	}
	l.known[s.Key()] = line
	if change != "" {
		l.note(line, "%s: %s", uri, change)
	}
	if s.Port == 53 {
		l.note(line, "%s is kept, but browsers refuse port 53; take it out unless other clients use it", uri)
	}
	l.server(c).add(s)
}

// server returns the table for a credential.
func (l *List) server(c credential) *Server {
	server, known := l.byCredential[c.key()]
	if !known {
		server = &Server{credential: c}
		l.byCredential[c.key()] = server
		l.Servers = append(l.Servers, server)
	}
	return server
}

func (s *Server) add(service xep0215.Service) {
	s.URIs = append(s.URIs, service.URI())
	s.hosts = append(s.hosts, xep0215.CanonicalHost(service.Host))
}

// showURI returns a URI without what stands before an @ and may be a password.
func showURI(uri string) string {
	if _, host, found := strings.Cut(uri, "@"); found {
		return "…@" + host
	}
	return uri
}

// mintedUsername is the username of a time-limited credential: its expiry, and
// behind a colon anything.
var mintedUsername = regexp.MustCompile(`^([0-9]{10})(?::|$)`)

// Warning says why an account will not do for long, or "".
func (s *Server) Warning() string {
	if s.credential.username == "" || !s.credential.sharedSecret.IsEmpty() {
		return ""
	}
	if found := mintedUsername.FindStringSubmatch(s.credential.username); found != nil {
		seconds, _ := strconv.ParseInt(found[1], 10, 64) // ten digits
		return "this account was made for a limited time and expires on " + time.Unix(seconds, 0).UTC().Format(time.RFC3339) +
			". Use the TURN server's shared secret instead: secret_file."
	}
	for _, host := range s.hosts {
		switch {
		case strings.HasSuffix(host, ".cloudflare.com"):
			return `Cloudflare's accounts expire after 48 hours at most. Have extdisco ask for them instead: provider = "cloudflare".`
		case strings.HasSuffix(host, ".twilio.com"):
			return `Twilio's accounts expire after 24 hours at most. Have extdisco ask for them instead: provider = "twilio".`
		}
	}
	return ""
}
