package main

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/BurntSushi/toml"

	vendorapi "extdisco/turncred/provider"
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
	f.Add([]byte(readFile(f, "config.toml.example")))
	for name := range presets {
		f.Add([]byte(minimalConfig + "[[ice_server]]\nprovider = \"" + name + "\"\nurl = \"https://turn.example.org\"\nper_user = true\n"))
	}
	f.Add([]byte("\ufeff[component]\r\n"))
	f.Add([]byte("j\x00i\x00d\x00"))
	dir := writeFiles(f, "provider.secret", "secret", "ca.pem", readFile(f, "testdata/config/secrets/ca.pem"))
	file := filepath.Join(dir, "config.toml")
	f.Fuzz(func(t *testing.T, content []byte) {
		cfg, err := parseConfig(file, content, testTime)
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
	faults := []error{err}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		faults = joined.Unwrap()
	}
	lines, last := strings.Count(string(content), "\n")+1, 0
	for _, err := range faults {
		fault, ok := err.(configFault)
		if !ok || fault.file != file || fault.message == "" || strings.Contains(fault.Error(), "%!") {
			t.Errorf("fault %#v", err)
		}
		if strings.ContainsAny(fault.Error(), "\n\r\x1b") {
			t.Errorf("fault of more than one line: %q", fault.Error())
		}
		if fault.line < last || fault.line > lines {
			t.Errorf("fault on line %d after one on line %d, of %d", fault.line, last, lines)
		}
		last = fault.line
	}
}

func checkAccepted(t *testing.T, cfg *config) {
	t.Helper()
	c := cfg.component
	if c.jid == "" || c.server == "" || c.secret.IsEmpty() || len(c.hosts) == 0 || len(cfg.allow) == 0 || len(cfg.iceServers) == 0 {
		t.Errorf("accepted with something missing: %+v", cfg)
	}
	for _, s := range append(c.hosts, cfg.allow...) {
		if s == "" || strings.Contains(s, "/") || s != strings.ToLower(s) {
			t.Errorf("accepted the address %q", s)
		}
	}
	for _, server := range cfg.iceServers {
		if server.provider != nil {
			return // a daemon would ask it over the network
		}
	}
	d := newDaemon(cfg, newTestLog(newLogBuffer()), testTime)
	if _, err := d.component(c); err != nil {
		t.Errorf("accepted, and no component can be made: %v", err)
	}
	for _, s := range cfg.iceServers {
		if len(s.services) == 0 {
			t.Error("accepted a server without services")
		}
		for _, service := range s.services {
			if service.Restricted && newIssuer(s) == nil {
				t.Errorf("accepted %s without credentials", service.URI())
			}
			if again, err := xep0215.ParseURI(service.URI()); err != nil || again.Key() != service.Key() {
				t.Errorf("%s is read as %+v, %v", service.URI(), again, err)
			}
		}
		if hasAccount := s.username != "" && !s.password.IsEmpty(); hasAccount && !s.sharedSecret.IsEmpty() || s.username != "" && !hasAccount {
			t.Errorf("accepted a mix of credentials: %+v", s)
		}
	}
}

// checkProviders checks what would be asked of the providers, and asks none.
func checkProviders(t *testing.T, cfg *config) {
	t.Helper()
	seen := map[[32]byte]bool{}
	for _, s := range cfg.iceServers {
		p := s.provider
		if p == nil {
			continue
		}
		if presets[p.name] == nil || p.key == "" || p.timeout < time.Second || p.minRemaining < time.Second || len(s.services) > 0 {
			t.Errorf("accepted the provider %+v", p)
		}
		if seen[p.fingerprint] || p.fingerprint == [32]byte{} {
			t.Errorf("accepted %s twice, or without its fingerprint", p.key)
		}
		seen[p.fingerprint] = true
		for api := p.api; api != nil; api = api.Then {
			if err := vendorapi.CheckURL(string(api.URL.Reveal()), true); err != nil || api.Method == "" || api.TTL < 0 || api.TTL > 0 && api.TTL <= p.minRemaining {
				t.Errorf("accepted a request to %q, %v, with TTL %v", api.URL.Reveal(), err, api.TTL)
			}
		}
		if p.api == nil {
			t.Errorf("accepted %s without anything to ask", p.key)
		}
	}
}
