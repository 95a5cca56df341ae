package main

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"extdisco/xep0215"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Secrets of the tests, each easy to find in an output.
const (
	testHandshake    = "HandshakeSecretOfTheTests"
	testSharedSecret = "SharedSecretOfTheTests0123456789"
	testSharedTwo    = "AnotherSharedSecret9876543210abc"
	testPassword     = "FixedPasswordOfTheTests"
	testPseudonymKey = "PseudonymKeyOfTheTests"
)

var testTime = time.Date(2026, 11, 21, 4, 0, 0, 0, time.UTC)

// minimalConfig is the shortest configuration that is right.
const minimalConfig = `[component]
jid = "turn.example.org"
secret_file = "component.secret"

[[ice_server]]
urls = ["stun:turn.example.org", "turn:turn.example.org"]
secret_file = "turn.secret"
`

// writeFiles writes files, given as name and content in turns, and the secret
// files that configurations here name, into a new folder.
func writeFiles(t testing.TB, files ...string) string {
	t.Helper()
	dir := t.TempDir()
	files = append([]string{"component.secret", testHandshake + "\n", "turn.secret", testSharedSecret + "\n",
		"static.password", testPassword + "\n", "pseudonym.key", testPseudonymKey + "\n"}, files...)
	for i := 0; i < len(files); i += 2 {
		writeFile(t, filepath.Join(dir, files[i]), files[i+1])
	}
	return dir
}

func writeFile(t testing.TB, file, content string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// writeConfig writes a configuration and its secret files and returns its name.
func writeConfig(t testing.TB, content string) string {
	t.Helper()
	return filepath.Join(writeFiles(t, "config.toml", content), "config.toml")
}

// mustLoad loads a configuration that must be right.
func mustLoad(t testing.TB, file string) *config {
	t.Helper()
	cfg, err := loadConfig(file, testTime)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// result is what a command left behind.
type result struct {
	status         int
	stdout, stderr string
}

// runCommand runs the command in this process.
func runCommand(t testing.TB, stdin string, args ...string) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	status := run(args, strings.NewReader(stdin), &stdout, &stderr)
	return result{status, stdout.String(), stderr.String()}
}

// logBuffer is a buffer that is read, and waited for, while it is written.
type logBuffer struct {
	mu      sync.Mutex
	buf     bytes.Buffer
	changed chan struct{} // closed by the next write
}

func newLogBuffer() *logBuffer { return &logBuffer{changed: make(chan struct{})} }

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	close(b.changed)
	b.changed = make(chan struct{})
	return b.buf.Write(p)
}

func (b *logBuffer) read() (string, <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String(), b.changed
}

func (b *logBuffer) String() string {
	s, _ := b.read()
	return s
}

const patience = 20 * time.Second // far more than anything here takes

// waitFor waits until the text was written that many times.
func (b *logBuffer) waitFor(t testing.TB, text string, times int) {
	t.Helper()
	deadline := time.After(patience)
	for {
		s, changed := b.read()
		if strings.Count(s, text) >= times {
			return
		}
		select {
		case <-changed:
		case <-deadline:
			t.Fatalf("no %q, %d times, in\n%s", text, times, s)
		}
	}
}

// newTestLog returns a logger that writes to the buffer, without the time.
func newTestLog(b *logBuffer) *slog.Logger {
	return slog.New(slog.NewTextHandler(b, &slog.HandlerOptions{
		Level: slog.LevelDebug,
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		},
	}))
}

// wantEqual compares texts of several lines.
func wantEqual(t testing.TB, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s:\n%s\nwant:\n%s", what, got, want)
	}
}

// offerTo returns what the daemon offers the requester at now.
func offerTo(d *daemon, requester string, now time.Time) xep0215.Offer {
	return xep0215.Offer{Groups: d.offer.Load().groupsFor([]byte(requester), now), Requester: []byte(requester), Now: now}
}
