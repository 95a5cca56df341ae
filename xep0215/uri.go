package xep0215

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// Ports that RFC 7064 and RFC 7065 give where a URI names none.
const (
	DefaultPort    = 3478
	DefaultTLSPort = 5349
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
	scheme, rest, _ := strings.Cut(uri, ":")
	s := Service{Type: strings.ToLower(scheme), Port: DefaultPort, Transport: TransportUDP}
	switch s.Type {
	case TypeSTUN, TypeTURN:
	case TypeSTUNS, TypeTURNS:
		s.Port, s.Transport = DefaultTLSPort, TransportTCP
	default:
		return Service{}, errors.New("is not an ICE URI; write stun:, stuns:, turn: or turns: and then the host, such as turn:turn.example.org:3478")
	}
	if strings.HasPrefix(rest, "//") {
		return Service{}, fmt.Errorf("has // after the scheme; write %s:HOST, without slashes", s.Type)
	}
	address, query, hasQuery := strings.Cut(rest, "?")
	if err := s.setAddress(address); err != nil {
		return Service{}, err
	}
	if hasQuery {
		if err := s.setQuery(query); err != nil {
			return Service{}, err
		}
	}
	s.Restricted = NeedsCredentials(s.Type)
	return s, nil
}

// setAddress reads HOST, HOST:PORT, [IPv6] or [IPv6]:PORT.
func (s *Service) setAddress(address string) error {
	if strings.Contains(address, "@") {
		return errors.New("has a user before an @; username and password do not belong in the URI, give them separately")
	}
	host, port, hasPort := strings.Cut(address, ":")
	if strings.HasPrefix(address, "[") {
		inside, behind, closed := strings.Cut(address[1:], "]")
		if !closed {
			return fmt.Errorf("has an IPv6 address without a closing bracket; write %s:[2001:db8::1]:3478", s.Type)
		}
		ip, err := netip.ParseAddr(inside)
		if err != nil || !ip.Is6() || ip.Zone() != "" {
			return errors.New("has brackets without a valid IPv6 address in them; write an address such as [2001:db8::1]")
		}
		host = ip.String()
		var between string
		if between, port, hasPort = strings.Cut(behind, ":"); between != "" {
			return errors.New("has text after the IPv6 address; only :PORT may follow")
		}
	} else {
		if strings.Contains(port, ":") {
			return fmt.Errorf("has too many colons; write %s:HOST:PORT, and an IPv6 address in brackets: %[1]s:[2001:db8::1]:3478", s.Type)
		}
		if host = strings.TrimSuffix(host, "."); host == "" {
			return fmt.Errorf("has no host; write %s:HOST or %[1]s:HOST:PORT", s.Type)
		}
		if err := checkHost(host); err != nil {
			return err
		}
	}
	s.Host = host
	if hasPort {
		var ok bool
		if s.Port, ok = parsePort(port); !ok {
			return errors.New("has an invalid port; write a number from 1 to 65535, or leave :PORT out")
		}
	}
	return nil
}

// Lengths of the longest host name and of its longest part. RFC 1035 §2.3.4.
const (
	maxHost  = 253
	maxLabel = 63
)

// checkHost says what is wrong with a host name or IPv4 address.
func checkHost(host string) error {
	if len(host) > maxHost {
		return fmt.Errorf("has a host of %d characters; a host name has at most %d", len(host), maxHost)
	}
	for _, r := range host {
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', r == '-', r == '.', r == '_':
		case r > '~':
			return errors.New("has a host with characters beyond ASCII; write international names in their xn-- form")
		default:
			return errors.New("has a host with a character that is not allowed; use letters, digits, hyphens and dots")
		}
	}
	labels := strings.Split(host, ".")
	for _, label := range labels {
		switch {
		case label == "":
			return errors.New("has a host with a dot too many")
		case len(label) > maxLabel:
			return fmt.Errorf("has a host with %d characters between dots; the limit is %d", len(label), maxLabel)
		}
	}
	// No top-level domain is a number, so this was meant as an address.
	if last := labels[len(labels)-1]; strings.Trim(last, "0123456789") == "" {
		if _, err := netip.ParseAddr(host); err != nil {
			return errors.New("has a host that is neither a host name nor an IPv4 address")
		}
	}
	return nil
}

// setQuery reads transport=udp or transport=tcp.
func (s *Service) setQuery(query string) error {
	if !NeedsCredentials(s.Type) {
		return fmt.Errorf("has a query, which a %s URI cannot have; leave out everything from the ?", s.Type)
	}
	name, transport, _ := strings.Cut(strings.ToLower(query), "=")
	switch {
	case name != "transport":
		return errors.New("has an unknown query; only ?transport=udp and ?transport=tcp are allowed")
	case transport != TransportUDP && transport != TransportTCP:
		return errors.New("has an unknown transport; write udp or tcp; for TLS write a turns: URI")
	case s.Type == TypeTURNS && transport == TransportUDP:
		return errors.New("asks for turns over udp, which clients cannot use; write ?transport=tcp or leave it out")
	}
	s.Transport = transport
	return nil
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
