package config

import (
	"errors"
	"log/slog"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/BurntSushi/toml"

	"extdisco/component"
	"extdisco/internal/relay"
	"extdisco/internal/testkit"
	"extdisco/turncred/provider"
	"extdisco/xep0215"
)

// FuzzConfig checks that no file makes the loader panic, that every fault says
// where and what it is, and that what is accepted can be served.
func FuzzConfig(f *testing.F) {
	for _, folder := range []string{"broken", "good"} {
		for _, file := range configFiles(f, folder) {
			f.Add([]byte(strings.ReplaceAll(readFile(f, file), "../secrets/", "")))
		}
	}
	f.Add([]byte(readFile(f, "../../config.toml.example")))
	for name := range presets {
		f.Add([]byte(testkit.MinimalConfig + "[[ice_server]]\nprovider = \"" + name + "\"\nurl = \"https://turn.example.org\"\nper_user = true\n"))
	}
	f.Add([]byte("\ufeff[component]\r\n"))
	f.Add([]byte("j\x00i\x00d\x00"))
	dir := testkit.WriteFiles(f, "provider.secret", "secret", "ca.pem", readFile(f, "testdata/secrets/ca.pem"))
	file := filepath.Join(dir, "config.toml")
	f.Fuzz(func(t *testing.T, content []byte) {
		cfg, err := parse(file, content, testkit.Time)
		if err != nil {
			checkFaults(t, file, content, err)
			return
		}
		checkAccepted(t, cfg)
		checkProviders(t, cfg)
		var values map[string]any
		document := strings.TrimPrefix(string(content), "\ufeff")
		if _, err := toml.Decode(document, &values); err != nil {
			t.Fatal(err)
		}
		checkKeyLines(t, document, values)
	})
}

func checkFaults(t *testing.T, file string, content []byte, err error) {
	t.Helper()
	invalid, ok := err.(*Invalid)
	if !ok || len(invalid.Faults) == 0 {
		t.Fatalf("error %#v", err)
	}
	lines, last := strings.Count(string(content), "\n")+1, 0
	for _, fault := range invalid.Faults {
		if fault.File != file || fault.Message == "" || strings.Contains(fault.Error(), "%!") {
			t.Errorf("fault %#v", fault)
		}
		if strings.ContainsAny(fault.Error(), "\n\r\x1b") {
			t.Errorf("fault of more than one line: %q", fault.Error())
		}
		if fault.Line < last || fault.Line > lines {
			t.Errorf("fault on line %d after one on line %d, of %d", fault.Line, last, lines)
		}
		last = fault.Line
	}
}

// nobody is a [component.Gate] that lets nobody in.
type nobody struct{}

func (nobody) Admit(*component.Request) error { return errors.New("closed") }

// checkAcceptedRelay checks [relay], and reports whether there is a [component] beside it.
func checkAcceptedRelay(t *testing.T, cfg *Config) bool {
	t.Helper()
	r := cfg.Relay
	if len(r.Services()) == 0 || r.Host == "" || r.TTL <= 0 || r.StateDir == "" || len(cfg.Components) == 0 && r.Secret.IsEmpty() {
		t.Errorf("accepted with something missing: %+v", cfg)
	}
	if _, err := relay.New(relay.Config{
		Host: r.Host, PublicIP: r.PublicIP, Listen: r.Listen, TLSListen: r.TLSListen, FirstPort: r.FirstPort, LastPort: r.LastPort,
		CertFile: r.Certificate.CertFile, KeyFile: r.Certificate.KeyFile, AllowPeers: r.AllowPeers, Secrets: relay.Fixed([]byte("s")), Limits: r.Limits, Log: slog.New(slog.DiscardHandler),
	}); err != nil {
		t.Errorf("accepted, and no relay can be made: %v", err)
	}
	return len(cfg.Components) > 0
}

