package daemon

import (
	"slices"
	"strings"
	"testing"

	"extdisco/internal/testkit"
)

// TestRelayIsChosenLikeOthers counts [relay] as one of the servers, with the weight that it has.
func TestRelayIsChosenLikeOthers(t *testing.T) {
	for name, tt := range map[string]struct {
		keys string
		want func(users int) bool
	}{
		"weight 1":  {"", func(users int) bool { return users > 20 && users < 60 }},
		"to stop":   {"weight = 0\n", func(users int) bool { return users == 0 }},
		"its own":   {"domains = [\"eu.example.org\"]\n", func(users int) bool { return users == 0 }},
		"preferred": {"weight = 1000\n", func(users int) bool { return users > 190 }},
	} {
		t.Run(name, func(t *testing.T) {
			text := strings.Replace(fleetConfig(1), "[[ice_server]]", "[relay]\nhost = \"own.example.org\"\npublic_ip = [\"127.0.0.1\"]\nsecret = \""+testkit.SharedSecretTwo+"\"\n"+tt.keys+"\n[[ice_server]]", 1)
			cfg := mustLoad(t, testkit.WriteConfig(t, text))
			d := quietDaemon(t, testkit.MinimalConfig)
			defer d.close()
			d.relay.keys.Secret = []byte(testkit.SharedSecretTwo)
			d.use(cfg, testkit.Time)
			users := 0
			for i := range 200 {
				relays := hosts(given(t, d, user(i), ""), "turn")
				if len(relays) != 1 {
					t.Fatalf("given %v", relays)
				}
				if slices.Contains(relays, "own") {
					users++
				}
			}
			if !tt.want(users) {
				t.Errorf("chosen for %d of 200 users", users)
			}
		})
	}
}
