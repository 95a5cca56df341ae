//go:build integration

package packages

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// installed returns the files below a folder, relative to it.
func installed(t *testing.T, dir string) (files []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			files = append(files, strings.TrimPrefix(path, dir))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestIntegrationMakeInstall(t *testing.T) {
	dir := t.TempDir()
	make := func(target string) {
		t.Helper()
		run(t, "make", target, "DESTDIR="+dir, "PREFIX=/opt/extdisco", "SYSCONFDIR=/opt/etc", "VERSION=9.8.7")
	}
	make("install")
	at := func(name string) string { return filepath.Join(dir, name) }
	for _, name := range []string{
		"/opt/extdisco/bin/extdisco", "/opt/extdisco/share/man/man1/extdisco.1", "/opt/extdisco/share/man/man5/extdisco.toml.5",
		"/opt/extdisco/lib/systemd/system/extdisco.service", "/opt/extdisco/lib/sysusers.d/extdisco.conf",
		"/opt/extdisco/share/bash-completion/completions/extdisco", "/opt/extdisco/share/zsh/site-functions/_extdisco",
		"/opt/extdisco/share/fish/vendor_completions.d/extdisco.fish", "/opt/extdisco/lib/prosody/modules/mod_extdisco_bridge/mod_extdisco_bridge.lua",
		"/opt/extdisco/share/doc/extdisco/README.md", "/opt/extdisco/share/doc/extdisco/docs/README.md", "/opt/extdisco/share/doc/extdisco/examples/turnserver.conf.example",
		"/opt/etc/extdisco/config.toml",
	} {
		if info, err := os.Stat(at(name)); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
	if info, err := os.Stat(at("/opt/etc/extdisco/secrets")); err != nil || info.Mode() != fs.ModeDir|0o700 {
		t.Errorf("the folder of secrets: %v, %v", info, err)
	}
	if info, err := os.Stat(at("/opt/etc/extdisco/config.toml")); err != nil || info.Mode() != 0o640 {
		t.Errorf("others than its owner and group can read the configuration: %v, %v", info.Mode(), err)
	}
	unit, err := os.ReadFile(at("/opt/extdisco/lib/systemd/system/extdisco.service"))
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"\nExecStart=/opt/extdisco/bin/extdisco serve --config /opt/etc/extdisco/config.toml\n", "\nLoadCredential=secrets:/opt/etc/extdisco/secrets\n"} {
		if !strings.Contains(string(unit), line) {
			t.Errorf("no line %q in\n%s", line, unit)
		}
	}
	if out := run(t, at("/opt/extdisco/bin/extdisco"), "version"); !strings.HasPrefix(out, "extdisco 9.8.7 ") {
		t.Errorf("the version is %q", out)
	}
	// Where the configuration is looked for follows SYSCONFDIR.
	cmd, _ := try(t, "env", "-C", dir, at("/opt/extdisco/bin/extdisco"), "check")
	if !strings.Contains(cmd, "neither config.toml nor /opt/etc/extdisco/config.toml") {
		t.Errorf("check says %q", cmd)
	}
	checkInstalledConfig(t, at("/opt/extdisco/bin/extdisco"), at("/opt/etc/extdisco"))

	const mine = "# mine\n"
	writeFile(t, at("/opt/etc/extdisco/config.toml"), mine, 0o600)
	make("install")
	if now, err := os.ReadFile(at("/opt/etc/extdisco/config.toml")); err != nil || string(now) != mine {
		t.Errorf("make install changed the configuration to %.100q, %v", now, err)
	}
	make("uninstall")
	left := installed(t, dir)
	want := "/opt/etc/extdisco/config.toml /opt/etc/extdisco/secrets/component.secret /opt/etc/extdisco/secrets/turn.secret"
	if got := strings.Join(left, " "); got != want {
		t.Errorf("make uninstall leaves %s, want the configuration alone: %s", got, want)
	}
}

// checkInstalledConfig lets the binary check the configuration as it is
// installed, once the secrets are where it names them.
func checkInstalledConfig(t *testing.T, extdisco, dir string) {
	t.Helper()
	for _, name := range []string{"component.secret", "turn.secret"} {
		writeFile(t, filepath.Join(dir, "secrets", name), "secret-of-the-test-0123456789\n", 0o600)
	}
	out := run(t, extdisco, "check", "--config", filepath.Join(dir, "config.toml"))
	if !strings.Contains(out, "config.toml is valid.") || strings.Contains(out, "warning") {
		t.Errorf("check says %s", out)
	}
}
