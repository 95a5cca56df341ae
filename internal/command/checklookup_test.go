package command

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"testing"
)

// resolverOf answers with the addresses of a host, or an error.
type resolverOf map[string][]string

func (r resolverOf) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	if host == "broken.example.org" {
		return nil, errors.New("server misbehaving")
	}
	var addresses []netip.Addr
	for _, a := range r[host] {
		addresses = append(addresses, netip.MustParseAddr(a))
	}
	if len(addresses) == 0 {
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	return addresses, nil
}

func TestLookUp(t *testing.T) {
	r := resolverOf{
		"public.example.org":  {"192.0.2.1", "2001:db8::1"},
		"hosts.example.org":   {"127.0.1.1"},
		"mapped.example.org":  {"::ffff:10.0.0.5"},
		"mixed.example.org":   {"192.0.2.1", "fd00::1"},
		"nowhere.example.org": {"0.0.0.0"},
		"localhost":           {"127.0.0.1"},
	}
	tests := []struct{ host, want string }{
		{"public.example.org", ""},
		{"192.168.0.1", ""},
		{"fd00::1", ""},
		{"localhost", ""},
		{"hosts.example.org", "the host hosts.example.org has the address 127.0.1.1 here, a loopback address (see /etc/hosts); check that clients elsewhere are given a public one"},
		{"mapped.example.org", "the host mapped.example.org has the address 10.0.0.5 here, a private address; check that clients elsewhere are given a public one"},
		{"mixed.example.org", "the host mixed.example.org has the address fd00::1 here, a private address; check that clients elsewhere are given a public one"},
		{"nowhere.example.org", "the host nowhere.example.org has the address 0.0.0.0 here, the unspecified address; check that clients elsewhere are given a public one"},
		{"missing.example.org", "the host missing.example.org has no address in DNS; add one, or correct the name"},
		{"broken.example.org", "the host broken.example.org could not be looked up: server misbehaving"},
	}
	for _, tt := range tests {
		t.Run(tt.host, func(t *testing.T) {
			if got := lookUp(t.Context(), r, tt.host); got != tt.want {
				t.Errorf("warning %q, want %q", got, tt.want)
			}
		})
	}
}
