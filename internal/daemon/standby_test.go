package daemon

import (
	"errors"
	"net/http/httptest"
	"testing"
	"time"

	"extdisco/component"
	"extdisco/internal/testkit"
)

// An instance that stands by says so everywhere, and is neither faulty nor connected.
func TestStandby(t *testing.T) {
	manager := startManager(t)
	d, _ := newTestDaemon(t, testkit.MinimalConfig)
	o, backend := observerOf(d), backendOf(d)
	refused := component.Fault{Problem: "standing by: another connection exists", Cure: "nothing", Err: errors.New("conflict"), Standby: true}

	check := func(step string, up, standby, ready bool, unready string) {
		t.Helper()
		m := d.state.forMetrics(time.Now())
		if l := m.Links[0]; l.Up != up || l.Standby != standby || m.Ready != ready {
			t.Errorf("%s: metrics: up %t, standby %t, ready %t", step, l.Up, l.Standby, m.Ready)
		}
		if l := backend.Status(time.Now()).Links[0]; l.Up != up || l.Standby != standby {
			t.Errorf("%s: page: %+v", step, l)
		}
		if why := backend.Unready(time.Now()); why != unready {
			t.Errorf("%s: unready: %q", step, why)
		}
	}
	for range 3 {
		o.AttemptFailed(time.Now(), refused)
	}
	manager.want("STATUS=standing by: another connection exists")
	check("refused", false, true, false, "")

	o.AttemptFailed(time.Now(), component.Fault{Problem: "it is away", Cure: "start it"})
	manager.want("STATUS=not connected: it is away; start it") // the one before was told once
	check("away", false, false, false, "not connected to the XMPP server: it is away; to do: start it")

	o.LinkUp(time.Now())
	manager.want("STATUS=connected to the XMPP server")
	check("up", true, false, true, "")

	o.LinkDown(time.Now(), refused)
	manager.want("STATUS=standing by: another connection exists")
	check("replaced", false, true, false, "")
	site := httptest.NewServer(d.state.metrics.Handler())
	defer site.Close()
	wantMetrics(t, site.URL, "extdisco_link_failed_attempts_total{link=\"turn.example.org\"} 1", "extdisco_link_disconnects_total{link=\"turn.example.org\"} 1", "extdisco_link_standby{link=\"turn.example.org\"} 1")
}
