package main

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"extdisco/integration/lab"
)

// mostResident is how much memory extdisco may hold after an attack, in bytes.
const mostResident = 64 << 20

// target is the extdisco that is attacked, with the secrets that must stay in it.
type target struct {
	extdisco                      *lab.Extdisco
	pid                           int
	http                          string // address of its own pages
	handshakeSecret, sharedSecret string
}

// start starts extdisco with everything switched on that shows something.
func (x *target) start(ctx context.Context, dir, binary, server string, unconnected bool) error {
	dir, err := os.MkdirTemp(dir, "target-")
	if err != nil {
		return err
	}
	port, err := lab.FreePort()
	if err != nil {
		return err
	}
	x.http = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	x.extdisco, err = lab.StartExtdisco(ctx, lab.ExtdiscoConfig{Binary: binary, Dir: dir, Unconnected: unconnected, Config: fmt.Sprintf(`
[component]
jid = %q
server = %q
secret = %q
[[ice_server]]
urls = ["stun:turn.example.org", "turn:turn.example.org", "turns:turn.example.org"]
secret = %q
[limits]
per_jid = "%d/m"
[http]
listen = %q
[log]
level = "debug"
`, component, server, x.handshakeSecret, x.sharedSecret, perJID, x.http)})
	if err == nil {
		x.pid = x.extdisco.PID()
	}
	return err
}

func (x *target) stop() { _ = x.extdisco.Stop() }

// inspect looks for secrets in all that extdisco shows, and at its memory.
func (x *target) inspect(ctx context.Context, t *tally) {
	if x.extdisco.PID() != x.pid || x.pid == 0 {
		t.violation("the process has ended:\n%s", lastLines(x.extdisco.Log()))
		return
	}
	outputs := map[string]string{"the log": x.extdisco.Log()}
	for _, path := range []string{"/", "/metrics", "/readyz", "/healthz"} {
		text, err := get(ctx, "http://"+x.http+path)
		if err != nil {
			t.violation("%s: %v", path, err)
		}
		outputs[path] = text
	}
	for _, name := range []string{"cmdline", "environ", "comm"} {
		text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(x.pid), name))
		if err != nil {
			t.violation("%v", err)
		}
		outputs[name] = string(text)
	}
	t.add("passwords that were minted", len(t.passwords))
	for name, text := range outputs {
		t.add("bytes of output searched for secrets", len(text))
		t.search(name, text, x.handshakeSecret, x.sharedSecret)
	}
	t.memory(outputs["/metrics"])
}

// anyPassword finds what could be a minted password: base64 of an HMAC-SHA1.
var anyPassword = regexp.MustCompile(`[A-Za-z0-9+/]{27}=`)

// search looks for secrets in several spellings, and for any password that was minted.
func (t *tally) search(name, text string, secrets ...string) {
	for _, secret := range secrets {
		raw := []byte(secret)
		for _, spelling := range []string{secret, strings.ToLower(secret), url.QueryEscape(secret), hex.EncodeToString(raw), strings.ToUpper(hex.EncodeToString(raw)),
			strings.TrimRight(base64.StdEncoding.EncodeToString(raw), "="), strings.TrimRight(base64.URLEncoding.EncodeToString(raw), "=")} {
			if strings.Contains(text, spelling) {
				t.violation("%s has a secret in it", name)
			}
		}
	}
	for _, found := range anyPassword.FindAllString(text, -1) {
		if t.passwords[found] {
			t.violation("%s has a password in it", name)
		}
	}
}

var resident = regexp.MustCompile(`(?m)^process_resident_memory_bytes (\S+)$`)

func (t *tally) memory(metrics string) {
	m := resident.FindStringSubmatch(metrics)
	if m == nil {
		t.violation("the metrics do not say how much memory is resident")
		return
	}
	bytes, err := strconv.ParseFloat(m[1], 64)
	if err != nil || bytes > mostResident {
		t.violation("%s bytes are resident, of %d at most", m[1], mostResident)
	}
	t.add("KiB resident at the end", int(bytes)>>10)
}

func get(ctx context.Context, address string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return "", err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %.100s", response.Status, body)
	}
	return string(body), err
}

func lastLines(log string) string { return log[max(0, len(log)-2000):] }

// untilConnected waits until extdisco has connected for the nth time.
func (x *target) untilConnected(ctx context.Context, n int) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	return x.extdisco.WaitForLog(ctx, connectedLine, n)
}

const connectedLine = `"connected to the XMPP server"`
