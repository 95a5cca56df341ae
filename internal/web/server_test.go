package web_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"extdisco/internal/secret"
	"extdisco/internal/web"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start runs a server until the test ends.
func start(t *testing.T, site *web.Site) (s *web.Server, stop func()) {
	t.Helper()
	return startWith(t, site, nil)
}

func startWith(t *testing.T, site *web.Site, certificate *web.Certificate) (s *web.Server, stop func()) {
	t.Helper()
	s, err := web.Listen("127.0.0.1:0", certificate, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	s.Use(site)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := s.Run(ctx); err != nil {
			t.Errorf("the server ends: %v", err)
		}
	}()
	stop = func() { cancel(); <-done }
	t.Cleanup(stop)
	return s, stop
}

// lockedBuffer is a log that several goroutines write.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *lockedBuffer) Reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.b.Reset()
}

func fetch(t *testing.T, address string) (int, string) {
	t.Helper()
	client := http.Client{Timeout: 10 * time.Second}
	defer client.CloseIdleConnections()
	response, err := client.Get("http://" + address)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

func TestServerChangesSites(t *testing.T) {
	without := web.New(web.Config{Metrics: http.NotFoundHandler(), Backend: silentBackend{backend{}}}, time.Now())
	with := web.New(web.Config{Metrics: http.NotFoundHandler(), Backend: silentBackend{backend{servers: someServers}}, Clients: []web.Client{{Name: "janus", Key: secret.New(key)}}}, time.Now())
	s, _ := start(t, without)
	if status, _ := fetch(t, s.Addr()+"/turn?service=turn&key="+key); status != http.StatusNotFound {
		t.Errorf("%d before", status)
	}
	s.Use(with)
	if status, body := fetch(t, s.Addr()+"/turn?service=turn&key="+key); status != http.StatusOK || !strings.Contains(body, `"password"`) {
		t.Errorf("%d %s after", status, body)
	}
}

func TestListenSaysWhatToChange(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for address, want := range map[string]string{
		taken.Addr().String(): "another program listens on " + taken.Addr().String() + " already; stop it or choose another port",
		"192.0.2.1:9215":      "this machine has no address 192.0.2.1:9215",
	} {
		if _, err := web.Listen(address, nil, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", address, err, want)
		}
	}
}

// A client that sends nothing holds up neither others nor the end.
func TestServerStopsWithIdleClients(t *testing.T) {
	site := newSite(&backend{}, new(bytes.Buffer))
	s, stop := start(t, site)
	var idle []net.Conn
	for range 10 {
		conn, err := net.Dial("tcp", s.Addr())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		fmt.Fprint(conn, "GET /healthz HTTP/1.1\r\n")
		idle = append(idle, conn)
	}
	if status, _ := fetch(t, s.Addr()+"/healthz"); status != http.StatusOK {
		t.Error(status)
	}
	began := time.Now()
	stop()
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("it took %v to stop", took)
	}
	for _, conn := range idle {
		_ = conn.SetReadDeadline(time.Now().Add(2 * time.Second)) // before the server would have given it up
		if _, err := io.Copy(io.Discard, conn); err != nil && !strings.Contains(err.Error(), "reset") {
			t.Errorf("a connection was left open: %v", err)
		}
	}
	if _, err := net.Dial("tcp", s.Addr()); err == nil {
		t.Error("the port is still open")
	}
}
