//go:build integration

package integration

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"extdisco/integration/lab"
)

// TestIntegrationJitsiCallsThroughOwnRelay has two users of Jitsi Meet, one of them a
// guest, call each other in a browser through our own relay, with what they were pushed:
// Prosody, our program and nothing else.
func TestIntegrationJitsiCallsThroughOwnRelay(t *testing.T) {
	t.Parallel()
	program, err := filepath.Abs(prosodies["13"])
	if err != nil {
		t.Fatal(err)
	}
	port, tlsPort := freePort(t), freePort(t)
	j := newJitsi(t, newMetadataScene(t, bridgeScene{program: program, sceneConfig: sceneConfig{
		xmpp: func(cfg *lab.XMPPConfig) { cfg.HTTP = true },
		config: func(s *scene) string {
			return ownRelayConfig(s, port, tlsPort, fmt.Sprintf("allow = [%q, %q]", meetHost, guestHost), "")
		},
	}}))
	pages := []*jitsiUser{j.login(t, jitsiLogin{Relay: true}), j.login(t, jitsiLogin{Relay: true, Guests: guestHost})}
	want := []string{
		fmt.Sprint("stun:127.0.0.1:", port), fmt.Sprint("turn:127.0.0.1:", port), fmt.Sprint("turn:127.0.0.1:", port, "?transport=tcp"),
		fmt.Sprint("turns:127.0.0.1:", tlsPort, "?transport=tcp"),
	}
	for i, p := range pages {
		p.do("listenForMetadata", metadataHost, nil)
		p.do("join", "ours", nil)
		var got []string
		for _, v := range p.waitICEServers().P2P {
			got = append(got, v.URLs)
		}
		if strings.Join(got, " ") != strings.Join(want, " ") {
			t.Errorf("page %d has %v, want %v", i, got, want)
		}
	}
	checkCall(t, pages...)
	text := get(t, siteOf(t, j.extdisco)+"metrics")
	for _, direction := range []string{"from_client", "to_client"} {
		m := regexp.MustCompile(`extdisco_relay_bytes_total\{direction="` + direction + `",transport="udp"\} (\S+)`).FindStringSubmatch(text)
		if m == nil {
			t.Fatalf("no traffic in %s", text)
		}
		if bytes, err := strconv.ParseFloat(m[1], 64); err != nil || bytes < 10_000 {
			t.Errorf("%s bytes %s", m[1], direction)
		}
	}
	for _, p := range pages {
		p.do("leave", nil, nil)
	}
	err = lab.Poll(browserContext(t), func(context.Context) error {
		users := map[string]bool{}
		for _, m := range regexp.MustCompile(`msg="an allocation ended" pseudonym=([0-9a-f]{24}) .*ended_by=client`).FindAllStringSubmatch(j.extdisco.Log(), -1) {
			users[m[1]] = true
		}
		if len(users) < len(pages) {
			return errors.New("the allocations of the call do not end")
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
