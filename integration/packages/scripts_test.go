//go:build integration

package packages

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestIntegrationVulncheck gives contrib/vulncheck a go command that ends as
// govulncheck does.
func TestIntegrationVulncheck(t *testing.T) {
	const offline = `echo 'govulncheck: fetching vulnerabilities: no such host' >&2; exit 1`
	for _, tt := range []struct {
		name, govulncheck, reason string
		passes                    bool
		says                      string
	}{
		{"nothing found", "echo 'No vulnerabilities found.'", "", true, "No vulnerabilities found."},
		{"found", "echo 'Vulnerability #1: GO-2026-5026'; exit 3", "", false, "GO-2026-5026"},
		{"found where no database is expected", "echo 'Vulnerability #1: GO-2026-5026'; exit 3", "offline", false, "GO-2026-5026"},
		{"no database", offline, "", false, "nothing has been checked"},
		{"no database, with a reason", offline, "the build machine is offline", true, "NOT CHECKED: the build machine is offline"},
		{"does not build", "echo 'dial tcp: connection refused' >&2; exit 1", "offline", false, "connection refused"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			fake := filepath.Join(t.TempDir(), "go")
			writeFile(t, fake, "#!/bin/sh\n"+tt.govulncheck+"\n", 0o755)
			t.Setenv("VULNCHECK_UNAVAILABLE", tt.reason)
			out, err := try(t, "contrib/vulncheck", fake, "govulncheck@v0.0.0")
			if (err == nil) != tt.passes || !strings.Contains(out, tt.says) {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
}

// TestIntegrationNamesMissingPackages runs contrib/install-needed where nothing is
// installed, and does not let it install anything.
func TestIntegrationNamesMissingPackages(t *testing.T) {
	bin := t.TempDir()
	for _, name := range []string{"sort", "tr", "apt-get", "sh"} {
		path, err := exec.LookPath(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(path, filepath.Join(bin, name)); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("INSTALL_PACKAGES", "no")
	t.Setenv("PATH", bin)
	for target, packages := range map[string][]string{"demo": {"prosody", "coturn"}, "deb": {"debhelper", "dpkg-dev"}, "test": {"chromium", "lintian", "debhelper", "prosody"}} {
		out, err := try(t, "sh", "contrib/install-needed", target)
		if err == nil || !strings.Contains(out, "make "+target+" needs these Debian packages") {
			t.Errorf("%s: %v: %s", target, err, out)
		}
		for _, p := range packages {
			if !strings.Contains(out, " "+p+" ") {
				t.Errorf("make %s does not name %s: %s", target, p, out)
			}
		}
	}
}
