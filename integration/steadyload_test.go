//go:build integration

package integration

import (
	"context"
	"encoding/xml"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	steadyClients = 5
	steadyEvery   = 20 * time.Millisecond // a request of each client
)

// steadyLoad is clients that ask at a steady rate, whether they are answered or not, and
// count what becomes of each request.
type steadyLoad struct {
	t       *testing.T
	cancel  context.CancelFunc
	clients []*rawClient
	senders sync.WaitGroup
	readers sync.WaitGroup

	mu      sync.Mutex
	waiting map[string]bool // ids of requests without an answer
	last    time.Time       // when the last result came
	loadResult
}

// loadResult is what became of the requests.
type loadResult struct {
	asked, answered int
	refused         map[string]int // by condition
	unanswered      int
	gap             time.Duration // the longest time without a result
}

func (r loadResult) String() string {
	var refused []string
	for _, condition := range slices.Sorted(maps.Keys(r.refused)) {
		refused = append(refused, fmt.Sprintf("%d %s", r.refused[condition], condition))
	}
	return fmt.Sprintf("%d asked, %d answered, refused: [%s], %d never answered, longest time without a result %v",
		r.asked, r.answered, strings.Join(refused, ", "), r.unanswered, r.gap.Round(time.Millisecond))
}

// startLoad has clients of the server at the address ask meetHost.
func startLoad(t *testing.T, address string) *steadyLoad {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	l := &steadyLoad{t: t, cancel: cancel, waiting: map[string]bool{}, last: time.Now(), loadResult: loadResult{refused: map[string]int{}}}
	for i := range steadyClients {
		c, err := connectRaw(t, address, meetHost, "")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.conn.Close() })
		l.clients = append(l.clients, c)
		l.readers.Go(func() { l.read(c) })
		l.senders.Go(func() { l.send(ctx, c, i) })
	}
	t.Cleanup(cancel)
	return l
}

func (l *steadyLoad) send(ctx context.Context, c *rawClient, client int) {
	tick := time.NewTicker(steadyEvery)
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		id := fmt.Sprintf("c%d-%d", client, n)
		l.mu.Lock()
		l.asked++
		l.waiting[id] = true
		l.mu.Unlock()
		c.send("<iq type='get' id='" + id + "' to='" + meetHost + "'>" + servicesPayload + "</iq>")
	}
}

// read counts answers until the connection ends.
func (l *steadyLoad) read(c *rawClient) {
	_ = c.conn.SetReadDeadline(time.Time{})
	for {
		token, err := c.dec.Token()
		if err != nil {
			return
		}
		var e element
		if start, ok := token.(xml.StartElement); !ok || c.dec.DecodeElement(&e, &start) != nil {
			continue
		}
		l.count(e, time.Now())
	}
}

func (l *steadyLoad) count(e element, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	id := e.attr("id")
	if !l.waiting[id] {
		return
	}
	delete(l.waiting, id)
	if e.attr("type") == "result" {
		l.answered++
		l.gap, l.last = max(l.gap, now.Sub(l.last)), now
		return
	}
	l.refused[conditionIn(e.Inner)]++
}

// conditionIn returns the condition in a stanza error.
func conditionIn(inner string) string {
	for _, condition := range []string{"service-unavailable", "remote-server-timeout", "internal-server-error", "resource-constraint", "forbidden"} {
		if strings.Contains(inner, "<"+condition) {
			return condition
		}
	}
	return inner
}

// more waits until so many more requests were answered.
func (l *steadyLoad) more(count int) {
	l.t.Helper()
	answered := func() int { l.mu.Lock(); defer l.mu.Unlock(); return l.answered }
	goal := answered() + count
	waitFor(l.t, time.Minute, func() error {
		if n := answered(); n < goal {
			return fmt.Errorf("%d of %d answers", n, goal)
		}
		return nil
	})
}

// stop ends the load, waits for the answers that are still to come, and returns what
// became of all requests.
func (l *steadyLoad) stop(wait time.Duration) loadResult {
	l.t.Helper()
	l.cancel()
	l.senders.Wait()
	for end := time.Now().Add(wait); time.Now().Before(end) && l.outstanding() > 0; time.Sleep(20 * time.Millisecond) {
	}
	for _, c := range l.clients {
		c.conn.Close()
	}
	l.readers.Wait()
	l.unanswered = l.outstanding()
	return l.loadResult
}

func (l *steadyLoad) outstanding() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.waiting)
}
