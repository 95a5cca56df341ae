package xep0215_test

import (
	"reflect"
	"strings"
	"testing"

	"extdisco/xep0215"
)

// The values that a field of a service has in TestSelectEveryCombination, and
// that a field of a filter has when it is given.
var (
	types      = [2]string{"turn", "turns"}
	hosts      = [2]string{"a.example.org", "b.example.org"}
	ports      = [2]uint16{3478, 5349}
	transports = [2]string{"udp", "tcp"}
)

// given is what a filter says of one field: nothing, or one of the two values.
type given int

const (
	absent given = iota - 1
	first
	second
)

func (g given) String() string { return [...]string{"absent", "first", "second"}[g+1] }

// filter builds the filter of four fields.
func filter(serviceType, host, port, transport given) xep0215.Filter {
	var f xep0215.Filter
	if serviceType != absent {
		f.Type = types[serviceType]
	}
	if host != absent {
		f.Host = hosts[host]
	}
	if port != absent {
		f.Port = ports[port]
	}
	if transport != absent {
		f.Transport = transports[transport]
	}
	return f
}

func forEveryFilter(do func(fields [4]given)) {
	all := [...]given{absent, first, second}
	for _, a := range all {
		for _, b := range all {
			for _, c := range all {
				for _, d := range all {
					do([4]given{a, b, c, d})
				}
			}
		}
	}
}

func name(fields [4]given) string {
	return "type " + fields[0].String() + ", host " + fields[1].String() +
		", port " + fields[2].String() + ", transport " + fields[3].String()
}

// Every field absent, matching or not matching: 81 filters against the service
// that has the first value in each field. The oracle knows no fields: a filter
// names the service unless something in it is second.
func TestMatchesEveryCombination(t *testing.T) {
	key := xep0215.Service{Type: types[0], Host: hosts[0], Port: ports[0], Transport: transports[0]}.Key()
	combinations := 0
	forEveryFilter(func(fields [4]given) {
		combinations++
		t.Run(name(fields), func(t *testing.T) {
			f := filter(fields[0], fields[1], fields[2], fields[3])
			want := !strings.Contains(name(fields), "second")
			if got := f.Matches(key); got != want {
				t.Errorf("%+v matches %+v: %v, want %v", f, key, got, want)
			}
			request := xep0215.Request{Credentials: []xep0215.Filter{f}}
			if got := request.Selects(key, true); got != want {
				t.Errorf("selects the restricted service: %v, want %v", got, want)
			}
			if request.Selects(key, false) {
				t.Error("selects a service that has no credentials")
			}
		})
	})
	if combinations != 81 {
		t.Errorf("%d combinations, want 81", combinations)
	}
}

// The same 81 filters, against all 16 services of two values in each field, each
// once restricted and once not. The oracle counts bits: service i has the value
// i>>field&1 in a field.
func TestSelectEveryCombination(t *testing.T) {
	var all []xep0215.Service
	for i := range 16 {
		s := xep0215.Service{Type: types[i&1], Host: hosts[i>>1&1], Port: ports[i>>2&1], Transport: transports[i>>3&1]}
		all = append(all, s)
		s.Restricted = true
		all = append(all, s)
	}
	forEveryFilter(func(fields [4]given) {
		t.Run(name(fields), func(t *testing.T) {
			var want []xep0215.Service
			for i := range 16 {
				selected := true
				for field, value := range fields {
					selected = selected && (value == absent || int(value) == i>>field&1)
				}
				if selected {
					want = append(want, all[2*i+1])
				}
			}
			f := filter(fields[0], fields[1], fields[2], fields[3])
			got := xep0215.Select(all, xep0215.Request{Credentials: []xep0215.Filter{f}})
			if !reflect.DeepEqual(got, want) {
				t.Errorf("%+v selects\n%+v, want\n%+v", f, got, want)
			}
		})
	})
}

