package xep0215_test

import (
	"encoding/json"
	"testing"
	"time"

	"extdisco/xep0215"
)

func TestRTCIceServers(t *testing.T) {
	stun, turn, turns := service(t, "stun:a.example.org"), service(t, "turn:a.example.org"), service(t, "turns:[2001:db8::1]")
	as := func(s xep0215.Service, username, password string) xep0215.Service {
		return with(s, username, password, inAnHour)
	}
	tests := []struct {
		name     string
		services []xep0215.Service
		want     string
		expires  []time.Time
	}{
		{"nothing", nil, `null`, nil},
		{"STUN", []xep0215.Service{stun}, `[{"urls":["stun:a.example.org:3478"]}]`, []time.Time{{}}},
		{"STUN takes no credential", []xep0215.Service{as(stun, "u", "p")}, `[{"urls":["stun:a.example.org:3478"]}]`, []time.Time{{}}},
		{"one credential", []xep0215.Service{as(turn, "u", "p"), as(turns, "u", "p")},
			`[{"urls":["turn:a.example.org:3478?transport=udp","turns:[2001:db8::1]:5349?transport=tcp"],"username":"u","credential":"p"}]`, []time.Time{inAnHour}},
		{"two usernames", []xep0215.Service{as(turn, "u", "p"), as(turns, "v", "p")},
			`[{"urls":["turn:a.example.org:3478?transport=udp"],"username":"u","credential":"p"},{"urls":["turns:[2001:db8::1]:5349?transport=tcp"],"username":"v","credential":"p"}]`,
			[]time.Time{inAnHour, inAnHour}},
		{"two passwords", []xep0215.Service{as(turn, "u", "p"), as(turns, "u", "q")},
			`[{"urls":["turn:a.example.org:3478?transport=udp"],"username":"u","credential":"p"},{"urls":["turns:[2001:db8::1]:5349?transport=tcp"],"username":"u","credential":"q"}]`,
			[]time.Time{inAnHour, inAnHour}},
		{"neighbours only", []xep0215.Service{stun, as(turn, "u", "p"), stun},
			`[{"urls":["stun:a.example.org:3478"]},{"urls":["turn:a.example.org:3478?transport=udp"],"username":"u","credential":"p"},{"urls":["stun:a.example.org:3478"]}]`,
			[]time.Time{{}, inAnHour, {}}},
		{"TURN without credentials", []xep0215.Service{turn, as(turn, "u", ""), as(turn, "", "p")}, `null`, nil},
		{"what is no ICE URI", []xep0215.Service{{Type: "xmpp", Host: "h"}, {Type: "turn", Host: "a b", Username: "u", Password: "p"}}, `null`, nil},
		{"TLS over udp", []xep0215.Service{{Type: "turns", Host: "h", Transport: "udp", Username: "u", Password: "p"}}, `null`, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			servers := xep0215.RTCIceServers(tt.services)
			got, err := json.Marshal(servers)
			if err != nil || string(got) != tt.want {
				t.Errorf("servers\n%s %v, want\n%s", got, err, tt.want)
			}
			for i, s := range servers {
				if !s.Expires.Equal(tt.expires[i]) {
					t.Errorf("server %d expires %v, want %v", i, s.Expires, tt.expires[i])
				}
			}
		})
	}
}
