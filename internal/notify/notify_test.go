package notify_test

import (
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"extdisco/internal/notify"
)

// manager is the service manager's end of the socket.
func manager(t *testing.T, name string) net.PacketConn {
	t.Helper()
	conn, err := net.ListenPacket("unixgram", name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return conn
}

func receive(t *testing.T, conn net.PacketConn) string {
	t.Helper()
	buffer := make([]byte, 4096)
	n, _, err := conn.ReadFrom(buffer)
	if err != nil {
		t.Fatal(err)
	}
	return string(buffer[:n])
}

func environment(pairs ...string) func(string) string {
	return func(name string) string {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1]
			}
		}
		return ""
	}
}

func TestMessages(t *testing.T) {
	names := map[string]string{"file": filepath.Join(t.TempDir(), "notify")}
	if runtime.GOOS == "linux" {
		names["abstract"] = "@extdisco-notify-test-" + strconv.Itoa(os.Getpid())
	}
	for kind, name := range names {
		t.Run(kind, func(t *testing.T) {
			conn := manager(t, name)
			n, err := notify.Open(environment("NOTIFY_SOCKET", name))
			if err != nil {
				t.Fatal(err)
			}
			defer n.Close()
			for want, send := range map[string]func() error{
				"READY=1":            n.Ready,
				"STOPPING=1":         n.Stopping,
				"WATCHDOG=1":         n.Alive,
				"STATUS=all is well": func() error { return n.Status("all is well") },
				"STATUS=two lines":   func() error { return n.Status("two\nlines") },
			} {
				if err := send(); err != nil {
					t.Fatal(err)
				}
				if got := receive(t, conn); got != want {
					t.Errorf("sent %q, want %q", got, want)
				}
			}
		})
	}
}

// TestReloadingTellsTheTime compares with the clock that the kernel shows.
func TestReloadingTellsTheTime(t *testing.T) {
	name := filepath.Join(t.TempDir(), "notify")
	conn := manager(t, name)
	n, err := notify.Open(environment("NOTIFY_SOCKET", name))
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	before := notify.MonotonicMicroseconds()
	if err := n.Reloading(); err != nil {
		t.Fatal(err)
	}
	after := notify.MonotonicMicroseconds()
	got := receive(t, conn)
	if runtime.GOOS != "linux" {
		if got != "RELOADING=1" {
			t.Errorf("sent %q", got)
		}
		return
	}
	first, second, _ := strings.Cut(got, "\n")
	usec, err := strconv.ParseInt(strings.TrimPrefix(second, "MONOTONIC_USEC="), 10, 64)
	if first != "RELOADING=1" || err != nil || usec < before || usec > after || before == 0 {
		t.Errorf("sent %q between %d and %d", got, before, after)
	}
}

func TestNobodyListens(t *testing.T) {
	n, err := notify.Open(environment("WATCHDOG_USEC", "1000000"))
	if err != nil {
		t.Fatal(err)
	}
	var none *notify.Notifier
	for kind, n := range map[string]*notify.Notifier{"no socket": n, "zero": {}, "nil": none} {
		t.Run(kind, func(t *testing.T) {
			for _, send := range []func() error{n.Ready, n.Reloading, n.Stopping, n.Alive, n.Close} {
				if err := send(); err != nil {
					t.Error(err)
				}
			}
			if n.Watchdog() != 0 {
				t.Error("a watchdog without a manager")
			}
		})
	}
}

func TestWatchdog(t *testing.T) {
	name := filepath.Join(t.TempDir(), "notify")
	manager(t, name)
	pid := strconv.Itoa(os.Getpid())
	tests := []struct {
		name, usec, pid string
		want            time.Duration
		wantErr         string
	}{
		{"for us", "60000000", pid, time.Minute, ""},
		{"for anybody", "1", "", time.Microsecond, ""},
		{"for another process", "60000000", "1", 0, ""},
		{"off", "", pid, 0, ""},
		{"a word", "soon", pid, 0, `WATCHDOG_USEC: "soon" is not a number of microseconds`},
		{"nothing", "0", pid, 0, `WATCHDOG_USEC: "0" is not a number of microseconds`},
		{"too much", "9223372036854775807", pid, 0, `WATCHDOG_USEC: "9223372036854775807" is not a number of microseconds`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			n, err := notify.Open(environment("NOTIFY_SOCKET", name, "WATCHDOG_USEC", tt.usec, "WATCHDOG_PID", tt.pid))
			if err != nil {
				if err.Error() != tt.wantErr {
					t.Errorf("error %v, want %q", err, tt.wantErr)
				}
				return
			}
			defer n.Close()
			if got := n.Watchdog(); got != tt.want || tt.wantErr != "" {
				t.Errorf("watchdog %v, want %v and the error %q", got, tt.want, tt.wantErr)
			}
		})
	}
}

func TestSocketThatIsWrong(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "nowhere")
	for socket, want := range map[string]string{
		"vsock:2:1234": `NOTIFY_SOCKET: "vsock:2:1234" is neither a file name nor an abstract name with @`,
		missing:        "NOTIFY_SOCKET: dial unixgram " + missing + ": connect: no such file or directory",
	} {
		if _, err := notify.Open(environment("NOTIFY_SOCKET", socket)); err == nil || err.Error() != want {
			t.Errorf("%s: error %v, want %q", socket, err, want)
		}
	}
}

func TestManagerThatIsGone(t *testing.T) {
	name := filepath.Join(t.TempDir(), "notify")
	conn := manager(t, name)
	n, err := notify.Open(environment("NOTIFY_SOCKET", name))
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	conn.Close()
	if err := n.Ready(); err == nil || !strings.HasPrefix(err.Error(), "cannot tell the service manager: ") {
		t.Errorf("error %v", err)
	}
}
