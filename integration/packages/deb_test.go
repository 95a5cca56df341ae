//go:build integration

package packages

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"extdisco/integration/lab"
)

const etc = "/etc/extdisco"

// TestIntegrationDebianPackage builds the package, installs it on this machine,
// runs what it installed against a real Prosody, upgrades, removes and purges it.
func TestIntegrationDebianPackage(t *testing.T) {
	lockMachine(t)
	wantNoTraces(t)
	build := t.TempDir()
	t.Setenv("DEB_BUILD_OPTIONS", "noautodbgsym") // compression takes longer than all the rest
	t.Setenv("DPKG_DEB_COMPRESSOR_TYPE", "gzip")
	run(t, "contrib/build-deb", "go", build)
	deb := onlyMatch(t, filepath.Join(build, "extdisco_*.deb"))
	if out, err := try(t, "lintian", "--allow-root", "--fail-on", "error,warning", onlyMatch(t, filepath.Join(build, "*.changes"))); err != nil {
		t.Errorf("lintian: %v\n%s", err, out)
	}
	t.Cleanup(func() { // also when the test fails on the way
		if out, err := try(t, "dpkg", "--purge", "extdisco"); err != nil {
			t.Errorf("%v: %s", err, out)
		}
		wantNoTraces(t)
	})

	dpkg(t, "--install", deb)
	u, err := user.Lookup("extdisco")
	if err != nil {
		t.Fatal(err)
	}
	wantMode(t, etc+"/config.toml", 0o640, u.Gid)
	wantMode(t, etc+"/secrets", fs.ModeDir|0o700, "0")
	checkInstalledConfig(t, "/usr/bin/extdisco", etc)
	for _, name := range []string{"/usr/share/man/man1/extdisco.1.gz", "/usr/share/man/man5/extdisco.toml.5.gz",
		"/usr/share/bash-completion/completions/extdisco", "/usr/lib/prosody/modules/mod_extdisco_bridge/mod_extdisco_bridge.lua", "/lib/systemd/system/extdisco.service"} {
		if out := run(t, "dpkg-query", "--listfiles", "extdisco"); !strings.Contains(out, name+"\n") {
			t.Errorf("the package has no %s", name)
		}
	}
	serveAsInstalled(t, u)

	changed := "# mine\n" + mustRead(t, etc+"/config.toml")
	writeFile(t, etc+"/config.toml", changed, 0o640)
	dpkg(t, "--install", "--force-confdef", repack(t, deb, "0.1.1"))
	if got := mustRead(t, etc+"/config.toml"); got != changed {
		t.Errorf("the upgrade changed the configuration to\n%.200s", got)
	}
	if got := mustRead(t, etc+"/config.toml.dpkg-dist"); !strings.HasPrefix(got, "# of the next version\n") {
		t.Errorf("the new configuration is not there: %.100s", got)
	}
	if out := run(t, "dpkg-query", "--show", "--showformat=${Version} ${Status}", "extdisco"); out != "0.1.1 install ok installed" {
		t.Errorf("after the upgrade dpkg says %s", out)
	}

	dpkg(t, "--remove", "extdisco")
	if got := mustRead(t, etc+"/config.toml"); got != changed {
		t.Error("the removal changed the configuration")
	}
	if _, err := os.Stat("/usr/bin/extdisco"); !errors.Is(err, fs.ErrNotExist) {
		t.Error("the binary is still there")
	}
	dpkg(t, "--purge", "extdisco")
}

// lockMachine keeps two runs of this test apart. It needs root.
func lockMachine(t *testing.T) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Fatal("this test installs a Debian package on this machine, and purges it again; run it as root, on Debian")
	}
	lock, err := os.OpenFile(filepath.Join(os.TempDir(), "extdisco-package-test.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { lock.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	if err := lab.Poll(ctx, func(context.Context) error {
		return syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	}); err != nil {
		t.Fatal("another run of this test does not end: ", err)
	}
}

// traces are what the package must leave nothing of.
var traces = []string{
	etc, "/usr/bin/extdisco", "/lib/systemd/system/extdisco.service", "/etc/systemd/system/multi-user.target.wants/extdisco.service",
	"/usr/share/doc/extdisco", "/usr/lib/sysusers.d/extdisco.conf", "/usr/lib/prosody/modules/mod_extdisco_bridge",
	"/var/lib/dpkg/info/extdisco.*", "/var/lib/systemd/deb-systemd-helper-*/extdisco*", "/usr/share/man/man?/extdisco*",
	"/usr/share/*/*/*extdisco*", "/usr/share/zsh/site-functions/_extdisco", "/var/lib/extdisco", "/var/log/extdisco",
}

// wantNoTraces fails the test when something of the package is here: before it,
// since it must not touch an installation that is in use.
func wantNoTraces(t *testing.T) {
	t.Helper()
	for _, pattern := range traces {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		if len(found) > 0 {
			t.Fatalf("%q is on this machine, without the package of this test", found)
		}
	}
	if _, err := user.Lookup("extdisco"); err == nil {
		t.Fatal("the user extdisco is on this machine, without the package of this test")
	}
}

