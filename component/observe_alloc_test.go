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
	answer Answer
}

func (o *lastAnswer) Answered(a Answer) { o.answer = a }

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
			if n := testing.AllocsPerRun(100, func() { r.observe(TestNS, true, tt.err, now) }); n != 0 {
				t.Errorf("%v allocations per answer", n)
			}
			if o.answer.NS != TestNS || o.answer.Route != RouteDelegated {
				t.Errorf("told %+v", o.answer)
			}
		})
	}
}
