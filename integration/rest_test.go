//go:build integration

package integration

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"extdisco/integration/lab"
)

const restKey = "key-of-janus-of-the-lab"

// TestIntegrationREST gives coturn what a service that is no XMPP client gets,
// and finds out whose the pseudonym in coturn's log is.
func TestIntegrationREST(t *testing.T) {
	s := newScene(t, "prosody", sceneConfig{config: func(s *scene) string {
		return strings.Replace(s.config("1h"), "[log]\n", fmt.Sprintf("[http]\nlisten = \"127.0.0.1:0\"\n[[rest_client]]\nname = \"janus\"\nkey = %q\n[log]\naudit = true\n", restKey), 1)
	}})
	site := siteOf(t, s.extdisco)
	var turn struct {
		Username, Password string
		TTL                int
		URIs               []string
	}
	// Janus asks in this way by default.
	form := url.Values{"service": {"turn"}, "username": {"room-7"}, "api": {restKey}, "key": {restKey}}
	getJSON(t, http.MethodPost, site+"turn?"+form.Encode(), form.Encode(), &turn)
	if len(turn.URIs) != 3 || turn.TTL < 3590 || turn.TTL > 3600 {
		t.Errorf("%+v", turn)
	}
	allocateWith(t, s, turn.Username, turn.Password)

	var ice struct {
		ICEServers []struct {
			URLs                 []string
			Username, Credential string
		}
	}
	getJSON(t, http.MethodGet, site+"ice?service=turn&key="+restKey, "", &ice)
	if len(ice.ICEServers) < 2 {
		t.Fatalf("%+v", ice)
	}
	for _, server := range ice.ICEServers {
		if server.Username != "" {
			allocateWith(t, s, server.Username, server.Credential)
		}
	}

	readByProviders(t, site, "turns:127.0.0.1:"+strconv.Itoa(s.turn.TLSPort))

	m := regexp.MustCompile(`user <(\d+:[0-9a-f]{16})>`).FindStringSubmatch(s.turn.Log())
	if m == nil {
		t.Fatal("coturn's log names no user")
	}
	out, err := exec.CommandContext(stepContext(t), binary, "whois", m[1], "--jid", "janus/room-7", "--config", s.extdisco.ConfigFile).Output()
	if err != nil || string(out) != "janus/room-7\n" {
		t.Errorf("whois says %q, %v", out, err)
	}
	_, pseudonym, _ := strings.Cut(m[1], ":")
	if log := s.extdisco.Log(); !strings.Contains(log, "pseudonym="+pseudonym+" route=http") || strings.Contains(log, restKey) || strings.Contains(log, "room-7") {
		t.Error("the audit does not name the pseudonym, or the log tells too much")
	}
}

// readByProviders has extdisco's own providers read both forms.
func readByProviders(t *testing.T, site, url string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "config.toml")
	write(t, file, fmt.Sprintf(`[component]
jid = "turn.example.org"
secret = %q
[[ice_server]]
provider = "turn-rest"
url = "%sturn"
key = %q
[[ice_server]]
provider = "http"
url = "%sice?service=turn"
bearer_token = %q
`, handshakeSecret, site, restKey, site, restKey))
	out, err := exec.CommandContext(stepContext(t), binary, "check", "--fetch", "--config", file).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if found := regexp.MustCompile(`turns +127\.0\.0\.1 +\d+ +tcp +\d+:[0-9a-f]{16} `).FindAll(out, -1); len(found) != 2 {
		t.Errorf("%s is read by %d providers of 2:\n%s", url, len(found), out)
	}
}

func getJSON(t *testing.T, method, address, body string, out any) {
	t.Helper()
	r, err := http.NewRequestWithContext(stepContext(t), method, address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s %v", response.Status, content, err)
	}
	if err := json.Unmarshal(content, out); err != nil {
		t.Fatalf("%v: %s", err, content)
	}
}

// allocateWith makes sure that the scene's TURN server accepts a credential.
func allocateWith(t *testing.T, s *scene, username, password string) {
	t.Helper()
	a := lab.Allocation{Type: "turn", Host: "127.0.0.1", Port: s.turn.Port, Username: username, Password: password}
	if _, _, err := a.Do(stepContext(t)); err != nil {
		t.Error(err)
	}
}
