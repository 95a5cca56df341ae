package component_test

import (
	"strings"
	"testing"
	"testing/synctest"

	"extdisco/component"
)

func TestNewRefuses(t *testing.T) {
	tests := []struct {
		name   string
		change func(*component.Config)
		want   string
	}{
		{"no JID", func(c *component.Config) { c.JID = "" }, "domain"},
		{"user", func(c *component.Config) { c.JID = "turn@meet.test" }, "without @ and /"},
		{"resource", func(c *component.Config) { c.JID = "turn.meet.test/x" }, "without @ and /"},
		{"underscore", func(c *component.Config) { c.JID = "turn_1.meet.test" }, "underscore"},
		{"blank", func(c *component.Config) { c.JID = "turn meet.test" }, "domain"},
		{"no hosts", func(c *component.Config) { c.Hosts = nil }, "trusted"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cfg := component.ConfigFor(new(component.TestHandler), nil)
			tt.change(&cfg)
			if _, err := component.New(cfg); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("New: %v, want %q", err, tt.want)
			}
		})
	}
}

// A server compares the address of a ping with its own spelling.
func TestNewWritesTheJIDAsServersDo(t *testing.T) {
	inBubble(t, func(r *running) {
		s := r.next()
		defer s.Close()
		s.accept("")
		if ping := s.expect(pingedSilent); !strings.Contains(ping, " from='turn.meet.test'") {
			t.Errorf("pinged by %q", ping)
		}
		synctest.Wait()
	}, func(_ *running, cfg *component.Config) { cfg.JID = "Turn.MEET.test" })
}
