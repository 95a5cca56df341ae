package iceuri

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Repair mends what is common in the URIs of web pages and of providers and has
// one meaning only. It returns the URI and what it changed, or "". What it cannot
// mend it leaves as it is, for [Parse] to refuse. An error means that the URI asks
// for what no client does.
func Repair(text string) (repaired, change string, err error) {
	uri := strings.Trim(strings.TrimSpace(text), "\"'<>, \t")
	scheme, rest, found := strings.Cut(uri, ":")
	scheme = strings.ToLower(scheme)
	if !found || !slices.Contains(schemes, scheme) {
		return uri, "", nil
	}
	var changes []string
	if bare, slashes := strings.CutPrefix(rest, "//"); slashes {
		rest = bare
		changes = append(changes, "the // behind the scheme is gone")
	}
	address, query, hasQuery := strings.Cut(rest, "?")
	if mended := repairAddress(address); mended != address {
		address = mended
		changes = append(changes, "its address is written as in RFC 7065")
	}
	if hasQuery {
		var note string
		if scheme, query, note, err = repairQuery(scheme, query); err != nil {
			return "", "", err
		}
		if note != "" {
			changes = append(changes, note)
		}
		if query != "" {
			address += "?" + query
		}
	}
	return scheme + ":" + address, strings.Join(changes, ", "), nil
}

// repairAddress drops a slash and an empty port at the end, and puts an IPv6
// address into brackets.
func repairAddress(address string) string {
	address = strings.TrimRight(address, "/")
	if ip, err := netip.ParseAddr(address); err == nil && ip.Is6() && ip.Zone() == "" {
		return "[" + address + "]"
	}
	return strings.TrimSuffix(address, ":")
}

// repairQuery drops what a STUN URI must not have, and reads transport=tls.
func repairQuery(scheme, query string) (newScheme, newQuery, change string, err error) {
	transport := ""
	others := false
	for parameter := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(strings.ToLower(strings.TrimSpace(parameter)), "=")
		switch {
		case name == "transport" && transport == "":
			transport = value
		case name != "":
			others = true
		}
	}
	if transport == "" && others {
		return scheme, query, "", nil // not understood
	}
	if others {
		change = "the query is gone but for the transport"
	}
	switch only := map[string]string{"stun": "udp", "stuns": "tcp"}[scheme]; {
	case only != "" && transport == "":
		return scheme, "", "the ? is gone", nil
	case only != "" && transport == only:
		return scheme, "", "the ?transport is gone, a " + scheme + " URI takes none", nil
	case only != "":
		return "", "", "", fmt.Errorf("%s is offered over %s only", scheme, only)
	case transport == "":
		return scheme, "", "the ? is gone", nil
	case transport == "tls":
		return "turns", "", "its transport, tls, is turned into the scheme turns", nil
	}
	return scheme, "transport=" + transport, change, nil
}

// AddScheme puts the scheme before an address that has none, if it is clear which:
// turn when there is a credential and turns with the port for TLS, stun when there
// is no credential. It reports whether it did.
func AddScheme(text string, hasCredential bool) (string, bool) {
	text = strings.TrimSpace(text)
	address, _, hasQuery := strings.Cut(text, "?")
	u := URI{Port: DefaultPort}
	err := u.setAddress(repairAddress(address))
	switch _, notIP := netip.ParseAddr(u.Host); {
	case err != nil, notIP != nil && !strings.Contains(u.Host, "."): // a word, perhaps a scheme
		return text, false
	case hasCredential && u.Port == DefaultPort:
		return "turn:" + text, true
	case hasCredential && u.Port == DefaultTLSPort:
		return "turns:" + text, true
	case !hasCredential && u.Port == DefaultPort && !hasQuery:
		return "stun:" + text, true
	}
	return text, false
}
