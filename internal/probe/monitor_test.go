package probe

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pion/stun/v4"

	"extdisco/internal/secret"
)

// refusedBy returns a failed try, as the given error at a step makes it.
func refusedBy(step Step, err error) Result {
	return Result{Addresses: []AddressResult{{Failure: newFailure(step, err)}}}
}

func code(n int) error {
	return &stun.TurnError{ErrorCodeAttr: stun.ErrorCodeAttribute{Code: stun.ErrorCode(n)}}
}

// half is a name with two addresses of which one fails.
func half(step Step, err error) Result {
	return Result{Addresses: append(refusedBy(step, err).Addresses, works.Addresses...)}
}

// overTLS is a server that works, with so many days left of a certificate for 90.
func overTLS(days int) func(Depth) Result {
	const day = 24 * time.Hour
	return func(Depth) Result {
		end := time.Now().Add(time.Duration(days) * day)
		return Result{Addresses: []AddressResult{{Certificate: &Certificate{NotBefore: end.Add(-90 * day), NotAfter: end}}}}
	}
}

var works = Result{Addresses: []AddressResult{{Steps: []StepResult{{StepBinding, time.Millisecond}}}}}

// watched is a monitor of one TURN server, whose tries are answered by script.
type watched struct {
	*Monitor
	mu      sync.Mutex
	tries   []Depth
	changes []string
	answer  func(depth Depth) Result
}

// becomes changes what the tries see.
func (w *watched) becomes(answer func(depth Depth) Result) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.answer = answer
}

func (w *watched) told() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.Join(w.changes, " ")
}

func newWatched(t *testing.T, previous *Monitor) *watched {
	t.Helper()
	w := &watched{answer: func(Depth) Result { return works }}
	var running atomic.Int32
	w.Monitor = NewMonitor(MonitorConfig{
		Interval: 30 * time.Second, AllocateInterval: 5 * time.Minute,
		Changed: func(h Health, all []Health) {
			if len(all) != 1 || all[0].State != h.State {
				t.Errorf("told of %v, and of all: %+v", h.State, all)
			}
			w.mu.Lock()
			defer w.mu.Unlock()
			change := h.State.String()
			if h.Impaired {
				change += "!"
			}
			w.changes = append(w.changes, change)
		},
		Try: func(_ context.Context, s Server, o Options) Result {
			if running.Add(1) != 1 {
				t.Error("two tries at once")
			}
			defer running.Add(-1)
			if (o.Depth == Allocate) != (s.Username == "healthcheck" && !s.Password.IsEmpty()) {
				t.Errorf("depth %v with user %q", o.Depth, s.Username)
			}
			w.mu.Lock()
			defer w.mu.Unlock()
			w.tries = append(w.tries, o.Depth)
			return w.answer(o.Depth)
		},
	}, []Target{{ID: "a", Server: Server{Type: TypeTURN, Host: "turn.example.org"},
		Credential: func(time.Time) (string, secret.Secret, error) { return "healthcheck", secret.New("password"), nil }}}, previous)
	return w
}

