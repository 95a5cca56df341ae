package query

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"extdisco/internal/testkit"
	"extdisco/xep0215"
)

func TestParseMetadata(t *testing.T) {
	turn := xep0215.Service{Type: "turn", Host: "turn.example.org", Port: 3478, Transport: "udp", Restricted: true,
		Username: "1795352400:5f9f079fbd8d428d", Password: "pass", Expires: time.Unix(1795352400, 0).UTC()}
	entry := func(port, restricted, expires string) string {
		return `{"type":"room_metadata","metadata":{"services":[{"type":"turn","host":"turn.example.org","transport":"udp",` +
			`"username":"1795352400:5f9f079fbd8d428d","password":"pass","port":` + port + `,"restricted":` + restricted + `,"expires":` + expires + `}]}}`
	}
	tests := []struct {
		name, text string
		want       []xep0215.Service
		about      bool
		wantErr    string
	}{
		{"as Jitsi's module writes it", entry(`"3478"`, `"1"`, `"2026-11-22T13:00:00Z"`), []xep0215.Service{turn}, true, ""},
		{"numbers and truth values", entry(`3478`, `true`, `1795352400`), []xep0215.Service{turn}, true, ""},
		{"without an expiry", entry(`3478`, `true`, `null`), []xep0215.Service{{Type: "turn", Host: "turn.example.org", Port: 3478, Transport: "udp", Restricted: true,
			Username: turn.Username, Password: "pass"}}, true, ""},
		{"an object, which is Lua's empty list", `{"type":"room_metadata","metadata":{"services":{}}}`, nil, true, errNoArray.Error()},
		{"an empty list", `{"type":"room_metadata","metadata":{"services":[]}}`, nil, true, errNoArray.Error()},
		{"no services", `{"type":"room_metadata","metadata":{"startMuted":{}}}`, nil, false, ""},
		{"no services, said so", `{"type":"room_metadata","metadata":{"services":null}}`, nil, false, ""},
		{"something else", `{"type":"av_moderation","services":[{}]}`, nil, false, ""},
		{"no JSON", `{"type":`, nil, false, ""},
		{"a port that is none", entry(`"70000"`, `true`, `null`), nil, true, "the list cannot be read: services[0].port is not a port"},
		{"an expiry that is none", entry(`3478`, `true`, `"tomorrow"`), nil, true, "the list cannot be read: services[0].expires is not a time"},
		{"an entry that is none", `{"type":"room_metadata","metadata":{"services":["hidden"]}}`, nil, true, "the list cannot be read: an entry is not an object of texts"},
		{"a port in a list", entry(`[3478]`, `true`, `null`), nil, true, "the list cannot be read: an entry is not an object of texts"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, about, err := parseMetadata(tt.text)
			message := ""
			if err != nil {
				message = err.Error()
			}
			testkit.WantEqual(t, "error", message, tt.wantErr)
			if about != tt.about || !reflect.DeepEqual(got, tt.want) {
				t.Errorf("services %+v, %v; want %+v, %v", got, about, tt.want, tt.about)
			}
		})
	}
}

func FuzzParseMetadata(f *testing.F) {
	f.Add(`{"type":"room_metadata","metadata":{"services":[{"type":"turn","host":"h","port":"3478","restricted":"1","expires":"2026-11-22T01:00:00Z"}]}}`)
	f.Add(`{"type":"room_metadata","metadata":{"services":{}}}`)
	f.Add(`{"type":"room_metadata","metadata":{"services":[{"port":1e3,"expires":-1}]}}`)
	f.Add(`{"type":"room_metadata","metadata":{"services":["secret-of-the-fuzzer"]}}`)
	f.Fuzz(func(t *testing.T, text string) {
		services, about, err := parseMetadata(text)
		if (len(services) > 0 || err != nil) && !about {
			t.Errorf("%d services and the error %v of a message that is about something else", len(services), err)
		}
		if about && len(services) == 0 && err == nil {
			t.Error("an empty list is no error")
		}
		if err != nil && !errors.Is(err, errNoArray) && strings.Contains(err.Error(), "secret-of-the-fuzzer") {
			t.Errorf("the error quotes the list: %v", err)
		}
	})
}
