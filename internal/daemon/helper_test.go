package daemon

import (
	"log/slog"
	"testing"
	"time"

	"go.uber.org/goleak"

	"extdisco/component"
	"extdisco/internal/config"
	"extdisco/internal/testkit"
	"extdisco/xep0215"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// mustLoad loads a configuration that must be valid.
func mustLoad(t testing.TB, file string) *config.Config {
	t.Helper()
	cfg, err := config.Load(file, testkit.Time)
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// newTestDaemon returns a daemon for the configuration, and its log.
func newTestDaemon(t *testing.T, content string) (*daemon, *testkit.LogBuffer) {
	t.Helper()
	log := testkit.NewLogBuffer()
	return daemonFor(mustLoad(t, testkit.WriteConfig(t, content)), testkit.NewLog(log)), log
}

// quietDaemon returns a daemon that logs nothing.
func quietDaemon(t testing.TB, content string) *daemon {
	t.Helper()
	return daemonFor(mustLoad(t, testkit.WriteConfig(t, content)), slog.New(slog.DiscardHandler))
}

func daemonFor(cfg *config.Config, log *slog.Logger) *daemon {
	d := newDaemon(Options{Config: cfg, Version: "test", Log: log}, log, new(problemLog), newRelayServer(log, false), testkit.Time)
	plan, err := d.planLinks(cfg.Components)
	if err != nil {
		panic(err) // the configuration was found valid
	}
	d.links.list.Store(&plan.next) // they do not run
	return d
}

func backendOf(d *daemon) webBackend { return d.site.backend.(webBackend) }

func observerOf(d *daemon) observer { return observer{d.links.all()[0], d.state, d.manager} }

// offerTo returns what the daemon offers the requester at now.
func offerTo(d *daemon, requester string, now time.Time) xep0215.Offer {
	return xep0215.Offer{Groups: groupsOf(d, requester, now), Requester: []byte(requester), Now: now}
}

// groupsOf returns what is on offer for a requester.
func groupsOf(d *daemon, name string, now time.Time) []*xep0215.Group {
	return d.offers.now().groups(new(selection), requester{name: []byte(name), fetcher: []byte(name)}, now)
}

// admit asks the gate about a requester.
func admit(d *daemon, requester []byte, now time.Time) error {
	return d.handle.gate.admit(d.offers.now(), requester, now)
}

// answer has a handler answer a request, as the component does.
func answer(d *daemon, h component.Handler, dst []byte, r *component.Request) ([]byte, error) {
	r.Value = d.offers.now()
	return h.AppendReply(dst, r)
}