// dpkg runs dpkg, again while somebody else holds its lock.
func dpkg(t *testing.T, args ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	var out string
	err := lab.Poll(ctx, func(context.Context) error {
		var err error
		if out, err = try(t, "dpkg", args...); err != nil && strings.Contains(out, "lock") {
			return err
		}
		if err != nil {
			t.Fatalf("dpkg %q: %v\n%s", args, err, out)
		}
		return nil
	})
	if err != nil {
		t.Fatalf("dpkg %q: %v\n%s", args, err, out)
	}
	t.Log(out)
}

// repack returns the package as a later version with another configuration.
func repack(t *testing.T, deb, version string) string {
	t.Helper()
	dir := t.TempDir()
	run(t, "dpkg-deb", "--raw-extract", deb, dir)
	control := mustRead(t, dir+"/DEBIAN/control")
	writeFile(t, dir+"/DEBIAN/control", replace(t, control, "\nVersion: 0.1.0\n", "\nVersion: "+version+"\n"), 0o644)
	config := mustRead(t, dir+etc+"/config.toml")
	writeFile(t, dir+etc+"/config.toml", "# of the next version\n"+config, 0o644)
	next := filepath.Join(t.TempDir(), "extdisco_"+version+".deb")
	run(t, "dpkg-deb", "--root-owner-group", "-Znone", "--build", dir, next)
	return next
}

// serveAsInstalled runs the installed binary as its user against a Prosody with
// the installed bridge module, with the secrets handed over as systemd does.
func serveAsInstalled(t *testing.T, u *user.User) {
	t.Helper()
	const handshakeSecret, sharedSecret, host, jid = "handshake-of-the-package", "shared-secret-of-the-package", "meet.example.org", "turn.meet.example.org"
	prosody, err := lab.StartProsody(t.Context(), lab.XMPPConfig{
		Dir:        t.TempDir(),
		Hosts:      []lab.Host{{Name: host, Anonymous: true}},
		Components: []lab.Component{{JID: jid, Secret: handshakeSecret, Modules: []string{"extdisco_bridge"}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer prosody.Stop()
	credentials, err := os.MkdirTemp("/run", "extdisco-test-credentials-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(credentials)
	uid, gid := number(t, u.Uid), number(t, u.Gid)
	for name, content := range map[string]string{"component.secret": handshakeSecret, "turn.secret": sharedSecret} {
		original := filepath.Join(etc, "secrets", name) // for query, which root runs
		writeFile(t, original, content+"\n", 0o600)
		defer os.Remove(original)
		file := filepath.Join(credentials, "secrets_"+name)
		writeFile(t, file, content+"\n", 0o400)
		if err := errors.Join(os.Chown(file, uid, gid), os.Chown(credentials, uid, gid)); err != nil {
			t.Fatal(err)
		}
	}
	original := mustRead(t, etc+"/config.toml")
	defer writeFile(t, etc+"/config.toml", original, 0o640)
	writeFile(t, etc+"/config.toml", replace(t, original, "[component]\n", fmt.Sprintf("[component]\nserver = %q\n", prosody.ComponentAddr)), 0o640)

	log := new(output)
	cmd := exec.CommandContext(t.Context(), "/usr/bin/extdisco", "serve", "--config", etc+"/config.toml")
	cmd.Dir, cmd.Stdout, cmd.Stderr = "/", log, log
	cmd.Env = []string{"CREDENTIALS_DIRECTORY=" + credentials}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	if err := log.waitFor(t.Context(), "connected to the XMPP server"); err != nil {
		cmd.Process.Kill()
		<-ended
		t.Fatal(err)
	}
	out, err := try(t, "/usr/bin/extdisco", "query", host, "--address", prosody.C2SAddr, "--tls", "none", "--insecure")
	if err != nil || !strings.Contains(out, "turn.example.org") {
		t.Errorf("query: %v\n%s\n%s", err, out, log)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Errorf("serve ended with %v\n%s", err, log)
	}
}

func number(t *testing.T, s string) int {
	t.Helper()
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func mustRead(t *testing.T, file string) string {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func onlyMatch(t *testing.T, pattern string) string {
	t.Helper()
	found, err := filepath.Glob(pattern)
	if err != nil || len(found) != 1 {
		t.Fatalf("%s: %q, %v", pattern, found, err)
	}
	return found[0]
}

func wantMode(t *testing.T, name string, mode fs.FileMode, gid string) {
	t.Helper()
	info, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	stat := info.Sys().(*syscall.Stat_t)
	if info.Mode() != mode || stat.Uid != 0 || strconv.Itoa(int(stat.Gid)) != gid {
		t.Errorf("%s: mode %v of user %d and group %d, want %v of 0 and %s", name, info.Mode(), stat.Uid, stat.Gid, mode, gid)
	}
}
