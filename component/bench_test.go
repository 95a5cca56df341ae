package component

import (
	"strings"
	"testing"
)

func BenchmarkFramer(b *testing.B) {
	benchmarks := []struct {
		name, data string
		stanzas    int
	}{
		{"direct", strings.Repeat(directly(ask), 100), 100},
		{"forwarded", strings.Repeat(forwarded(nsDelegation2, innerGet(ask)), 50), 50},
		{"skipped", "<iq>" + strings.Repeat("<a b='c'>text</a>", maxStanza/4) + "</iq>", 0},
	}
	for _, bb := range benchmarks {
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(bb.data)))
			f := &framer{limit: maxStanza}
			for b.Loop() {
				stanzas := 0
				for data := bb.data; data != ""; {
					n := copy(f.space(), data)
					f.added(n)
					data = data[n:]
					for {
						kind, _, err := f.next()
						if err != nil {
							b.Fatal(err)
						}
						if kind == frameIncomplete {
							break
						}
						if kind == frameStanza {
							stanzas++
						}
					}
				}
				if stanzas != bb.stanzas {
					b.Fatalf("%d stanzas", stanzas)
				}
			}
		})
	}
}

func BenchmarkRespond(b *testing.B) {
	for _, bb := range []struct{ name, frame string }{
		{"direct", directly(ask)},
		{"forwarded", forwarded(nsDelegation2, innerGet(ask))},
		{"ping", directly("<ping xmlns='urn:xmpp:ping'/>")},
		{"result", "<iq type='result' id='q1' from='meet.test' to='turn.meet.test'/>"},
		{"forged", strings.Replace(forwarded(nsDelegation2, innerGet(ask)), "'meet.test'", "'evil.test'", 1)},
	} {
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			r := newResponder(b, new(TestHandler))
			frame, dst := []byte(bb.frame), make([]byte, 0, 4096)
			for b.Loop() {
				dst = r.respond(dst[:0], frame, false, testTime)
			}
		})
	}
}

func BenchmarkFast(b *testing.B) {
	for _, bb := range []struct{ name, frame string }{
		{"direct", directly(ask)},
		{"forwarded", forwarded(nsDelegation2, innerGet(ask))},
		{"given up", forwarded(nsDelegation2, innerGet("<services xmlns='urn:xmpp:extdisco:2'> </services>"))},
	} {
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			c, _ := newFastComponent(b)
			c.cfg.Gate, c.cfg.Observer = accessGate{NewAccess([]string{TestHost})}, noObserver{}
			r := &newLink(c, nil, nil).responder
			frame, dst := []byte(bb.frame), make([]byte, 0, 4096)
			for b.Loop() {
				dst, _ = r.fast(dst[:0], frame, testTime)
			}
		})
	}
}
