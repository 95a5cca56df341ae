package source

import (
	"strings"
	"testing"
	"time"

	"extdisco/internal/config"
	"extdisco/internal/secret"
	"extdisco/turncred"
	"extdisco/xep0215"
)

// rotating is an [[ice_server]] whose secret is being changed.
func rotating(t *testing.T) config.ICEServer {
	t.Helper()
	relay, err := xep0215.ParseURI("turn:turn.example.org")
	if err != nil {
		t.Fatal(err)
	}
	return config.ICEServer{Key: "ice_server[0]", Services: []xep0215.Service{relay}, TTL: time.Hour,
		SharedSecret: secret.New("the new secret"), PreviousSecret: secret.New("the previous secret"),
		Name: config.Name{"": "Relay"}, Info: []xep0215.Field{{Var: "region", Values: []string{"eu"}}}}
}

// given returns the service that alice gets, and the secret that its password is made with.
func given(t *testing.T, s Source) (xep0215.Service, string) {
	t.Helper()
	services, _ := s.Part([]byte("alice@example.org"), time.Unix(1_800_000_000, 0)).Groups[0].Services([]byte("alice@example.org"), time.Unix(1_800_000_000, 0))
	if len(services) != 1 {
		t.Fatalf("%d services", len(services))
	}
	for _, text := range []string{"the new secret", "the previous secret"} {
		made := turncred.NewSharedSecret([]byte(text), nil, time.Hour).AppendPassword(nil, []byte(services[0].Username))
		if string(made) == services[0].Password {
			return services[0], text
		}
	}
	return services[0], ""
}

func TestPreviousSecretInForce(t *testing.T) {
	o := NewOwn(rotating(t))
	for _, previous := range []bool{false, true, true, false} {
		o.UsePrevious(previous)
		want := map[bool]string{false: "the new secret", true: "the previous secret"}[previous]
		service, got := given(t, o)
		if got != want || o.UsesPrevious() != previous {
			t.Errorf("made with %q, want %q", got, want)
		}
		if _, trial := given(t, o.ForTrial()); trial != want {
			t.Errorf("for a trial, made with %q, want %q", trial, want)
		}
		if kind := o.Status(time.Time{}).Services[0].Credentials; strings.Contains(kind, "previous") != previous {
			t.Error(kind)
		}
		if service.Name != "Relay" {
			t.Errorf("called %q", service.Name)
		}
	}
	o.UsePrevious(true)
	o.Hide(map[xep0215.Key]bool{rotating(t).Services[0].Key(): true})
	if services, _ := o.Part(nil, time.Time{}).Groups[0].Services([]byte("alice@example.org"), time.Time{}); len(services) != 0 {
		t.Error("a hidden service is listed with the previous secret")
	}
	o.UsePrevious(false)
	if services, _ := o.Part(nil, time.Time{}).Groups[0].Services([]byte("alice@example.org"), time.Time{}); len(services) != 0 {
		t.Error("the change of the secret brings a hidden service back")
	}
}

func TestWithoutAPreviousSecret(t *testing.T) {
	cfg := rotating(t)
	cfg.PreviousSecret = secret.Secret{}
	o := NewOwn(cfg)
	o.UsePrevious(true)
	if _, got := given(t, o); o.Rotates() || o.UsesPrevious() || got != "the new secret" {
		t.Errorf("made with %q", got)
	}
	if now, previous := Signers(cfg); now == nil || previous != nil {
		t.Error("signers that it does not have")
	}
}

// Whose a pseudonym is can be found out when it was made with the previous secret, too.
func TestPseudonymsOfThePreviousSecret(t *testing.T) {
	cfg := &config.Config{ICEServers: []config.ICEServer{rotating(t)}}
	o := NewOwn(cfg.ICEServers[0])
	for _, previous := range []bool{false, true} {
		o.UsePrevious(previous)
		service, _ := given(t, o)
		_, pseudonym, _ := strings.Cut(service.Username, ":")
		found := 0
		for _, p := range AllPseudonyms(cfg, cfg.ICEServers) {
			if string(p.Append(nil, []byte("alice@example.org"))) == pseudonym {
				found++
			}
		}
		if found != 1 {
			t.Errorf("with the previous secret %v: %d keys make %s", previous, found, pseudonym)
		}
	}
}

func TestSigners(t *testing.T) {
	now, previous := Signers(rotating(t))
	for text, sign := range map[string]func(string) secret.Secret{"the new secret": now, "the previous secret": previous} {
		want := turncred.NewSharedSecret([]byte(text), nil, time.Hour).AppendPassword(nil, []byte("1:user"))
		if got := sign("1:user").Reveal(); got != string(want) {
			t.Errorf("%s: signs %q, want %q", text, got, want)
		}
	}
}
