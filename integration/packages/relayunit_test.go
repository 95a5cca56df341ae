//go:build integration

package packages

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestIntegrationRelayUnit holds that the relay's unit is right, and as closed as that of the
// service.
func TestIntegrationRelayUnit(t *testing.T) {
	unit := replace(t, readFile(t, "contrib/extdisco-relay.service"), "ExecStart=/usr/local/bin/extdisco", "ExecStart="+command)
	unit = regexp.MustCompile(`(?m)^Documentation=.*$`).ReplaceAllString(unit, "Documentation=file:/usr/share/doc/extdisco")
	file := filepath.Join(t.TempDir(), "extdisco-relay.service")
	writeFile(t, file, unit, 0o644)
	if out, err := try(t, "systemd-analyze", "verify", "--man=no", file); err != nil || strings.TrimSpace(out) != "" {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
	if relay, service := exposure(t, unit), exposure(t, readFile(t, "contrib/extdisco.service")); relay != service {
		t.Errorf("the relay's score is %s, the service's %s", relay, service)
	}
}

// TestIntegrationRelayDropIn adds to the service's unit what the relay needs in it.
func TestIntegrationRelayDropIn(t *testing.T) {
	service, dropIn := readFile(t, "contrib/extdisco.service"), readFile(t, "contrib/extdisco.service.d/relay.conf")
	_, settings, found := strings.Cut(dropIn, "[Service]\n")
	if !found {
		t.Fatal("there is no [Service] in the drop-in")
	}
	if with, without := exposure(t, replace(t, service, "[Install]", settings+"\n[Install]")), exposure(t, service); with != without {
		t.Errorf("the score is %s with the relay, %s without", with, without)
	}
}
