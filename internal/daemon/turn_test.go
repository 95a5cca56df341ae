package daemon

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"extdisco/component"
	"extdisco/internal/testkit"
)

// Losing the last TURN server is a warning, once, and is shown until one is back.
func TestLosingAllTURNIsLoud(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := new(testkit.Vendor)
		v.Status.Store(http.StatusCreated)
		d, log := providerOffer(t, v, false)
		defer d.close()
		d.offers.now().sources = d.offers.now().sources[:1] // the provider alone
		synctest.Wait()
		look := func(lost bool) {
			t.Helper()
			d.state.lookAtTURN(time.Now(), d.log)
			if got := !backendOf(d).Status(time.Now()).LostTURN.IsZero(); got != lost || d.state.forMetrics(time.Now()).LostTURN != lost {
				t.Errorf("lost: %v, want %v", got, lost)
			}
		}
		look(false)
		v.Status.Store(http.StatusForbidden)
		time.Sleep(2 * time.Hour)
		look(true)
		look(true)
		if n := told(log, "no TURN server is available"); n != 1 {
			t.Errorf("told %d times:\n%s", n, log)
		}
		v.Status.Store(http.StatusCreated)
		time.Sleep(time.Hour)
		look(false)
		if n := told(log, "is available again"); n != 1 {
			t.Errorf("its return is told %d times", n)
		}
	})
}

// Who has configured no TURN server has none to lose.
func TestWithoutTURNNothingIsLost(t *testing.T) {
	d, _ := newTestDaemon(t, strings.Split(testkit.MinimalConfig, "[[ice_server]]")[0]+"[[ice_server]]\nurls = [\"stun:turn.example.org\"]\n")
	if configured, _ := d.offers.now().turn(testkit.Time); configured {
		t.Error("a STUN server counts as TURN")
	}
	d, _ = newTestDaemon(t, testkit.MinimalConfig)
	if configured, available := d.offers.now().turn(testkit.Time); !configured || !available {
		t.Errorf("configured %v, available %v", configured, available)
	}
}

func TestHostsThatForwardNothing(t *testing.T) {
	silent := func(name string, overdue bool) component.HostState {
		return component.HostState{Host: name, Overdue: overdue}
	}
	forwards := component.HostState{Host: "b.example.org", Route: component.HostDelegates, Since: testkit.Time}
	for _, tt := range []struct {
		name  string
		hosts []component.HostState
		want  string
	}{
		{"no link yet", nil, ""},
		{"not known yet", []component.HostState{silent("a.example.org", false)}, ""},
		{"one of two is silent", []component.HostState{silent("a.example.org", true), forwards}, ""},
		{"both are silent", []component.HostState{silent("a.example.org", true), silent("b.example.org", true)},
			"no host forwards requests: a.example.org, b.example.org"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			testkit.WantEqual(t, "silence", silence(tt.hosts), tt.want)
		})
	}
	shown := webHosts([]component.HostState{silent("a.example.org", true), forwards, silent("c.example.org", false)}, testkit.Time)
	if len(shown) != 3 || shown[0].Forwards || shown[0].Cure == "" || shown[0].Since.IsZero() || !shown[1].Forwards || shown[1].How != "delegation" || !shown[2].Since.IsZero() {
		t.Errorf("%+v", shown)
	}
}
