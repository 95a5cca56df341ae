//go:build integration

package integration

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"extdisco/integration/lab"
)

var namespaces = []string{"urn:xmpp:extdisco:2", "urn:xmpp:extdisco:1"}

// TestIntegrationRoutes asks on every route, as everybody who is served, and
// uses every credential that is handed out on a real TURN server.
func TestIntegrationRoutes(t *testing.T) {
	t.Parallel()
	eachServer(t, func(t *testing.T, kind string) {
		s := newScene(t, kind, sceneConfig{})
		alice := []string{"--jid", "alice@" + corpHost, "--password-file", s.passwordFile(alicePassword)}
		routes := []struct {
			name, login string
			args        []string
		}{
			{"anonymous user asks the server", meetHost, nil},
			{"anonymous user asks the component", meetHost, []string{"--to", turnJID}},
			{"guest asks the main host", guestHost, []string{"--to", meetHost}},
			{"guest asks the component", guestHost, []string{"--to", turnJID}},
			{"account asks its server", corpHost, alice},
			{"account asks the other host", corpHost, append([]string{"--to", meetHost}, alice...)},
		}
		for _, r := range routes {
			t.Run(r.name, func(t *testing.T) {
				out, err := s.query(r.login, r.args...)
				if err != nil {
					t.Fatal(err)
				}
				checkAnswers(t, s, out)
			})
		}
		if log := s.turn.Log(); !regexp.MustCompile(`user <[0-9]+:[0-9a-f]{16}>`).MatchString(log) && !regexp.MustCompile(`[0-9]{10}:[0-9a-f]{16}`).MatchString(log) {
			t.Errorf("the TURN server's log names no pseudonym")
		}
	})
}

// checkAnswers checks what a client got in both namespaces, and allocates with
// it.
func checkAnswers(t *testing.T, s *scene, out queryAnswer) {
	t.Helper()
	if len(out.Answers) != len(namespaces) {
		t.Fatalf("%d answers", len(out.Answers))
	}
	for i, a := range out.Answers {
		if a.Namespace != namespaces[i] || a.Error.Condition != "" {
			t.Fatalf("answer %d: %+v", i, a)
		}
		checkOffer(t, s, a.Services)
	}
}

// checkOffer checks that services are all that the scene offers, and allocates
// with each.
func checkOffer(t *testing.T, s *scene, services []service) {
	t.Helper()
	var types []string
	for _, v := range services {
		types = append(types, v.Type+" "+v.Transport)
		if v.Host == "stun.example.net" || v.Type == "stun" {
			if v.Username != "" || v.Restricted {
				t.Errorf("%s has credentials: %+v", v.Type, v)
			}
			continue
		}
		checkCredential(t, v)
		if err := s.allocate(v); err != nil {
			t.Errorf("%s over %s: %v", v.Type, v.Transport, err)
		}
	}
	if want := "stun udp,turn udp,turn tcp,turns tcp,stun udp"; strings.Join(types, ",") != want {
		t.Errorf("services are %v, want %s", types, want)
	}
}

func checkCredential(t *testing.T, v service) {
	t.Helper()
	if !v.Restricted || v.Password == "" {
		t.Errorf("%s is not restricted or has no password: %+v", v.Type, v)
	}
	if !strings.HasPrefix(v.Username, fmt.Sprintf("%d:", v.Expires.Unix())) {
		t.Errorf("username %s does not begin with the expiry %v", v.Username, v.Expires)
	}
	if left := time.Until(v.Expires); left < 23*time.Hour || left > 24*time.Hour {
		t.Errorf("expires in %v, want about 24h", left)
	}
}

// TestIntegrationOutsiders are refused on every route, and told why.
func TestIntegrationOutsiders(t *testing.T) {
	t.Parallel()
	eachServer(t, func(t *testing.T, kind string) {
		s := newScene(t, kind, sceneConfig{})
		for _, to := range []string{meetHost, turnJID} {
			out, err := s.query(outsideHost, "--to", to)
			if err == nil || !strings.Contains(err.Error(), "access.allow") {
				t.Errorf("asking %s: %v, want a hint at access.allow", to, err)
			}
			for _, a := range out.Answers {
				if a.Error.Type != "auth" || a.Error.Condition != "forbidden" || len(a.Services) > 0 {
					t.Errorf("asking %s: %+v, want auth/forbidden", to, a)
				}
			}
		}
		if err := s.extdisco.WaitForLog(stepContext(t), "refused requesters that are not in access.allow", 1); err != nil {
			t.Error(err)
		}
	})
}

// TestIntegrationCredentialRefused shows that coturn refuses what it must: a
// credential that has expired, and a wrong one.
func TestIntegrationCredentialRefused(t *testing.T) {
	s := newScene(t, "prosody", sceneConfig{config: func(s *scene) string { return s.config("2s") }})
	out, err := s.query(meetHost)
	if err != nil {
		t.Fatal(err)
	}
	good := out.Answers[0].Services[1]
	if err := s.allocate(good); err != nil {
		t.Fatalf("fresh credential: %v", err)
	}
	wrong := good
	wrong.Password = "x" + good.Password[1:]
	if err := s.allocate(wrong); !isUnauthorized(err) {
		t.Errorf("wrong password: %v, want 401", err)
	}
	stranger := good
	stranger.Username = strings.Replace(good.Username, ":", ":0", 1)
	if err := s.allocate(stranger); !isUnauthorized(err) {
		t.Errorf("another user's name: %v, want 401", err)
	}
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for ctx := stepContext(t); ; {
		if err := s.allocate(good); isUnauthorized(err) {
			if time.Now().Before(good.Expires) {
				t.Error("refused before it expired")
			}
			return
		}
		select {
		case <-ctx.Done():
			t.Fatal("an expired credential still works")
		case <-tick.C:
		}
	}
}

func isUnauthorized(err error) bool {
	var refused *lab.AllocateError
	return errors.As(err, &refused) && refused.Code == 401
}

// TestIntegrationAddressees asks as clients do that do not name the server: with
// no address at all, and at their own account. The server answers for both.
func TestIntegrationAddressees(t *testing.T) {
	t.Parallel()
	eachServer(t, func(t *testing.T, kind string) {
		s := newScene(t, kind, sceneConfig{})
		c := dialRaw(t, s.xmpp.C2SAddr, meetHost, "")
		own, _, _ := strings.Cut(c.jid, "/")
		for name, to := range map[string]string{"nobody": "", "the own account": " to='" + own + "'", "the server": " to='" + meetHost + "'"} {
			t.Run(name, func(t *testing.T) {
				e := c.mustAsk("a", "<iq type='get' id='a'"+to+">"+servicesPayload+"</iq>")
				if e.attr("type") != "result" || strings.Count(e.Inner, "password=") != 3 {
					t.Errorf("%+v", e)
				}
			})
		}
	})
}
