package component

import (
	"log/slog"
	"testing"
	"time"

	"mellium.im/xmpp/stanza"
)

// lastAnswer is an Observer that keeps what it was told last.
type lastAnswer struct {
	noObserver
	answer Answers
}

func (o *lastAnswer) Answered(a Answers) { o.answer = a }

func TestObservingAllocatesNothing(t *testing.T) {
	for _, tt := range []struct {
		name string
		err  error
	}{
		{"result", nil},
		{"error", stanza.Error{Type: stanza.Wait, Condition: stanza.ResourceConstraint}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := new(lastAnswer)
			cfg := ConfigFor(new(TestHandler), slog.New(slog.DiscardHandler))
			cfg.Observer = o
			r := responderOf(t, cfg)
			now := time.Now()
			if n := testing.AllocsPerRun(100, func() {
				r.observe(TestNS, RouteDelegated, tt.err, now)
				r.observe(TestNS, RouteDelegated, tt.err, now)
				r.tellRun()
			}); n != 0 {
				t.Errorf("%v allocations per two answers", n)
			}
			if o.answer.NS != TestNS || o.answer.Route != RouteDelegated {
				t.Errorf("told %+v", o.answer)
			}
		})
	}
}
