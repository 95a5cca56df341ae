// Package notify tells the service manager that started this process how it
// fares: the protocol of sd_notify(3), which is one datagram of NAME=VALUE lines
// for each change.
//
// A [Notifier] of a process that no service manager listens to does nothing.
package notify

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"
)

const sendTimeout = time.Second

// Notifier sends to one service manager. The zero value, and nil, send nothing.
// Its methods may be called from several goroutines at once.
type Notifier struct {
	conn     net.Conn
	watchdog time.Duration
}

// Open connects to the service manager that the environment names, if it names
// one. getenv is usually [os.Getenv].
func Open(getenv func(string) string) (*Notifier, error) {
	socket := getenv("NOTIFY_SOCKET")
	if socket == "" {
		return &Notifier{}, nil
	}
	if socket[0] != '/' && socket[0] != '@' {
		return nil, fmt.Errorf("NOTIFY_SOCKET: %q is neither a file name nor an abstract name with @", socket)
	}
	watchdog, err := watchdogInterval(getenv("WATCHDOG_USEC"), getenv("WATCHDOG_PID"))
	if err != nil {
		return nil, err
	}
	conn, err := net.Dial("unixgram", socket)
	if err != nil {
		return nil, fmt.Errorf("NOTIFY_SOCKET: %w", err)
	}
	return &Notifier{conn: conn, watchdog: watchdog}, nil
}

// watchdogInterval reads what sd_watchdog_enabled(3) reads. A watchdog that
// waits for another process is none of ours.
func watchdogInterval(usec, pid string) (time.Duration, error) {
	if usec == "" || pid != "" && pid != strconv.Itoa(os.Getpid()) {
		return 0, nil
	}
	n, err := strconv.ParseInt(usec, 10, 64)
	if err != nil || n <= 0 || n > int64(1<<63-1)/int64(time.Microsecond) {
		return 0, fmt.Errorf("WATCHDOG_USEC: %q is not a number of microseconds", usec)
	}
	return time.Duration(n) * time.Microsecond, nil
}

// Watchdog returns the time within which [Notifier.Alive] must be called again
// and again, or else the service manager ends the process. 0 means that it does
// not watch.
func (n *Notifier) Watchdog() time.Duration {
	if n == nil {
		return 0
	}
	return n.watchdog
}

// Ready says that the process has started, or that a reload is over.
func (n *Notifier) Ready() error { return n.send("READY=1") }

// Reloading says that the configuration is being read again, until
// [Notifier.Ready] is called. systemd 253 and later wants the time of the
// monotonic clock with it.
func (n *Notifier) Reloading() error {
	if usec := monotonicMicroseconds(); usec > 0 {
		return n.send("RELOADING=1", "MONOTONIC_USEC="+strconv.FormatInt(usec, 10))
	}
	return n.send("RELOADING=1")
}

// Stopping says that the process is about to leave.
func (n *Notifier) Stopping() error { return n.send("STOPPING=1") }

// Status says in one line, for people, what the process is doing.
func (n *Notifier) Status(line string) error {
	return n.send("STATUS=" + strings.ReplaceAll(line, "\n", " "))
}

// Alive is the sign of life that the watchdog waits for.
func (n *Notifier) Alive() error { return n.send("WATCHDOG=1") }

func (n *Notifier) send(lines ...string) error {
	if n == nil || n.conn == nil {
		return nil
	}
	// A service manager that hangs must not hang us.
	if err := n.conn.SetWriteDeadline(time.Now().Add(sendTimeout)); err != nil {
		return fmt.Errorf("cannot tell the service manager: %w", err)
	}
	if _, err := n.conn.Write([]byte(strings.Join(lines, "\n"))); err != nil {
		return fmt.Errorf("cannot tell the service manager: %w", err)
	}
	return nil
}

// Close gives the socket back.
func (n *Notifier) Close() error {
	if n == nil || n.conn == nil {
		return nil
	}
	return n.conn.Close()
}