func TestMonitorStates(t *testing.T) {
	timeout, refused := refusedBy(StepBinding, os.ErrDeadlineExceeded), refusedBy(StepConnect, syscall.ECONNREFUSED)
	always := func(r Result) func(Depth) Result { return func(Depth) Result { return r } }
	onAllocate := func(r Result) func(Depth) Result {
		return func(d Depth) Result {
			if d == Allocate {
				return r
			}
			return works
		}
	}
	tries := 0
	everyOther := func(Depth) Result {
		tries++
		return []Result{refused, works}[tries%2]
	}
	type phase struct {
		answer func(Depth) Result
		lasts  time.Duration
		want   string // all changes up to then
	}
	tests := []struct {
		name   string
		phases []phase
	}{
		{"works", []phase{{always(works), time.Hour, "up"}}},
		{"down at the third failure", []phase{{always(works), time.Minute, "up"}, {always(timeout), 45 * time.Second, "up"}, {always(timeout), 2 * time.Minute, "up down"}}},
		{"one lost datagram is no news", []phase{{always(works), time.Minute, "up"}, {always(timeout), 37 * time.Second, "up"}, {always(works), time.Hour, "up"}}},
		{"never up", []phase{{always(refused), time.Hour, "down"}}},
		{"up again at the second success", []phase{{always(refused), 5 * time.Minute, "down"}, {always(works), 2 * time.Minute, "down up"}}},
		{"one success in between is not enough", []phase{{always(refused), 5 * time.Minute, "down"}, {everyOther, time.Hour, "down"}}},
		{"a wrong secret", []phase{{onAllocate(refusedBy(StepAllocate, code(401))), time.Hour, "misconfigured"}}},
		{"a secret that is mended", []phase{{onAllocate(refusedBy(StepAllocate, code(401))), 10 * time.Minute, "misconfigured"}, {always(works), 7 * time.Minute, "misconfigured up"}}},
		{"a secret that is changed", []phase{{always(works), 10 * time.Minute, "up"}, {onAllocate(refusedBy(StepAllocate, code(401))), 6 * time.Minute, "up misconfigured"}}},
		{"a secret that is wrong again after a stop", []phase{{onAllocate(refusedBy(StepAllocate, code(401))), 10 * time.Minute, "misconfigured"}, {always(refused), 10 * time.Minute, "misconfigured down"}, {onAllocate(refusedBy(StepAllocate, code(401))), 10 * time.Minute, "misconfigured down misconfigured"}}},
		{"full", []phase{{onAllocate(refusedBy(StepAllocate, code(486))), time.Hour, "up!"}, {always(works), 7 * time.Minute, "up! up"}}},
		{"no relay port", []phase{{always(works), time.Minute, "up"}, {onAllocate(refusedBy(StepAllocate, code(508))), time.Hour, "up up!"}}},
		{"open to everybody", []phase{{onAllocate(refusedBy(StepAllocate, errOpenRelay)), time.Hour, "up!"}, {always(works), 7 * time.Minute, "up! up"}}},
		{"sends clients elsewhere", []phase{{onAllocate(refusedBy(StepAllocate, &redirectError{&stun.TurnError{ErrorCodeAttr: stun.ErrorCodeAttribute{Code: 300}}, "192.0.2.9:3478"})), time.Hour, "up!"}}},
		{"sends clients nowhere", []phase{{onAllocate(refusedBy(StepAllocate, code(300))), time.Hour, "down"}}},
		{"names no realm", []phase{{onAllocate(refusedBy(StepAllocate, &fault{KindNoRealm, "an empty REALM"})), time.Hour, "down"}, {always(works), 7 * time.Minute, "down up"}}},
		{"a wrong fingerprint", []phase{{onAllocate(refusedBy(StepAllocate, errFingerprint)), time.Hour, "up!"}}},
		{"fails once at the start", []phase{{always(timeout), 20 * time.Second, ""}, {always(works), time.Hour, "up"}}},
		{"relays at private addresses", []phase{{always(works), time.Minute, "up"}, {onAllocate(refusedBy(StepAllocate, &fault{KindPrivateRelay, "10.0.0.5"})), time.Hour, "up up!"}}},
		{"full, and then gone", []phase{{onAllocate(refusedBy(StepAllocate, code(486))), time.Hour, "up!"}, {always(refused), 2 * time.Minute, "up! down"}}},
		{"one address of two is dead", []phase{{always(half(StepConnect, syscall.ECONNREFUSED)), time.Hour, "up up!"}, {always(works), time.Minute, "up up! up"}}},
		{"one address of two refuses the secret", []phase{{onAllocate(half(StepAllocate, code(401))), time.Hour, "misconfigured"}}},
		{"both addresses, then one", []phase{{always(refused), 3 * time.Minute, "down"}, {always(half(StepConnect, syscall.ECONNREFUSED)), 5 * time.Minute, "down up up!"}}},
		{"a certificate that ends soon", []phase{{overTLS(15), time.Hour, "up"}, {overTLS(13), time.Hour, "up up!"}, {overTLS(80), time.Hour, "up up! up"}}},
		{"answers, but makes no allocations", []phase{{onAllocate(refusedBy(StepAllocate, errors.New("odd"))), 3 * time.Minute, "down"}, {always(works), 3 * time.Minute, "down up"}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWatched(t, nil)
				w.Start()
				defer w.Close()
				for i, p := range tt.phases {
					w.becomes(p.answer)
					time.Sleep(p.lasts)
					synctest.Wait()
					if got := w.told(); got != p.want {
						t.Errorf("after phase %d: %s, want %s", i, got, p.want)
					}
				}
			})
		})
	}
}

func TestMonitorPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWatched(t, nil)
		w.Start()
		time.Sleep(10 * time.Hour)
		w.Close()
		tries, allocations := len(w.tries), 0
		for _, d := range w.tries {
			if d == Allocate {
				allocations++
			}
		}
		if tries < 1100 || tries > 1300 || allocations < 100 || allocations > 122 {
			t.Errorf("%d tries, %d of them with an allocation, in 10 hours", tries, allocations)
		}
		if w.tries[0] != Allocate {
			t.Error("the first try makes no allocation")
		}
	})
}

// A server that refuses the credential, or is full, is not asked more often for it: a
// refusal each time looks like an attack in its log.
func TestMonitorPaceOfRefusals(t *testing.T) {
	for name, answer := range map[string]Result{
		"401": refusedBy(StepAllocate, code(401)), "486": refusedBy(StepAllocate, code(486)), "401 at one address": half(StepAllocate, code(401)),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWatched(t, nil)
				allocations := 0
				w.answer = func(d Depth) Result {
					if d == Binding {
						return works
					}
					allocations++
					return answer
				}
				w.Start()
				time.Sleep(10 * time.Hour)
				w.Close()
				if allocations < 100 || allocations > 122 {
					t.Errorf("%d allocations in 10 hours", allocations)
				}
			})
		})
	}
}

func TestMonitorKeepsWhatItKnowsOverAReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first := newWatched(t, nil)
		first.answer = func(Depth) Result { return refusedBy(StepConnect, syscall.ECONNREFUSED) }
		first.Start()
		time.Sleep(10 * time.Minute)
		second := newWatched(t, first.Monitor)
		first.Close()
		if h := second.Snapshot()[0]; h.State != Down || h.Failures < Fall || h.Checked.IsZero() || h.Failure == nil {
			t.Errorf("%+v", h)
		}
		second.Start()
		defer second.Close()
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if got := second.told(); got != "up" {
			t.Errorf("told %v", got)
		}
	})
}

func TestStateNames(t *testing.T) {
	if got := fmt.Sprint(Unknown, Undecided, Up, Down, Misconfigured); got != "unknown undecided up down misconfigured" {
		t.Error(got)
	}
}

// A server that has failed once is not one that was never tried.
func TestMonitorIsUndecidedAfterAFirstFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWatched(t, nil)
		if h := w.Snapshot()[0]; h.State != Unknown || h.Failure != nil {
			t.Errorf("%v before the first try", h.State)
		}
		w.becomes(func(Depth) Result { return refusedBy(StepBinding, os.ErrDeadlineExceeded) })
		w.Start()
		defer w.Close()
		time.Sleep(20 * time.Second)
		synctest.Wait()
		if h := w.Snapshot()[0]; h.State != Undecided || h.Failure == nil || h.Failure.Kind != KindTimeout || w.told() != "" {
			t.Errorf("%v (%v), told %q", h.State, h.Failure, w.told())
		}
	})
}
