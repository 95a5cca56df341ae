// Package iceuri reads ICE URIs (RFC 7064, RFC 7065). In those that others write, in
// web pages, in other programs' configurations and in the answers of providers, it
// repairs what has only one meaning and says what it repaired.
//
// No error quotes the URI or a part of it: what was not understood may be, or
// hold, a password.
package iceuri

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
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
	DefaultPort    = 3478
	DefaultTLSPort = 5349
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

// Fault is why a text is not an ICE URI. Problem continues a sentence that begins
// with the name of the URI's place.
type Fault struct {
	Problem string
	Advice  string // what to write instead; may be empty
}

// Error implements error.
func (f *Fault) Error() string {
	if f.Advice == "" {
		return f.Problem
	}
	return f.Problem + "; " + f.Advice
}

// Parse reads an ICE URI strictly. Every error is a [*Fault].
func Parse(text string) (URI, error) {
	scheme, rest, _ := strings.Cut(text, ":")
	u := URI{Scheme: strings.ToLower(scheme), Port: DefaultPort, Transport: "udp"}
	if !slices.Contains(schemes, u.Scheme) {
		return URI{}, &Fault{"is not an ICE URI", "write stun:, stuns:, turn: or turns: and then the host, such as turn:turn.example.org:3478"}
	}
	if strings.HasSuffix(u.Scheme, "s") {
		u.Port, u.Transport = DefaultTLSPort, "tcp"
	}
	if strings.HasPrefix(rest, "//") {
		return URI{}, &Fault{"has // after the scheme", fmt.Sprintf("write %s:HOST, without slashes", u.Scheme)}
	}
	address, query, hasQuery := strings.Cut(rest, "?")
	if err := u.setAddress(address); err != nil {
		return URI{}, err
	}
	if hasQuery {
		if err := u.setQuery(strings.ToLower(query)); err != nil {
			return URI{}, err
		}
	}
	return u, nil
}

// setAddress reads HOST, HOST:PORT, [IPv6] or [IPv6]:PORT.
func (u *URI) setAddress(address string) error {
	if strings.Contains(address, "@") {
		return &Fault{"has a user before an @", "username and password do not belong in the URI, give them separately"}
	}
	host, port, hasPort := strings.Cut(address, ":")
	if inside, ok := strings.CutPrefix(address, "["); ok {
		inside, behind, closed := strings.Cut(inside, "]")
		if !closed {
			return &Fault{"has an IPv6 address without a closing bracket", "write " + u.Scheme + ":[2001:db8::1]:3478"}
		}
		ip, err := netip.ParseAddr(inside)
		if err != nil || !ip.Is6() || ip.Zone() != "" {
			return &Fault{"has brackets without a valid IPv6 address in them", "write an address such as [2001:db8::1]"}
		}
		host = ip.String()
		var between string
		if between, port, hasPort = strings.Cut(behind, ":"); between != "" {
			return &Fault{"has text after the IPv6 address", "only :PORT may follow"}
		}
	} else if host = strings.TrimSuffix(host, "."); strings.Contains(port, ":") {
		return &Fault{"has too many colons", fmt.Sprintf("write %s:HOST:PORT, and an IPv6 address in brackets: %[1]s:[2001:db8::1]:3478", u.Scheme)}
	} else if host == "" {
		return &Fault{"has no host", fmt.Sprintf("write %s:HOST or %[1]s:HOST:PORT", u.Scheme)}
	} else if err := checkHost(host); err != nil {
		return err
	}
	u.Host = host
	if !hasPort {
		return nil
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		return &Fault{"has an invalid port", "write a number from 1 to 65535, or leave :PORT out"}
	}
	u.Port = uint16(n)
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
		return &Fault{fmt.Sprintf("has a host of %d characters", len(host)), fmt.Sprintf("a host name has at most %d", maxHost)}
	}
	for _, r := range host {
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', r == '-', r == '.', r == '_':
		case r >= utf8.RuneSelf:
			return &Fault{"has a host with characters beyond ASCII", "write international names in their xn-- form"}
		default:
			return &Fault{"has a host with a character that is not allowed", "use letters, digits, hyphens and dots"}
		}
	}
	labels := strings.Split(host, ".")
	for _, label := range labels {
		switch {
		case label == "":
			return &Fault{Problem: "has a host with a dot too many"}
		case len(label) > maxLabel:
			return &Fault{fmt.Sprintf("has a host with %d characters between dots", len(label)), fmt.Sprintf("the limit is %d", maxLabel)}
		}
	}
	// No top-level domain is a number, so this was meant as an address.
	if last := labels[len(labels)-1]; strings.Trim(last, "0123456789") == "" {
		if _, err := netip.ParseAddr(host); err != nil {
			return &Fault{Problem: "has a host that is neither a host name nor an IPv4 address"}
		}
	}
	return nil
}

// setQuery reads transport=udp or transport=tcp.
func (u *URI) setQuery(query string) error {
	if !u.IsTURN() {
		return &Fault{fmt.Sprintf("has a query, which a %s URI cannot have", u.Scheme), "leave out everything from the ?"}
	}
	name, transport, _ := strings.Cut(strings.ToLower(query), "=")
	switch {
	case name != "transport":
		return &Fault{"has an unknown query", "only ?transport=udp and ?transport=tcp are allowed"}
	case transport != "udp" && transport != "tcp":
		return &Fault{"has an unknown transport", "write udp or tcp; for TLS write a turns: URI"}
	case u.Scheme == "turns" && transport == "udp": // DTLS
		return &Fault{"asks for turns over udp, which clients cannot use", "write ?transport=tcp or leave it out"}
	}
	u.Transport = transport
	return nil
}
