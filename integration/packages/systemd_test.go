//go:build integration

package packages

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"extdisco/component"
)

func TestIntegrationUnitIsRight(t *testing.T) {
	unit := replace(t, readFile(t, "contrib/extdisco.service"), "/usr/local/bin/extdisco", command)
	unit = regexp.MustCompile(`(?m)^Documentation=.*$`).ReplaceAllString(unit, "Documentation=file:/usr/share/doc/extdisco")
	verify := func(unit string) (string, error) {
		file := filepath.Join(t.TempDir(), "extdisco.service")
		writeFile(t, file, unit, 0o644)
		return try(t, "systemd-analyze", "verify", "--man=no", file)
	}
	if out, err := verify(unit); err != nil || strings.TrimSpace(out) != "" {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
	if out, _ := verify(replace(t, unit, "WatchdogSec=", "WatchdogSecs=")); !strings.Contains(out, "WatchdogSecs") {
		t.Errorf("systemd-analyze verify does not see a wrong key: %s", out)
	}
}

var score = regexp.MustCompile(`Overall exposure level for extdisco.service: ([0-9.]+)`)

// exposure asks systemd how exposed a service is, from 0 to 10.
func exposure(t *testing.T, unit string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "extdisco.service")
	writeFile(t, file, unit, 0o644)
	out := run(t, "systemd-analyze", "security", "--offline=true", "--no-pager", file)
	m := score.FindStringSubmatch(out)
	if m == nil {
		t.Fatalf("no score in\n%s", out)
	}
	return m[1]
}

// TestIntegrationUnitScore checks the two scores that the unit states.
func TestIntegrationUnitScore(t *testing.T) {
	unit := readFile(t, "contrib/extdisco.service")
	if got := exposure(t, unit); !strings.Contains(unit, "contrib/extdisco.service: "+got+".\n") {
		t.Errorf("the score is %s; the unit states another", got)
	}
	if got := exposure(t, replace(t, unit, "\n#IPAddress", "\nIPAddress")); !strings.Contains(unit, " improves the score to "+got+":\n") {
		t.Errorf("with IPAddressDeny= the score is %s; the unit states another", got)
	}
}

// TestIntegrationWatchdogWaitsLongEnough holds that a link which is well always
// gives a sign of life in time.
func TestIntegrationWatchdogWaitsLongEnough(t *testing.T) {
	m := regexp.MustCompile(`(?m)^WatchdogSec=(\d+)$`).FindStringSubmatch(readFile(t, "contrib/extdisco.service"))
	if m == nil {
		t.Fatal("the unit has no watchdog")
	}
	watchdog, err := time.ParseDuration(m[1] + "s")
	if err != nil || watchdog < component.LongestTurn {
		t.Errorf("the watchdog waits %v, and a turn may take %v", watchdog, component.LongestTurn)
	}
}

func TestIntegrationSysusers(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "extdisco.conf")
	writeFile(t, file, readFile(t, "contrib/extdisco.sysusers"), 0o644)
	if err := os.Mkdir(filepath.Join(dir, "etc"), 0o755); err != nil {
		t.Fatal(err)
	}
	run(t, "systemd-sysusers", "--root="+dir, file)
	passwd, err := os.ReadFile(filepath.Join(dir, "etc/passwd"))
	if err != nil || !regexp.MustCompile(`(?m)^extdisco:x:\d+:\d+:[^:]*:/:/usr/sbin/nologin$`).Match(passwd) {
		t.Errorf("the user is %q, %v", passwd, err)
	}
}
