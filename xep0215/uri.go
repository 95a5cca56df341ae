package xep0215

import (
	"strconv"
	"strings"

	"extdisco/internal/iceuri"
)

// Ports that RFC 7064 and RFC 7065 give where a URI names none.
const (
	DefaultPort    = iceuri.DefaultPort
	DefaultTLSPort = iceuri.DefaultTLSPort
)

// ParseURI reads an ICE URI, such as "stun:stun.example.org" (RFC 7064 §3.1) or
// "turn:turn.example.org:3478?transport=tcp" (RFC 7065 §3.1). Port and transport
// are filled in where the URI gives none: 3478 and udp for stun and turn, 5349
// and tcp for stuns and turns. A turn or turns service is marked as restricted.
// A trailing dot of the host is dropped, since TLS does not allow it (RFC 6066
// §3).
//
// It is stricter than the RFCs: turns over udp, which would be DTLS, is refused,
// since no browser and no XMPP client can use it; and names are host names of
// DNS, without percent-encoding.
//
// The text of an error continues a sentence that begins with the place of the URI.
// It quotes nothing, since what cannot be understood may be a password.
func ParseURI(uri string) (Service, error) {
	u, err := iceuri.Parse(uri)
	if err != nil {
		return Service{}, err
	}
	return Service{Type: u.Scheme, Host: u.Host, Port: u.Port, Transport: u.Transport, Restricted: NeedsCredentials(u.Scheme)}, nil
}

// URI returns the service as an ICE URI, or "" when its type is none of stun,
// stuns, turn and turns. The port is written whenever the service has one. The
// transport is written for turn and turns only: browsers refuse it in a stun URI.
func (s Service) URI() string {
	switch s.Type {
	case TypeSTUN, TypeSTUNS, TypeTURN, TypeTURNS:
	default:
		return ""
	}
	host := s.Host
	if strings.Contains(host, ":") && !strings.HasPrefix(host, "[") {
		host = "[" + host + "]"
	}
	uri := s.Type + ":" + host
	if s.Port != 0 {
		uri += ":" + strconv.Itoa(int(s.Port))
	}
	if NeedsCredentials(s.Type) && s.Transport != "" {
		uri += "?transport=" + s.Transport
	}
	return uri
}
