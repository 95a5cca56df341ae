//go:build !race

package xep0215_test

import (
	"testing"

	"extdisco/xep0215"
)

// Not with the race detector: it makes a [sync.Pool] forget at random.
func TestReplyAllocatesNothing(t *testing.T) {
	h := handlerFor(mixedOffer(t))
	dst := make([]byte, 0, 4096)
	n := testing.AllocsPerRun(1000, func() {
		var err error
		if dst, err = h.reply(dst[:0], xep0215.Request{}, juliet, now); err != nil {
			t.Fatal(err)
		}
	})
	if n != 0 {
		t.Errorf("%v allocations per reply", n)
	}
}
