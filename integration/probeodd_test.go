//go:build integration

package integration

import (
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"extdisco/integration/lab"
)

// TestIntegrationProbeOddServers tries servers that are there and still of no use to
// clients, or of use to too many.
func TestIntegrationProbeOddServers(t *testing.T) {
	tests := []struct {
		name    string
		config  lab.CoturnConfig
		url     string
		failure probedFailure // zero when it works
	}{
		{"open to everybody", lab.CoturnConfig{OpenRelay: true}, "turn:127.0.0.1:%d",
			probedFailure{Step: "allocate", Kind: "open-relay", Do: "use-auth-secret"}},
		{"open to everybody over tcp", lab.CoturnConfig{OpenRelay: true}, "turn:127.0.0.1:%d?transport=tcp",
			probedFailure{Step: "allocate", Kind: "open-relay", Do: "use-auth-secret"}},
		{"sends clients elsewhere", lab.CoturnConfig{Extra: "alternate-server=127.0.0.1:9"}, "turn:127.0.0.1:%d",
			probedFailure{Step: "allocate", Kind: "redirect", Code: 300, Do: "urls"}},
		{"IPv6 to the server, IPv4 from the relay", lab.CoturnConfig{Extra: "listening-ip=::1"}, "turn:[::1]:%d", probedFailure{}},
		{"IPv6 over tcp, IPv4 from the relay", lab.CoturnConfig{Extra: "listening-ip=::1"}, "turn:[::1]:%d?transport=tcp", probedFailure{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.config.Dir = t.TempDir()
			if !tt.config.OpenRelay {
				tt.config.Secrets = []string{sharedSecret}
			}
			server, err := lab.StartCoturn(t.Context(), tt.config)
			if err != nil {
				t.Fatal(err)
			}
			keep(t, server)
			servers, status := runProbe(t, fmt.Sprintf("urls = [%q]\nsecret = %q\n", fmt.Sprintf(tt.url, server.Port), sharedSecret))
			if len(servers) != 1 || servers[0].OK != (tt.failure.Step == "") || servers[0].OK != (status == 0) {
				t.Fatalf("status %d, %+v", status, servers)
			}
			f := servers[0].failure()
			if f.Step != tt.failure.Step || f.Kind != tt.failure.Kind || f.Code != tt.failure.Code || !strings.Contains(f.Do, tt.failure.Do) {
				t.Errorf("%+v, want %+v", f, tt.failure)
			}
			made, freed := strings.Count(server.Log(), "ALLOCATE processed, success"), strings.Count(server.Log(), "REFRESH processed, success")
			if f.Kind != "redirect" && made != 1 || freed != made {
				t.Errorf("%d allocations, %d of them freed", made, freed)
			}
		})
	}
}

// TestIntegrationProbeTakesConfiguredCA trusts the authority that the checks trust.
func TestIntegrationProbeTakesConfiguredCA(t *testing.T) {
	ca, err := lab.NewCA(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	server, err := lab.StartCoturn(t.Context(), lab.CoturnConfig{Dir: t.TempDir(), Secrets: []string{sharedSecret}, CA: ca})
	if err != nil {
		t.Fatal(err)
	}
	keep(t, server)
	servers, status := runProbe(t, fmt.Sprintf("urls = [\"turns:127.0.0.1:%d\"]\nsecret = %q\n[probe]\nca_file = %q\n", server.TLSPort, sharedSecret, ca.CertFile))
	if status != 0 || len(servers) != 1 || !servers[0].OK {
		t.Errorf("status %d, %+v", status, servers)
	}
}

// TestIntegrationProbeKeepsTheLibrarySilent looks for what pion/turn would print when
// its variables are in the environment, and when a server says something odd.
func TestIntegrationProbeKeepsTheLibrarySilent(t *testing.T) {
	server, err := lab.StartCoturn(t.Context(), lab.CoturnConfig{Dir: t.TempDir(), Secrets: []string{sharedSecret}})
	if err != nil {
		t.Fatal(err)
	}
	keep(t, server)
	file := filepath.Join(t.TempDir(), "config.toml")
	write(t, file, fmt.Sprintf("[component]\njid = %q\nsecret = %q\n[[ice_server]]\nurls = [\"turn:127.0.0.1:%d\"]\nsecret = %q\n", turnJID, handshakeSecret, server.Port, sharedSecret))
	cmd := exec.CommandContext(stepContext(t), binary, "probe", "--config", file)
	cmd.Env = append(cmd.Environ(), "PION_LOG_TRACE=all", "PION_LOG_DEBUG=all")
	out, err := cmd.CombinedOutput()
	if err != nil || strings.Contains(string(out), "turnc") {
		t.Errorf("%v: %s", err, out)
	}
}

// TestIntegrationProbeMeetsAWebServer is sent to a port where something waits for a
// line that never comes.
func TestIntegrationProbeMeetsAWebServer(t *testing.T) {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	servers, status := runProbe(t, fmt.Sprintf("urls = [\"turn:%s?transport=tcp\"]\nsecret = %q\n", listener.Addr(), sharedSecret), "--timeout", "500ms")
	if status != 1 || len(servers) != 1 || servers[0].failure().Kind != "silent" || !strings.Contains(servers[0].failure().Do, "web server") {
		t.Errorf("status %d, %+v", status, servers)
	}
}
