package source

import (
	"testing"
	"time"

	"extdisco/internal/config"
	"extdisco/internal/secret"
	"extdisco/turncred"
	"extdisco/xep0215"
)

func TestOffered(t *testing.T) {
	service := func(host string) xep0215.Service {
		return xep0215.Service{Type: "turn", Host: host, Port: 3478, Transport: "udp", Restricted: true}
	}
	minted, ejabberd, fixed, unknown := service("minted.example.org"), service("ejabberd.example.org"), service("fixed.example.org"), service("unknown.example.org")
	asSTUN := xep0215.Service{Type: "stun", Host: "minted.example.org", Port: 3478, Transport: "udp"}
	stun := xep0215.Service{Type: "stun", Host: "stun.example.org", Port: 3478, Transport: "udp"}
	key := []byte("the key of pseudonyms")
	cfg := &config.Config{ICEServers: []config.ICEServer{
		{Services: []xep0215.Service{minted, stun}, SharedSecret: secret.New("shared"), PseudonymKey: secret.New(string(key))},
		{Services: []xep0215.Service{ejabberd}, SharedSecret: secret.New("shared"), PseudonymKey: secret.New(string(key)), UsernameForm: config.FormEjabberd, Realm: "example.org"},
		{Services: []xep0215.Service{fixed}, Username: "alice", Password: secret.New("password")},
	}}
	pseudonym := string(turncred.NewPseudonyms(key).Append(nil, []byte("juliet@example.org")))
	ofEjabberd := string(turncred.NewEjabberdPseudonyms(key, "example.org").Append(nil, []byte("juliet@example.org")))
	for _, tt := range []struct {
		name        string
		service     xep0215.Service
		username    string
		knows, made bool
	}{
		{"made for the requester", minted, "1795320000:" + pseudonym, true, true},
		{"of a server without credentials", stun, "", true, true},
		{"a relay as a STUN server", asSTUN, "", true, true},
		{"a relay as a STUN server, with a username", asSTUN, "alice", true, false},
		{"made for somebody else", minted, "1795320000:0123456789abcdef", true, false},
		{"a bare time, as Prosody makes it", minted, "1795320000", true, false},
		{"ejabberd's form", ejabberd, "1795320000:" + ofEjabberd, true, true},
		{"not ejabberd's form", ejabberd, "1795320000:" + pseudonym, true, false},
		{"fixed account", fixed, "alice", true, true},
		{"another account", fixed, "bob", true, false},
		{"unknown server", unknown, "1795320000:" + pseudonym, false, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := NewOffered(cfg.ICEServers, "juliet@example.org")
			if o.Knows(tt.service.Key()) != tt.knows || o.Made(tt.service.Key(), tt.username) != tt.made {
				t.Errorf("knows %v, made %v", o.Knows(tt.service.Key()), o.Made(tt.service.Key(), tt.username))
			}
		})
	}
	anyone := NewOffered(cfg.ICEServers, "")
	if !anyone.Made(minted.Key(), "1795320000:0123456789abcdef") || anyone.Made(minted.Key(), "1795320000") {
		t.Error("a list for anyone: takes a pseudonym for none, or none for one")
	}
	cfg.ICEServers = append(cfg.ICEServers, config.ICEServer{Provider: &config.Provider{}})
	if !NewOffered(cfg.ICEServers, "juliet@example.org").Knows(unknown.Key()) {
		t.Error("with a provider, a server is known not to be its")
	}
}

// TestUsernameForms issues credentials in the form that a server is configured for.
func TestUsernameForms(t *testing.T) {
	server := config.ICEServer{SharedSecret: secret.New("shared"), TTL: time.Hour,
		Services: []xep0215.Service{{Type: "turn", Host: "turn.example.org", Port: 3478, Transport: "udp", Restricted: true}}}
	ofEjabberd := server
	ofEjabberd.UsernameForm, ofEjabberd.Realm = config.FormEjabberd, "example.org"
	key := turncred.DerivePseudonymKey([]byte("shared"))
	for _, tt := range []struct {
		name   string
		server config.ICEServer
		want   *turncred.Pseudonyms
	}{
		{"usual", server, turncred.NewPseudonyms(key)},
		{"ejabberd", ofEjabberd, turncred.NewEjabberdPseudonyms(key, "example.org")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var c turncred.Credential
			newSharedSecret(tt.server).Issue(&c, []byte("juliet@example.org"), time.Unix(1795320000, 0))
			if want := "1795323600:" + string(tt.want.Append(nil, []byte("juliet@example.org"))); string(c.Username) != want {
				t.Errorf("username %s, want %s", c.Username, want)
			}
		})
	}
}
