package component_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"extdisco/component"
)

// slowHandler is ready only when its channel is closed.
type slowHandler struct {
	component.TestHandler
	mu       sync.Mutex
	channel  chan struct{}
	prepared int
}

// Prepare implements [component.Preparer].
func (h *slowHandler) Prepare(*component.Request) <-chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.prepared++
	return h.channel
}

func slowly(h *slowHandler) func(*running, *component.Config) {
	return func(_ *running, cfg *component.Config) {
		h.channel = make(chan struct{}) // made in the bubble
		for i := range cfg.Namespaces {
			cfg.Namespaces[i].Handler = h
		}
	}
}

const version = "<iq type='get' id='v' from='a@" + component.TestHost + "' to='" + component.TestJID + "'><query xmlns='jabber:iq:version'/></iq>"

func TestDeferredReplyDoesNotHoldUpOthers(t *testing.T) {
	h := new(slowHandler)
	inBubble(t, func(r *running) {
		s := r.next()
		s.accept("")
		s.send(request)
		s.send(version)
		s.expect("<version>") // the other one is answered meanwhile
		if n := h.Calls.Load(); n != 0 {
			t.Errorf("the handler was asked %d times before it was ready", n)
		}
		close(h.channel)
		s.expect(component.TestPayload)
		if h.prepared != 1 || h.Calls.Load() != 1 {
			t.Errorf("prepared %d times and asked %d times, want once each", h.prepared, h.Calls.Load())
		}
		r.leaves()
	}, slowly(h))
}

func TestDeferredReplyIsGivenInTheEnd(t *testing.T) {
	tests := []struct {
		name string
		end  func(r *running)
		most time.Duration
	}{
		{"when the handler never gets ready", func(*running) {}, 16 * time.Second},
		{"when we leave", func(r *running) { r.cancel() }, time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := new(slowHandler)
			inBubble(t, func(r *running) {
				s := r.next()
				s.accept("")
				s.send(request)
				synctest.Wait()
				start := time.Now()
				tt.end(r)
				s.expect(component.TestPayload)
				if took := time.Since(start); took > tt.most {
					t.Errorf("answered after %v, want at most %v", took, tt.most)
				}
				r.leaves()
			}, slowly(h))
		})
	}
}

func TestDeferredRepliesAreBounded(t *testing.T) {
	h := new(slowHandler)
	inBubble(t, func(r *running) {
		s := r.next()
		s.accept("")
		const requests = 1000
		var batch strings.Builder
		for i := range requests {
			batch.WriteString(strings.Replace(request, "id='", fmt.Sprintf("id='%d-", i), 1))
		}
		go s.send(batch.String())
		read := make(chan string)
		go func() { read <- s.rest() }()
		synctest.Wait()
		if n := h.Calls.Load(); n != requests-256 {
			t.Errorf("%d requests were answered at once, want all but 256", n)
		}
		close(h.channel)
		synctest.Wait()
		r.cancel()
		replies := <-read
		if n := strings.Count(replies, component.TestPayload); n != requests {
			t.Errorf("%d replies, want %d", n, requests)
		}
	}, slowly(h))
}

func TestDeferredReplyWithoutLink(t *testing.T) {
	h := new(slowHandler)
	inBubble(t, func(r *running) {
		s := r.next()
		s.accept("")
		s.send(request)
		synctest.Wait()
		s.Close() // nobody is left to answer; the bubble checks that nothing waits
		r.next().accept("")
		if n := h.Calls.Load(); n != 0 {
			t.Errorf("the handler was asked %d times for nobody", n)
		}
		r.leaves()
	}, slowly(h))
}

// What arrives while we leave is answered too, although the handler is not ready.
func TestDeferredReplyWhileLeaving(t *testing.T) {
	const requests = 20
	h := new(slowHandler)
	inBubble(t, func(r *running) {
		s := r.next()
		s.accept("")
		synctest.Wait()
		r.cancel()
		go func() {
			for range requests {
				s.send(request)
				<-time.After(10 * time.Millisecond)
			}
		}()
		if got := s.expect(streamEnd); got != strings.Repeat(reply, requests) {
			t.Errorf("%d replies of %d", strings.Count(got, reply), requests)
		}
		s.Close()
	}, slowly(h))
}

// Stanzas that wait are kept, so a large one does not wait.
func TestDeferredStanzasAreSmall(t *testing.T) {
	h := new(slowHandler)
	inBubble(t, func(r *running) {
		s := r.next()
		defer s.Close()
		s.accept("")
		s.send(strings.Replace(request, "><services", "><!--"+strings.Repeat("x", 100_000)+"--><services", 1))
		start := time.Now()
		s.expect(reply)
		if took := time.Since(start); took > time.Second || h.prepared != 1 {
			t.Errorf("answered after %v, prepared %d times", took, h.prepared)
		}
	}, slowly(h))
}
