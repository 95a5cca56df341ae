//go:build integration

package integration

import (
	"bytes"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http/httptest"
	"net/http/httputil"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"extdisco/integration/lab"
)

// jitsiRooms are what a Prosody for Jitsi Meet has besides the rooms and their metadata.
type jitsiRooms struct {
	options  string // of the rooms
	announce bool   // the metadata, on the virtual host
	focus    bool
}

// roomScene is Prosody with the rooms of Jitsi Meet, over TCP and WebSocket.
func roomScene(t *testing.T, rooms jitsiRooms) *scene {
	return newMetadataScene(t, bridgeScene{sceneConfig: sceneConfig{xmpp: func(cfg *lab.XMPPConfig) {
		cfg.HTTP = true
		if rooms.announce {
			cfg.Hosts[0].Modules = append(cfg.Hosts[0].Modules, "features_identity")
		}
		cfg.Extra = strings.Replace(cfg.Extra, "muc_room_locking = false\n", "muc_room_locking = false\n"+rooms.options, 1)
		if rooms.focus {
			cfg.Extra += fmt.Sprintf("Component %q \"client_proxy\"\n", "focus."+meetHost)
		}
	}}})
}

// onlyFocusCreates lets the focus create rooms, as the configuration of Jitsi Meet does.
const onlyFocusCreates = "\trestrict_room_creation = true\n"

// secureWebSocket is a web server with TLS in front of Prosody's WebSocket, and the file
// with its certificate.
func secureWebSocket(t *testing.T, s *scene) (url, certificate string) {
	t.Helper()
	proxy := httptest.NewTLSServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.Out.URL.Scheme, r.Out.URL.Host = "http", s.xmpp.HTTPAddr
	}})
	t.Cleanup(proxy.Close)
	certificate = filepath.Join(t.TempDir(), "web.pem")
	encoded := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: proxy.Certificate().Raw})
	if err := os.WriteFile(certificate, encoded, 0o644); err != nil {
		t.Fatal(err)
	}
	return strings.Replace(proxy.URL, "https:", "wss:", 1) + "/xmpp-websocket", certificate
}

// queryResult is what a run of query left behind.
type queryResult struct {
	stdout, stderr string
	status         int
}

func runQuery(t *testing.T, args ...string) queryResult {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(stepContext(t), binary, append([]string{"query"}, args...)...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	_ = cmd.Run() // the status says it
	return queryResult{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}

// TestIntegrationQueryRoom joins a room as Jitsi Meet does, over TCP and over a
// WebSocket, and prints the list that was pushed beside the answer.
func TestIntegrationQueryRoom(t *testing.T) {
	s := roomScene(t, jitsiRooms{options: onlyFocusCreates, announce: true, focus: true})
	dialRaw(t, s.xmpp.C2SAddr, meetHost, "").waitListed(metadataHost, 5)
	webSocket := "ws://" + s.xmpp.HTTPAddr + "/xmpp-websocket"
	tcp := []string{meetHost, "--address", s.xmpp.C2SAddr, "--tls", "none", "--insecure"}
	ws := []string{meetHost, "--websocket", webSocket, "--insecure"}
	wss, certificate := secureWebSocket(t, s)
	with := func(base []string, more ...string) []string { return append(append([]string{}, base...), more...) }
	for _, tt := range []struct {
		name string
		args []string
		room string
	}{
		{"over TCP", with(tcp, "--room", "One"), "one@" + mucHost},
		{"over a WebSocket", with(ws, "--room", "two"), "two@" + mucHost},
		{"over a WebSocket with TLS", []string{meetHost, "--websocket", wss, "--ca-file", certificate, "--room", "secure"}, "secure@" + mucHost},
		{"with an account", []string{corpHost, "--websocket", wss, "--insecure", "--jid", "alice@" + corpHost, "--password-file", s.passwordFile(alicePassword),
			"--to", meetHost, "--room", "account"}, "account@" + mucHost},
		{"rooms elsewhere", with(ws, "--room", "three", "--muc", mucHost), "three@" + mucHost},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := runQuery(t, append(tt.args, "--json")...)
			if r.status != 0 {
				t.Fatalf("status %d: %s", r.status, r.stderr)
			}
			var out struct {
				Answers []struct {
					Services []struct{ Type, Host, Username string }
				}
				Pushed struct {
					Room, From string
					Services   []struct {
						Type, Host, Transport, Username, Password string
						Port                                      int
					}
				}
			}
			if err := json.Unmarshal([]byte(r.stdout), &out); err != nil {
				t.Fatal(err)
			}
			if out.Pushed.Room != tt.room || out.Pushed.From != metadataHost || len(out.Pushed.Services) != 5 || len(out.Answers) != 2 || len(out.Answers[0].Services) != 5 {
				t.Fatalf("printed %s", r.stdout)
			}
			relay := out.Pushed.Services[1]
			if relay.Username == "" || relay.Password == "" || relay.Port == 0 {
				t.Errorf("pushed %+v", relay)
			}
		})
	}
	file := filepath.Join(t.TempDir(), "config.toml")
	if err := os.WriteFile(file, []byte(s.config("24h")), 0o600); err != nil {
		t.Fatal(err)
	}
	table := runQuery(t, with(ws, "--room", "four", "--config", file)...)
	for _, want := range []string{metadataHost + " pushed 5 services on joining four@" + mucHost, "answered urn:xmpp:extdisco:2 with 5 services"} {
		if table.status != 0 || !strings.Contains(table.stdout, want) {
			t.Errorf("no %q in %+v", want, table)
		}
	}
	if strings.Contains(table.stdout, "! ") {
		t.Errorf("finds fault with our own lists:\n%s", table.stdout)
	}
	if tried := runQuery(t, with(tcp, "--room", "five", "--probe")...); tried.status != 0 && !strings.Contains(tried.stdout, "turn:") {
		t.Errorf("--probe: %+v", tried)
	}
}

