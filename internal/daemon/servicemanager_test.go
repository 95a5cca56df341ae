package daemon

import (
	"net"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"extdisco/component"
	"extdisco/internal/testkit"
)

// fakeManager is the service manager's end of the notification socket.
type fakeManager struct {
	t    *testing.T
	conn net.PacketConn
}

// startManager listens where the environment of this test says.
func startManager(t *testing.T) *fakeManager {
	t.Helper()
	name := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenPacket("unixgram", name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	t.Setenv("NOTIFY_SOCKET", name)
	return &fakeManager{t, conn}
}

// next returns the next message, but for signs of life.
func (m *fakeManager) next() string {
	m.t.Helper()
	for {
		if s := m.any(); s != "WATCHDOG=1" {
			return s
		}
	}
}

func (m *fakeManager) any() string {
	m.t.Helper()
	if err := m.conn.SetReadDeadline(time.Now().Add(testkit.Patience)); err != nil {
		m.t.Fatal(err)
	}
	buffer := make([]byte, 4096)
	n, _, err := m.conn.ReadFrom(buffer)
	if err != nil {
		m.t.Fatal(err)
	}
	return string(buffer[:n])
}

// want waits for messages, each given by how it starts. Status lines may come in
// between, unless one is wanted.
func (m *fakeManager) want(starts ...string) {
	m.t.Helper()
	for _, start := range starts {
		s := m.next()
		for strings.HasPrefix(s, "STATUS=") && !strings.HasPrefix(start, "STATUS=") {
			s = m.next()
		}
		if !strings.HasPrefix(s, start) {
			m.t.Errorf("the service manager is told %q, want %q", s, start)
		}
	}
}

func TestServeTellsTheServiceManager(t *testing.T) {
	manager := startManager(t)
	server := testkit.StartServer(t)
	s := startServing(t, server.Config(stunOnly))
	manager.want("READY=1")
	stream := s.connect(server, testkit.Handshake)
	manager.want("STATUS=connected to the XMPP server at " + server.Address())
	s.reload(server.Config(turnOnly), reloaded)
	manager.want("RELOADING=1", "READY=1")
	s.reload("nonsense", notChanged)
	manager.want("RELOADING=1", "READY=1")
	stream.Conn.Close()
	manager.want("STATUS=not connected: the XMPP server closed the connection; nothing, if it is restarting")
	stream = s.connect(server, testkit.Handshake)
	manager.want("STATUS=connected to the XMPP server at " + server.Address())
	s.stop(syscall.SIGTERM, stream)
	manager.want("STOPPING=1", "STATUS=leaving the XMPP server")
}

func TestServeIsReadyWithoutServer(t *testing.T) {
	manager := startManager(t)
	server := testkit.StartServer(t)
	server.Listener.Close()
	s := startServing(t, server.Config(stunOnly))
	manager.want("READY=1")
	s.log.WaitFor(t, "nothing accepts connections", 1)
	s.stop(syscall.SIGTERM, nil)
}

func TestServeGivesSignsOfLife(t *testing.T) {
	t.Setenv("WATCHDOG_USEC", "30000")
	manager := startManager(t)
	server := testkit.StartServer(t)
	s := startServing(t, server.Config(stunOnly))
	for signs := 0; signs < 3; {
		if manager.any() == "WATCHDOG=1" {
			signs++
		}
	}
	s.stop(syscall.SIGTERM, nil)
}

// TestNoSignOfLifeFromALinkThatHangs looks at a link whose goroutine has not gone
// round for too long.
func TestNoSignOfLifeFromALinkThatHangs(t *testing.T) {
	fake := startManager(t)
	log := testkit.NewLogBuffer()
	d, _ := newTestDaemon(t, testkit.MinimalConfig)
	c := d.links.all()[0].component
	m := openServiceManager(testkit.NewLog(log))
	defer m.close()
	m.alive(c.LastTurn(), c.LastTurn().Add(component.LongestTurn+time.Second))
	m.alive(c.LastTurn(), c.LastTurn().Add(component.LongestTurn))
	m.ready()
	if first, second := fake.any(), fake.any(); first != "WATCHDOG=1" || second != "READY=1" {
		t.Errorf("told %q and %q; want one sign of life only", first, second)
	}
}

func TestServeRunsWithoutItsServiceManager(t *testing.T) {
	manager := startManager(t)
	manager.conn.Close()
	server := testkit.StartServer(t)
	s := startServing(t, server.Config(stunOnly))
	s.stop(syscall.SIGTERM, s.connect(server, testkit.Handshake))
	if n := strings.Count(s.log.String(), "cannot notify the service manager"); n != 1 {
		t.Errorf("logged %d times that the service manager is gone", n)
	}
}
