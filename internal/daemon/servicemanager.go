package daemon

import (
	"log/slog"
	"os"
	"sync"
	"time"

	"extdisco/component"
	"extdisco/internal/notify"
)

// serviceManager reports our state to the program that started us, usually
// systemd. If that fails, it is logged once and we go on.
//
// READY is sent as soon as we run, not when the XMPP server has accepted us: a
// server that is down must not make systemd give up on us. The state of the links is
// in the status line.
type serviceManager struct {
	notifier *notify.Notifier
	log      *slog.Logger
	failed   sync.Once

	mu   sync.Mutex
	last string // status line
}

// openServiceManager connects to the service manager that the environment names,
// if it names one.
func openServiceManager(log *slog.Logger) *serviceManager {
	m := &serviceManager{log: log}
	notifier, err := notify.Open(os.Getenv)
	m.check(err)
	m.notifier = notifier
	return m
}

// check logs the first error.
func (m *serviceManager) check(err error) {
	if err != nil {
		m.failed.Do(func() { m.log.Warn("cannot notify the service manager", "err", err) })
	}
}

func (m *serviceManager) ready()     { m.check(m.notifier.Ready()) }
func (m *serviceManager) reloading() { m.check(m.notifier.Reloading()) }
func (m *serviceManager) stopping()  { m.check(m.notifier.Stopping()) }

// status sends a status line, unless it is the one that was sent last. The line is made
// here, so that the last one that is sent is the latest.
func (m *serviceManager) status(now func() string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if line := now(); line != m.last {
		m.last = line
		m.check(m.notifier.Status(line))
	}
}

// ticker ticks when the watchdog has to be notified; never without a watchdog.
func (m *serviceManager) ticker() *time.Ticker {
	if m.notifier.Watchdog() == 0 {
		t := time.NewTicker(time.Hour)
		t.Stop()
		return t
	}
	return time.NewTicker(max(m.notifier.Watchdog()/3, time.Millisecond))
}

// alive notifies the watchdog, unless a link hangs: then the service manager
// restarts us.
func (m *serviceManager) alive(lastTurn, now time.Time) {
	if now.Sub(lastTurn) <= component.LongestTurn {
		m.check(m.notifier.Alive())
	}
}

// draining gives a sign of life while the relay waits for its allocations to end.
func (m *serviceManager) draining() { m.check(m.notifier.Alive()) }

func (m *serviceManager) close() { m.check(m.notifier.Close()) }
