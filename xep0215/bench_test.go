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
			h := xep0215.NewHandler(offer{xep0215.NewGroup(hourly(), services(b, uris...)...)})
			name, reply := []byte(requester), []byte(nil)
			b.ReportAllocs()
			for b.Loop() {
				reply, _ = h.AppendReply(reply[:0], xep0215.Request{}, name, now)
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
