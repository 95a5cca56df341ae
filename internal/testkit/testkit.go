// Package testkit has what the tests of several packages share: files, secrets
// that are easy to find in an output, and a log that can be waited for.
package testkit

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// Secrets of the tests, each easy to find in an output.
const (
	Handshake       = "HandshakeSecretOfTheTests"
	SharedSecret    = "SharedSecretOfTheTests0123456789"
	SharedSecretTwo = "AnotherSharedSecret9876543210abc"
	Password        = "FixedPasswordOfTheTests"
	PseudonymKey    = "KeyForPseudonymsOfTheTests"
)

// Time is when the tests take place.
var Time = time.Date(2026, 11, 21, 4, 0, 0, 0, time.UTC)

// MinimalConfig is the shortest valid configuration.
const MinimalConfig = `[component]
jid = "turn.example.org"
secret_file = "component.secret"

[[ice_server]]
urls = ["stun:turn.example.org", "turn:turn.example.org"]
secret_file = "turn.secret"
`

// WriteFiles writes files, given as name and content in turns, and the secret
// files that configurations here name, into a new folder.
func WriteFiles(t testing.TB, files ...string) string {
	t.Helper()
	dir := t.TempDir()
	files = append([]string{"component.secret", Handshake + "\n", "turn.secret", SharedSecret + "\n",
		"static.password", Password + "\n", "pseudonym.key", PseudonymKey + "\n"}, files...)
	for i := 0; i < len(files); i += 2 {
		WriteFile(t, filepath.Join(dir, files[i]), files[i+1])
	}
	return dir
}

// WriteFile writes a file that only its owner may read.
func WriteFile(t testing.TB, file, content string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// WriteConfig writes a configuration and its secret files and returns its name.
func WriteConfig(t testing.TB, content string) string {
	t.Helper()
	return filepath.Join(WriteFiles(t, "config.toml", content), "config.toml")
}

// LogBuffer is a buffer that is read, and waited for, while it is written.
type LogBuffer struct {
	mu      sync.Mutex
	buf     bytes.Buffer
	changed chan struct{} // closed by the next write
}

// NewLogBuffer returns an empty buffer.
func NewLogBuffer() *LogBuffer { return &LogBuffer{changed: make(chan struct{})} }

// Write implements [io.Writer].
func (b *LogBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	close(b.changed)
	b.changed = make(chan struct{})
	return b.buf.Write(p)
}

// Read returns what was written, and a channel that the next write closes.
func (b *LogBuffer) Read() (string, <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String(), b.changed
}

// String returns what was written.
func (b *LogBuffer) String() string {
	s, _ := b.Read()
	return s
}

// Patience is far more than anything here takes.
const Patience = 20 * time.Second

// WaitFor waits until the text was written that many times.
func (b *LogBuffer) WaitFor(t testing.TB, text string, times int) {
	t.Helper()
	deadline := time.After(Patience)
	for {
		s, changed := b.Read()
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

// NewLog returns a logger that writes to the buffer, without the time.
func NewLog(b *LogBuffer) *slog.Logger {
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

// WantEqual compares texts of several lines.
func WantEqual(t testing.TB, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s:\n%s\nwant:\n%s", what, got, want)
	}
}
