//go:build !race

package xep0215_test

import (
	"testing"
	"time"

	"extdisco/turncred"
	"extdisco/xep0215"
)

// Not with the race detector: it makes a [sync.Pool] forget at random.
func TestReplyAllocatesNothing(t *testing.T) {
	shared := turncred.NewSharedSecret([]byte("north"), nil, time.Hour)
	offers := map[string]offer{
		"every kind":    mixedOffer(t),
		"shared secret": {xep0215.NewGroup(shared, services(t, "stun:turn.example.org", "turn:turn.example.org", "turns:turn.example.org")...)},
		"translations":  {xep0215.NewGroup(shared, namedService(t, "turn:turn.example.org"))},
	}
	for name, groups := range offers {
		for _, lang := range []string{"", "de"} {
			t.Run(name+" "+lang, func(t *testing.T) {
				var h xep0215.Handler
				o := xep0215.Offer{Groups: groups, Requester: juliet, Lang: lang, Now: now}
				dst := make([]byte, 0, 4096)
				elements := [][]byte{[]byte(askServices), []byte(askCredentials)}
				n := testing.AllocsPerRun(1000, func() {
					var err error
					if dst, err = h.AppendReply(dst[:0], xep0215.Request{}, o); err != nil {
						t.Fatal(err)
					}
					for _, element := range elements {
						if h.FastLen(xep0215.NS, element) != len(element) {
							t.Fatal("not for the fast path")
						}
						if dst, err = h.AppendFast(dst[:0], xep0215.NS, element, o); err != nil {
							t.Fatal(err)
						}
					}
				})
				if n != 0 {
					t.Errorf("%v allocations per reply", n)
				}
			})
		}
	}
}
