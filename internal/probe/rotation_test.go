package probe

import (
	"context"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"extdisco/internal/secret"
)

// A server whose secret is changed is tried often until it accepts the new one, and each
// change of what it accepts is told.
func TestMonitorRotation(t *testing.T) {
	var (
		old     = refusedBy(StepAllocate, &previousRefusal)
		down    = refusedBy(StepConnect, syscall.ECONNREFUSED)
		lost    = refusedBy(StepBinding, os.ErrDeadlineExceeded)
		wrong   = refusedBy(StepAllocate, code(401))
		full    = refusedBy(StepAllocate, code(486))
		oneEach = Result{Addresses: append(old.Addresses, works.Addresses...)}
	)
	type phase struct {
		answer Result
		lasts  time.Duration
		want   string // all changes up to then
	}
	tests := []struct {
		name   string
		phases []phase
	}{
		{"has the new one", []phase{{works, time.Hour, "new"}}},
		{"is restarted with both", []phase{{old, time.Minute, "previous"}, {works, 3 * time.Second, "previous new"}}},
		{"is away in between", []phase{{old, time.Minute, "previous"}, {down, 3 * time.Second, "previous neither"}, {works, 3 * time.Second, "previous neither new"}}},
		{"comes back with the previous one", []phase{{old, time.Minute, "previous"}, {down, 10 * time.Minute, "previous neither"}, {old, 3 * time.Second, "previous neither previous"}}},
		{"goes back to the previous one", []phase{{works, time.Hour, "new"}, {old, 6 * time.Minute, "new previous"}}},
		{"has the new one, and is away", []phase{{works, time.Hour, "new"}, {down, time.Hour, "new"}, {works, time.Hour, "new"}}},
		{"does not answer", []phase{{lost, time.Hour, "neither"}}},
		{"has another one", []phase{{wrong, time.Hour, "neither"}}},
		{"is full", []phase{{full, time.Hour, "new"}}},
		{"has it at one of two addresses", []phase{{oneEach, time.Hour, "new"}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newRotating(t, "new", nil)
				w.set(tt.phases[0].answer)
				w.Start()
				defer w.Close()
				for _, p := range tt.phases {
					w.set(p.answer)
					time.Sleep(p.lasts)
					synctest.Wait()
					if got := w.told(); got != p.want {
						t.Fatalf("told %q, want %q", got, p.want)
					}
				}
			})
		})
	}
}

// What is known of the secret is kept over a reload, unless the secret is another one then.
func TestRotationIsKnownAfterReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		before := newRotating(t, "new", nil)
		before.set(works)
		before.Start()
		time.Sleep(time.Second)
		before.Close()
		// It is known, too, when there was no previous secret before.
		plain := newRotating(t, "new", nil)
		plain.health[0].Target.Server.SignPrevious = nil
		plain.set(works)
		plain.Start()
		time.Sleep(2 * time.Second)
		plain.Close()
		if got := newRotating(t, "new", plain.Monitor).Snapshot()[0].Accepts; got != SecretNew {
			t.Errorf("after a reload that adds a previous secret: %v", got)
		}
		for sharedSecret, want := range map[string]SecretState{"new": SecretNew, "newer": SecretUnknown} {
			if got := newRotating(t, sharedSecret, before.Monitor).Snapshot()[0].Accepts; got != want {
				t.Errorf("with %s: %v, want %v", sharedSecret, got, want)
			}
		}
	})
}

// A server that refuses both secrets is not tried more often than others.
func TestRotationDoesNotBotherServers(t *testing.T) {
	for name, tt := range map[string]struct {
		answer      Result
		least, most int // tries in an hour
	}{
		"has the previous one": {refusedBy(StepAllocate, &previousRefusal), 1500, 2300},
		"has another one":      {refusedBy(StepAllocate, code(401)), 90, 160},
		"has the new one":      {works, 90, 160},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newRotating(t, "new", nil)
				w.set(tt.answer)
				w.Start()
				time.Sleep(time.Hour)
				w.Close()
				if w.tries < tt.least || w.tries > tt.most {
					t.Errorf("%d tries in an hour, want %d to %d", w.tries, tt.least, tt.most)
				}
			})
		})
	}
}

// previousRefusal is a refusal that was found to be for the previous secret.
var previousRefusal = fault{KindPrevious, ""}

// rotating is a monitor of a server with a previous secret, answered by script.
type rotating struct {
	*Monitor
	mu      sync.Mutex
	answer  Result
	changes []string
	tries   int
}

func newRotating(t *testing.T, sharedSecret string, previous *Monitor) *rotating {
	t.Helper()
	w := &rotating{}
	var last SecretState
	signer := func(string) secret.Secret { return secret.New("password") }
	w.Monitor = NewMonitor(MonitorConfig{
		Interval: 30 * time.Second, AllocateInterval: 5 * time.Minute,
		Changed: func(h Health, _ []Health) {
			w.mu.Lock()
			defer w.mu.Unlock()
			if h.Accepts != last {
				w.changes = append(w.changes, [...]string{"unknown", "new", "previous", "neither"}[h.Accepts])
			}
			last = h.Accepts
		},
		Try: func(_ context.Context, _ Server, o Options) Result {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.tries++
			if f := w.answer.Worst(); o.Depth < Allocate && f != nil && f.Step == StepAllocate {
				return works
			}
			return w.answer
		},
	}, []Target{{ID: "a", Server: Server{Type: TypeTURN, Host: "turn.example.org", Sign: signer, SignPrevious: signer}, Secret: secret.New(sharedSecret),
		Credential: func(time.Time) (string, secret.Secret, error) { return "healthcheck", secret.New("password"), nil }}}, previous)
	return w
}

func (w *rotating) set(r Result) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.answer = r
}

func (w *rotating) told() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.Join(w.changes, " ")
}
