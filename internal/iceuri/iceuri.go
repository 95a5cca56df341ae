// Package iceuri reads the ICE URIs (RFC 7064, RFC 7065) that others write: in
// web pages, in other programs' configurations, in the answers of providers. It
// repairs what has only one meaning and says what it repaired.
//
// No error quotes the URI or a part of it: what was not understood may be, or
// hold, a password.
package iceuri

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// URI is an ICE URI with the defaults filled in.
type URI struct {
	Scheme    string // stun, stuns, turn or turns
	Host      string // an IPv6 address without brackets
	Port      uint16
	Transport string // udp or tcp
}

// Ports where a URI names none. RFC 7064 §3.2, RFC 7065 §3.2.
const (
	port    = 3478
	tlsPort = 5349
)

// IsTURN reports whether the server asks for a credential.
func (u URI) IsTURN() bool { return strings.HasPrefix(u.Scheme, "turn") }

// String returns the URI with its port, and for TURN with its transport.
func (u URI) String() string {
	host := u.Host
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	s := u.Scheme + ":" + host + ":" + strconv.Itoa(int(u.Port))
	if u.IsTURN() {
		s += "?transport=" + u.Transport
	}
	return s
}

var schemes = []string{"stun", "stuns", "turn", "turns"}

// Parse reads an ICE URI strictly. The text of an error continues a sentence that
// begins with the name of the URI's place.
func Parse(text string) (URI, error) {
	scheme, rest, _ := strings.Cut(text, ":")
	u := URI{Scheme: strings.ToLower(scheme), Port: port, Transport: "udp"}
	if !slices.Contains(schemes, u.Scheme) {
		return URI{}, errors.New(`is not an ICE URI: it must begin with "stun:", "stuns:", "turn:" or "turns:"`)
	}
	if strings.HasSuffix(u.Scheme, "s") {
		u.Port, u.Transport = tlsPort, "tcp"
	}
	address, query, hasQuery := strings.Cut(rest, "?")
	var err error
	if u.Host, u.Port, err = splitAddress(address, u.Port); err != nil {
		return URI{}, err
	}
	if hasQuery {
		if err := u.setQuery(strings.ToLower(query)); err != nil {
			return URI{}, err
		}
	}
	return u, nil
}

func splitAddress(address string, port uint16) (string, uint16, error) {
	if strings.Contains(address, "@") {
		return "", 0, errors.New("has a user before an @; username and password do not belong in the URI")
	}
	host, after, hasPort := strings.Cut(address, ":")
	if inside, ok := strings.CutPrefix(address, "["); ok {
		inside, behind, closed := strings.Cut(inside, "]")
		ip, err := netip.ParseAddr(inside)
		if err != nil || !closed || !ip.Is6() || ip.Zone() != "" {
			return "", 0, errors.New("has brackets without an IPv6 address in them")
		}
		host = ip.String()
		var between string
		if between, after, hasPort = strings.Cut(behind, ":"); between != "" {
			return "", 0, errors.New("has something other than a port behind its IPv6 address")
		}
	} else if host = strings.TrimSuffix(host, "."); strings.Contains(after, ":") {
		return "", 0, errors.New("has too many colons")
	} else if err := checkHost(host); err != nil {
		return "", 0, err
	}
	if !hasPort {
		return host, port, nil
	}
	n, err := strconv.ParseUint(after, 10, 16)
	if err != nil || n == 0 {
		return "", 0, errors.New("has a port that is not a number from 1 to 65535")
	}
	return host, uint16(n), nil
}

// checkHost says what is wrong with a host name (RFC 1035 §2.3.4) or an IPv4
// address.
func checkHost(host string) error {
	const maxHost, maxLabel = 253, 63
	switch {
	case host == "":
		return errors.New("names no host")
	case len(host) > maxHost:
		return fmt.Errorf("names a host of more than %d characters", maxHost)
	}
	for _, r := range host {
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', r == '-', r == '.', r == '_':
		default:
			return errors.New("names a host with characters other than letters, digits, hyphens and dots")
		}
	}
	labels := strings.Split(host, ".")
	for _, label := range labels {
		if label == "" || len(label) > maxLabel {
			return fmt.Errorf("names a host with an empty label or one of more than %d characters", maxLabel)
		}
	}
	if strings.Trim(labels[len(labels)-1], "0123456789") == "" { // no top-level domain is a number
		if _, err := netip.ParseAddr(host); err != nil {
			return errors.New("names a host that is neither a host name nor an IPv4 address")
		}
	}
	return nil
}

func (u *URI) setQuery(query string) error {
	name, transport, _ := strings.Cut(query, "=")
	switch {
	case !u.IsTURN():
		return fmt.Errorf("has a query, and a %s URI takes none", u.Scheme)
	case name != "transport", transport != "udp" && transport != "tcp":
		return errors.New("has a query other than ?transport=udp and ?transport=tcp")
	case u.Scheme == "turns" && transport == "udp":
		return errors.New("asks for turns over udp (DTLS), which clients do not support")
	}
	u.Transport = transport
	return nil
}
