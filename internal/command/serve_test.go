package command

import (
	"bytes"
	"log/slog"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"extdisco/internal/config"
	"extdisco/internal/daemon"
	"extdisco/internal/testkit"
)

func TestServeFailsOnABrokenConfig(t *testing.T) {
	env := &environment{configFile: testkit.WriteConfig(t, "x = 1\ny = 2\n"), stdout: new(bytes.Buffer), stderr: testkit.NewLogBuffer()}
	err := env.serveUntil(make(chan os.Signal), daemon.Options{})
	if err == nil || strings.Count(err.Error(), "unknown key") != 2 {
		t.Errorf("serve = %v", err)
	}
}

func TestLogger(t *testing.T) {
	tests := []struct {
		name          string
		level, format string // of the command line
		config        config.Log
		wantLevel     slog.Level
		wantJSON      bool
	}{
		{"as configured", "", "", config.Log{Level: slog.LevelWarn, Format: "text"}, slog.LevelWarn, false},
		{"as configured in JSON", "", "", config.Log{Level: slog.LevelInfo, Format: "json"}, slog.LevelInfo, true},
		{"level of the command line", "debug", "", config.Log{Level: slog.LevelWarn, Format: "json"}, slog.LevelDebug, true},
		{"format of the command line", "", "text", config.Log{Level: slog.LevelInfo, Format: "json"}, slog.LevelInfo, false},
		{"both of the command line", "error", "json", config.Log{Level: slog.LevelDebug, Format: "text"}, slog.LevelError, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			out := testkit.NewLogBuffer()
			env := &environment{logLevel: tt.level, logFormat: tt.format, stderr: out}
			log, level := env.logger(tt.config, out)
			log.Log(t.Context(), tt.wantLevel, "shown")
			log.Log(t.Context(), tt.wantLevel-1, "hidden")
			if (level == nil) != (tt.level != "") || level != nil && level.Level() != tt.wantLevel || !strings.Contains(out.String(), "shown") || strings.Contains(out.String(), "hidden") {
				t.Errorf("level %v, log %s", level, out)
			}
			if isJSON := strings.HasPrefix(out.String(), "{"); isJSON != tt.wantJSON {
				t.Errorf("log %s", out)
			}
		})
	}
}

// TestLogThatNobodyReads runs serve at level debug with a log that is stuck from the
// start, floods it, and wants every answer all the same.
func TestLogThatNobodyReads(t *testing.T) {
	server := testkit.StartServer(t)
	file := testkit.WriteConfig(t, server.Config("[[ice_server]]\nurls = [\"stun:turn.example.org\"]\n[limits]\nper_jid = \"1/h\"\n"))
	stuck, signals, ended := make(stuckWriter), make(chan os.Signal, 1), make(chan error, 1)
	env := &environment{configFile: file, logLevel: "debug", stdout: new(bytes.Buffer), stderr: stuck}
	go func() { ended <- env.serveUntil(signals, daemon.Options{}) }()
	stream := server.MustAccept(testkit.Handshake)
	for range 3000 { // far more lines than may wait
		if got := stream.Services("juliet@example.org/" + strings.Repeat("x", 500)); got == "" {
			t.Fatal("no answer")
		}
	}
	signals <- syscall.SIGTERM
	stream.WantEnd()
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(testkit.Patience):
		t.Error("the log keeps the program from ending")
	}
	close(stuck)
}

// stuckWriter is a pipe that nobody reads until it is closed.
type stuckWriter chan struct{}

func (w stuckWriter) Write(p []byte) (int, error) {
	<-w
	return len(p), nil
}
