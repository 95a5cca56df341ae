package xep0215_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"extdisco/xep0215"
)

func TestPasswordsAreNeverPrinted(t *testing.T) {
	const hidden = "staple-of-the-relay"
	s := with(namedService(t, "turn:turn.example.org"), "user", hidden, inAnHour)
	s.Action = "add"
	server := xep0215.RTCIceServers([]xep0215.Service{s})[0]
	for name, v := range map[string]any{"service": s, "pointer to a service": &s, "services": []xep0215.Service{s}, "RTCIceServer": server, "servers": []xep0215.RTCIceServer{server}} {
		outputs := map[string]string{}
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
			outputs[verb] = fmt.Sprintf(verb, v)
		}
		var log bytes.Buffer
		slog.New(slog.NewTextHandler(&log, nil)).Info("m", "v", v)
		outputs["slog text"] = log.String()
		if !strings.Contains(strings.ToLower(name), "server") { // whose JSON is for browsers
			log.Reset()
			slog.New(slog.NewJSONHandler(&log, nil)).Info("m", "v", v)
			outputs["slog json"] = log.String()
			asJSON, err := json.Marshal(v)
			if err != nil {
				t.Fatal(err)
			}
			outputs["json"] = string(asJSON)
			asXML, err := xml.Marshal(v)
			if err != nil {
				t.Fatal(err)
			}
			outputs["xml"] = string(asXML)
		}
		for how, text := range outputs {
			if strings.Contains(text, hidden) || strings.Contains(text, fmt.Sprintf("%x", hidden)) {
				t.Errorf("%s as %s prints the password: %s", name, how, text)
			}
			if !strings.Contains(text, "[redacted]") || !strings.Contains(text, "turn.example.org") {
				t.Errorf("%s as %s is %s", name, how, text)
			}
		}
	}
}

func TestServiceString(t *testing.T) {
	tests := []struct {
		name    string
		service fmt.Stringer
		want    string
	}{
		{"STUN", service(t, "stun:a.example.org"), `{stun a.example.org port 3478 transport "udp" restricted false}`},
		{"credential", with(service(t, "turn:a.example.org"), "u", "p", inAnHour),
			`{turn a.example.org port 3478 transport "udp" restricted true username "u" password [redacted] expires 2026-11-21T13:00:00Z}`},
		{"username alone", xep0215.Service{Username: "u"}, `{  port 0 transport "" restricted false username "u" password [redacted]}`},
		{"password alone", xep0215.Service{Password: "p"}, `{  port 0 transport "" restricted false username "" password [redacted]}`},
		{"the rest", xep0215.Service{Name: "n", Names: map[string]string{"de": "m"}, Info: []xep0215.Field{{Var: "v"}}, Action: "add"},
			`{  port 0 transport "" restricted false name "n" map["de":"m"] info [{"v" "" "" []}] action add}`},
		{"translations alone", xep0215.Service{Names: map[string]string{"de": "m"}}, `{  port 0 transport "" restricted false name "" map["de":"m"]}`},
		{"server", xep0215.RTCIceServer{URLs: []string{"turn:h"}, Username: "u", Credential: "p"}, `{["turn:h"] username "u" credential [redacted]}`},
		{"server without credential", xep0215.RTCIceServer{URLs: []string{"stun:h"}}, `{["stun:h"]}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.service.String(); got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
		})
	}
}
