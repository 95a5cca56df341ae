package web_test

import (
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

	"extdisco/internal/web"
)

// A crowd of idle and slow clients, of one address or of many, keeps nobody from
// being answered. Each that is cut off comes back once.
func TestCrowdsStarveNobody(t *testing.T) {
	half := func(text string) string { return text[:len(text)/2] }
	for _, tt := range []struct {
		name, sends string
	}{
		{"idle", ""},
		{"slow header", half("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")},
		{"idle after an answer", "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"},
		{"slow body", "POST /turn HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 100\r\n\r\nservice="},
		{"slow body of a health check", "GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nx"},
		{"reads nothing", strings.Repeat("GET /page.js HTTP/1.1\r\nHost: localhost\r\n\r\n", 40)},
	} {
		for _, addresses := range []int{1, 300} {
			t.Run(fmt.Sprintf("%s from %d", tt.name, addresses), func(t *testing.T) {
				t.Parallel() // each waits more than it works
				s, _ := start(t, newSiteOf(silentBackend{}, slog.DiscardHandler))
				leave := crowd(t, s.Addr(), tt.sends, addresses)
				for range 3 {
					for _, path := range []string{"/healthz", "/readyz", "/metrics", "/"} {
						if status, took := fetchFresh(t, s.Addr(), path); status != http.StatusOK || took > 15*time.Second {
							t.Errorf("%s: %d after %v", path, status, took)
						}
					}
				}
				leave()
			})
		}
	}
}

// crowd opens 280 connections from as many loopback addresses as asked for. They
// stay until leave is called.
func crowd(t *testing.T, address, sends string, addresses int) (leave func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var there, all sync.WaitGroup
	for i := range 280 {
		there.Add(1)
		all.Go(func() {
			from := net.IPv4(127, 0, 1+byte(i%addresses/200), 1+byte(i%addresses%200))
			for n := range 2 {
				conn, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: from}}).DialContext(ctx, "tcp", address)
				if err == nil {
					_, _ = io.WriteString(conn, sends)
				}
				if n == 0 {
					there.Done()
				}
				if err != nil {
					return
				}
				stop := context.AfterFunc(ctx, func() { conn.Close() })
				if strings.Contains(sends, "page.js") {
					<-ctx.Done()
				}
				_, _ = io.Copy(io.Discard, conn)
				stop()
				conn.Close()
			}
		})
	}
	there.Wait()
	leave = func() { cancel(); all.Wait() }
	t.Cleanup(leave)
	return leave
}

// fetchFresh asks over a connection of its own.
func fetchFresh(t *testing.T, address, path string) (status int, took time.Duration) {
	t.Helper()
	client := http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	began := time.Now()
	response, err := client.Get("http://" + address + path)
	if err != nil {
		t.Errorf("%s: %v", path, err)
		return 0, time.Since(began)
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		t.Errorf("%s: %v", path, err)
	}
	return response.StatusCode, time.Since(began)
}

// slowBackend answers when it is told to.
type slowBackend struct {
	silentBackend
	asked   chan struct{}
	release chan struct{}
}

func (b slowBackend) Credentials(ctx context.Context, _, _ string, _ time.Time) ([]web.ICEServer, error) {
	b.asked <- struct{}{}
	<-b.release
	return someServers, nil
}

// While all that may be worked on at a time waits for a provider, health is known,
// one more request is refused at once, and none that is worked on is given up.
func TestHealthWhileAllWait(t *testing.T) {
	b := slowBackend{asked: make(chan struct{}), release: make(chan struct{})}
	s, _ := start(t, newSiteOf(b, slog.DiscardHandler))
	const busy = 64
	answers := make(chan int, busy)
	var asking sync.WaitGroup
	for range busy {
		asking.Go(func() {
			status, _ := fetchFresh(t, s.Addr(), "/turn?service=turn&key="+key)
			answers <- status
		})
		<-b.asked
	}
	leave := crowd(t, s.Addr(), "", 1)
	for _, path := range []string{"/healthz", "/readyz"} {
		if status, _ := fetchFresh(t, s.Addr(), path); status != http.StatusOK {
			t.Errorf("%s: %d", path, status)
		}
	}
	if status, _ := fetchFresh(t, s.Addr(), "/turn?service=turn&key="+key); status != http.StatusServiceUnavailable {
		t.Errorf("one more is answered %d", status)
	}
	leave()
	close(b.release)
	asking.Wait()
	for range busy {
		if status := <-answers; status != http.StatusOK {
			t.Errorf("one that waited is answered %d", status)
		}
	}
	go func() { <-b.asked }()
	if status, _ := fetchFresh(t, s.Addr(), "/turn?service=turn&key="+key); status != http.StatusOK {
		t.Errorf("afterwards: %d", status)
	}
}
