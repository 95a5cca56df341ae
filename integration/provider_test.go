//go:build integration

package integration

import (
	"bytes"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"extdisco/integration/lab"
	"extdisco/integration/vendors"
)

// newVendor starts a vendor whose credentials the scene's TURN server takes.
func newVendor(t *testing.T, s *scene) *vendors.Server {
	t.Helper()
	v, err := vendors.New(vendors.Config{Dir: t.TempDir(), Secret: sharedSecret, URLs: []string{
		fmt.Sprintf("stun:127.0.0.1:%d", s.turn.Port),
		fmt.Sprintf("turn:127.0.0.1:%d?transport=udp", s.turn.Port),
		fmt.Sprintf("turn:127.0.0.1:%d?transport=tcp", s.turn.Port),
		fmt.Sprintf("turns:127.0.0.1:%d?transport=tcp", s.turn.TLSPort),
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.Close)
	return v
}

// providerConfig is a config.toml with these lines as its only [[ice_server]],
// and a public STUN server.
func (s *scene) providerConfig(lines string) string {
	base, _, _ := strings.Cut(s.config("24h"), "[[ice_server]]")
	return base + "[[ice_server]]\n" + lines + "\n[[ice_server]]\nurls = [\"stun:stun.example.net\"]\n[log]\nlevel = \"debug\"\n"
}

// TestIntegrationProviders has clients of a real Prosody get what each kind of
// provider gives, and use it on a real TURN server.
func TestIntegrationProviders(t *testing.T) {
	s := newScene(t, "prosody", sceneConfig{noExtdisco: true})
	v := newVendor(t, s)
	secure := fmt.Sprintf("ca_file = %q\n", v.CAFile())
	tests := []struct {
		name, lines string
		life        time.Duration
	}{
		{"cloudflare over HTTPS", "provider = \"cloudflare\"\nurl = \"" + v.SecureURL() + "/v1\"\nkey_id = \"" + vendors.CloudflareKeyID + "\"\napi_token = \"" + vendors.CloudflareToken + "\"\nttl = \"2h\"\n" + secure, 2 * time.Hour},
		{"cloudflare for each user", "provider = \"cloudflare\"\nper_user = true\ncustom_identifier = \"pseudonym\"\nurl = \"" + v.SecureURL() + "/v1\"\nkey_id = \"" + vendors.CloudflareKeyID + "\"\napi_token = \"" + vendors.CloudflareToken + "\"\n" + secure, 24 * time.Hour},
		{"twilio", "provider = \"twilio\"\nurl = \"" + v.URL() + "\"\naccount_sid = \"" + vendors.TwilioAccountSID + "\"\nauth_token = \"" + vendors.TwilioAuthToken + "\"\nttl = \"1h\"\n", time.Hour},
		{"metered", "provider = \"metered\"\nurl = \"" + v.URL() + "\"\nsecret_key = \"" + vendors.MeteredSecretKey + "\"\nttl = \"3h\"\n", 3 * time.Hour},
		{"xirsys", "provider = \"xirsys\"\nurl = \"" + v.URL() + "\"\nchannel = \"" + vendors.XirsysChannel + "\"\nident = \"" + vendors.XirsysIdent + "\"\nsecret = \"" + vendors.XirsysSecret + "\"\nttl = \"1h\"\n", time.Hour},
		{"turn-rest", "provider = \"turn-rest\"\nurl = \"" + v.URL() + vendors.RESTPath + "\"\nkey = \"" + vendors.RESTKey + "\"\n", 24 * time.Hour},
		{"http with a bearer token", "provider = \"http\"\nurl = \"" + v.URL() + vendors.ExpiresPath + "\"\nbearer_token = \"" + vendors.BearerToken + "\"\n", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := startExtdisco(t, lab.ExtdiscoConfig{Config: s.providerConfig(tt.lines)})
			out, err := s.query(meetHost)
			if err != nil {
				t.Fatal(err)
			}
			turns := 0
			for _, a := range out.Answers {
				for _, v := range a.Services {
					if v.Username == "" {
						continue
					}
					turns++
					if left := time.Until(v.Expires); tt.life > 0 && (left > tt.life || left < tt.life-time.Minute) {
						t.Errorf("expires in %v, want %v", left, tt.life)
					}
					if err := s.allocate(v); err != nil {
						t.Errorf("%s over %s: %v", v.Type, v.Transport, err)
					}
				}
			}
			if turns != 6 {
				t.Errorf("%d TURN services in two answers, want 6: %+v", turns, out)
			}
			if err := e.Stop(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestIntegrationProviderRefuses has the vendor refuse us: clients keep the rest,
// the log says what to change, and a reload tries again.
func TestIntegrationProviderRefuses(t *testing.T) {
	s := newScene(t, "prosody", sceneConfig{noExtdisco: true})
	v := newVendor(t, s)
	lines := "provider = \"cloudflare\"\nurl = \"" + v.URL() + "/v1\"\nkey_id = \"" + vendors.CloudflareKeyID + "\"\napi_token = \"" + vendors.CloudflareToken + "\"\n"
	v.Fail(vendors.Forbidden)
	s.extdisco = startExtdisco(t, lab.ExtdiscoConfig{Config: s.providerConfig(lines)})
	if err := s.extdisco.WaitForLog(stepContext(t), "the API token is wrong or lacks permission", 1); err != nil {
		t.Fatal(err)
	}
	out, err := s.query(meetHost)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(out.Answers[0].Services); n != 1 {
		t.Errorf("%d services, want the STUN server only", n)
	}

	v.Restore()
	s.reconfigure(s.providerConfig(lines))
	if err := s.extdisco.WaitForLog(stepContext(t), "the provider gave credentials", 1); err != nil {
		t.Fatal(err)
	}
	if out, err = s.query(meetHost); err != nil || len(out.Answers[0].Services) != 5 {
		t.Errorf("after the reload: %v, %+v", err, out)
	}
	if strings.Contains(s.extdisco.Log(), vendors.CloudflareToken) {
		t.Error("the API token is in the log")
	}
}

// TestIntegrationCheckFetch shows what clients would get, or why they would not.
func TestIntegrationCheckFetch(t *testing.T) {
	s := newScene(t, "prosody", sceneConfig{noExtdisco: true})
	v := newVendor(t, s)
	check := func(lines string) (string, string, int) {
		file := filepath.Join(t.TempDir(), "config.toml")
		write(t, file, s.providerConfig(lines))
		var stdout, stderr bytes.Buffer
		cmd := exec.CommandContext(stepContext(t), binary, "check", "--fetch", "--config", file)
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		_ = cmd.Run() // the status tells
		return stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()
	}
	lines := "provider = \"cloudflare\"\nurl = \"" + v.URL() + "/v1\"\nkey_id = \"" + vendors.CloudflareKeyID + "\"\napi_token = \"%s\"\n"
	stdout, stderr, status := check(fmt.Sprintf(lines, vendors.CloudflareToken))
	if status != 0 || !strings.Contains(stdout, "cloudflare gives") || !strings.Contains(stdout, "turns") {
		t.Errorf("status %d, %s%s", status, stdout, stderr)
	}
	_, stderr, status = check(fmt.Sprintf(lines, "wrong-token-of-the-tests"))
	if status != 1 || !strings.Contains(stderr, "the API token is wrong") || strings.Contains(stderr, "wrong-token-of-the-tests") {
		t.Errorf("status %d, %s", status, stderr)
	}
}

// TestIntegrationProviderRevokes takes the credential back at the exit, and not
// at a reload that changes the provider: that would cut calls.
func TestIntegrationProviderRevokes(t *testing.T) {
	s := newScene(t, "prosody", sceneConfig{noExtdisco: true})
	v := newVendor(t, s)
	lines := "provider = \"cloudflare\"\nrevoke_on_exit = true\nurl = \"" + v.URL() + "/v1\"\nkey_id = \"" + vendors.CloudflareKeyID + "\"\napi_token = \"" + vendors.CloudflareToken + "\"\n"
	s.extdisco = startExtdisco(t, lab.ExtdiscoConfig{Config: s.providerConfig(lines)})
	if err := s.extdisco.WaitForLog(stepContext(t), "the provider gave credentials", 1); err != nil {
		t.Fatal(err)
	}
	s.reconfigure(s.providerConfig(lines + "ttl = \"12h\"\n"))
	if err := s.extdisco.WaitForLog(stepContext(t), "the provider gave credentials", 2); err != nil {
		t.Fatal(err)
	}
	if revoked := v.Revoked(); len(revoked) != 0 {
		t.Errorf("revoked %v at a reload", revoked)
	}
	if err := s.extdisco.Stop(); err != nil {
		t.Fatal(err)
	}
	if revoked := v.Revoked(); len(revoked) != 1 {
		t.Errorf("revoked %v at the exit, want one", revoked)
	}
}
