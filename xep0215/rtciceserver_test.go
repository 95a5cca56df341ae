package xep0215_test

import (
	"strings"
	"testing"

	"extdisco/xep0215"
)

func TestRTCIceServers(t *testing.T) {
	stun := xep0215.Service{Type: "stun", Host: "a.example.org", Port: 3478, Transport: "udp"}
	alice := xep0215.Service{Type: "turn", Host: "a.example.org", Port: 3478, Transport: "udp", Username: "alice", Password: "1"}
	bob := xep0215.Service{Type: "turns", Host: "b.example.org", Port: 5349, Transport: "tcp", Username: "bob", Password: "1"}
	with := func(s xep0215.Service, change func(*xep0215.Service)) xep0215.Service {
		change(&s)
		return s
	}
	const aliceTCP = "turn:a.example.org:3478?transport=tcp"
	tests := []struct {
		name     string
		services []xep0215.Service
		want     string
	}{
		{"nothing", nil, ""},
		{"one credential, one entry", []xep0215.Service{alice, with(alice, func(s *xep0215.Service) { s.Transport = "tcp" })},
			"turn:a.example.org:3478?transport=udp " + aliceTCP + " alice 1"},
		{"two credentials", []xep0215.Service{alice, bob}, "turn:a.example.org:3478?transport=udp alice 1\nturns:b.example.org:5349?transport=tcp bob 1"},
		{"the order stays", []xep0215.Service{alice, bob, stun, alice},
			"turn:a.example.org:3478?transport=udp alice 1\nturns:b.example.org:5349?transport=tcp bob 1\nstun:a.example.org:3478  \nturn:a.example.org:3478?transport=udp alice 1"},
		{"the same user with another password", []xep0215.Service{alice, with(alice, func(s *xep0215.Service) { s.Password = "2" })},
			"turn:a.example.org:3478?transport=udp alice 1\nturn:a.example.org:3478?transport=udp alice 2"},
		{"STUN loses a credential", []xep0215.Service{stun, with(stun, func(s *xep0215.Service) { s.Username, s.Password = "alice", "1" })},
			"stun:a.example.org:3478 stun:a.example.org:3478  "},
		{"no port", []xep0215.Service{with(stun, func(s *xep0215.Service) { s.Port = 0 })}, "stun:a.example.org  "},
		{"left out: no username", []xep0215.Service{with(alice, func(s *xep0215.Service) { s.Username = "" })}, ""},
		{"left out: no password", []xep0215.Service{with(alice, func(s *xep0215.Service) { s.Password = "" })}, ""},
		{"left out: no host", []xep0215.Service{with(alice, func(s *xep0215.Service) { s.Host = "" })}, ""},
		{"left out: unknown transport", []xep0215.Service{with(alice, func(s *xep0215.Service) { s.Transport = "tls" })}, ""},
		{"left out: TLS over udp", []xep0215.Service{with(bob, func(s *xep0215.Service) { s.Transport = "udp" })}, ""},
		{"left out: unknown type", []xep0215.Service{with(alice, func(s *xep0215.Service) { s.Type = "ftp" })}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var lines []string
			for _, s := range xep0215.RTCIceServers(tt.services) {
				lines = append(lines, strings.Join(s.URLs, " ")+" "+s.Username+" "+s.Credential)
			}
			if got := strings.Join(lines, "\n"); got != tt.want {
				t.Errorf("list:\n%s\nwant:\n%s", got, tt.want)
			}
		})
	}
}
