package daemon

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"extdisco/internal/testkit"
	"extdisco/xep0215"
)

// A clock that is set to another time, in either direction, costs nobody an answer:
// the expiry follows the clock. The limits do not see it at all, since they measure
// durations by the monotonic reading of [time.Now].
func TestClockIsSet(t *testing.T) {
	d, _ := newTestDaemon(t, testkit.MinimalConfig)
	now := testkit.Time
	for _, step := range []time.Duration{0, time.Hour, -24 * time.Hour, 48 * time.Hour, -time.Second, -10 * 365 * 24 * time.Hour, 20 * 365 * 24 * time.Hour} {
		now = now.Add(step)
		t.Run(fmt.Sprint("by ", step), func(t *testing.T) {
			reply, err := new(xep0215.Handler).AppendReply(nil, xep0215.Request{}, offerTo(d, "juliet@example.org", now))
			if err != nil {
				t.Fatal(err)
			}
			want := min(now.Add(24*time.Hour).Unix(), 1<<31-1)
			if !strings.Contains(string(reply), fmt.Sprintf("username='%d:", want)) {
				t.Errorf("want a credential that expires at %d: %s", want, reply)
			}
		})
	}
}
