//go:build integration

package integration

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"extdisco/integration/lab"
	"extdisco/turncred"
)

// ejabberdOfTwoHosts is a configuration of ejabberd with its own TURN server, as
// Debian's has it, and two hosts of which each has its own secret.
const ejabberdOfTwoHosts = `
loglevel: debug
hosts: ["turn.example.org", "other.example.org"]
auth_method: internal
s2s_access: none
listen:
  - {port: {{.C2SPort}}, ip: "127.0.0.1", module: ejabberd_c2s}
  - port: TURNPORT
    ip: "127.0.0.1"
    transport: udp
    module: ejabberd_stun
    use_turn: true
    turn_ipv4_address: "127.0.0.1"
    auth_realm: "turn.example.org"
modules: {}
append_host_config:
  "turn.example.org": {modules: {mod_stun_disco: {secret: "first secret", offer_local_services: false}}}
  "other.example.org": {modules: {mod_stun_disco: {secret: "second secret", offer_local_services: false}}}
`

// ejabberd's own TURN server accepts the usernames that are made for it, and no
// others.
func TestIntegrationEjabberdTURN(t *testing.T) {
	port, err := lab.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	server, err := lab.StartEjabberd(t.Context(), lab.XMPPConfig{
		Dir: t.TempDir(), Hosts: []lab.Host{{Name: "turn.example.org"}, {Name: "other.example.org"}},
		Template: strings.ReplaceAll(ejabberdOfTwoHosts, "TURNPORT", fmt.Sprint(port)), STUNPort: port,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Log(server.Log())
		}
	})
	first, second := []byte("first secret"), []byte("second secret")
	ejabberd := func(secret []byte, realm string) *turncred.SharedSecret {
		return turncred.NewSharedSecret(secret, turncred.NewEjabberdPseudonyms(turncred.DerivePseudonymKey(secret), realm), time.Hour)
	}
	juliet, now := []byte("juliet@example.org"), time.Now()
	issue := func(s *turncred.SharedSecret) (c turncred.Credential) {
		s.Issue(&c, juliet, now)
		return c
	}
	var probing turncred.Credential
	if err := ejabberd(first, "turn.example.org").IssueTo(&probing, "probe", now, time.Minute); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name       string
		credential turncred.Credential
		accepted   bool
	}{
		{"its form", issue(ejabberd(first, "turn.example.org")), true},
		{"its form, the other host", issue(ejabberd(second, "other.example.org")), true},
		{"its form, for a name", probing, true},
		{"the usual form", issue(turncred.NewSharedSecret(first, nil, time.Hour)), false},
		{"another host's secret", issue(ejabberd(first, "other.example.org")), false},
		{"a host that it does not serve", issue(ejabberd(first, "nowhere.example.org")), false},
		{"expired", issue(turncred.NewSharedSecret(first, turncred.NewEjabberdPseudonyms(first, "turn.example.org"), -time.Minute)), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			relayed, _, err := lab.Allocation{Type: "turn", Host: "127.0.0.1", Port: port,
				Username: string(tt.credential.Username), Password: string(tt.credential.Password)}.Do(t.Context())
			var refused *lab.AllocateError
			switch {
			case tt.accepted && err != nil:
				t.Errorf("%s: %v", tt.credential.Username, err)
			case !tt.accepted && (!errors.As(err, &refused) || refused.Code != 401):
				t.Errorf("%s is answered with %v, %v; want 401", tt.credential.Username, relayed, err)
			}
		})
	}
}