// TestIntegrationQueryRoomRefused names what keeps a list from being pushed, and the flag
// that helps.
func TestIntegrationQueryRoomRefused(t *testing.T) {
	s := roomScene(t, jitsiRooms{options: onlyFocusCreates})
	dialRaw(t, s.xmpp.C2SAddr, meetHost, "").waitListed(metadataHost, 5)
	webSocket := "ws://" + s.xmpp.HTTPAddr + "/xmpp-websocket"
	wss, certificate := secureWebSocket(t, s)
	tcp := []string{"--address", s.xmpp.C2SAddr, "--tls", "none", "--insecure"}
	for _, tt := range []struct {
		name string
		args []string
		want string
	}{
		{"no rooms there", append(tcp, meetHost, "--room", "a", "--muc", metadataHost), "name their address with --muc"},
		{"no rooms at the domain", append(tcp, guestHost, "--room", "a"), "name their address with --muc"},
		{"no focus to create the room", append(tcp, meetHost, "--room", "a"), "the room does not exist; open it in a browser first, or start Jicofo"},
		{"certificate of an unknown CA", []string{meetHost, "--websocket", wss}, "name it with --ca-file"},
		{"certificate of an unknown CA, and the way around", []string{meetHost, "--websocket", wss}, "--insecure"},
		{"certificate for another name", []string{meetHost, "--websocket", strings.Replace(wss, "127.0.0.1", "localhost", 1), "--ca-file", certificate}, "is for another name"},
		{"no WebSocket there", []string{meetHost, "--websocket", strings.Replace(webSocket, "xmpp-", "no-", 1) + "?token=hidden", "--insecure"}, "is no WebSocket for XMPP: it answered 404"},
		{"nothing there", []string{meetHost, "--websocket", "ws://127.0.0.1:1/xmpp-websocket?token=hidden", "--insecure"}, "check --websocket"},
		{"another host over a WebSocket", []string{"nowhere.example.org", "--websocket", webSocket, "--insecure"}, "nowhere.example.org"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := runQuery(t, tt.args...)
			if r.status != 1 || !strings.Contains(r.stderr, tt.want) || strings.Contains(r.stderr, "hidden") {
				t.Errorf("%+v, want %q", r, tt.want)
			}
		})
	}
}

// TestIntegrationQueryRoomUnannounced tells of a list that Jitsi Meet would ignore.
func TestIntegrationQueryRoomUnannounced(t *testing.T) {
	s := roomScene(t, jitsiRooms{})
	dialRaw(t, s.xmpp.C2SAddr, meetHost, "").waitListed(metadataHost, 5)
	r := runQuery(t, meetHost, "--address", s.xmpp.C2SAddr, "--tls", "none", "--insecure", "--room", "a")
	if want := "does not announce it (disco identity room_metadata)"; r.status != 1 || !strings.Contains(r.stderr, want) ||
		!strings.Contains(r.stdout, want) || !strings.Contains(r.stdout, metadataHost+" pushed 5 services") {
		t.Errorf("%+v", r)
	}
}