func TestSelect(t *testing.T) {
	all := services(t,
		"stun:turn.example.org:3478",
		"turn:turn.example.org:3478?transport=udp",
		"turn:turn.example.org:3478?transport=tcp",
		"turns:turn.example.org:5349?transport=tcp",
		"turn:other.example.org:443?transport=tcp",
		"turns:other.example.org:443?transport=tcp",
		"turn:[2001:db8::3]:3478?transport=udp",
	)
	const (
		stun, turnUDP, turnTCP, turnsTCP = 0, 1, 2, 3
		other, otherTLS, ip6             = 4, 5, 6
	)
	everything := []int{stun, turnUDP, turnTCP, turnsTCP, other, otherTLS, ip6}
	credentials := func(filters ...xep0215.Filter) xep0215.Request {
		return xep0215.Request{Credentials: filters}
	}
	tests := []struct {
		name    string
		request xep0215.Request
		want    []int // indexes into all
	}{
		{"all services", xep0215.Request{}, everything},
		{"all services of version 1", xep0215.Request{NS: xep0215.NS1}, everything},
		{"services of type stun", xep0215.Request{Type: "stun"}, []int{stun}},
		{"services of type turn, not of turns", xep0215.Request{Type: "turn"}, []int{turnUDP, turnTCP, other, ip6}},
		{"services of a type that none has", xep0215.Request{Type: "xmpp"}, nil},
		{"types are compared exactly", xep0215.Request{Type: "TURN"}, nil},
		{"credentials by host and type", credentials(xep0215.Filter{Host: "turn.example.org", Type: "turn"}), []int{turnUDP, turnTCP}},
		{"credentials by host alone", credentials(xep0215.Filter{Host: "other.example.org"}), []int{other, otherTLS}},
		{"credentials never select STUN", credentials(xep0215.Filter{Host: "turn.example.org", Type: "stun"}), nil},
		{"credentials by host alone leave STUN out", credentials(xep0215.Filter{Host: "turn.example.org"}), []int{turnUDP, turnTCP, turnsTCP}},
		{"credentials of a type that is not ours", credentials(xep0215.Filter{Host: "turn.example.org", Type: "short-lived-token"}), nil},

		// Reference bug of Prosody's mod_external_services: with a port given,
		// any restricted service on that port matched.
		{"the port does not outweigh type and host",
			credentials(xep0215.Filter{Type: "turn", Host: "turn.example.org", Port: 443}), nil},
		{"the port does not outweigh the type",
			credentials(xep0215.Filter{Type: "turns", Host: "other.example.org", Port: 443}), []int{otherTLS}},
		// Reference bug of ejabberd's mod_stun_disco: the transport was compared
		// with the type, so that a transport excluded everything.
		{"the transport is compared with the transport",
			credentials(xep0215.Filter{Type: "turn", Host: "turn.example.org", Port: 3478, Transport: "udp"}), []int{turnUDP}},
		{"a transport that is named like the type excludes everything",
			credentials(xep0215.Filter{Type: "turn", Host: "turn.example.org", Transport: "turn"}), nil},

		{"a service that two filters name comes once",
			credentials(xep0215.Filter{Type: "turn", Host: "turn.example.org"}, xep0215.Filter{Type: "turn", Host: "turn.example.org", Transport: "udp"}),
			[]int{turnUDP, turnTCP}},
		{"the same filter twice",
			credentials(xep0215.Filter{Type: "turns", Host: "turn.example.org"}, xep0215.Filter{Type: "turns", Host: "turn.example.org"}),
			[]int{turnsTCP}},
		{"several filters, answered in the order of the configuration",
			credentials(xep0215.Filter{Type: "turns", Host: "other.example.org"}, xep0215.Filter{Type: "turn", Host: "2001:db8::3"}, xep0215.Filter{Type: "turn", Host: "turn.example.org"}),
			[]int{turnUDP, turnTCP, otherTLS, ip6}},
		{"a filter that matches nothing does not harm the others",
			credentials(xep0215.Filter{Type: "turn", Host: "nowhere.example.org"}, xep0215.Filter{Type: "turns", Host: "turn.example.org"}),
			[]int{turnsTCP}},
		{"the fields of two filters are not mixed",
			credentials(xep0215.Filter{Type: "turns", Host: "2001:db8::3"}, xep0215.Filter{Type: "turn", Host: "turn.example.org", Port: 5349}), nil},
		{"a filter of nothing selects all that have credentials", credentials(xep0215.Filter{}),
			[]int{turnUDP, turnTCP, turnsTCP, other, otherTLS, ip6}},
		{"the type of a services request does not narrow credentials",
			xep0215.Request{Type: "stun", Credentials: []xep0215.Filter{{Type: "turns", Host: "turn.example.org"}}}, []int{turnsTCP}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var want []xep0215.Service
			for _, i := range tt.want {
				want = append(want, all[i])
			}
			if got := xep0215.Select(all, tt.request); !reflect.DeepEqual(got, want) {
				t.Errorf("selected\n%+v, want\n%+v", got, want)
			}
		})
	}
}

func TestMatchesComparesHosts(t *testing.T) {
	tests := []struct {
		name, a, b string
		same       bool
	}{
		{"case", "TURN.Example.ORG", "turn.example.org", true},
		{"trailing dot", "turn.example.org.", "turn.example.org", true},
		{"case beyond ASCII", "TÜRN.example.org", "türn.example.org", true},
		{"IPv6 in upper case", "2001:DB8::3", "2001:db8::3", true},
		{"IPv6 written out", "2001:0db8:0000:0000:0000:0000:0000:0003", "2001:db8::3", true},
		{"IPv6 with one zero", "2001:DB8:0::3", "2001:db8::3", true},
		{"IPv6 in brackets", "[2001:db8::3]", "2001:db8::3", true},
		{"IPv6 in brackets with a trailing dot", "[2001:DB8:0::3].", "2001:db8::3", true},
		{"IPv4 in IPv6, in hexadecimal", "::ffff:c000:201", "::FFFF:192.0.2.1", true},

		{"IPv4 in IPv6 is not the IPv4 address", "::ffff:192.0.2.1", "192.0.2.1", false},
		{"another name", "turn1.example.org", "turn.example.org", false},
		{"a part of the name", "example.org", "turn.example.org", false},
		{"a longer name", "turn.example.org.example.org", "turn.example.org", false},
		{"another IPv6 address", "2001:db8::4", "2001:db8::3", false},
		{"another IPv4 address", "192.0.2.10", "192.0.2.1", false},
		{"blanks", " turn.example.org", "turn.example.org", false},
		{"name in brackets", "[turn.example.org]", "turn.example.org", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, pair := range [][2]string{{tt.a, tt.b}, {tt.b, tt.a}} {
				key := xep0215.Service{Type: "turn", Host: pair[1]}.Key()
				if got := (xep0215.Filter{Host: pair[0]}).Matches(key); got != tt.same {
					t.Errorf("the filter %q matches the host %q: %v, want %v", pair[0], pair[1], got, tt.same)
				}
			}
		})
	}
}