func checkAccepted(t *testing.T, cfg *Config) {
	t.Helper()
	if cfg.Relay.On && !checkAcceptedRelay(t, cfg) {
		return
	}
	if len(cfg.Components) == 0 || len(cfg.Access.Allow) == 0 || len(cfg.ICEServers) == 0 && !cfg.Relay.On {
		t.Errorf("accepted with something missing: %+v", cfg)
	}
	addresses := cfg.Access.Allow
	for _, c := range cfg.Components {
		if c.Name == "" || c.JID == "" || c.Server == "" || c.Secret.IsEmpty() || len(c.Hosts) == 0 {
			t.Errorf("accepted with something missing: %+v", c)
		}
		addresses = append(addresses, c.Hosts...)
	}
	for _, s := range addresses {
		if s == "" || strings.Contains(s, "/") || s != strings.ToLower(s) {
			t.Errorf("accepted the address %q", s)
		}
	}
	for _, server := range cfg.ICEServers {
		if server.Provider != nil {
			return // a daemon would ask it over the network
		}
	}
	for _, c := range cfg.Components {
		if _, err := component.New(component.Config{JID: c.JID, Server: c.Server, Secret: []byte(c.Secret.Reveal()), Hosts: c.Hosts, Gate: nobody{}, Log: slog.New(slog.DiscardHandler)}); err != nil {
			t.Errorf("accepted, and no component can be made: %v", err)
		}
	}
	for _, s := range cfg.ICEServers {
		if len(s.Services) == 0 {
			t.Error("accepted a server without services")
		}
		for _, service := range s.Services {
			if service.Restricted && s.SharedSecret.IsEmpty() && s.Username == "" {
				t.Errorf("accepted %s without credentials", service.URI())
			}
			if again, err := xep0215.ParseURI(service.URI()); err != nil || again.Key() != service.Key() {
				t.Errorf("%s is read as %+v, %v", service.URI(), again, err)
			}
		}
		if hasAccount := s.Username != "" && !s.Password.IsEmpty(); hasAccount && !s.SharedSecret.IsEmpty() || s.Username != "" && !hasAccount {
			t.Errorf("accepted a mix of credentials: %+v", s)
		}
	}
}

// checkProviders checks what would be asked of the providers, and asks none.
func checkProviders(t *testing.T, cfg *Config) {
	t.Helper()
	seen := map[[32]byte]bool{}
	for _, s := range cfg.ICEServers {
		p := s.Provider
		if p == nil {
			continue
		}
		if presets[p.Name] == nil || p.Key == "" || p.Timeout < time.Second || p.MinRemaining < time.Second || len(s.Services) > 0 {
			t.Errorf("accepted the provider %+v", p)
		}
		if seen[p.Fingerprint] || p.Fingerprint == [32]byte{} {
			t.Errorf("accepted %s twice, or without its fingerprint", p.Key)
		}
		seen[p.Fingerprint] = true
		for api := p.API; api != nil; api = api.Then {
			if err := provider.CheckURL(string(api.URL.Reveal()), true); err != nil || api.Method == "" || api.TTL < 0 || api.TTL > 0 && api.TTL <= p.MinRemaining {
				t.Errorf("accepted a request to %q, %v, with TTL %v", api.URL.Reveal(), err, api.TTL)
			}
		}
		if p.API == nil {
			t.Errorf("accepted %s without anything to ask", p.Key)
		}
	}
}

// FuzzParseDuration checks that what an error suggests is a duration itself.
func FuzzParseDuration(f *testing.F) {
	for _, seed := range []string{"24h", "86400", "1d", "2 weeks", "30 min", "-1h", "0", "1.5s", "999999999999", "1h 30m"} {
		f.Add(seed)
	}
	suggestion := regexp.MustCompile(`"([^"]+)"`)
	f.Fuzz(func(t *testing.T, s string) {
		d, err := ParseDuration(s)
		if err == nil {
			if d < time.Second || d%time.Second != 0 {
				t.Errorf("%q is %v", s, d)
			}
			return
		}
		for _, m := range suggestion.FindAllStringSubmatch(err.Error(), -1) {
			if _, err := ParseDuration(m[1]); err != nil {
				t.Errorf("%q: suggests %s, which %v", s, m[1], err)
			}
		}
	})
}
