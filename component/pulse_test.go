package component_test

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"extdisco/component"
)

// longestTurn looks at the component every second for as long, and returns the
// longest time that it had not gone round its loop.
func longestTurn(r *running, watched time.Duration) (longest time.Duration) {
	for range int(watched / time.Second) {
		<-time.After(time.Second)
		longest = max(longest, time.Since(r.component.LastTurn()))
	}
	return longest
}

func TestLastTurn(t *testing.T) {
	const watched = 10 * time.Minute
	refuses := func(r *running, cfg *component.Config) {
		cfg.Dial = func(context.Context) (net.Conn, error) { return nil, errors.New("connection refused") }
	}
	hangs := func(r *running, cfg *component.Config) {
		cfg.Dial = func(ctx context.Context) (net.Conn, error) {
			select {
			case <-ctx.Done():
			case <-time.After(10 * time.Second):
			}
			return nil, errors.New("i/o timeout")
		}
	}
	answersNothing := func(r *running) {
		for r.ctx.Err() == nil {
			select {
			case conn := <-r.dials:
				go func() { _, _ = io.Copy(io.Discard, conn) }()
			case <-r.ctx.Done():
			}
		}
	}
	tests := []struct {
		name   string
		change func(*running, *component.Config)
		server func(r *running)
	}{
		{"a server that is quiet and answers pings", nil, func(r *running) {
			s := r.next()
			s.accept("")
			for r.ctx.Err() == nil {
				if _, err := s.Read(make([]byte, 4096)); err != nil {
					return
				}
				s.send("<iq type='result' from='meet.test' to='turn.meet.test'/>")
			}
		}},
		{"no server", refuses, func(*running) {}},
		{"a server that no packet reaches", hangs, func(*running) {}},
		{"a server that says nothing", nil, answersNothing},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var change []func(*running, *component.Config)
			if tt.change != nil {
				change = append(change, tt.change)
			}
			inBubble(t, func(r *running) {
				go tt.server(r)
				if longest := longestTurn(r, watched); longest >= component.LongestTurn/2+time.Second {
					t.Errorf("a turn took %v", longest)
				}
			}, change...)
		})
	}
}

func TestLastTurnOfALinkThatHangs(t *testing.T) {
	inBubble(t, func(r *running) {
		release := make(chan struct{})
		r.handler.Reply = func(dst []byte, _ *component.Request) ([]byte, error) {
			<-release
			return dst, nil
		}
		s := r.next()
		defer s.Close()
		s.accept(request)
		if longest := longestTurn(r, 3*time.Minute); longest < component.LongestTurn {
			t.Errorf("a link that hangs seems to have gone round %v ago", longest)
		}
		close(release)
		s.expect("</iq>")
	})
}
