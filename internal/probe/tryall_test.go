package probe

import (
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// Hosts are tried side by side, and the servers of one host in turn: they share the
// quota of our user.
func TestProbeTriesAHostInTurn(t *testing.T) {
	var servers []Server
	for range 4 {
		for _, host := range []string{"a.example.org", "b.example.org", "A.example.org."} {
			servers = append(servers, Server{Host: host})
		}
	}
	synctest.Test(t, func(t *testing.T) {
		var running [2]atomic.Int32
		start := time.Now()
		results := tryAll(servers, func(s Server) Result {
			host := &running[strings.Count(s.Host, "b")]
			if host.Add(1) != 1 {
				t.Errorf("%s is tried twice at once", s.Host)
			}
			defer host.Add(-1)
			time.Sleep(time.Second)
			return Result{Server: s}
		}, func() {})
		if took := time.Since(start); took != 8*time.Second {
			t.Errorf("took %v", took)
		}
		for i, r := range results {
			if r.Server.Host != servers[i].Host {
				t.Errorf("result %d is of %s", i, r.Server.Host)
			}
		}
	})
}
