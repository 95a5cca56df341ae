package xep0215_test

import (
	"fmt"
	"testing"

	"extdisco/xep0215"
)

func BenchmarkAppendReply(b *testing.B) {
	for _, n := range []int{2, 8} {
		b.Run(fmt.Sprintf("%d services", n), func(b *testing.B) {
			uris := []string{"stun:turn.example.org"}
			for i := 1; i < n; i++ {
				uris = append(uris, fmt.Sprintf("turn:turn.example.org:%d", 3478+i))
			}
			h := handlerFor(offer{xep0215.NewGroup(hourly(), services(b, uris...)...)})
			name, reply := []byte(requester), []byte(nil)
			b.ReportAllocs()
			for b.Loop() {
				reply, _ = h.reply(reply[:0], xep0215.Request{}, name, now)
			}
		})
	}
}

func BenchmarkParseRequest(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := xep0215.ParseRequest(xep0215.Request{Credentials: []xep0215.Filter{{Type: "turn", Host: "turn.example.org"}}}.TokenReader()); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkFast(b *testing.B) {
	h := handlerFor(mixedOffer(b))
	for _, bb := range []struct{ name, element string }{{"services", askServices}, {"credentials", askCredentials}} {
		b.Run(bb.name, func(b *testing.B) {
			element, reply := []byte(bb.element), []byte(nil)
			b.ReportAllocs()
			for b.Loop() {
				if h.FastLen(xep0215.NS, element) == 0 {
					b.Fatal("not for the fast path")
				}
				reply, _ = h.fast(reply[:0], xep0215.NS, element, juliet, now)
			}
		})
	}
}

func BenchmarkSelects(b *testing.B) {
	key := xep0215.Key{Type: "turn", Host: "turn.example.org", Port: 3478, Transport: "udp"}
	for _, bb := range []struct {
		name    string
		request xep0215.Request
	}{
		{"all", xep0215.Request{}},
		{"type", xep0215.Request{Type: "turn"}},
		{"credentials", xep0215.Request{Credentials: []xep0215.Filter{{Type: "turn", Host: "turn.example.org", Port: 3478}}}},
	} {
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if !bb.request.Selects(key, true) {
					b.Fatal("not selected")
				}
			}
		})
	}
}
